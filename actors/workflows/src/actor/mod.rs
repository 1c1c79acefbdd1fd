//! The workflow engine: which runs there are, which of them have an actor, and the one writer of
//! their stream in the journal.
//!
//! ```text
//!  request ─▶ WorkflowEngine ── order ──▶ RunActor (one for each run that is under way)
//!                  ▲   │                     │ records
//!                  │   └─ gathered: records + releases ◀──┘
//!                  │          │ settle (once a mailbox batch): Append ─▶ journal
//!                  └── stored ◀──────────────────────────────────────────┘
//!                        │ index.apply, then in order: replies, changes told, "stored" to the run
//! ```
//!
//! All records go through the engine, so that one append carries those of many runs, and each
//! append can say which version of the stream it expects: an incarnation that is no longer the
//! last one stores nothing. The index changes when a record is stored, not before; so it is at any
//! time what a recovery would make of the log.

mod admission;
mod children;
mod commit;
mod compiling;
mod definitions;
mod deliveries;
mod drain;
mod forking;
mod gauges;
mod keeping;
mod options;
mod packing;
mod queue;
mod reading;
mod recovery;
mod requests;
mod run;
mod seating;
mod seats;
mod starting;
mod statistics;
pub(crate) mod step;
mod stored;
mod stuck;
mod waiters;

pub use step::Step;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use synod_journal::{JournalMessage, PartitionShare};
use synod_runtime::{
    Actor, ActorError, Address, ChildEvent, Context, ExitReason, MailboxConfig, Shutdown, Spec,
    Strategy, Supervision, TimerKey,
};
use synod_tasks::{EnginePhase, TasksMessage};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::commit::{Flight, Gathering, LogHead};
use self::compiling::Known;
use self::deliveries::Deliveries;
use self::drain::Drain;
use self::gauges::Gauges;
use self::keeping::Keeping;
use self::queue::Queue;
use self::run::{Cache, Library, Packs, Surroundings};
use self::seats::Seats;
use self::starting::Starting;
use self::statistics::Statistics;
use self::waiters::Waiters;
use crate::config::WorkflowsConfig;
use crate::definition::DefinitionHash;
use crate::index::Index;
use crate::messages::{RunId, RunListener, WorkflowsMessage};

/// Messages that may wait for the engine.
const MAILBOX: usize = 4_096;

/// Messages handled before the batch is stored.
const BATCH: usize = 256;

/// Slots for what runs and the journal tell.
const RESERVED: usize = 1 << 20;

/// How long the last append may take at the end.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// How often the journal is asked whether it takes appends again.
const RECHECK: Duration = Duration::from_secs(1);

/// Histories that are read for others at a time.
const READERS: usize = 8;

/// The workflow engine. Asked by [`WorkflowsMessage`]; see [`WorkflowEngine::spec`].
pub struct WorkflowEngine {
    config: WorkflowsConfig,
    /// The partitions that new runs are accepted in; what a run starts is in its own.
    share: PartitionShare,
    journal: Address<JournalMessage>,
    tasks: Address<TasksMessage>,
    around: Option<Arc<Surroundings>>,
    library: Arc<Library>,
    packs: Arc<Packs>,
    cache: Arc<Cache>,
    readers: Arc<Semaphore>,
    listened: Arc<AtomicBool>,
    phase: EnginePhase,
    /// Why it does not accept runs, while it does not.
    reason: Option<String>,
    /// Where the monotonic clock of its measurements begins.
    origin: Instant,
    index: Index,
    gathering: Gathering,
    flights: VecDeque<Flight>,
    head: LogHead,
    seats: Seats,
    queue: Queue,
    starting: Starting,
    known: Known,
    /// Definitions that are about to be forgotten: a record that says so is under way.
    doomed: HashSet<DefinitionHash>,
    /// When runs without an actor want to be woken, UTC microseconds.
    wakes: BTreeSet<(i64, RunId)>,
    alarm: Option<(i64, TimerKey)>,
    deliveries: Deliveries,
    waiters: Waiters,
    listeners: Vec<RunListener>,
    /// Of the last change told.
    changes: u64,
    drain: Option<Drain>,
    /// When an append failed last.
    faulty: Option<Instant>,
    keeping: Keeping,
    statistics: Statistics,
    gauges: Gauges,
}

impl WorkflowEngine {
    /// The engine of all partitions, named `workflows`, over this journal and this task engine. It
    /// is started once it has read its state from the journal.
    #[must_use]
    pub fn spec(
        config: WorkflowsConfig,
        journal: Address<JournalMessage>,
        tasks: Address<TasksMessage>,
    ) -> Spec<Self> {
        Self::spec_of(PartitionShare::WHOLE, config, journal, tasks)
    }

    /// The same, accepting runs in these partitions alone: one of several engines beside each
    /// other, each over a journal and a task engine of its own.
    #[must_use]
    pub fn spec_of(
        share: PartitionShare,
        config: WorkflowsConfig,
        journal: Address<JournalMessage>,
        tasks: Address<TasksMessage>,
    ) -> Spec<Self> {
        let recovery = Duration::from_secs(config.recovery_timeout_s);
        let mailbox = MailboxConfig {
            max_reserved: RESERVED,
            batch: BATCH,
            ..MailboxConfig::bounded(MAILBOX)
        };
        let supervision = Supervision { strategy: Strategy::Dynamic, ..Supervision::default() };
        let factory = move || Self::new(share, config.clone(), journal.clone(), tasks.clone());
        Spec::new("workflows", factory)
            .mailbox(mailbox)
            .supervision(supervision)
            .start_timeout(recovery)
            .shutdown(Shutdown::Within(SHUTDOWN))
    }

    fn new(
        share: PartitionShare,
        config: WorkflowsConfig,
        journal: Address<JournalMessage>,
        tasks: Address<TasksMessage>,
    ) -> Self {
        Self {
            config,
            share,
            journal,
            tasks,
            around: None,
            library: Arc::default(),
            packs: Arc::default(),
            cache: Arc::default(),
            readers: Arc::new(Semaphore::new(READERS)),
            listened: Arc::default(),
            phase: EnginePhase::Recovering,
            reason: None,
            origin: Instant::now(),
            index: Index::default(),
            gathering: Gathering::default(),
            flights: VecDeque::new(),
            head: LogHead::default(),
            seats: Seats::default(),
            queue: Queue::default(),
            starting: Starting::default(),
            known: Known::default(),
            doomed: HashSet::new(),
            wakes: BTreeSet::new(),
            alarm: None,
            deliveries: Deliveries::default(),
            waiters: Waiters::default(),
            listeners: Vec::new(),
            changes: 0,
            drain: None,
            faulty: None,
            keeping: Keeping::default(),
            statistics: Statistics::default(),
            gauges: Gauges::new(),
        }
    }

    fn journal_timeout(&self) -> Duration {
        Duration::from_millis(self.config.journal_timeout_ms)
    }

    /// What the runs that begin from now on share.
    fn surround(&mut self, ctx: &Context<Self>) -> Arc<Surroundings> {
        let record = self.head.bounds.record;
        let inline = usize::try_from(self.config.inline_bytes).unwrap_or(usize::MAX);
        let around = self.around.get_or_insert_with(|| {
            Arc::new(Surroundings {
                engine: ctx.address(),
                tasks: self.tasks.clone(),
                journal: self.journal.clone(),
                library: Arc::clone(&self.library),
                packs: Arc::clone(&self.packs),
                cache: Arc::clone(&self.cache),
                inline: inline.min(record / 4),
                record,
                keep_results_us: keeping::seconds(self.config.keep_results_s),
                park_after: Duration::from_millis(self.config.park_after_ms),
                journal_timeout: Duration::from_millis(self.config.journal_timeout_ms),
                listened: Arc::clone(&self.listened),
                readers: Arc::clone(&self.readers),
            })
        });
        Arc::clone(around)
    }

    /// Microseconds since the engine began.
    fn mono(&self, ctx: &Context<Self>) -> u64 {
        ctx.now().saturating_duration_since(self.origin).as_micros() as u64
    }

    /// Arms the timer for the first run that wants to be woken.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let Some((wanted, _)) = self.wakes.first().copied() else { return };
        if let Some((armed, timer)) = self.alarm {
            if armed <= wanted {
                return;
            }
            ctx.cancel_timer(timer);
        }
        let ahead = u64::try_from(wanted.saturating_sub(utc(ctx))).unwrap_or(0);
        let wake = WorkflowsMessage::Own(Step(step::Own::Wake));
        let timer = ctx.send_after(Duration::from_micros(ahead), wake);
        self.alarm = Some((wanted, timer));
    }
}

/// The time that is recorded, UTC microseconds.
fn utc(ctx: &Context<WorkflowEngine>) -> i64 {
    ctx.system().clock().utc().as_microsecond()
}

impl Actor for WorkflowEngine {
    type Message = WorkflowsMessage;

    const KIND: &'static str = "coordinator";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.origin = ctx.now();
        // An append of the former incarnation may still be answered, to this one: its number must
        // be another.
        self.head.append = ctx.system().entropy().next_u64() >> 1;
        self.look_at_log(ctx);
        self.open(ctx).await
    }

    async fn handle(
        &mut self,
        message: WorkflowsMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            WorkflowsMessage::Own(step) => self.on_step(step, ctx).await?,
            request => self.on_request(request, ctx),
        }
        if self.gathering.is_heavy(self.head.bounds) {
            self.flush(ctx);
        }
        Ok(())
    }

    /// Stores what the batch has gathered.
    async fn settle(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.admit(ctx);
        self.commit(ctx);
        self.arm(ctx);
        self.check_drained();
        self.update_gauges(ctx);
        Ok(())
    }

    async fn child_event(
        &mut self,
        event: ChildEvent,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if let ChildEvent::Exited { name, reason } = event {
            self.run_exited(&name, &reason, ctx);
        }
        Ok(())
    }

    /// Waits until what was gathered is stored.
    async fn stop(&mut self, _reason: &ExitReason, ctx: &mut Context<Self>) {
        self.part(ctx).await;
    }
}
