//! The actor of one run that is under way: it asks the run's machine, has what it decides stored,
//! and carries out what follows once it is.
//!
//! ```text
//!  order, result, timer ─▶ Run ─▶ events ─ flush (once a mailbox batch) ─▶ engine ─▶ journal
//!                            ├──▶ effects, answers ◀── released in order ◀── stored ◀─┘
//!                            └──▶ executions go with the events: the engine asks for them once
//!                                 the events are stored, and the outcome comes here
//! ```
//!
//! It keeps nothing that is not in its stored events: when it crashes, or rests because the run
//! only waits, the next one begins from them.

mod cache;
mod deciding;
mod executing;
mod handles;
mod loading;
mod releasing;

pub(super) use cache::Cache;
pub(super) use executing::Launch;
pub(super) use loading::{Library, LoadError, Loaded, Packs, blob, load, load_records};

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use synod_agents::Watch;
use synod_journal::{BlobError, BlobId, JournalMessage};
use synod_runtime::{
    Actor, ActorError, Address, AskError, Context, Correlation, Reply, Restart, Shutdown, Spec,
    TimerKey,
};
use synod_tasks::{ExecutionError, TasksMessage};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::deciding::Batch;
use self::handles::{HandleChanges, Handles};
use crate::error::{ControlError, DecideError};
use crate::history::{EngineEvent, OpeningNote, Piece, RunRecord, Teller, Trail};
use crate::json::Json;
use crate::messages::{ApprovalResponse, RunChange, RunId, RunStatusResponse, WorkflowsMessage};
use crate::run::{ApprovalId, Effect, Event, Execute, Input, Refused, Run, StartChild, Ticket};

/// How long the actor of a run has to end.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// How long the actor of a run may take to read its history.
const START: Duration = Duration::from_secs(120);

/// What all runs share.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub engine: Address<WorkflowsMessage>,
    pub tasks: Address<TasksMessage>,
    pub journal: Address<JournalMessage>,
    pub library: Arc<Library>,
    pub packs: Arc<Packs>,
    pub cache: Arc<Cache>,
    /// Values above this many bytes go to blobs.
    pub inline: usize,
    /// Bytes of events of the largest record; a decision with more becomes several.
    pub record: usize,
    /// How long results with a key are kept, microseconds; 0: none are.
    pub keep_results_us: i64,
    /// A run that waits longer than this rests.
    pub park_after: Duration,
    pub journal_timeout: Duration,
    /// Whether anybody listens to changes.
    pub listened: Arc<AtomicBool>,
    /// Lets no more than a few read histories for others at a time.
    pub readers: Arc<Semaphore>,
}

/// What a run begins from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// It is new: these are its first events.
    New { events: Vec<Event>, note: OpeningNote, defined: Option<Box<EngineEvent>> },
    /// It is stored.
    Stored { trail: Trail, packs: Vec<(u32, BlobId)>, trace: Option<Correlation> },
}

/// What is asked of a run.
#[derive(Debug)]
pub(crate) struct Order {
    /// What it is given, if anything.
    pub input: Option<Input>,
    /// What is to be stored before it, of a definition that it brings along.
    pub defined: Option<Box<EngineEvent>>,
    /// Who waits for what.
    pub answer: Answer,
}

/// Who waits for what comes of an order.
#[derive(Debug)]
pub(crate) enum Answer {
    Nobody,
    /// How it stands.
    Show(Reply<Option<RunStatusResponse>>),
    /// How it stands after what was asked.
    Control(Reply<Result<RunStatusResponse, ControlError>>),
    /// How an approval stands after a decision.
    Decided(ApprovalId, Reply<Result<ApprovalResponse, DecideError>>),
    /// Whether it took a message, of the delivery of this number.
    Delivery(u64),
}

/// What the actor of a run is told.
#[derive(Debug)]
pub(crate) enum RunMessage {
    /// All batches up to this one are stored. These wait for the end.
    Stored { through: u64, waiters: Vec<Reply<Option<RunStatusResponse>>> },
    /// Somebody asks for something.
    Order(Box<Order>),
    /// An execution has ended. It was begun because this batch was stored; 0: not by the engine.
    Executed {
        execute: Box<Execute>,
        batch: u64,
        /// What was seen of it.
        watch: Watch,
        outcome: Result<Performed, AskError>,
    },
    /// An execution need not be: its result is known.
    Known { execute: Box<Execute>, output: Json },
    /// Try this again, as it was not taken on.
    Again(Box<Execute>),
    /// The time that it asked to be woken at has come.
    Wake,
    /// It may rest if nothing happened since it counted so far.
    Rest(u64),
    /// Blobs of a batch have been stored, or not.
    BlobStored { batch: u64, outcome: Result<Result<BlobId, BlobError>, AskError> },
    /// The engine knows that it rests: it may go.
    Leave,
    /// The node stops: what is executed is taken back, at once or when it has ended.
    HandBack { at_once: bool },
    /// Nothing is to be done about it.
    Noted,
}

pub(super) type Performed = Result<synod_tasks::Executed, ExecutionError>;

/// The actor of one run. See the module.
pub(super) struct RunActor {
    around: Arc<Surroundings>,
    id: RunId,
    /// Which actor of the run it is.
    incarnation: u64,
    source: Option<Source>,
    /// Whether it is admitted by this actor.
    begins: bool,
    run: Option<Run>,
    trace: Option<Correlation>,
    note: Option<OpeningNote>,
    handles: Handles,
    teller: Teller,
    events: Vec<Event>,
    effects: Vec<Effect>,
    answers: Vec<(Answer, Result<bool, Refused>)>,
    defined: Vec<EngineEvent>,
    /// When what is gathered was decided, UTC microseconds.
    decided_at: Option<i64>,
    batches: VecDeque<Batch>,
    batch: u64,
    /// Orders that the engine sent.
    orders: u64,
    /// Everything that happened.
    happened: u64,
    /// What it asked to be woken at, and the timer.
    wake: Option<(i64, Option<TimerKey>)>,
    rest: Option<(u64, TimerKey)>,
    /// Told the engine that it rests.
    resting: bool,
    /// It was stored before this actor came: agents may be on their way.
    resumed: bool,
    /// The node stops; true: what is executed has been taken back.
    hands_back: Option<bool>,
    /// Executions that have not been answered.
    outstanding: usize,
    /// Those of them that must give signs of life.
    watched: BTreeMap<Ticket, Watch>,
}

impl RunActor {
    /// The actor of this run. It never restarts: the engine begins another from what is stored.
    pub(super) fn spec(
        name: String,
        around: &Arc<Surroundings>,
        id: RunId,
        incarnation: u64,
        source: Source,
        begins: bool,
    ) -> Spec<Self> {
        let around = Arc::clone(around);
        let factory = move || Self::new(&around, id, incarnation, source.clone(), begins);
        Spec::new(name, factory)
            .restart(Restart::Temporary)
            .start_timeout(START)
            .shutdown(Shutdown::Within(SHUTDOWN))
    }

    fn new(
        around: &Arc<Surroundings>,
        id: RunId,
        incarnation: u64,
        source: Source,
        begins: bool,
    ) -> Self {
        Self {
            around: Arc::clone(around),
            id,
            incarnation,
            source: Some(source),
            begins,
            run: None,
            trace: None,
            note: None,
            handles: Handles::default(),
            teller: Teller::default(),
            events: Vec::new(),
            effects: Vec::new(),
            answers: Vec::new(),
            defined: Vec::new(),
            decided_at: None,
            batches: VecDeque::new(),
            batch: 0,
            orders: 0,
            happened: 0,
            wake: None,
            rest: None,
            resting: false,
            resumed: false,
            hands_back: None,
            outstanding: 0,
            watched: BTreeMap::new(),
        }
    }

    /// Begins from what it was given: decides about the admission of a new run, goes on with one
    /// that was under way.
    async fn begin(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let now = utc(ctx);
        match self.source.take() {
            Some(Source::New { events, note, defined }) => {
                let times = events.iter().map(|event| (now, event));
                self.run = Some(Run::replay(|hash| self.around.library.plan(hash), times)?);
                self.trace = note.trace;
                self.note = Some(note);
                self.events = events;
                self.decided_at = Some(now);
                self.defined.extend(defined.map(|defined| *defined));
            }
            Some(Source::Stored { trail, packs, trace }) => {
                let loaded = load(&self.around, &trail, &packs).await?;
                let mut before = HandleChanges::default();
                for event in loaded.records.iter().flat_map(|record| &record.events) {
                    self.handles.follow(event, &mut before);
                    self.teller.follow(event, |hash| self.around.library.plan(hash));
                }
                let handles = loaded.records.iter();
                self.handles.recall(handles.map(|record| (&record.opened[..], &record.closed[..])));
                self.run = Some(loaded.run);
                self.trace = trace;
                self.resumed = true;
            }
            None => return Err(ActorError::new("a run has nothing to begin from")),
        }
        if self.begins {
            _ = self.decide(Input::Begin, now);
        } else {
            self.resume(now);
        }
        self.flush(ctx);
        self.look_whether_to_rest(ctx);
        Ok(())
    }

    fn on_order(&mut self, order: Order, ctx: &Context<Self>) {
        self.orders += 1;
        let Order { input, defined, answer } = order;
        self.defined.extend(defined.map(|defined| *defined));
        let taken = match input {
            Some(input) => self.decide(input, utc(ctx)),
            None => Ok(false),
        };
        if !matches!(answer, Answer::Nobody) {
            self.answers.push((answer, taken));
        }
    }
}

impl Actor for RunActor {
    type Message = RunMessage;

    const KIND: &'static str = "run";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.begin(ctx).await
    }

    async fn handle(
        &mut self,
        message: RunMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        if !matches!(message, RunMessage::Rest(_) | RunMessage::Leave) {
            self.happened += 1;
            self.rouse(ctx);
        }
        match message {
            RunMessage::Stored { through, waiters } => self.stored(through, waiters, ctx),
            RunMessage::Order(order) => self.on_order(*order, ctx),
            RunMessage::Executed { execute, batch, watch, outcome } => {
                self.release_through(batch, ctx);
                self.executed(execute, &watch, outcome, ctx);
            }
            RunMessage::Known { execute, output } => self.known(&execute, output, ctx),
            RunMessage::Again(execute) => self.execute(execute, ctx),
            RunMessage::Wake => self.wake_up(ctx),
            RunMessage::Rest(counted) => self.rest(counted, ctx),
            RunMessage::BlobStored { batch, outcome } => self.blob_stored(batch, outcome)?,
            RunMessage::Leave => ctx.stop(),
            RunMessage::HandBack { at_once } => self.hand_back(at_once, ctx),
            RunMessage::Noted => {}
        }
        Ok(())
    }

    async fn settle(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        if self.hands_back == Some(false) && self.outstanding == 0 {
            self.hand_back(true, ctx);
        }
        self.flush(ctx);
        self.look_whether_handed_back();
        self.look_whether_to_rest(ctx);
        Ok(())
    }
}

/// The time that is recorded, UTC microseconds.
fn utc<A: Actor>(ctx: &Context<A>) -> i64 {
    ctx.system().clock().utc().as_microsecond()
}

/// A recorded time on the runtime's clock.
fn instant<A: Actor>(at: i64, ctx: &Context<A>) -> Instant {
    let ahead = u64::try_from(at.saturating_sub(utc(ctx))).unwrap_or(0);
    synod_runtime::after(ctx.now(), Duration::from_micros(ahead))
}

/// What a run gives to the engine to be stored, in order.
#[derive(Debug)]
pub(super) struct ToStore {
    pub run: RunId,
    pub incarnation: u64,
    pub defined: Vec<EngineEvent>,
    pub records: Vec<(RunRecord, Piece)>,
    /// For who listens, if anybody does.
    pub told: Vec<RunChange>,
    /// Which batch of this actor it is.
    pub batch: u64,
    /// What to ask for once it is stored.
    pub launches: Vec<Launch>,
    /// Whether the actor needs not be told that it is stored: the outcome of a launch says so.
    pub quiet: bool,
}

/// What a run tells the engine beside.
#[derive(Debug)]
pub(super) struct FromRun {
    pub run: RunId,
    pub incarnation: u64,
    pub what: Word,
}

/// See [`FromRun`].
#[derive(Debug)]
pub(super) enum Word {
    /// It only waits, and has seen so many orders.
    Rests { orders: u64 },
    /// Something waits for this batch to be stored, of which the actor would not be told.
    Awaits { batch: u64, to: Address<RunMessage> },
    /// Open this run.
    StartChild(Box<ChildToStart>),
    /// End this run.
    CancelChild { child: RunId, ticket: Ticket },
    /// Pass this on.
    Emit(Box<crate::run::Emit>),
    /// What was executed is taken back, and that is stored.
    HandedBack,
    /// Whether it took a message.
    Delivered { delivery: u64, taken: bool },
    /// A decision was taken; who decided is to be shown how the approval stands.
    Decided { approval: ApprovalId, reply: Reply<Result<ApprovalResponse, DecideError>> },
}

/// A run that a step starts, and what it is a run of.
#[derive(Debug)]
pub(super) struct ChildToStart {
    pub child: Box<StartChild>,
    pub name: Arc<str>,
    pub version: Option<Arc<str>>,
}

/// Contents to be stored as a blob.
type Blob = (BlobId, Bytes);
