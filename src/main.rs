//! The `synod` binary: a node with the built-in agents, and the command line.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    synod::main(|node| node)
}
