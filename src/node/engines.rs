//! The engines at work on this node: a set for each group of partitions that it owns.
//!
//! A node alone owns all partitions and has one set for as long as it runs. In a cluster sets
//! come and go with the leadership of their groups, so whoever needs them asks here each time.

use std::sync::Arc;

use parking_lot::RwLock;
use synod_coordination::Protocol;
use synod_coordination::desk::DeskMessage;
use synod_runtime::{ActorPath, Address, Metadata, Route, SendOptions, TrySendError};
use synod_tasks::TasksMessage;
use synod_workflows::WorkflowsMessage;

use super::coordination::Post;
use crate::api::coordination::{DeskDoor, Door};

/// The engines of one group, and the desks of its conversations.
#[derive(Clone)]
pub struct EngineSet {
    /// Which group: 0 for a node alone, from 1 in a cluster.
    pub group: u16,
    /// Its task engine.
    pub tasks: Address<TasksMessage>,
    /// Its workflow engine.
    pub workflows: Address<WorkflowsMessage>,
    /// The doors to its desks.
    pub(crate) doors: Vec<Arc<dyn Door>>,
    /// Where messages go, and what is published.
    pub(crate) post: Post,
}

/// The sets at work. Cheap to clone; clones show the same.
#[derive(Clone, Default)]
pub struct Engines(Arc<RwLock<Vec<EngineSet>>>);

impl Engines {
    /// Those of a node alone.
    #[must_use]
    pub fn alone(set: EngineSet) -> Self {
        let engines = Self::default();
        engines.open(set);
        engines
    }

    /// Adds a set that has gone to work, in place of an older one of its group.
    pub fn open(&self, set: EngineSet) {
        let mut sets = self.0.write();
        sets.retain(|known| known.group != set.group);
        let at = sets.partition_point(|known| known.group < set.group);
        sets.insert(at, set);
    }

    /// Takes out the set of a group that this node owns no longer.
    pub fn close(&self, group: u16) {
        self.0.write().retain(|set| set.group != group);
    }

    /// All sets, in the order of their groups.
    #[must_use]
    pub fn all(&self) -> Vec<EngineSet> {
        self.0.read().clone()
    }

    /// The desk of a protocol of the first group that is owned here, whichever that is at the time
    /// of each message; closed while there is none.
    #[must_use]
    pub fn desk<P: Protocol>(&self) -> Address<DeskMessage<P>> {
        let path = ActorPath::new(format!("/synod/coordination/{}", P::KIND));
        Address::routed(path, Arc::new(ToDesk(self.clone())))
    }

    /// The door to the desk of a protocol, of the first group that is owned here.
    pub(crate) fn door(&self, protocol: &str) -> Option<Arc<dyn Door>> {
        let sets = self.0.read();
        let mut doors = sets.first()?.doors.iter();
        doors.find(|door| door.kind() == protocol).cloned()
    }

    /// Where messages of the first group that is owned here go; none while there is none.
    pub(crate) fn post(&self) -> Option<Post> {
        self.0.read().first().map(|set| set.post.clone())
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

fn tasks_of(set: &EngineSet) -> &Address<TasksMessage> {
    &set.tasks
}

fn workflows_of(set: &EngineSet) -> &Address<WorkflowsMessage> {
    &set.workflows
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

/// Leads to a desk of the first set.
struct ToDesk(Engines);

impl<P: Protocol> Route<DeskMessage<P>> for ToDesk {
    fn deliver(
        &self,
        message: DeskMessage<P>,
        metadata: Metadata,
    ) -> Result<(), TrySendError<DeskMessage<P>>> {
        let door = self.0.door(P::KIND);
        match door.and_then(|door| DeskDoor::<P>::behind(door.as_ref())) {
            Some(desk) => desk.try_send_with(message, options(&metadata)),
            None => Err(TrySendError::Closed(message)),
        }
    }
}

/// Leads to one of the two engines of the first set.
struct First<M>(Engines, fn(&EngineSet) -> &Address<M>);

impl<M: Send + 'static> Route<M> for First<M> {
    fn deliver(&self, message: M, metadata: Metadata) -> Result<(), TrySendError<M>> {
        let address = self.0.0.read().first().map(|set| self.1(set).clone());
        match address {
            Some(address) => address.try_send_with(message, options(&metadata)),
            None => Err(TrySendError::Closed(message)),
        }
    }
}
