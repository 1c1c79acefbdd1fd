//! `synod workflows graph`: pictures of definitions and of runs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use synod_workflows::RunId;
use synod_workflows::picture::Picture;

use super::{check, path};
use crate::cli::Session;
use crate::cli::exit::{CliError, Exit};
use crate::cli::output::Screen;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  synod workflows graph triage.yaml > triage.svg\n  \
    synod workflows graph 0198c2a4-7b1e-7c3d-9f00-1b2c3d4e5f60 --format gantt -o run.svg")]
pub(crate) struct Graph {
    /// A definition (a file, or `-`), or the id of a run
    #[arg(value_name = "FILE|ID")]
    what: String,
    /// svg, dot (Graphviz), mermaid, or of a run gantt (SVG)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    format: Form,
    /// Write it to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The forms of a picture.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    #[default]
    Svg,
    Dot,
    Mermaid,
    Gantt,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Dot => "dot",
            Self::Mermaid => "mermaid",
            Self::Gantt => "gantt",
        }
    }
}

impl Graph {
    /// The run, if it is one.
    pub(crate) fn run(&self) -> Option<RunId> {
        self.what.parse().ok()
    }

    fn write(&self, picture: &str, screen: &Screen) -> Result<Exit, CliError> {
        match &self.output {
            None => screen.text(picture)?,
            Some(file) => std::fs::write(file, picture).map_err(|error| {
                CliError::Usage(format!("--output {}: {error}", file.display()))
            })?,
        }
        Ok(Exit::Done)
    }
}

/// Draws a definition; no node is needed.
pub(crate) fn definition(graph: &Graph, screen: &Screen) -> Result<Exit, CliError> {
    if graph.format == Form::Gantt {
        let told = "--format gantt: a definition has no times; name a run by its id";
        return Err(CliError::Usage(told.to_owned()));
    }
    let read = check::read(&graph.what)?;
    let Some(definition) = &read.checked.definition else {
        read.refuse(screen)?;
        return Ok(Exit::Usage);
    };
    let picture = Picture::of_definition(definition);
    let picture = match graph.format {
        Form::Dot => picture.dot(),
        Form::Mermaid => picture.mermaid(),
        Form::Svg | Form::Gantt => picture.svg(),
    };
    graph.write(&picture, screen)
}

/// Has a node draw a run.
pub(crate) async fn run(graph: &Graph, run: RunId, session: &Session) -> Result<Exit, CliError> {
    let query = [("format", graph.format.name().to_owned())];
    let picture = session.client.text(&format!("{}/graph", path(run)), &query).await?;
    graph.write(&picture, &session.screen)
}
