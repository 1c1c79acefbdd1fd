//! `synod cluster`: nodes that work together.

mod certificates;
mod operate;

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::output::Screen;
use super::{Global, ask};

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Make a private authority, and the certificates by which nodes know each other
    #[command(subcommand)]
    Certificates(certificates::CertificatesCommand),
    #[command(flatten)]
    Operate(operate::Operate),
}

/// Runs a command about the cluster.
pub(crate) fn execute(
    command: ClusterCommand,
    global: &Global,
    screen: Screen,
) -> Result<Exit, CliError> {
    match command {
        ClusterCommand::Certificates(command) => certificates::run(command, &screen),
        ClusterCommand::Operate(command) => {
            ask(global, screen, async |session| operate::run(command, &session).await)
        }
    }
}
