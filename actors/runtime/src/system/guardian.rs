//! The root of every tree: a dynamic supervisor of what is spawned on the system itself.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::actor::{Actor, ChildEvent};
use crate::context::Context;
use crate::exit::{ActorError, ExitReason};
use crate::spec::Spec;
use crate::supervisor::{Strategy, Supervision};

/// Restarts of top-level actors that the node survives within a minute.
const INTENSITY: u32 = 30;

/// How far a root has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RootState {
    Starting,
    Started,
    Ended(ExitReason),
}

/// Those who wait for news of a root, by its name.
pub(super) type Roots = Arc<Mutex<HashMap<Arc<str>, watch::Sender<RootState>>>>;

pub(super) struct Guardian {
    roots: Roots,
}

impl Guardian {
    pub(super) fn spec(roots: Roots) -> Spec<Self> {
        let supervision =
            Supervision::new(Strategy::Dynamic).intensity(INTENSITY, Duration::from_secs(60));
        Spec::new("/", move || Self { roots: Arc::clone(&roots) }).supervision(supervision)
    }
}

impl Actor for Guardian {
    type Message = Infallible;
    const KIND: &'static str = "guardian";

    async fn handle(&mut self, never: Infallible, _: &mut Context<Self>) -> Result<(), ActorError> {
        match never {}
    }

    async fn child_event(
        &mut self,
        event: ChildEvent,
        _: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let mut roots = self.roots.lock();
        match event {
            ChildEvent::Started { name } => {
                if let Some(root) = roots.get(&name) {
                    root.send_replace(RootState::Started);
                }
            }
            ChildEvent::Exited { name, reason } => {
                if let Some(root) = roots.remove(&name) {
                    root.send_replace(RootState::Ended(reason));
                }
            }
            ChildEvent::Restarted { .. } | ChildEvent::GaveUp { .. } => {}
        }
        Ok(())
    }
}
