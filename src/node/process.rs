//! A node as a process: it runs until a signal or its own end.
//!
//! SIGTERM and SIGINT stop it in order, also while it still starts, and a second one at once;
//! either way the programs of its agents end with it.
//! SIGHUP reads the configuration again.

use std::io;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use synod_runtime::ExitReason;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Node, NodeBuilder, NodeError};
use crate::status::ReloadConfig;

/// How long the parts of the node may take to read a configuration again.
const RELOAD_WITHIN: Duration = Duration::from_secs(10);

/// How a node's process came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop, and did so in order.
    Stopped,
    /// It was told twice, and left at once. What was accepted is on disk.
    AtOnce,
    /// Its tree gave up.
    Failed(ExitReason),
}

/// The signals that a node's process listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
enum Wish {
    Stop,
    Reload,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }

    /// The next wish to stop. One to reload waits: a node that starts has read its configuration,
    /// and one that stops needs none.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Starts a node and keeps it running; `ready` is told once, with the time that the start took,
/// and never if the node is told to stop before.
///
/// # Errors
/// [`NodeError`] when the node can't be started.
pub fn run(builder: NodeBuilder, ready: impl FnOnce(&Node, Duration)) -> Result<Ended, NodeError> {
    let (begun, programs) = (Instant::now(), builder.programs.clone());
    allow_open_files();
    let system = |what| move |source| NodeError::System { what, source };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("synod")
        .build()
        .map_err(system("starting threads"))?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(system("listening to signals"))?;
        let node = match start(builder, &mut signals).await? {
            ControlFlow::Continue(node) => node,
            ControlFlow::Break(ended) => return Ok(ended),
        };
        ready(&node, begun.elapsed());
        Ok(keep(node, &mut signals).await)
    });
    // However it ends: who left at once has told nobody to stop.
    programs.kill_all();
    // What still blocks a thread has been counted as abandoned, and ends with the process.
    runtime.shutdown_background();
    ended
}

/// Starts the node, unless it is told to stop meanwhile.
async fn start(
    builder: NodeBuilder,
    signals: &mut Signals,
) -> Result<ControlFlow<Ended, Node>, NodeError> {
    let listening = |source| NodeError::System { what: "listening to signals", source };
    let mut again = Signals::listen().map_err(listening)?;
    let twice = async {
        again.stop().await;
        again.stop().await;
    };
    let stopped = async {
        signals.stop().await;
        tracing::info!("told to stop before it was ready");
        Ended::Stopped
    };
    tokio::select! {
        started = builder.start_unless(stopped) => started,
        () = twice => Ok(ControlFlow::Break(Ended::AtOnce)),
    }
}

/// Takes as many open files as the system allows: each connection is one, and the usual soft limit
/// of 1,024 is there for programs that use `select`.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

async fn keep(node: Node, signals: &mut Signals) -> Ended {
    loop {
        tokio::select! {
            reason = node.ended() => return Ended::Failed(reason),
            wish = signals.next() => match wish {
                Wish::Reload => reload(&node).await,
                Wish::Stop => break,
            },
        }
    }
    tracing::info!(
        "stopping: accepts no more, lets running work finish; a second signal ends it now"
    );
    tokio::select! {
        () = node.stop() => Ended::Stopped,
        () = signals.stop() => Ended::AtOnce,
    }
}

async fn reload(node: &Node) {
    match node.status().ask(ReloadConfig, RELOAD_WITHIN).await {
        Ok(Ok(reloaded)) if reloaded.changes.is_empty() => {
            tracing::info!("the configuration was read again: nothing differs");
        }
        Ok(Ok(reloaded)) => {
            for change in reloaded.changes {
                tracing::info!(key = change.key, from = change.from, to = change.to, "reloaded");
            }
        }
        Ok(Err(refused)) => tracing::error!("the configuration was not reloaded: {refused}"),
        Err(error) => tracing::error!(%error, "the configuration was not reloaded"),
    }
}
