//! The actor of one agent: always responsive, since the work is done by its workers.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_runtime::{
    Actor, ActorError, Address, Backoff, ChildEvent, Context, Correlation, ExitReason,
    MailboxConfig, Priority, Request, Restart, Shutdown, Spec, Supervision,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, Mode, Place, Slot};
use super::receiving::MESSAGES;
use super::report::{Report, Reported};
use super::worker::{Job, WORKER_STOP, Worker, Workplace};
use crate::agent::AgentFactory;
use crate::blocking::AbandonedThreads;
use crate::card::AgentCard;
use crate::config::AgentsConfig;
use crate::error::{AgentError, AgentErrorKind};
use crate::messages::{
    AgentHealth, AgentMessage, AgentStatus, CheckHealth, Perform, Receive, WorkInHand,
};
use crate::messenger::Outbox;
use crate::progress::Progress;
use crate::pulse::Pulse;
use crate::registry::RegistryMessage;
use crate::schema::Schemas;
use crate::work::{Assignment, WorkId};

/// Restarts are spaced by back-off, never given up: a crash is provoked by work, and giving up
/// would take the other workers along.
const NEVER_GIVES_UP: u32 = u32::MAX;
const WORKER: &str = "worker-";
/// Executions in a row that are lost, or find nobody, until the agent counts as unhealthy.
const UNHEALTHY_AFTER: u32 = 3;
/// Longest time a link may take to end, its child process included.
const LINK_STOP: Duration = Duration::from_secs(62);

/// What every incarnation of an agent's actor begins with.
pub(crate) struct Hosting {
    pub(crate) card: Arc<AgentCard>,
    pub(crate) schemas: Schemas,
    pub(crate) factory: Arc<dyn AgentFactory>,
    pub(crate) registry: Address<RegistryMessage>,
    pub(crate) config: Arc<AgentsConfig>,
    /// What the agent was told last; a crash of its actor must not undo it.
    pub(crate) order: Mutex<Mode>,
    /// Its slot for signs of life, once it is registered.
    pub(crate) pulse: Mutex<Option<Pulse>>,
    /// Where it sends messages.
    pub(crate) outbox: Outbox,
}

impl Hosting {
    pub(super) fn grace(&self) -> Duration {
        self.config.grace(&self.card.limits)
    }
}

/// What the actor keeps of work in hand.
struct InHand {
    stop: CancellationToken,
    progress: Progress,
    since: Instant,
    correlation: Option<Correlation>,
}

/// The actor of one agent.
///
/// ```text
///  Perform ─▶ AgentActor ─▶ worker-0 (an instance of the agent)      one at a time each;
///  Cancel      (desk)    ├▶ worker-1 ...                             started when first needed
///  Receive               ├▶ messages (an instance that is never busy with work)
///                        └▶ link (child process or connection, if the agent has one)
/// ```
pub struct AgentActor {
    hosting: Arc<Hosting>,
    desk: Desk<InHand>,
    pub(super) workplace: Option<Arc<Workplace>>,
    workers: Vec<Address<Box<Job>>>,
    /// Who takes its messages; started by the first.
    pub(super) correspondent: Option<Address<Request<Receive>>>,
    abandoned: Arc<AbandonedThreads>,
    crashes: u64,
    program_restarts: u64,
    /// Executions in a row that were lost or found nobody.
    unanswered: u32,
    last_error: Option<String>,
    /// Why the link is down, while it is.
    away: Option<String>,
}

impl AgentActor {
    pub(crate) fn spec(name: Arc<str>, hosting: Arc<Hosting>) -> Spec<Self> {
        let config = &hosting.config;
        // First its workers end, then its link; each has a limit of its own.
        let shutdown = hosting.grace() + WORKER_STOP + LINK_STOP;
        let backoff = config.backoff();
        Spec::new(name, move || Self::new(Arc::clone(&hosting)))
            .restart(Restart::Transient)
            .shutdown(Shutdown::Within(shutdown))
            .backoff(backoff)
            .supervision(Supervision::default().intensity(NEVER_GIVES_UP, Duration::from_secs(1)))
    }

    fn new(hosting: Arc<Hosting>) -> Self {
        let reachable = !hosting.factory.has_link();
        let mut desk = Desk::new(hosting.card.limits.max_concurrent_tasks, reachable);
        desk.set_mode(*hosting.order.lock());
        Self {
            hosting,
            desk,
            workplace: None,
            workers: Vec::new(),
            correspondent: None,
            abandoned: Arc::default(),
            crashes: 0,
            program_restarts: 0,
            unanswered: 0,
            last_error: None,
            away: None,
        }
    }

    // ---- work ----

    fn take(&mut self, request: Request<Perform>, ctx: &mut Context<Self>) {
        let Assignment { work, correlation, .. } = request.body.assignment;
        match self.prepare(work, ctx) {
            Ok((place, report)) => {
                let stop = CancellationToken::new();
                let progress = Progress::followed_by(request.body.assignment.watch.clone());
                let since = ctx.now();
                let kept =
                    InHand { stop: stop.clone(), progress: progress.clone(), since, correlation };
                self.desk.put(place, work, kept);
                let job = Box::new(Job { request, stop, progress, report });
                if let Err(refused) = self.workers[place.slot].try_send(job) {
                    self.desk.ended(place.slot, work);
                    let error = AgentError::unavailable("the worker takes no work");
                    refused.into_message().request.answer(Err(error));
                }
            }
            Err(error) => {
                metrics::counter!("synod_agent_refusals_total").increment(1);
                request.answer(Err(error));
            }
        }
    }

    fn prepare(
        &mut self,
        work: WorkId,
        ctx: &mut Context<Self>,
    ) -> Result<(Place, synod_runtime::Permit<AgentMessage>), AgentError> {
        let place = self.desk.place(work)?;
        let abandoned = self.abandoned.count();
        if abandoned >= self.hosting.config.max_abandoned_threads {
            let what = format!("{abandoned} threads of the agent did not stop and still run");
            return Err(AgentError::unavailable(what));
        }
        let permit = ctx
            .address()
            .reserve()
            .map_err(|error| AgentError::unavailable(format!("no slot for the result: {error}")))?;
        if place.fresh {
            self.hire(place.slot, ctx)?;
        }
        Ok((place, permit.with_priority(Priority::Critical)))
    }

    fn hire(&mut self, slot: Slot, ctx: &mut Context<Self>) -> Result<(), AgentError> {
        let Some(workplace) = self.workplace.clone() else {
            return Err(AgentError::unavailable("the agent starts"));
        };
        let shutdown = self.hosting.grace() + WORKER_STOP;
        let spec =
            Spec::new(format!("{WORKER}{slot}"), move || Worker::new(slot, Arc::clone(&workplace)))
                .mailbox(MailboxConfig::bounded(16))
                .restart(Restart::Permanent)
                .shutdown(Shutdown::Within(shutdown))
                .backoff(self.backoff());
        let worker = ctx
            .spawn_child(spec)
            .map_err(|error| AgentError::unavailable(format!("no worker: {error}")))?;
        self.workers.push(worker);
        Ok(())
    }

    pub(super) fn is_reachable(&self) -> bool {
        self.desk.is_reachable()
    }

    pub(super) fn backoff(&self) -> Backoff {
        self.hosting.config.backoff()
    }

    fn ended(&mut self, slot: Slot, work: WorkId, error: Option<AgentError>, now: Instant) {
        self.desk.ended(slot, work);
        let Some(error) = error else {
            self.unanswered = 0;
            return self.beat(now);
        };
        match error.kind {
            AgentErrorKind::Lost | AgentErrorKind::Unavailable => self.unanswered += 1,
            // It tells nothing of whether the agent is there.
            AgentErrorKind::Timeout | AgentErrorKind::Cancelled => {}
            _ => self.unanswered = 0,
        }
        self.last_error = Some(error.to_string());
    }

    fn beat(&self, now: Instant) {
        if let Some(pulse) = &*self.hosting.pulse.lock() {
            pulse.beat(now.into_std());
        }
    }

    // ---- orders ----

    fn order(&mut self, mode: Mode) {
        self.desk.set_mode(mode);
        *self.hosting.order.lock() = self.desk.mode();
    }

    fn shared(&mut self, state: Result<(), String>, now: Instant) {
        self.desk.set_reachable(state.is_ok());
        if state.is_ok() {
            self.beat(now);
        }
        self.away = state.err();
        self.tell_registry();
    }

    /// The registry hears of the link once the agent is registered; before, it would not know
    /// whom it is about.
    fn tell_registry(&self) {
        if !self.hosting.factory.has_link() || self.hosting.pulse.lock().is_none() {
            return;
        }
        let key = self.hosting.card.key();
        if let Ok(permit) = self.hosting.registry.reserve() {
            permit.send(RegistryMessage::Connection { key, up: self.desk.is_reachable() });
        }
    }

    fn reported(&mut self, reported: Reported, now: Instant) {
        match reported {
            Reported::Ended { slot, work, error } => self.ended(slot, work, error, now),
            Reported::Shared(state) => self.shared(state, now),
            Reported::Spawned { restarts, after } => {
                self.program_restarts = restarts;
                self.last_error = after.or(self.last_error.take());
            }
            Reported::Registered(pulse) => {
                self.hosting.factory.registered(&pulse);
                *self.hosting.pulse.lock() = Some(pulse);
                self.tell_registry();
            }
        }
    }

    fn log_crash(&self, worker: &str, reason: &ExitReason, lost: Option<(WorkId, InHand)>) {
        let agent = self.hosting.card.key();
        let trace = lost.as_ref().and_then(|(_, kept)| kept.correlation);
        let lost = lost.map(|(work, _)| work);
        tracing::warn!(
            %agent,
            worker,
            %reason,
            task_id = lost.map(|lost| tracing::field::display(lost.task)),
            part = lost.map(|lost| lost.part),
            attempt = lost.map(|lost| lost.attempt),
            trace_id = trace.map(|trace| tracing::field::display(trace.trace_shown())),
            "a worker crashed"
        );
    }

    // ---- health ----

    fn health(&self, now: Instant) -> AgentHealth {
        let card = &self.hosting.card;
        AgentHealth {
            id: card.id.clone(),
            version: card.version.clone(),
            healthy: self.desk.is_healthy()
                && self.unanswered < UNHEALTHY_AFTER
                && self.abandoned.count() < self.hosting.config.max_abandoned_threads,
            status: self.status(),
            capacity: card.limits.max_concurrent_tasks,
            workers_down: u32::try_from(self.desk.workers_down()).unwrap_or(u32::MAX),
            crashes: self.crashes,
            program_restarts: self.program_restarts,
            abandoned_threads: self.abandoned.count(),
            last_error: self.away.as_ref().or(self.last_error.as_ref()).cloned(),
            in_hand: self.desk.in_hand().map(|(work, kept)| shown(work, kept, now)).collect(),
        }
    }

    fn status(&self) -> AgentStatus {
        match self.desk.mode() {
            _ if !self.desk.is_reachable() => AgentStatus::Disconnected,
            Mode::Taking => AgentStatus::Active,
            Mode::Paused => AgentStatus::Paused,
            Mode::Draining | Mode::Retiring => AgentStatus::Draining,
        }
    }
}

fn shown(work: WorkId, kept: &InHand, now: Instant) -> WorkInHand {
    let running = now.saturating_duration_since(kept.since).as_millis();
    let last = kept.progress.last();
    WorkInHand {
        work: work.to_string(),
        running_ms: u64::try_from(running).unwrap_or(u64::MAX),
        cancelling: kept.stop.is_cancelled(),
        progress: last.fraction,
        note: last.note,
    }
}

impl Actor for AgentActor {
    type Message = AgentMessage;
    const KIND: &'static str = "agent";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let source = self.hosting.factory.open(ctx)?;
        self.workplace = Some(Arc::new(Workplace {
            hosting: Arc::clone(&self.hosting),
            source,
            abandoned: Arc::clone(&self.abandoned),
        }));
        self.tell_registry();
        Ok(())
    }

    async fn handle(
        &mut self,
        message: AgentMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            AgentMessage::Perform(request) => self.take(request, ctx),
            AgentMessage::Receive(request) => self.receive(request, ctx),
            AgentMessage::Cancel { work } => {
                if let Some(kept) = self.desk.kept(work) {
                    kept.stop.cancel();
                }
            }
            AgentMessage::Pause => self.order(Mode::Paused),
            AgentMessage::Resume => self.order(Mode::Taking),
            AgentMessage::Drain => self.order(Mode::Draining),
            AgentMessage::Retire => self.order(Mode::Retiring),
            AgentMessage::Health(request) => {
                let CheckHealth = request.body;
                let health = self.health(ctx.now());
                request.answer(health);
            }
            AgentMessage::Own(Report(reported)) => self.reported(reported, ctx.now()),
        }
        if self.desk.is_finished() {
            ctx.stop();
        }
        Ok(())
    }

    async fn child_event(
        &mut self,
        event: ChildEvent,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let slot_of = |name: &str| name.strip_prefix(WORKER)?.parse::<Slot>().ok();
        match event {
            ChildEvent::Exited { name, reason } if *name == *MESSAGES => {
                if !reason.is_normal() {
                    self.crashes += 1;
                    self.log_crash(&name, &reason, None);
                    self.last_error = Some(reason.to_string());
                }
            }
            ChildEvent::Exited { name, reason } => {
                let Some(slot) = slot_of(&name) else { return Ok(()) };
                let lost = self.desk.crashed(slot);
                if !reason.is_normal() {
                    self.crashes += 1;
                    self.log_crash(&name, &reason, lost);
                    self.last_error = Some(reason.to_string());
                }
            }
            ChildEvent::Restarted { name } => {
                if let Some(slot) = slot_of(&name) {
                    self.desk.restarted(slot);
                }
            }
            ChildEvent::Started { .. } | ChildEvent::GaveUp { .. } => {}
        }
        if self.desk.is_finished() {
            ctx.stop();
        }
        Ok(())
    }
}
