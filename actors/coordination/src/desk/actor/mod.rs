//! The shell around the book: messages become inputs, inputs become records, and what came of them
//! is told once they are stored.
//!
//! ```text
//!  message ─▶ book ─▶ queue of entries: records + releases (answers, notes, dispatches)
//!                       │ settle (once a mailbox batch), one append at a time
//!                       ▼
//!                   Append ─▶ journal ─▶ Appended ─▶ releases, in order
//!                       │ error
//!                       ▼
//!            rebuild from the log, refuse until the journal takes appends again
//! ```
//!
//! One append is under way at a time: the journal syncs one group at a time, so what comes in the
//! meantime would wait there instead of here, and a failure leaves one append in doubt, not many.

mod commit;
mod deliveries;
mod drain;
mod followers;
mod gauges;
mod keeping;
mod own;
mod queue;
mod recovery;
mod release;
mod requests;
mod timekeeper;
mod waking;

pub(super) use own::Own;

use std::sync::Arc;
use std::time::Duration;

use synod_journal::{AppendLimits, JournalMessage, PartitionShare, Stream};
use synod_runtime::{
    Actor, ActorError, Address, Context, ExitReason, MailboxConfig, Reply, Shutdown, Spec,
};
use tokio::time::Instant;

use self::commit::{Flight, LogHead};
use self::deliveries::Deliveries;
use self::followers::Followers;
use self::gauges::Gauges;
use self::keeping::Keeping;
use self::own::Event;
use self::queue::Queue;
use self::timekeeper::Timekeeper;
use self::waking::Alarm;
use super::book::Book;
use super::config::DeskConfig;
use super::courier::Courier;
use super::messages::{DeskDrained, DeskMessage, NoteListener, NoteTeller};
use super::records;
use crate::protocol::{Moment, Protocol};

/// Messages that may wait for a desk.
const MAILBOX: usize = 4_096;

/// Messages handled before the batch is stored.
const BATCH: usize = 256;

/// How long the last append may take at the end.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// How often the journal is asked whether it takes appends again.
const RECHECK: Duration = Duration::from_secs(1);

/// Carries the conversations of one protocol. Asked by [`DeskMessage`]; see [`Desk::spec`].
pub struct Desk<P: Protocol> {
    config: DeskConfig,
    share: PartitionShare,
    stream: Option<Stream>,
    journal: Address<JournalMessage>,
    courier: Arc<dyn Courier>,
    /// Hears every note of every incarnation.
    teller: NoteTeller,
    book: Book<P>,
    time: Timekeeper,
    /// Why nothing that would have to be stored is taken, while it is not.
    refusal: Option<String>,
    /// What the book says already and the journal was not told yet.
    queue: Queue<P>,
    flight: Option<Flight<P>>,
    head: LogHead,
    limits: AppendLimits,
    /// Why the batch can't be stored: a fault of the program.
    broken: Option<String>,
    deliveries: Deliveries,
    followers: Followers,
    listeners: Vec<NoteListener>,
    alarm: Option<Alarm>,
    /// Who waits for the end of what was taken; none while it is not draining.
    drain: Option<Vec<Reply<DeskDrained>>>,
    /// When an append failed last.
    faulty: Option<Instant>,
    keeping: Keeping,
    gauges: Gauges,
}

impl<P: Protocol> Desk<P> {
    /// The desk of a protocol, named by its kind in the plural (`ballots`), over this journal, with
    /// this courier to agents; `teller` hears every note. It opens conversations in these
    /// partitions alone. It is started once it has read its state from the journal.
    #[must_use]
    pub fn spec(
        config: DeskConfig,
        share: PartitionShare,
        journal: Address<JournalMessage>,
        courier: Arc<dyn Courier>,
        teller: NoteTeller,
    ) -> Spec<Self> {
        let recovery = Duration::from_secs(config.recovery_timeout_s);
        let mailbox = MailboxConfig { batch: BATCH, ..MailboxConfig::bounded(MAILBOX) };
        let outside = (courier, teller);
        let factory = move || Self::new(config.clone(), share, journal.clone(), outside.clone());
        Spec::new(format!("{}s", P::KIND), factory)
            .mailbox(mailbox)
            .start_timeout(recovery)
            .shutdown(Shutdown::Within(SHUTDOWN))
    }

    fn new(
        config: DeskConfig,
        share: PartitionShare,
        journal: Address<JournalMessage>,
        (courier, teller): (Arc<dyn Courier>, NoteTeller),
    ) -> Self {
        Self {
            book: Book::new(&config),
            config,
            share,
            stream: records::stream::<P>(),
            journal,
            courier,
            teller,
            time: Timekeeper::default(),
            refusal: Some("the desk is recovering".to_owned()),
            queue: Queue::default(),
            flight: None,
            head: LogHead::default(),
            limits: AppendLimits::default(),
            broken: None,
            deliveries: Deliveries::default(),
            followers: Followers::default(),
            listeners: Vec::new(),
            alarm: None,
            drain: None,
            faulty: None,
            keeping: Keeping::default(),
            gauges: Gauges::new(P::KIND),
        }
    }

    /// The time as the machines read it.
    fn now(&mut self, ctx: &Context<Self>) -> Moment {
        let clock = ctx.system().clock();
        self.time.read(Moment(clock.utc().as_microsecond()), clock.now())
    }

    fn journal_timeout(&self) -> Duration {
        Duration::from_millis(self.config.journal_timeout_ms)
    }

    fn stream(&self) -> Result<Stream, ActorError> {
        self.stream.ok_or_else(|| {
            ActorError::new(format!("'{}' is no name for a stream of the journal", P::KIND))
        })
    }

    async fn on_own(&mut self, own: Own, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        match own.0 {
            Event::Wake => self.on_wake(ctx),
            Event::Recheck => self.recheck(ctx),
            Event::Rechecked(health) => self.rechecked(health, ctx).await?,
            Event::Appended { append, outcome } => self.appended(append, outcome, ctx).await?,
            Event::Delivered { round, id, number, outcome } => {
                self.delivered(round, id, number, outcome, ctx);
            }
            Event::Redeliver { round, id, number } => self.redeliver(round, id, number, ctx),
            Event::FollowOver { id, ticket } => self.followers.give_up(id, ticket),
            Event::Look => self.look_at_log(ctx),
            Event::Looked(health) => self.looked(health, ctx),
            Event::Encoded { at, outcome } => self.encoded(at, outcome, ctx),
            Event::Saved { at, outcome } => self.saved(at, outcome, ctx),
            Event::Truncated(outcome) => self.truncated(&outcome),
        }
        Ok(())
    }
}

impl<P: Protocol> Actor for Desk<P> {
    type Message = DeskMessage<P>;

    const KIND: &'static str = "desk";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        // What the former incarnation asked for may still be answered, to this one: its numbers
        // must be others.
        let entropy = ctx.system().entropy();
        self.head.append = entropy.next_u64() >> 1;
        self.deliveries.begin(entropy.next_u64() >> 1);
        self.look_at_log(ctx);
        self.begin(ctx).await?;
        // What was resumed is sent, and what is due is done, also when nobody asks for anything.
        self.settle(ctx).await
    }

    async fn handle(
        &mut self,
        message: DeskMessage<P>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            DeskMessage::Open(request) => self.on_open(request, ctx),
            DeskMessage::Step(request) => self.on_step(request, ctx),
            DeskMessage::Show(request) => self.on_show(request),
            DeskMessage::List(request) => self.on_list(request),
            DeskMessage::History(request) => self.on_history(request),
            DeskMessage::Follow(request) => self.on_follow(request, ctx),
            DeskMessage::Health(request) => self.on_health(request),
            DeskMessage::Drain(request) => self.on_drain(request),
            DeskMessage::Subscribe(listener) => self.on_subscribe(listener),
            DeskMessage::Own(own) => self.on_own(own, ctx).await?,
        }
        Ok(())
    }

    /// Forgets what is old, and stores what the batch has brought.
    async fn settle(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.forget(ctx);
        self.image_if_due();
        if let Some(reason) = self.broken.take() {
            self.fail_by_itself(reason, ctx).await?;
        }
        self.flush(ctx);
        self.pump(ctx);
        self.arm(ctx);
        self.check_drained();
        let (open, ended) = (self.book.open_count(), self.book.ended_count());
        self.gauges.update(open, ended, self.deliveries.len());
        Ok(())
    }

    /// Waits until all that was taken is stored, and answers who waits for it.
    async fn stop(&mut self, _reason: &ExitReason, ctx: &mut Context<Self>) {
        self.part(ctx).await;
    }
}
