//! The work of a group on this node: engines while this node leads it, none otherwise.
//!
//! ```text
//!  consensus ── view of the group ──▶ WorkKeeper ── leads ──▶ term-7 ─ tasks, workflows, changes
//!                                         └──────── not ────▶ stopped; the new leader has it all
//! ```
//!
//! Never: two sets of engines of one group at work on this node; work taken over before what the
//! former leader committed has been applied here.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use synod_agents::RegistryMessage;
use synod_cluster::GroupView;
use synod_coordination::desk::{Courier, DeskConfig};
use synod_journal::{JournalMessage, PartitionShare};
use synod_runtime::{
    Actor, ActorError, Address, Ask, Backoff, Context, Reply, Request, Spec, Strategy, Supervision,
    Supervisor, TaskFailure, requests,
};
use synod_tasks::{DrainEngine, TaskEngine, TasksConfig};
use synod_workflows::{DrainWorkflows, WorkflowEngine, WorkflowsConfig};
use tokio::sync::watch;

use crate::api::EventHub;
use crate::api::stream::EngineSource;
use crate::node::coordination::{DeskParts, Offer, PostConfig, desks};
use crate::node::{EngineSet, Engines};

/// Time the engines have to say that they are drained, beyond what running work has.
const AFTER_DRAIN: Duration = Duration::from_secs(5);

/// Failures of engines before the keeper gives up with them and takes a new look.
const INTENSITY: (u32, Duration) = (5, Duration::from_secs(60));

/// Between attempts to start engines.
const BACKOFF: Backoff = Backoff {
    initial: Duration::from_millis(50),
    max: Duration::from_secs(2),
    multiplier: 2.0,
    jitter: 0.1,
    reset_after: Duration::from_secs(60),
};

/// What the engines of a group are made of.
#[derive(Clone)]
pub(super) struct WorkParts {
    pub(super) group: u16,
    pub(super) share: PartitionShare,
    pub(super) tasks: TasksConfig,
    pub(super) workflows: WorkflowsConfig,
    pub(super) desks: DeskConfig,
    /// How much is sent and published.
    pub(super) post: PostConfig,
    /// The protocols that have desks.
    pub(super) offers: Vec<Arc<dyn Offer>>,
    /// How conversations reach agents.
    pub(super) courier: Arc<dyn Courier>,
    /// The replicated log of the group.
    pub(super) log: Address<JournalMessage>,
    pub(super) registry: Address<RegistryMessage>,
    /// Where changes are told.
    pub(super) hubs: Vec<EventHub>,
    /// Where engines at work are found.
    pub(super) engines: Engines,
    /// How the group is.
    pub(super) view: watch::Receiver<GroupView>,
    /// Whether this node is in its cluster: what it had alone is the group's by then.
    pub(super) is_in: watch::Receiver<bool>,
}

impl WorkParts {
    /// What the desks among the engines are made of.
    fn of_desks(&self) -> DeskParts {
        DeskParts {
            config: self.desks.clone(),
            share: self.share,
            journal: self.log.clone(),
            courier: Arc::clone(&self.courier),
            hubs: self.hubs.clone(),
            registry: self.registry.clone(),
            post: self.post,
        }
    }
}

/// Starts and stops the engines of a group.
pub(super) struct WorkKeeper {
    parts: WorkParts,
    /// The engines at work, by the name of their supervisor.
    at_work: Option<Arc<str>>,
    /// How often engines were started here: each set has a name of its own, as the set before may
    /// not have ended yet.
    starts: u64,
    /// Whether the work is to go to another node: it is not taken up again here.
    leaving: bool,
    /// Whether the node is about to stop.
    departing: bool,
}

/// Let what runs end, hand the rest back, and let go of the work: another node is to lead.
/// Answered when nothing of the group runs here any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct HandOver {
    /// How long running work may take.
    pub(super) within: Duration,
}

impl Ask for HandOver {
    type Reply = ();
}

/// What a keeper is told.
#[derive(Debug)]
pub(super) enum WorkMessage {
    /// The view of the group has changed, or the watch has failed.
    Changed(Result<(), TaskFailure>),
    /// Let go of the work.
    HandOver(Request<HandOver>),
    /// No other node took it: take it up again.
    Resume,
    /// The node stops: take nothing up any more.
    Depart,
    /// The engines are drained, or did not answer in time.
    Drained(Result<Reply<()>, TaskFailure>),
}

requests!(WorkMessage { HandOver(HandOver) });

impl WorkKeeper {
    /// The keeper of a group, called `work-<group>`.
    pub(super) fn spec(parts: WorkParts) -> Spec<Self> {
        let supervision = Supervision { strategy: Strategy::Dynamic, ..Supervision::default() };
        Spec::new(format!("work-{}", parts.group), move || Self {
            parts: parts.clone(),
            at_work: None,
            starts: 0,
            leaving: false,
            departing: false,
        })
        .supervision(supervision)
    }

    /// Waits for the next change of the view beside the actor.
    fn watch(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let mut view = self.parts.view.clone();
        self.parts.view.mark_unchanged();
        view.mark_unchanged();
        self.parts.is_in.mark_unchanged();
        let mut is_in = self.parts.is_in.clone();
        let changed = async move {
            tokio::select! {
                _ = view.changed() => {}
                // Its end says nothing new.
                Ok(()) = is_in.changed() => {}
            }
        };
        ctx.attach(changed, WorkMessage::Changed)?;
        Ok(())
    }

    /// Does what the view says.
    fn look(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let view = self.parts.view.borrow().clone();
        let may = *self.parts.is_in.borrow() && !self.leaving && !self.departing;
        if view.is_leader_here && may && self.at_work.is_none() {
            self.take_up(&view, ctx)?;
        } else if !view.is_leader_here {
            self.let_go(ctx);
            // Whoever leads next may be this node again.
            self.leaving = false;
        }
        Ok(())
    }

    fn take_up(&mut self, view: &GroupView, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.starts += 1;
        let name: Arc<str> = format!("term-{}.{}", view.term, self.starts).into();
        tracing::info!(group = self.parts.group, term = view.term, "this node takes the work over");
        let (engines, set) = self.engines(Arc::clone(&name));
        ctx.spawn_child(engines)?;
        self.parts.engines.open(set);
        ctx.describe(format!("at work in term {}", view.term));
        self.at_work = Some(name);
        Ok(())
    }

    fn let_go(&mut self, ctx: &mut Context<Self>) {
        let Some(name) = self.at_work.take() else { return };
        tracing::info!(group = self.parts.group, "the work has another owner");
        self.parts.engines.close(self.parts.group);
        ctx.stop_child(&name);
        ctx.describe("another node has the work");
    }

    fn engines(&self, name: Arc<str>) -> (Spec<Supervisor>, EngineSet) {
        let WorkParts { share, tasks, workflows, log, registry, hubs, .. } = self.parts.clone();
        let tasks = TaskEngine::spec_of(share, tasks, log.clone(), registry).backoff(BACKOFF);
        let workflows =
            WorkflowEngine::spec_of(share, workflows, log, tasks.address()).backoff(BACKOFF);
        let (desks, doors, post) = desks(&self.parts.offers, &self.parts.of_desks());
        let set = EngineSet {
            group: self.parts.group,
            tasks: tasks.address(),
            workflows: workflows.address(),
            doors,
            post,
        };
        let changes =
            EngineSource::spec(hubs, tasks.address(), workflows.address()).backoff(BACKOFF);
        let engines = Supervisor::new(Strategy::RestForOne)
            .intensity(INTENSITY.0, INTENSITY.1)
            .child(tasks)
            .child(workflows)
            .child(desks)
            .child(changes);
        (engines.into_spec(name), set)
    }

    /// Drains the engines beside the actor, which stays free.
    fn hand_over(&mut self, request: Request<HandOver>, ctx: &mut Context<Self>) {
        self.leaving = true;
        let (HandOver { within }, reply) = request.into_parts();
        let sets = self.parts.engines.all();
        let set = sets.into_iter().find(|set| set.group == self.parts.group);
        // From now on requests wait for the new owner.
        self.parts.engines.close(self.parts.group);
        let drained = async move {
            if let Some(EngineSet { tasks, workflows, doors, .. }) = set {
                let told = within.saturating_add(AFTER_DRAIN);
                // What does not answer is stopped all the same, and goes on elsewhere as lost.
                let (runs, tasks) = tokio::join!(
                    workflows.ask(DrainWorkflows { within }, told),
                    tasks.ask(DrainEngine { within }, told),
                );
                let open = tasks.map(|drained| drained.open);
                // Conversations that tasks wait for go on until those are handed back.
                let desks = join_all(doors.iter().map(|door| door.drain(AFTER_DRAIN))).await;
                let desks = desks.into_iter().all(|drained| drained);
                tracing::info!(?open, runs = runs.is_ok(), desks, "the engines are drained");
            }
            reply
        };
        if let Err(error) = ctx.attach(drained, WorkMessage::Drained) {
            tracing::warn!(%error, "the engines are stopped without a drain");
            self.let_go(ctx);
        }
    }
}

impl Actor for WorkKeeper {
    type Message = WorkMessage;
    const KIND: &'static str = "coordinator";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        // Engines of an incarnation before this one ended with it.
        self.parts.engines.close(self.parts.group);
        self.watch(ctx)?;
        self.look(ctx)
    }

    async fn handle(
        &mut self,
        message: WorkMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            WorkMessage::Changed(Ok(())) => {
                self.watch(ctx)?;
                self.look(ctx)
            }
            WorkMessage::HandOver(request) => {
                self.hand_over(request, ctx);
                Ok(())
            }
            WorkMessage::Depart => {
                self.departing = true;
                Ok(())
            }
            WorkMessage::Resume => {
                self.leaving = false;
                self.look(ctx)
            }
            WorkMessage::Drained(Ok(reply)) => {
                self.let_go(ctx);
                reply.send(());
                Ok(())
            }
            WorkMessage::Changed(Err(why)) | WorkMessage::Drained(Err(why)) => {
                Err(ActorError::new(format!("a watch of the group ended: {why}")))
            }
        }
    }
}
