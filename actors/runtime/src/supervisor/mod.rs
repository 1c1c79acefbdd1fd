//! Supervision: which child starts when, what follows its end, and when to give up.
//!
//! ```text
//!  signals of children, controls, alarm ─▶ Children (shell) ─▶ SupervisorMachine (pure)
//!                                               ◀─ commands: start, stop, kill, close, report ─┘
//! ```
//!
//! Every actor may have children; a [`Supervisor`] is the actor that has nothing else. OTP's
//! words mean what they mean there; what differs, on purpose: a child that fails to *start*
//! counts as one failure and doesn't take its supervisor along, restarts wait for a back-off, and
//! a killed child that blocks its thread is abandoned after a bounded time.

mod chance;
mod children;
mod command;
mod config;
mod failure;
mod machine;
mod messages;
mod table;
mod terms;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::{Actor, ChildEvent};
use crate::address::Reply;
use crate::context::Context;
use crate::exit::ActorError;
use crate::message::Request;
use crate::spec::{AnySpec, Role, Spec};

pub use children::ChildStatus;
pub(crate) use children::Children;
pub(crate) use command::{ChildKey, ChildPolicy, Input};
pub use config::{Backoff, Restart, Shutdown, Strategy, Supervision};
pub(crate) use machine::KILL_WAIT;
pub use messages::{
    ListChildren, NoSuchChild, RestartChild, SpawnError, StartChild, StopChild, SupervisorMessage,
};
pub(crate) use terms::Terms;

/// A supervisor's start includes those of its children, and its end their ends: it gets more
/// time for both than an actor that has none.
const SUPERVISOR_START: Duration = Duration::from_secs(60);
const SUPERVISOR_SHUTDOWN: Duration = Duration::from_secs(60);

/// An actor that only has children.
///
/// The children named here belong to the role: they keep their mailboxes and addresses when the
/// supervisor itself is restarted. Those added later by [`StartChild`] end with its incarnation.
///
/// ```
/// use synod_runtime::{Spec, Strategy, Supervisor};
/// # use synod_runtime::{Actor, ActorError, Context};
/// # struct Store;
/// # impl Actor for Store {
/// #     type Message = ();
/// #     const KIND: &'static str = "store";
/// #     async fn handle(&mut self, _: (), _: &mut Context<Self>) -> Result<(), ActorError> {
/// #         Ok(())
/// #     }
/// # }
///
/// let store = Spec::new("store", || Store);
/// let address = store.address(); // valid before the start and after every restart
/// let root = Supervisor::new(Strategy::RestForOne).child(store).into_spec("root");
/// # let _ = (address, root);
/// ```
pub struct Supervisor {
    shelf: Arc<[Arc<dyn Role>]>,
    /// Who waits for the end of which child.
    stopping: HashMap<Arc<str>, Vec<Reply<Result<(), NoSuchChild>>>>,
}

impl Supervisor {
    /// Describes a supervisor without children.
    #[allow(clippy::new_ret_no_self, reason = "the actor itself is made by its spec's factory")]
    pub fn new(strategy: Strategy) -> SupervisorSpec {
        SupervisorSpec { supervision: Supervision::new(strategy), children: Vec::new() }
    }

    fn stop_child(&mut self, request: Request<StopChild>, ctx: &mut Context<Self>) {
        let (StopChild { name }, reply) = request.into_parts();
        if ctx.stop_child(&name) {
            self.stopping.entry(name).or_default().push(reply);
            self.answer_stopped(ctx); // one that waited for its restart is gone already
        } else {
            reply.send(Err(NoSuchChild(name)));
        }
    }

    fn answer_stopped(&mut self, ctx: &Context<Self>) {
        self.stopping.retain(|name, replies| {
            let gone = !ctx.has_child(name);
            if gone {
                replies.drain(..).for_each(|reply| reply.send(Ok(())));
            }
            !gone
        });
    }
}

impl Actor for Supervisor {
    type Message = SupervisorMessage;
    const KIND: &'static str = "supervisor";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        for role in self.shelf.iter() {
            ctx.spawn_role(Arc::clone(role), true)?;
        }
        Ok(())
    }

    async fn handle(
        &mut self,
        message: SupervisorMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            SupervisorMessage::StartChild(request) => {
                let (StartChild { spec }, reply) = request.into_parts();
                let path = ctx.path().child(spec.name());
                reply.send(ctx.spawn_any(spec).map(|()| path));
            }
            SupervisorMessage::StopChild(request) => self.stop_child(request, ctx),
            SupervisorMessage::RestartChild(request) => {
                let name = Arc::clone(&request.body.name);
                let known = ctx.restart_child(&name);
                request.answer(if known { Ok(()) } else { Err(NoSuchChild(name)) });
            }
            SupervisorMessage::ListChildren(request) => request.answer(ctx.children()),
        }
        Ok(())
    }

    async fn child_event(
        &mut self,
        event: ChildEvent,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if let ChildEvent::Exited { .. } = event {
            self.answer_stopped(ctx);
        }
        Ok(())
    }
}

/// A supervisor to be: its strategy and its first children.
#[derive(Debug)]
#[must_use = "nothing runs until its spec is spawned"]
pub struct SupervisorSpec {
    supervision: Supervision,
    children: Vec<AnySpec>,
}

impl SupervisorSpec {
    /// Adds a child behind the others: it starts after them and stops before them.
    pub fn child(mut self, spec: impl Into<AnySpec>) -> Self {
        self.children.push(spec.into());
        self
    }

    /// Allows `intensity` restarts within `period`.
    pub fn intensity(mut self, intensity: u32, period: Duration) -> Self {
        self.supervision = self.supervision.intensity(intensity, period);
        self
    }

    /// The spec of the supervisor, named `name`, with 60 s to start and 60 s to stop.
    #[must_use]
    pub fn into_spec(self, name: impl Into<Arc<str>>) -> Spec<Supervisor> {
        let shelf: Arc<[Arc<dyn Role>]> = self.children.into_iter().map(|spec| spec.0).collect();
        let supervision = self.supervision;
        let factory =
            move || Supervisor { shelf: Arc::clone(&shelf), stopping: HashMap::default() };
        Spec::new(name, factory)
            .supervision(supervision)
            .start_timeout(SUPERVISOR_START)
            .shutdown(Shutdown::Within(SUPERVISOR_SHUTDOWN))
    }
}
