//! A world of workers that fail, hang and end as they are told, and log what happens to them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_runtime::{
    Actor, ActorError, Address, Ask, Backoff, Context, ExitReason, Request, Shutdown, Spec,
    Strategy, Supervisor, SupervisorSpec, System, requests,
};
use synod_testkit::{ON_PURPOSE, Seed, silence_provoked_panics};

/// Time between two restarts in these tests.
pub(crate) const BACKOFF: Duration = Duration::from_millis(100);
/// Time a worker has to start.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(3);
/// Time a worker has to stop.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(2);
/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// What a worker does at a moment of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Fail,
    Panic,
    Hang,
}

impl Act {
    async fn perform(self) -> Result<(), ActorError> {
        match self {
            Self::Fail => Err(ActorError::new("on purpose")),
            Self::Panic => panic!("{ON_PURPOSE}"),
            Self::Hang => {
                std::future::pending::<()>().await;
                Ok(())
            }
        }
    }
}

/// Answers with the number of orders this incarnation has handled.
#[derive(Debug)]
pub(crate) struct Handled;

impl Ask for Handled {
    type Reply = u64;
}

/// Is acted upon before it is answered.
#[derive(Debug)]
pub(crate) struct Perform(pub Act);

impl Ask for Perform {
    type Reply = ();
}

#[derive(Debug)]
pub(crate) enum Order {
    /// Logs the text.
    Note(&'static str),
    /// Acts: fails, panics or hangs.
    Act(Act),
    /// Waits, then logs the text.
    Wait(Duration, &'static str),
    /// Meets whoever waits at the barrier, then blocks its thread until they meet there again.
    Block(Arc<std::sync::Barrier>),
    /// Ends itself in order.
    Finish,
    Handled(Request<Handled>),
    Perform(Request<Perform>),
}

requests!(Order { Handled(Handled), Perform(Perform) });

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) system: System,
    log: Arc<Mutex<Vec<String>>>,
    /// What the next starts of a worker do, first things first; then they succeed.
    starts: Arc<Mutex<HashMap<&'static str, Vec<Act>>>>,
    stops: Arc<Mutex<HashMap<&'static str, Act>>>,
}

impl World {
    pub(crate) fn new() -> Self {
        silence_provoked_panics();
        Self {
            system: System::builder().entropy(Seed::from_env().entropy()).build(),
            log: Arc::default(),
            starts: Arc::default(),
            stops: Arc::default(),
        }
    }

    /// A permanent worker that logs.
    pub(crate) fn worker(&self, name: &'static str) -> Spec<Worker> {
        let world = self.clone();
        Spec::new(name, move || Worker { name, world: world.clone(), handled: 0 })
            .backoff(Backoff::fixed(BACKOFF))
            .start_timeout(START_TIMEOUT)
            .shutdown(Shutdown::Within(SHUTDOWN))
    }

    /// The next starts of `name` do this.
    pub(crate) fn on_start(&self, name: &'static str, acts: &[Act]) {
        self.starts.lock().insert(name, acts.to_vec());
    }

    /// Every stop of `name` does this.
    pub(crate) fn on_stop(&self, name: &'static str, act: Act) {
        self.stops.lock().insert(name, act);
    }

    /// Starts a root with workers `a`, `b`, `c`; the log is wiped.
    pub(crate) async fn abc(&self, strategy: Strategy) -> [Address<Order>; 3] {
        let specs = ["a", "b", "c"].map(|name| self.worker(name));
        self.root(strategy, specs).await
    }

    /// Starts a root with these workers; the log is wiped.
    pub(crate) async fn root<const N: usize>(
        &self,
        strategy: Strategy,
        specs: [Spec<Worker>; N],
    ) -> [Address<Order>; N] {
        let addresses = specs.each_ref().map(Spec::address);
        let root = specs.into_iter().fold(patient(strategy), SupervisorSpec::child);
        self.system.start(root.into_spec("root")).await.expect("the root starts");
        self.log();
        addresses
    }

    pub(crate) fn note(&self, line: String) {
        self.log.lock().push(line);
    }

    /// What has been logged since the last call.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock())
    }

    /// Lets virtual time pass, then gives the log.
    pub(crate) async fn after(&self, time: Duration) -> Vec<String> {
        tokio::time::sleep(time).await;
        self.log()
    }

    /// Lets everything happen that needs no time, then gives the log.
    pub(crate) async fn now(&self) -> Vec<String> {
        self.after(Duration::from_millis(1)).await
    }
}

/// A supervisor that does not give up in these tests.
pub(crate) fn patient(strategy: Strategy) -> SupervisorSpec {
    Supervisor::new(strategy).intensity(1000, Duration::from_secs(1))
}

pub(crate) struct Worker {
    name: &'static str,
    world: World,
    handled: u64,
}

impl Actor for Worker {
    type Message = Order;
    const KIND: &'static str = "worker";

    async fn start(&mut self, _: &mut Context<Self>) -> Result<(), ActorError> {
        let act = {
            let mut starts = self.world.starts.lock();
            let acts = starts.get_mut(self.name).filter(|acts| !acts.is_empty());
            acts.map(|acts| acts.remove(0))
        };
        if let Some(act) = act {
            self.world.note(format!("{act:?} {}", self.name).to_lowercase());
            act.perform().await?;
        }
        self.world.note(format!("start {}", self.name));
        Ok(())
    }

    async fn handle(&mut self, order: Order, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.handled += 1;
        match order {
            Order::Note(text) => self.world.note(format!("{} {text}", self.name)),
            Order::Act(act) => act.perform().await?,
            Order::Wait(time, text) => {
                tokio::time::sleep(time).await;
                self.world.note(format!("{} {text}", self.name));
            }
            Order::Block(barrier) => {
                barrier.wait();
                barrier.wait();
            }
            Order::Finish => ctx.stop(),
            Order::Handled(request) => request.answer(self.handled),
            Order::Perform(request) => {
                let (Perform(act), reply) = request.into_parts();
                act.perform().await?;
                reply.send(());
            }
        }
        Ok(())
    }

    async fn stop(&mut self, reason: &ExitReason, _: &mut Context<Self>) {
        self.world.note(format!("stop {} {reason}", self.name));
        let act = self.world.stops.lock().get(self.name).copied();
        if let Some(act) = act {
            // A stop can't fail; it can only panic or hang.
            let _ = act.perform().await;
        }
    }
}
