//! `synod config`: what a node would run with, and where each value comes from.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::Session;
use super::client::decode;
use super::exit::{CliError, Exit};
use super::output::{Paint, Screen, counted, harmless};
use crate::config::reload::Change;
use crate::config::{DEFAULT_FILE, KeyPath, Loaded, NodeConfig, Origin, environment, toml_text};

/// Where a running node is told to read its file again.
const RELOAD: &str = "/api/v1/config/reload";

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a file and the environment, and tell every fault with its place
    Check(Checked),
    /// Show every key with its value, and where it comes from
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// Print the default file instead: every key with its meaning and range
        #[arg(long)]
        default: bool,
    },
}

/// Which file to check.
#[derive(Debug, Args)]
pub(crate) struct Checked {
    /// The configuration file; the same as --config FILE, which it goes before
    file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Which configuration: a file with the environment on top.
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file; without it everything is at its default
    #[arg(long, value_name = "FILE", env = "SYNOD_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// Reads the file, lays the process's environment over it, and checks the result.
    pub(crate) fn load(&self) -> Result<Loaded, CliError> {
        Ok(NodeConfig::load(self.path(), environment())?)
    }

    /// Where the file is, if there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.config.as_deref()
    }
}

/// Runs a command that needs no node.
pub(crate) fn run(command: &ConfigCommand, screen: &Screen) -> Result<Exit, CliError> {
    match command {
        ConfigCommand::Check(checked) => {
            let named = checked.file.clone().or_else(|| checked.config.config.clone());
            check(&ConfigFile { config: named }, screen)?;
        }
        ConfigCommand::Show { default: true, .. } => screen.line(DEFAULT_FILE.trim_end())?,
        ConfigCommand::Show { file, .. } if screen.is_json() => {
            screen.json(&file.load()?.config)?
        }
        ConfigCommand::Show { file, .. } => show(&file.load()?, screen)?,
    }
    Ok(Exit::Done)
}

fn check(file: &ConfigFile, screen: &Screen) -> Result<(), CliError> {
    let loaded = file.load()?;
    let keys = loaded.config.keys().into_iter();
    let set: Vec<_> = keys.filter(|(key, _)| loaded.origin(key) != Origin::Default).collect();
    if screen.is_json() {
        return Ok(screen.json(&json!({"valid": true, "keys_set": set.len()}))?);
    }
    let what = file.path().map_or("the environment".to_owned(), |path| path.display().to_string());
    let (valid, set) = (screen.paint(Paint::Good, "valid"), said(&set));
    Ok(screen.line(format!("{what}: {valid}, {set}, the rest at the defaults"))?)
}

/// `2 keys set`, and for lists of sections how many there are: `agents.process with 31 entries`.
fn said(set: &[(KeyPath, Value)]) -> String {
    let lists = set.iter().filter_map(|(key, value)| {
        let entries = value.as_array().filter(|list| list.iter().any(Value::is_object))?;
        Some(format!("{key} with {} {}", entries.len(), plural(entries.len())))
    });
    let lists: Vec<String> = lists.collect();
    let keys = format!("{} set", counted(set.len() as u64, "key"));
    if lists.is_empty() { keys } else { format!("{keys} ({})", lists.join(", ")) }
}

fn plural(entries: usize) -> &'static str {
    if entries == 1 { "entry" } else { "entries" }
}

fn show(loaded: &Loaded, screen: &Screen) -> Result<(), CliError> {
    let mut keys = loaded.config.keys();
    // A section's own keys before those of the sections inside it.
    keys.sort_by_key(|(key, _)| key.parent());
    let mut section = None;
    for (key, value) in keys {
        if section.as_ref() != Some(&key.parent()) {
            let gap = if section.is_some() { "\n" } else { "" };
            let title = format!("[{}]", key.parent());
            screen.line(format!("{gap}{}", screen.paint(Paint::Strong, &title)))?;
            section = Some(key.parent());
        }
        let origin = loaded.origin(&key);
        let comment = screen.paint(Paint::Faint, &format!("# {origin}"));
        match value {
            Value::Null => screen.line(format!("# {} is not set", key.last()))?,
            value => screen.line(format!("{} = {}  {comment}", key.last(), toml_text(&value)))?,
        }
    }
    Ok(())
}

/// Lets a running node read its file again.
pub(crate) async fn reload(session: &Session) -> Result<Exit, CliError> {
    let mut answer = session.client.act(Method::POST, RELOAD, &[]).await?;
    if session.screen.is_json() {
        session.screen.json(&answer)?;
        return Ok(Exit::Done);
    }
    let changes: Vec<Change> = decode(answer["changes"].take())?;
    if changes.is_empty() {
        session.screen.line("nothing differs")?;
    }
    for Change { key, from, to } in changes {
        session.screen.line(harmless(&format!("{key}: {from} -> {to}")))?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_sections_are_counted_by_their_entries() {
        let key = |key: &str, value: Value| (KeyPath::parse(key), value);
        let agents = key("agents.process", json!([{"id": "a"}, {"id": "b"}]));
        let hosts = key("http.allowed_hosts", json!(["a", "b", "c"]));
        let name = key("node.name", json!("n"));
        assert_eq!(said(&[]), "0 keys set");
        assert_eq!(said(&[name.clone(), hosts]), "2 keys set");
        assert_eq!(said(&[name, agents]), "2 keys set (agents.process with 2 entries)");
        let one = key("agents.http.agent", json!([{"id": "a"}]));
        assert_eq!(said(&[one]), "1 key set (agents.http.agent with 1 entry)");
    }
}
