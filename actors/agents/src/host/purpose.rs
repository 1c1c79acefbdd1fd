//! Why an agent is being started, and who is told what became of it.

use std::fmt;

use synod_runtime::Reply;
use tokio::sync::mpsc;

use super::messages::HostError;
use crate::messages::AgentEntry;
use crate::remote::{SessionInlet, ToAgent};

/// A program that waits for its session.
#[derive(Debug)]
pub(super) struct Connecting {
    pub(super) reply: Reply<Result<SessionInlet, HostError>>,
    pub(super) outgoing: mpsc::Sender<ToAgent>,
}

impl Connecting {
    pub(super) fn refuse(self, error: HostError) {
        self.reply.send(Err(error));
    }
}

/// Why an agent is being started.
pub(super) enum Purpose {
    /// Someone asked for it.
    Asked(Reply<Result<AgentEntry, HostError>>),
    /// Its program connected.
    Connected(Connecting),
    /// It belongs to this node.
    Restored,
}

impl Purpose {
    /// It could not be started.
    pub(super) fn refuse(self, error: HostError) {
        match self {
            Self::Asked(reply) => reply.send(Err(error)),
            Self::Connected(connecting) => connecting.refuse(error),
            Self::Restored => tracing::warn!(%error, "an agent could not be brought back"),
        }
    }
}

impl fmt::Debug for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked(_) => "Asked",
            Self::Connected(..) => "Connected",
            Self::Restored => "Restored",
        })
    }
}
