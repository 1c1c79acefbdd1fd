//! The `synod` binary: a node with the built-in agents, and the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    synod::main(|node| node)
}
