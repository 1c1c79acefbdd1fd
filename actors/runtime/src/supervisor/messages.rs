//! What a [`Supervisor`](super::Supervisor) can be asked.

use std::sync::Arc;

use super::children::ChildStatus;
use crate::message::{Ask, Request};
use crate::path::ActorPath;
use crate::spec::AnySpec;

/// Why a child could not be added. Nothing has been started, and its mailbox is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpawnError {
    /// A sibling has the name.
    #[error("{0} exists already")]
    NameTaken(ActorPath),
    /// A name is not empty and has no `/`.
    #[error("`{0}` is no name for an actor")]
    InvalidName(Arc<str>),
    /// The parent is about to end.
    #[error("the parent is ending")]
    Stopping,
}

/// No child of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no child is named `{0}`")]
pub struct NoSuchChild(pub Arc<str>);

/// Adds a child and starts it; answered when it has been added, not when it has started.
#[derive(Debug)]
pub struct StartChild {
    /// The child.
    pub spec: AnySpec,
}

impl Ask for StartChild {
    type Reply = Result<ActorPath, SpawnError>;
}

/// Ends a child for good; answered when it has ended.
#[derive(Debug, Clone)]
pub struct StopChild {
    /// Its name.
    pub name: Arc<str>,
}

impl Ask for StopChild {
    type Reply = Result<(), NoSuchChild>;
}

/// Restarts a child as the strategy says, without counting it; answered at once.
#[derive(Debug, Clone)]
pub struct RestartChild {
    /// Its name.
    pub name: Arc<str>,
}

impl Ask for RestartChild {
    type Reply = Result<(), NoSuchChild>;
}

/// The children in the order in which they were added.
#[derive(Debug, Clone, Copy)]
pub struct ListChildren;

impl Ask for ListChildren {
    type Reply = Vec<ChildStatus>;
}

/// What a supervisor understands.
#[derive(Debug)]
pub enum SupervisorMessage {
    /// See [`StartChild`].
    StartChild(Request<StartChild>),
    /// See [`StopChild`].
    StopChild(Request<StopChild>),
    /// See [`RestartChild`].
    RestartChild(Request<RestartChild>),
    /// See [`ListChildren`].
    ListChildren(Request<ListChildren>),
}

crate::requests!(SupervisorMessage {
    StartChild(StartChild),
    StopChild(StopChild),
    RestartChild(RestartChild),
    ListChildren(ListChildren),
});
