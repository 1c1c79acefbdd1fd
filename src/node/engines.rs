//! The engines at work on this node: a pair for each group of partitions that it owns.
//!
//! A node alone owns all partitions and has one pair for as long as it runs. In a cluster pairs
//! come and go with the leadership of their groups, so whoever needs them asks here each time.

use std::sync::Arc;

use parking_lot::RwLock;
use synod_runtime::{ActorPath, Address, Metadata, Route, SendOptions, TrySendError};
use synod_tasks::TasksMessage;
use synod_workflows::WorkflowsMessage;

/// The engines of one group.
#[derive(Debug, Clone)]
pub struct EnginePair {
    /// Which group: 0 for a node alone, from 1 in a cluster.
    pub group: u16,
    /// Its task engine.
    pub tasks: Address<TasksMessage>,
    /// Its workflow engine.
    pub workflows: Address<WorkflowsMessage>,
}

/// The pairs at work. Cheap to clone; clones show the same.
#[derive(Debug, Clone, Default)]
pub struct Engines(Arc<RwLock<Vec<EnginePair>>>);

impl Engines {
    /// Those of a node alone.
    #[must_use]
    pub fn alone(tasks: Address<TasksMessage>, workflows: Address<WorkflowsMessage>) -> Self {
        let engines = Self::default();
        engines.open(EnginePair { group: 0, tasks, workflows });
        engines
    }

    /// Adds a pair that has gone to work, in place of an older one of its group.
    pub fn open(&self, pair: EnginePair) {
        let mut pairs = self.0.write();
        pairs.retain(|known| known.group != pair.group);
        let at = pairs.partition_point(|known| known.group < pair.group);
        pairs.insert(at, pair);
    }

    /// Takes out the pair of a group that this node owns no longer.
    pub fn close(&self, group: u16) {
        self.0.write().retain(|pair| pair.group != group);
    }

    /// All pairs, in the order of their groups.
    #[must_use]
    pub fn all(&self) -> Vec<EnginePair> {
        self.0.read().clone()
    }

    /// The task engine of the first group that is owned here, whichever that is at the time of
    /// each message; closed while there is none.
    #[must_use]
    pub fn tasks(&self) -> Address<TasksMessage> {
        Address::routed(ActorPath::new("/synod/tasks"), Arc::new(First(self.clone(), tasks_of)))
    }

    /// The same of the workflow engine.
    #[must_use]
    pub fn workflows(&self) -> Address<WorkflowsMessage> {
        let route = First(self.clone(), workflows_of);
        Address::routed(ActorPath::new("/synod/workflows"), Arc::new(route))
    }
}

fn tasks_of(pair: &EnginePair) -> &Address<TasksMessage> {
    &pair.tasks
}

fn workflows_of(pair: &EnginePair) -> &Address<WorkflowsMessage> {
    &pair.workflows
}

/// What was said of a message, said again to its receiver.
fn options(metadata: &Metadata) -> SendOptions {
    let options =
        SendOptions::new().priority(metadata.priority).principal(metadata.principal().clone());
    match metadata.correlation() {
        Some(correlation) => options.correlation(correlation),
        None => options,
    }
}

/// Leads to one of the two engines of the first pair.
struct First<M>(Engines, fn(&EnginePair) -> &Address<M>);

impl<M: Send + 'static> Route<M> for First<M> {
    fn deliver(&self, message: M, metadata: Metadata) -> Result<(), TrySendError<M>> {
        let address = self.0.0.read().first().map(|pair| self.1(pair).clone());
        match address {
            Some(address) => address.try_send_with(message, options(&metadata)),
            None => Err(TrySendError::Closed(message)),
        }
    }
}
