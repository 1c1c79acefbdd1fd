//! What an operator can do to any actor by its path.

use serde::{Deserialize, Serialize};

use crate::cell::Signal;
use crate::lifecycle::LifecycleChange;
use crate::observation::Node;
use crate::path::ActorPath;
use crate::system::System;

/// Most signals of operators and children that an actor lets pile up.
const MAX_PENDING: usize = 65_536;

/// What to do to an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Control {
    /// Handle no more messages; the queue grows within its bound. A supervisor that is paused
    /// still supervises, and its children run on. Survives restarts.
    Pause,
    /// Handle messages again.
    Resume,
    /// Restart as its supervisor's strategy says, at once and without counting a failure.
    Restart,
    /// End for good; the queue becomes dead letters.
    Stop,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// No actor has that path.
    #[error("no actor at {0}")]
    NoSuchActor(ActorPath),
    /// The root of the node is stopped with the node, not by path.
    #[error("{0} can't be controlled by its path")]
    NotAllowed(ActorPath),
    /// Its supervisor has ended, or is so far behind that it takes no more controls.
    #[error("the supervisor of {0} does not answer")]
    Unavailable(ActorPath),
}

impl System {
    /// Does `control` to the actor at `path`. Restart and stop are carried out by its
    /// supervisor, at its next turn.
    pub fn control(&self, path: &ActorPath, control: Control) -> Result<(), ControlError> {
        let node =
            Node::find(self.root(), path).ok_or_else(|| ControlError::NoSuchActor(path.clone()))?;
        let Some(parent) = node.parent() else {
            return Err(ControlError::NotAllowed(path.clone()));
        };
        let unavailable = || ControlError::Unavailable(path.clone());
        tracing::info!(%path, ?control, "control");
        match control {
            Control::Pause => self.pause(&node),
            Control::Resume => self.resume(&node),
            Control::Restart | Control::Stop => {
                let port = parent.port().filter(|port| port.len() < MAX_PENDING);
                let signal = match control {
                    Control::Restart => Signal::Restart(node.key()),
                    _ => Signal::Remove(node.key()),
                };
                if !port.ok_or_else(unavailable)?.push(signal) {
                    return Err(unavailable());
                }
            }
        }
        Ok(())
    }

    fn pause(&self, node: &Node) {
        if node.pause() {
            self.tell(node, || LifecycleChange::Paused);
        }
    }

    fn resume(&self, node: &Node) {
        if node.resume() {
            self.tell(node, || LifecycleChange::Resumed);
        }
        // Its timers had no alarm while it was paused.
        node.port().map(|port| port.push(Signal::Alarm));
    }
}
