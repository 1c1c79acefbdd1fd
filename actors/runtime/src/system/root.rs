//! The root supervisor of a node, as its owner sees it.

use std::sync::Arc;

use tokio::sync::watch;

use super::System;
use super::guardian::RootState;
use crate::address::Address;
use crate::exit::ExitReason;
use crate::path::ActorPath;
use crate::spec::Spec;
use crate::supervisor::{Restart, SpawnError, Supervisor, SupervisorMessage};

/// Why the root did not start. Nothing of it is left running.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// It could not be added.
    #[error(transparent)]
    Refused(#[from] SpawnError),
    /// It ended before all its children had started once.
    #[error("the root did not start: {0}")]
    Failed(ExitReason),
}

/// A running root.
#[derive(Debug, Clone)]
pub struct RootHandle {
    path: ActorPath,
    address: Address<SupervisorMessage>,
    state: watch::Receiver<RootState>,
}

impl RootHandle {
    /// Its address.
    #[must_use]
    pub fn address(&self) -> &Address<SupervisorMessage> {
        &self.address
    }

    /// Its place in the tree.
    #[must_use]
    pub fn path(&self) -> &ActorPath {
        &self.path
    }

    /// Waits until the root has ended, and says why: stopped, or escalated.
    pub async fn ended(&self) -> ExitReason {
        let mut state = self.state.clone();
        let ended = state.wait_for(|state| matches!(state, RootState::Ended(_))).await;
        match ended.as_deref() {
            Ok(RootState::Ended(reason)) => reason.clone(),
            _ => ExitReason::Killed, // the guardian itself has gone
        }
    }
}

impl System {
    /// Starts the node's root and waits until it has started: all its children have, one after
    /// the other, or have failed where the strategy goes on without them.
    ///
    /// The root itself is never restarted: what to do when it gives up is for the caller, who
    /// learns of it from [`RootHandle::ended`].
    pub async fn start(&self, root: Spec<Supervisor>) -> Result<RootHandle, StartError> {
        let root = root.restart(Restart::Temporary);
        let (name, address) = (Arc::clone(root.name()), root.address());
        let (news, mut state) = watch::channel(RootState::Starting);
        {
            let mut roots = self.shared.roots.lock();
            if roots.contains_key(&name) {
                let path = self.root().path().child(&name);
                return Err(SpawnError::NameTaken(path).into());
            }
            roots.insert(Arc::clone(&name), news);
        }
        if let Err(error) = self.spawn(root) {
            self.shared.roots.lock().remove(&name);
            return Err(error.into());
        }
        let reached = state.wait_for(|state| *state != RootState::Starting).await;
        match reached.as_deref() {
            Ok(RootState::Started) => {}
            Ok(RootState::Ended(reason)) => return Err(StartError::Failed(reason.clone())),
            _ => return Err(StartError::Failed(ExitReason::Killed)),
        }
        drop(reached);
        Ok(RootHandle { path: address.path(), address, state })
    }
}
