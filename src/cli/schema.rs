//! `synod schema`: the published schemas, for editors and for programs that write documents.

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::output::Screen;

#[derive(Debug, Subcommand)]
pub(crate) enum Schema {
    /// The JSON Schema of workflow definitions (draft 2020-12)
    Workflow,
}

pub(crate) fn run(schema: &Schema, screen: &Screen) -> Result<Exit, CliError> {
    match schema {
        Schema::Workflow => screen.document(&synod_workflows::definition::schema().to_string())?,
    }
    Ok(Exit::Done)
}
