//! What happens to runs, told as it happens.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_runtime::{Address, Correlation, Priority, SendOptions};

use super::start::RunId;

/// Something that happened to a run; it is durable when it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunChange {
    /// The number of this change among all that the engine told since its start; it rises by one
    /// each time, so who misses changes sees it from the gap.
    pub sequence: u64,
    /// What happened: `run.accepted`, `run.started`, `step.started`, `step.completed`,
    /// `step.retrying`, `step.failed`, `plan.fallback`, `agent.insight`, `agent.error`,
    /// `approval.requested`, `approval.decided`, `run.completed`, ….
    pub name: String,
    /// Which run.
    #[schema(value_type = String, format = "uuid")]
    pub run_id: RunId,
    /// The name of its definition.
    pub workflow: String,
    /// The step, if it happened to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What belongs to it: attempt, agent, error, share that is done, ….
    pub details: Value,
    /// The trace it belongs to, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The span in which the run was started; the envelope of a change tells it (`traceparent`).
    #[serde(skip)]
    pub correlation: Option<Correlation>,
}

/// Where changes of runs go. It is called on the engine's own actor, in the order of the changes
/// of each run and only after they are durable; it must not block. Once it returns false it is
/// dropped.
pub struct RunListener(Box<dyn FnMut(&RunChange) -> bool + Send>);

impl RunListener {
    /// A listener of one's own making.
    pub fn new(listen: impl FnMut(&RunChange) -> bool + Send + 'static) -> Self {
        Self(Box::new(listen))
    }

    /// Sends every change to `address`. When its mailbox is full it misses changes, and sees it
    /// from the gap in [`RunChange::sequence`]; it is dropped when its receiver is gone. All have
    /// one priority, so that none overtakes another.
    pub fn to<M: Send + 'static>(
        address: &Address<M>,
        map: impl Fn(RunChange) -> M + Send + 'static,
    ) -> Self {
        let address = address.clone();
        Self::new(move |change| {
            use synod_runtime::TrySendError::{Closed, Refused};
            let options = SendOptions::new().priority(Priority::High);
            let sent = address.try_send_with(map(change.clone()), options);
            !matches!(sent, Err(Closed(_) | Refused(..)))
        })
    }

    pub(crate) fn hear(&mut self, change: &RunChange) -> bool {
        (self.0)(change)
    }
}

impl fmt::Debug for RunListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunListener")
    }
}
