//! `synod demo`: triages real logs with a team of agents, on a node in this process. The work is
//! the workflow of `config/workflows/log_triage.yaml`.

mod books;
mod triage;
mod view;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use synod_triage::{Input, Readable, Style, Team, TeamOptions, TriageReport, render};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::config::ConfigFile;
use super::exit::{CliError, Exit};
use super::output::Screen;
use crate::config::{KeyPath, NodeConfig, Origin};
use crate::logging;
use crate::node::NodeBuilder;
use view::View;

/// Columns of a report where there is no terminal.
const PAPER: usize = 100;

/// Triage real logs with a team of agents, and crash one of them on purpose
///
/// A node is started in this process. Agents read and date the lines, group them by template
/// (Drain), look for what is rare, sudden or failing, vote on each finding and compete for the
/// report. One of them is crashed midway; the report shows what became of its work.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  synod demo\n  synod demo --input /var/log/syslog\n  \
    zcat app.log.gz | synod demo --input - --json")]
pub(crate) struct Demo {
    /// A log, a folder of logs, or `-` for standard input; without it this machine's own logs
    #[arg(long, value_name = "PATH", value_parser = NonEmptyStringValueParser::new())]
    input: Option<String>,
    /// Crash no agent
    #[arg(long)]
    no_crash: bool,
    /// Keep the node's data in this folder; a demo over the same input that was killed goes on from
    /// there. Without it they go with the demo
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
}

pub(crate) fn run(demo: Demo, builder: NodeBuilder, screen: &Screen) -> Result<Exit, CliError> {
    let folder = Folder::open(demo.data.clone())?;
    let config = configure(&demo.file, &folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = triage(&demo, builder, config, &folder) => report,
            told = told_to_stop() => {
                told?;
                Err(CliError::Interrupted)
            }
        }
    });
    // A thread that waits for standard input would wait on; nothing is left to wait for.
    runtime.shutdown_background();
    let report = report?;
    if screen.is_json() {
        screen.json(&report)?;
    } else {
        let style = Style { color: screen.is_coloured(), width: screen.columns().unwrap_or(PAPER) };
        screen.text(&render(&report, style))?;
    }
    let whole = report.ledger.lost() == 0 && report.ledger.open == 0;
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

/// SIGINT or SIGTERM: the data go with the demo, however it ends.
async fn told_to_stop() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// The configuration of the demo's node. Its log is silent unless somebody asked for one: a crash
/// on purpose is told by the report.
fn configure(file: &ConfigFile, folder: &Folder) -> Result<NodeConfig, CliError> {
    let loaded = file.load()?;
    let silent = loaded.origin(&KeyPath::parse("log.level")) == Origin::Default;
    let mut config = loaded.config;
    if silent {
        "off".clone_into(&mut config.log.level);
    }
    logging::init(&config.log).map_err(|error| CliError::Failed(error.to_string()))?;
    config.node.data_folder = folder.path().to_owned();
    Ok(config)
}

async fn triage(
    demo: &Demo,
    builder: NodeBuilder,
    mut config: NodeConfig,
    folder: &Folder,
) -> Result<TriageReport, CliError> {
    let view = Arc::new(View::new());
    let given = Uuid::now_v7().to_string();
    let team = demo.team(&config, folder, (&given, &view));
    // Here it reads what the demo is about, and nothing that a node would let others read.
    config.triage.read.clear();
    let agents = team.agents.iter().cloned();
    let builder = agents.fold(builder, NodeBuilder::agent_from);
    let node = builder.config(config).without_http().start().await?;
    team.connect(node.tasks().clone());
    let named = match demo.input.as_deref().filter(|text| *text != "-") {
        Some(file) => ("file", file),
        None => ("given", given.as_str()),
    };
    let input = triage::input(named, !demo.no_crash);
    let report = triage::run(&node, input, &view).await;
    view.finish();
    node.stop().await;
    report
}

impl Demo {
    fn input(&self) -> Input {
        match &self.input {
            Some(text) if text == "-" => Input::Standard,
            Some(path) => Input::Path(path.into()),
            None => Input::Machine,
        }
    }

    /// The team that reads the input of this demo.
    fn team(
        &self,
        config: &NodeConfig,
        folder: &Folder,
        (given, view): (&str, &Arc<View>),
    ) -> Team {
        let (input, spool) = (self.input(), folder.path().join("spool"));
        // No task, whoever submits it, makes the team open anything else.
        let readable = Readable::of(&input, &spool);
        let shown = Arc::clone(view);
        Team::new(TeamOptions {
            given: Some((given.to_owned(), input)),
            follows_links: true,
            told: Arc::new(move |step| shown.show(&step)),
            ..TeamOptions::new(config.triage.clone(), readable, spool)
        })
    }
}

/// The folder of the node's data: the user's own, or one that goes with the demo.
enum Folder {
    Kept(PathBuf),
    Passing(PathBuf),
}

impl Folder {
    fn open(kept: Option<PathBuf>) -> Result<Self, CliError> {
        if let Some(folder) = kept {
            return Ok(Self::Kept(folder));
        }
        let folder = std::env::temp_dir().join(format!("synod-demo-{}", Uuid::now_v7()));
        std::fs::create_dir(&folder).map_err(|error| {
            let advice = "name another folder with --data FOLDER";
            CliError::Usage(format!("{}: {error}; {advice}", folder.display()))
        })?;
        Ok(Self::Passing(folder))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(folder) | Self::Passing(folder) => folder,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Self::Passing(folder) = self {
            // What is left in the system's folder for temporary files is removed by the system.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_nobody_asked_to_keep_go_with_the_demo() {
        let folder = Folder::open(None).unwrap();
        let path = folder.path().to_owned();
        std::fs::write(path.join("x"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
        let kept = tempfile::tempdir().unwrap();
        drop(Folder::open(Some(kept.path().to_owned())).unwrap());
        assert!(kept.path().exists());
    }
}
