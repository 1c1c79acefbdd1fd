//! The actor that turns changes of tasks, agents and actors into events.
//!
//! Tasks and agents are told by their engine and registry, in order and after they are durable: the
//! listeners given to them publish at once, on their thread, and never wait. Actors are not told:
//! they are looked at, and the difference to the last look is published. An actor that failed and
//! came back between two looks shows by its count of restarts.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_agents::{Delivery, Listener, RegistryMessage};
use synod_runtime::{Actor, ActorError, ActorPath, Address, Context, Spec};
use synod_tasks::{TaskListener, TasksMessage};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::changes::{KnownActors, KnownAgents, task_event};
use super::hub::EventHub;

/// Time between two looks at the tree.
const LOOK: Duration = Duration::from_secs(1);

/// Most actors looked at. What is beyond it are agents and their workers, whose changes are told.
const MAX_ACTORS: usize = 10_000;

/// From the source to itself: look at the tree.
#[derive(Debug, Clone, Copy)]
pub struct Look;

/// Publishes what changes.
pub struct EventSource {
    hub: EventHub,
    tasks: Address<TasksMessage>,
    registry: Address<RegistryMessage>,
    /// Both outlive the incarnation: what was told is not told again after a restart.
    agents: Arc<Mutex<KnownAgents>>,
    actors: Arc<Mutex<KnownActors>>,
    /// Tells the listeners of this incarnation that it is over.
    listening: Option<DropGuard>,
}

impl EventSource {
    /// The actor, called `events`. It belongs after the task engine and the registry.
    #[must_use]
    pub fn spec(
        hub: EventHub,
        tasks: Address<TasksMessage>,
        registry: Address<RegistryMessage>,
    ) -> Spec<Self> {
        let (agents, actors) = (Arc::default(), Arc::default());
        Spec::new("events", move || Self {
            hub: hub.clone(),
            tasks: tasks.clone(),
            registry: registry.clone(),
            agents: Arc::clone(&agents),
            actors: Arc::clone(&actors),
            listening: None,
        })
    }

    fn task_listener(&self, over: CancellationToken) -> TaskListener {
        let hub = self.hub.clone();
        TaskListener::new(move |change| {
            if over.is_cancelled() {
                return false;
            }
            hub.publish(task_event(change));
            true
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

impl Actor for EventSource {
    type Message = Look;
    const KIND: &'static str = "events";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let over = CancellationToken::new();
        let agents = self.agent_listener(over.clone(), ctx);
        self.registry.send(RegistryMessage::Subscribe(agents)).await?;
        let tasks = self.task_listener(over.clone());
        self.tasks.send(TasksMessage::Subscribe(tasks)).await?;
        self.listening = Some(over.drop_guard());
        ctx.send_every(LOOK, || Look);
        Ok(())
    }

    async fn handle(&mut self, Look: Look, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let system = ctx.system();
        let at = system.clock().utc();
        if let Some(tree) = system.observe_under(&ActorPath::new("/"), usize::MAX, MAX_ACTORS) {
            let lives = |path: &ActorPath| system.observe_under(path, 0, 0).is_some();
            self.actors.lock().look(&tree, at, lives, |event| self.hub.publish(event));
        }
        Ok(())
    }
}
