//! `synod cluster`: nodes that work together.

mod certificates;

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::output::Screen;

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Make a private authority, and the certificates by which nodes know each other
    #[command(subcommand)]
    Certificates(certificates::CertificatesCommand),
}

/// Runs a command about the cluster.
pub(crate) fn execute(command: ClusterCommand, screen: &Screen) -> Result<Exit, CliError> {
    match command {
        ClusterCommand::Certificates(command) => certificates::run(command, screen),
    }
}
