//! `synod demo`: triages real logs with a team of agents, on a node in this process.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use synod_runtime::Principal;
use synod_triage::{
    Input, Progress, Readable, Style, TriageError, TriageOptions, TriageReport, render, team,
};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::config::ConfigFile;
use super::exit::{CliError, Exit};
use super::output::Screen;
use crate::config::{KeyPath, NodeConfig, Origin};
use crate::logging;
use crate::node::{Node, NodeBuilder};

/// Time between two pictures of a bar that only shows that work goes on.
const TICK: Duration = Duration::from_millis(100);
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
    /// Keep the node's data in this folder; without it they go with the demo
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
    config: NodeConfig,
    folder: &Folder,
) -> Result<TriageReport, CliError> {
    let input = demo.input();
    let spool = folder.path().join("spool");
    let readable = Readable::of(&input, &spool);
    // No task, whoever submits it, makes the team open anything else.
    let agents = team(&config.triage, &readable);
    let options = TriageOptions {
        run: format!("triage-{}", Uuid::now_v7()),
        config: config.triage.clone(),
        spool,
        rehearse_crash: !demo.no_crash,
        readable,
        principal: Principal::default(),
    };
    let builder = agents.into_iter().fold(builder, NodeBuilder::agent_from);
    let node = builder.config(config).without_http().start().await?;
    let report = drive(&input, &node, options).await;
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
}

async fn drive(
    input: &Input,
    node: &Node,
    options: TriageOptions,
) -> Result<TriageReport, CliError> {
    let view = View::new();
    let report = synod_triage::run(input, node.tasks(), options, |step| view.show(&step)).await;
    view.bar.finish_and_clear();
    report.map_err(|error| match error {
        TriageError::Input(_) | TriageError::Config(_) => CliError::Usage(error.to_string()),
        TriageError::Engine(_) | TriageError::Task { .. } => CliError::Failed(error.to_string()),
    })
}

/// The progress bar, on standard error; nothing where that is no terminal.
struct View {
    bar: ProgressBar,
}

impl View {
    fn new() -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        bar.enable_steady_tick(TICK);
        Self { bar }
    }

    fn show(&self, step: &Progress) {
        match step {
            Progress::Surveyed { files, bytes, .. } => self.begin(*files, *bytes),
            Progress::Chunk { bytes, lines, .. } => {
                self.bar.set_position(*bytes);
                self.bar.set_message(format!("{} lines", HumanCount(*lines)));
            }
            Progress::Recovered { agent, chunk } => self.bar.println(format!(
                "{agent} was crashed on purpose with chunk {chunk} in hand; \
                 it is restarted, and the chunk is done"
            )),
            Progress::Summarising => self.say("putting the chunks together"),
            Progress::Detecting => self.say("three detectors at work"),
            Progress::Judging { decided, of } => {
                self.say(format!("judges vote: {decided} of {of} findings"));
            }
            Progress::Reporting => self.say("two reporters compete"),
        }
    }

    fn begin(&self, files: usize, bytes: Option<u64>) {
        let template = match bytes {
            Some(bytes) => {
                self.bar.set_length(bytes);
                "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg}"
            }
            None => "{spinner} {bytes} {binary_bytes_per_sec} {msg}",
        };
        self.bar.set_style(style(template));
        self.bar.set_message(format!("{} files", HumanCount(files as u64)));
    }

    /// What comes after the chunks has no measure.
    fn say(&self, what: impl Into<String>) {
        self.bar.set_style(style("{spinner} {msg}"));
        self.bar.set_message(what.into());
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
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

    #[test]
    fn every_step_can_be_shown() {
        let view = View { bar: ProgressBar::hidden() };
        let steps = [
            Progress::Surveyed { files: 1, skipped: 0, bytes: Some(10) },
            Progress::Surveyed { files: 1, skipped: 0, bytes: None },
            Progress::Chunk { chunks: 1, bytes: 10, lines: 3 },
            Progress::Recovered { agent: "reader".to_owned(), chunk: 1 },
            Progress::Summarising,
            Progress::Detecting,
            Progress::Judging { decided: 1, of: 2 },
            Progress::Reporting,
        ];
        steps.iter().for_each(|step| view.show(step));
        assert_eq!(view.bar.message(), "two reporters compete");
    }
}
