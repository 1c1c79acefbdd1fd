//! The start of the tree: until it is up, can't come up, or is no longer wanted.

use std::future::Future;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use synod_agents::{AwaitAgents, HostMessage};
use synod_journal::OpenFaults;
use synod_runtime::{
    ActorPath, Address, ExitReason, Heard, LifecycleChange, LifecycleFeed, RootHandle, Spec,
    Supervisor, System,
};

use super::NodeError;
use super::endpoint::EndpointFile;
use super::error::is_full;

/// Time for what has started to stop again when the rest can't start.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// The same when the node was told to stop meanwhile. It has acknowledged nothing yet, so what is
/// killed is as safe as in a crash.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Time for the agents to come back before the node is said to be up without some of them.
const AGENTS_WITHIN: Duration = Duration::from_secs(60);

/// Changes of actors that may wait to be looked at during the start.
const LIVES: usize = 1_024;

/// One attempt to start the tree.
pub(super) struct Start {
    system: System,
    host: Address<HostMessage>,
    /// Why the journal could not be opened.
    faults: OpenFaults,
    /// What becomes of the actors.
    lives: LifecycleFeed,
    folder: PathBuf,
    /// Where the node will be found, if it serves.
    url: Option<String>,
}

/// A tree that is up, and the word of it on the disk.
pub(super) type Up = (RootHandle, Option<EndpointFile>);

impl Start {
    pub(super) fn new(
        system: &System,
        host: Address<HostMessage>,
        faults: OpenFaults,
        folder: &Path,
        url: Option<String>,
    ) -> Self {
        let lives = system.subscribe_lifecycle(LIVES);
        let folder = folder.to_path_buf();
        Self { system: system.clone(), host, faults, lives, folder, url }
    }

    /// Starts the tree, unless `stop` comes first. Without a tree nothing is left running.
    pub(super) async fn run<S>(
        mut self,
        root: Spec<Supervisor>,
        stop: impl Future<Output = S>,
    ) -> Result<ControlFlow<S, Up>, NodeError> {
        let system = self.system.clone();
        let begun = tokio::select! {
            biased;
            stopped = stop => Ok(ControlFlow::Break(stopped)),
            begun = self.begin(root) => begun.map(ControlFlow::Continue),
        };
        let within = match begun {
            Ok(ControlFlow::Continue(_)) => return begun,
            Ok(ControlFlow::Break(_)) => LEAVE_WITHIN,
            Err(_) => STOP_WITHIN,
        };
        if let Err(left) = system.stop(within).await {
            tracing::warn!(%left, "the node that did not start did not stop in order either");
        }
        begun
    }

    /// Starts the tree, waits for the agents, and tells the machine where the node listens: who
    /// comes then finds the agents that were there before.
    async fn begin(&mut self, root: Spec<Supervisor>) -> Result<Up, NodeError> {
        let root = self.tree(root).await?;
        if let Err(error) = self.host.ask(AwaitAgents, AGENTS_WITHIN).await {
            tracing::warn!(%error, "not all agents are back yet");
        }
        let (folder, Some(url)) = (self.folder.clone(), self.url.take()) else {
            return Ok((root, None));
        };
        // A disk that hangs must not keep this thread from hearing signals.
        let written = tokio::task::spawn_blocking(move || EndpointFile::write(&folder, &url)).await;
        match written.map_err(std::io::Error::other).flatten() {
            Ok(endpoint) => Ok((root, Some(endpoint))),
            // What is stored can be read all the same, by who knows the address.
            Err(error) if is_full(&error) => {
                tracing::warn!(%error, "node.json could not be written: programs on this machine \
                    have to be told where the node listens");
                Ok((root, None))
            }
            Err(source) => Err(NodeError::DataFolder { folder: self.folder.clone(), source }),
        }
    }

    /// Starts the tree. A journal that no retry opens is not waited for.
    async fn tree(&mut self, root: Spec<Supervisor>) -> Result<RootHandle, NodeError> {
        let folder = || self.folder.clone();
        let mut given_up = None;
        let mut start = pin!(self.system.start(root));
        let failed = loop {
            tokio::select! {
                source = self.faults.lasting() => {
                    return Err(NodeError::Journal { folder: folder(), source });
                }
                heard = self.lives.next() => note(heard, &mut given_up),
                started = &mut start => match started {
                    Ok(root) => return Ok(root),
                    Err(error) => break error,
                },
            }
        };
        note(self.lives.take(), &mut given_up);
        Err(match (self.faults.last(), given_up) {
            (Some(source), _) => NodeError::Journal { folder: folder(), source },
            (None, Some((part, reason))) => NodeError::Part { part, reason },
            (None, None) => NodeError::Start(failed),
        })
    }
}

/// Notes which part failed too often and why. A supervisor that gives up with its child is not
/// the part that failed.
fn note(heard: Heard, given_up: &mut Option<(ActorPath, ExitReason)>) {
    for event in heard.events {
        if let LifecycleChange::GaveUp { reason } = event.change
            && !matches!(reason, ExitReason::Escalated(_))
        {
            *given_up = Some((event.path, reason));
        }
    }
}

#[cfg(test)]
mod tests;
