//! `synod completions SHELL`: a script that completes commands, options and their values.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::exit::{CliError, Exit};

/// Print a script that completes commands in a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  source <(synod completions bash)\n  \
    synod completions fish > ~/.config/fish/completions/synod.fish")]
pub(crate) struct Completions {
    /// The shell to complete in
    shell: Shell,
}

pub(crate) fn run(command: &Completions) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Cli::command(), "synod", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Exit::Done)
}
