//! The shell around the machine: messages become inputs, what the machine gives becomes appends,
//! and what it commands is carried out once they are stored.
//!
//! ```text
//!  message ─▶ machine ─▶ gathered: records + releases (replies, dispatches, …)
//!                            │ settle (once a mailbox batch)
//!                            ▼
//!                        Append ─▶ journal ─▶ Appended ─▶ releases, in order
//!                            │ error
//!                            ▼
//!                 rebuild from the log, refuse until the journal takes appends again
//! ```
//!
//! Executions that their callers keep follow from no record, so what is commanded for them is
//! carried out at once. While the journal takes nothing they are refused like submissions, and when
//! an append fails all go back to their keepers: the state of an agent may be one that was never
//! stored.

mod agents;
mod blobs;
mod calls;
mod commit;
mod decisions;
mod drain;
mod executions;
mod gauges;
mod keeping;
mod recovery;
mod release;
mod requests;
mod step;
mod waiters;

pub use step::Step;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use synod_agents::RegistryMessage;
use synod_journal::{JournalMessage, PartitionShare};
use synod_runtime::{
    Actor, ActorError, Address, Context, ExitReason, MailboxConfig, Shutdown, Spec, TimerKey, after,
};
use tokio::time::Instant;

use self::agents::Addresses;
use self::commit::{Flight, Gathering, LogHead};
use self::drain::Drain;
use self::executions::Keepers;
use self::gauges::Gauges;
use self::keeping::Keeping;
use self::waiters::Waiters;
use crate::config::TasksConfig;
use crate::machine::{Answer, Command, Input, TaskMachine};
use crate::messages::{EnginePhase, TaskListener, TasksMessage};
use crate::task::Moment;

/// Messages that may wait for the engine.
const MAILBOX: usize = 4_096;

/// Messages handled before the batch is stored.
const BATCH: usize = 256;

/// Slots for results: executions in agents' hands, appends and blobs under way.
const RESERVED: usize = 1 << 20;

/// How long the last append may take at the end.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// How often the journal is asked whether it takes appends again.
const RECHECK: Duration = Duration::from_secs(1);

/// The task engine. Asked by [`TasksMessage`]; see [`TaskEngine::spec`].
pub struct TaskEngine {
    machine: TaskMachine,
    share: PartitionShare,
    journal: Address<JournalMessage>,
    registry: Address<RegistryMessage>,
    phase: EnginePhase,
    /// Why it does not accept tasks, while it does not.
    reason: Option<String>,
    /// Where the machine's monotonic clock begins.
    origin: Instant,
    gathering: Gathering,
    /// Of executions that are in no record; with the batch that has to be stored first.
    prompt: Vec<(u64, Command)>,
    flights: VecDeque<Flight>,
    head: LogHead,
    addresses: Addresses,
    waiters: Waiters,
    keepers: Keepers,
    listeners: Vec<TaskListener>,
    alarm: Option<(u64, TimerKey)>,
    drain: Option<Drain>,
    /// When an append failed last.
    faulty: Option<Instant>,
    keeping: Keeping,
    gauges: Gauges,
    /// Dropped with this incarnation, so that the registry forgets its subscription.
    alive: Arc<()>,
}

impl TaskEngine {
    /// The engine of all partitions, named `tasks`, over this journal and this registry of agents.
    /// It is started once it has read its state from the journal.
    #[must_use]
    pub fn spec(
        config: TasksConfig,
        journal: Address<JournalMessage>,
        registry: Address<RegistryMessage>,
    ) -> Spec<Self> {
        Self::spec_of(PartitionShare::WHOLE, config, journal, registry)
    }

    /// The same, accepting tasks in these partitions alone: one of several engines beside each
    /// other, each over a journal of its own.
    #[must_use]
    pub fn spec_of(
        share: PartitionShare,
        config: TasksConfig,
        journal: Address<JournalMessage>,
        registry: Address<RegistryMessage>,
    ) -> Spec<Self> {
        let recovery = Duration::from_secs(config.recovery_timeout_s);
        let mailbox = MailboxConfig {
            max_reserved: RESERVED,
            batch: BATCH,
            ..MailboxConfig::bounded(MAILBOX)
        };
        let factory = move || Self::new(share, config.clone(), journal.clone(), registry.clone());
        Spec::new("tasks", factory)
            .mailbox(mailbox)
            .start_timeout(recovery)
            .shutdown(Shutdown::Within(SHUTDOWN))
    }

    fn new(
        share: PartitionShare,
        config: TasksConfig,
        journal: Address<JournalMessage>,
        registry: Address<RegistryMessage>,
    ) -> Self {
        Self {
            machine: TaskMachine::new(config, [0; 32]),
            share,
            journal,
            registry,
            phase: EnginePhase::Recovering,
            reason: None,
            origin: Instant::now(),
            gathering: Gathering::new(),
            prompt: Vec::new(),
            flights: VecDeque::new(),
            head: LogHead::default(),
            addresses: Addresses::default(),
            waiters: Waiters::default(),
            keepers: Keepers::default(),
            listeners: Vec::new(),
            alarm: None,
            drain: None,
            faulty: None,
            keeping: Keeping::default(),
            gauges: Gauges::new(),
            alive: Arc::new(()),
        }
    }

    /// Both clocks, as the machine reads them.
    fn now(&self, ctx: &Context<Self>) -> Moment {
        let clock = ctx.system().clock();
        let mono = clock.now().saturating_duration_since(self.origin).as_micros();
        Moment { mono: mono as u64, utc: clock.utc().as_microsecond() }
    }

    /// A time of the machine's monotonic clock, as the runtime reads it.
    fn instant(&self, mono: u64) -> Instant {
        after(self.origin, Duration::from_micros(mono))
    }

    fn journal_timeout(&self) -> Duration {
        Duration::from_millis(self.machine.config().journal_timeout_ms)
    }

    /// Gives the machine an input; what comes of it is gathered.
    fn step(&mut self, now: Moment, input: Input) -> Answer {
        let answer = self.machine.step(now, input, &mut self.gathering.effects);
        self.gather();
        answer
    }

    /// Arms the timer for when the machine wants to be woken.
    fn arm(&mut self, now: Moment, ctx: &mut Context<Self>) {
        let Some(wanted) = self.machine.next_wake(now) else { return };
        if let Some((armed, timer)) = self.alarm {
            if armed <= wanted {
                return;
            }
            ctx.cancel_timer(timer);
        }
        let delay = Duration::from_micros(wanted.saturating_sub(now.mono));
        let timer = ctx.send_after(delay, TasksMessage::Own(Step::wake()));
        self.alarm = Some((wanted, timer));
    }

    fn wake(&mut self, now: Moment) {
        self.alarm = None;
        self.step(now, Input::Tick);
    }
}

impl Actor for TaskEngine {
    type Message = TasksMessage;

    const KIND: &'static str = "coordinator";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let mut seed = [0; 32];
        let entropy = ctx.system().entropy();
        entropy.fill(&mut seed);
        // An append of the former incarnation may still be answered, to this one: its number must
        // be another.
        self.head.append = entropy.next_u64() >> 1;
        let config = self.machine.config().clone();
        self.machine = TaskMachine::new(config, seed).owning(self.share).awaiting_agents();
        self.origin = ctx.now();
        self.look_at_log(ctx);
        self.open(ctx).await?;
        self.subscribe(ctx.address()).await
    }

    async fn handle(
        &mut self,
        message: TasksMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let now = self.now(ctx);
        match message {
            TasksMessage::Submit(request) => self.on_submit(now, request, ctx),
            TasksMessage::Get(request) => self.on_get(request, ctx),
            TasksMessage::List(request) => self.on_list(request),
            TasksMessage::Cancel(request) => self.on_cancel(now, request),
            TasksMessage::Wait(request) => self.on_wait(request, ctx),
            TasksMessage::Execute(request) => self.on_execute(now, request, ctx),
            TasksMessage::CancelExecution(request) => self.on_cancel_execution(now, request),
            TasksMessage::Stats(request) => self.on_stats(now, request),
            TasksMessage::Health(request) => self.on_health(request),
            TasksMessage::Drain(request) => self.on_drain(now, request, ctx),
            TasksMessage::Reconfigure(request) => self.on_reconfigure(request),
            TasksMessage::Subscribe(listener) => self.on_subscribe(listener),
            TasksMessage::AgentChanged(change) => self.on_agent_changed(now, change),
            TasksMessage::Own(step) => self.on_step(now, step, ctx).await?,
        }
        if self.gathering.is_heavy() {
            self.flush(ctx);
        }
        Ok(())
    }

    /// Gives out what can be given out, and stores what the batch has gathered.
    async fn settle(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let now = self.now(ctx);
        self.step(now, Input::Settle);
        self.carry_out_prompt(ctx);
        self.commit(ctx);
        // What was released may have ended more.
        self.carry_out_prompt(ctx);
        self.arm(now, ctx);
        self.check_drained();
        self.gauges.update(now, &self.machine, ctx);
        Ok(())
    }

    /// Hands back what runs, so that it does not count as lost, and waits until that is stored.
    async fn stop(&mut self, _reason: &ExitReason, ctx: &mut Context<Self>) {
        let now = self.now(ctx);
        self.part(now, ctx).await;
    }
}
