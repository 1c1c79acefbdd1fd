//! `synod coordinate shared`: documents that agents share, as the node that is asked knows them.

use std::io;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::{COORDINATION, document};
use crate::cli::Session;
use crate::cli::client::segment;
use crate::cli::exit::{CliError, Exit};
use crate::cli::input::json_text;
use crate::cli::output::Screen;

#[derive(Debug, Subcommand)]
pub(crate) enum SharedCommand {
    /// List the documents, and how this node's shared state does
    List {
        /// The most to list
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Go on after this document
        #[arg(long)]
        after: Option<String>,
    },
    /// Show what is in a document
    Show {
        /// Its name
        document: String,
        /// Only this key
        #[arg(long)]
        key: Option<String>,
        /// Go on after this key
        #[arg(long)]
        after: Option<String>,
        /// The most keys to show
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
    /// Change a document; it begins with its first change
    Edit {
        /// Its name
        document: String,
        /// One change or a list of them: JSON, @FILE or @- for standard input, such as
        /// '{"set": {"key": "goal", "value": {"text": "ship"}}}'
        edits: String,
    },
}

/// Runs a command about shared documents.
pub(super) async fn run(command: SharedCommand, session: &Session) -> Result<Exit, CliError> {
    let client = &session.client;
    let shared = format!("{COORDINATION}/shared");
    match command {
        SharedCommand::List { limit, after } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(after.map(|after| ("after", after)));
            session.answer(client.get(&shared, &query).await?, listed)?;
        }
        SharedCommand::Show { document, key, after, limit } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(key.map(|key| ("key", key)));
            query.extend(after.map(|after| ("after", after)));
            let path = format!("{shared}/{}", segment(&document));
            session.answer(client.get(&path, &query).await?, shown)?;
        }
        SharedCommand::Edit { document, edits } => {
            let edits = match json_text("EDITS", &edits)? {
                Value::Array(edits) => edits,
                one => vec![one],
            };
            let path = format!("{shared}/{}", segment(&document));
            let written = client.send(Method::POST, &path, &json!({ "edits": edits })).await?;
            session.answer(written, shown)?;
        }
    }
    Ok(Exit::Done)
}

fn shown(answer: Value, screen: &Screen) -> io::Result<()> {
    document::show(&answer, screen)
}

/// The documents as a table, then how shared state does.
fn listed(mut answer: Value, screen: &Screen) -> io::Result<()> {
    let health = answer["health"].take();
    document::show(&health, screen)?;
    if answer["documents"].as_array().is_some_and(Vec::is_empty) {
        return screen.line("no document");
    }
    document::show(&answer, screen)
}
