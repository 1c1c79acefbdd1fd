//! The actors that turn changes of tasks, runs, agents and actors into events.
//!
//! Tasks, runs and agents are told by their engines and registry, in order and after they are
//! durable: the listeners given to them publish at once, on their thread, and never wait. Actors
//! are told by the kernel's lifecycle feed, which a task of the source reads. Where the feed was
//! full, the gap is told with the number of changes that are missing.

use std::convert::Infallible;
use std::sync::Arc;

use parking_lot::Mutex;
use synod_agents::{Delivery, Listener, RegistryMessage};
use synod_runtime::{
    Actor, ActorError, Address, Context, LifecycleFeed, Spec, System, TaskFailure,
};
use synod_tasks::{TaskListener, TasksMessage};
use synod_workflows::{RunListener, WorkflowsMessage};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::changes::{KnownAgents, actor_event, missed_event, run_event, task_event};
use super::hub::EventHub;

/// Changes of actors that may wait to be told: more than come in the time of a turn.
pub const LIFECYCLE_BUFFER: usize = 16_384;

/// Publishes what changes of tasks and runs: one source for each pair of engines.
pub struct EngineSource {
    hubs: Vec<EventHub>,
    tasks: Address<TasksMessage>,
    workflows: Address<WorkflowsMessage>,
    /// Tells the listeners of this incarnation that it is over.
    listening: Option<DropGuard>,
}

impl EngineSource {
    /// The actor, called `changes`, that tells each of `hubs`. It belongs after the engines.
    #[must_use]
    pub fn spec(
        hubs: Vec<EventHub>,
        tasks: Address<TasksMessage>,
        workflows: Address<WorkflowsMessage>,
    ) -> Spec<Self> {
        Spec::new("changes", move || Self {
            hubs: hubs.clone(),
            tasks: tasks.clone(),
            workflows: workflows.clone(),
            listening: None,
        })
    }

    fn task_listener(&self, over: CancellationToken) -> TaskListener {
        let hubs = self.hubs.clone();
        TaskListener::new(move |change| {
            if over.is_cancelled() {
                return false;
            }
            hubs.iter().for_each(|hub| hub.publish(task_event(change)));
            true
        })
    }

    fn run_listener(&self, over: CancellationToken) -> RunListener {
        let hubs = self.hubs.clone();
        RunListener::new(move |change| {
            if over.is_cancelled() {
                return false;
            }
            hubs.iter().for_each(|hub| hub.publish(run_event(change)));
            true
        })
    }
}

impl Actor for EngineSource {
    /// Nobody tells it anything but through its listeners.
    type Message = Infallible;
    const KIND: &'static str = "events";

    async fn start(&mut self, _: &mut Context<Self>) -> Result<(), ActorError> {
        let over = CancellationToken::new();
        let tasks = self.task_listener(over.clone());
        self.tasks.send(TasksMessage::Subscribe(tasks)).await?;
        let runs = self.run_listener(over.clone());
        self.workflows.send(WorkflowsMessage::Subscribe(runs)).await?;
        self.listening = Some(over.drop_guard());
        Ok(())
    }

    async fn handle(&mut self, never: Infallible, _: &mut Context<Self>) -> Result<(), ActorError> {
        match never {}
    }
}

/// From the source to itself.
#[derive(Debug)]
pub enum SourceMessage {
    /// The task that reads the lifecycle feed has ended, which it never does in order.
    Deaf(TaskFailure),
}

/// Publishes what changes of agents and actors.
pub struct NodeSource {
    hub: EventHub,
    registry: Address<RegistryMessage>,
    /// Outlives the incarnation: what was told is not told again after a restart.
    agents: Arc<Mutex<KnownAgents>>,
    /// Outlives it, too: what happens while the source is down waits here.
    actors: Arc<LifecycleFeed>,
    /// Tells the listeners of this incarnation that it is over.
    listening: Option<DropGuard>,
}

impl NodeSource {
    /// The actor, called `events`. It belongs after the registry.
    #[must_use]
    pub fn spec(
        hub: EventHub,
        registry: Address<RegistryMessage>,
        actors: LifecycleFeed,
    ) -> Spec<Self> {
        let (agents, actors) = (Arc::default(), Arc::new(actors));
        Spec::new("events", move || Self {
            hub: hub.clone(),
            registry: registry.clone(),
            agents: Arc::clone(&agents),
            actors: Arc::clone(&actors),
            listening: None,
        })
    }

    fn agent_listener(&self, over: CancellationToken, ctx: &Context<Self>) -> Listener {
        let (hub, known) = (self.hub.clone(), Arc::clone(&self.agents));
        let system = ctx.system().clone();
        Listener::new(move |change| {
            if over.is_cancelled() {
                return Delivery::Gone;
            }
            let at = system.clock().utc();
            known.lock().apply(&change, at, |event| hub.publish(event));
            Delivery::Taken
        })
    }
}

/// Tells what becomes of actors, as long as it runs.
async fn tell_actors(feed: Arc<LifecycleFeed>, hub: EventHub, system: System) -> Infallible {
    loop {
        let heard = feed.next().await;
        if heard.missed > 0 {
            hub.publish(missed_event(heard.missed, system.clock().utc()));
        }
        heard.events.iter().for_each(|change| hub.publish(actor_event(change)));
    }
}

impl Actor for NodeSource {
    type Message = SourceMessage;
    const KIND: &'static str = "events";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let over = CancellationToken::new();
        let agents = self.agent_listener(over.clone(), ctx);
        self.registry.send(RegistryMessage::Subscribe(agents)).await?;
        self.listening = Some(over.drop_guard());
        let (feed, hub) = (Arc::clone(&self.actors), self.hub.clone());
        ctx.attach(tell_actors(feed, hub, ctx.system().clone()), |ended| match ended {
            Ok(never) => match never {},
            Err(why) => SourceMessage::Deaf(why),
        })?;
        Ok(())
    }

    async fn handle(
        &mut self,
        SourceMessage::Deaf(why): SourceMessage,
        _: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        Err(ActorError::new(format!("what becomes of actors is not told: {why}")))
    }
}
