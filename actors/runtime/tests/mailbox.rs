//! Black-box tests of the mailbox: real actors that crash, under real supervision.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails, and an actor crashes, by one")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use synod_runtime::{
    Actor, ActorError, Address, Ask, AskError, Backoff, Context, DeadReason, MailboxConfig,
    Priority, Request, SendOptions, Spec, Strategy, Supervisor, System, SystemConfig,
};
use synod_testkit::{ON_PURPOSE, Probe, Seed, eventually, silence_provoked_panics};
use tokio::sync::Notify;

const PATIENCE: Duration = Duration::from_secs(60);

/// A node whose supervision restarts at once and never gives up.
fn node() -> System {
    silence_provoked_panics();
    System::new(SystemConfig::default())
}

/// Starts the actor of `spec` under a supervisor that tolerates any number of crashes.
async fn start<A: Actor>(system: &System, spec: Spec<A>) -> Address<A::Message> {
    let address = spec.address();
    let root = Supervisor::new(Strategy::OneForOne)
        .intensity(u32::MAX, Duration::from_secs(1))
        .child(spec.backoff(Backoff::none()));
    system.start(root.into_spec("root")).await.unwrap();
    address
}

/// Told apart by who sent it and as which one.
#[derive(Debug, Clone, Copy)]
struct Numbered {
    producer: u32,
    number: u32,
}

const PRODUCERS: u32 = 4;
const EACH: u32 = 250_000;

/// What has been handled; outlives every crash.
struct Ledger {
    begun: Vec<AtomicU8>,
    completed: AtomicU64,
    last: [[AtomicI64; Priority::COUNT]; PRODUCERS as usize],
    out_of_order: AtomicU64,
}

impl Ledger {
    fn new() -> Arc<Self> {
        let all = (PRODUCERS * EACH) as usize;
        Arc::new(Self {
            begun: (0..all).map(|_| AtomicU8::new(0)).collect(),
            completed: AtomicU64::new(0),
            last: std::array::from_fn(|_| std::array::from_fn(|_| AtomicI64::new(-1))),
            out_of_order: AtomicU64::new(0),
        })
    }

    fn begin(&self, message: Numbered, priority: Priority) {
        let index = message.producer * EACH + message.number;
        self.begun[index as usize].fetch_add(1, Ordering::Relaxed);
        let last = &self.last[message.producer as usize][priority.lane()];
        let number = i64::from(message.number);
        if last.swap(number, Ordering::Relaxed) >= number {
            self.out_of_order.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }
}

/// Counts, and crashes at messages that the seed has chosen.
struct Crashing {
    ledger: Arc<Ledger>,
    seed: u64,
}

impl Actor for Crashing {
    type Message = Numbered;
    const KIND: &'static str = "crashing";

    async fn handle(
        &mut self,
        message: Numbered,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        self.ledger.begin(message, ctx.metadata().priority);
        let index = u64::from(message.producer * EACH + message.number);
        match Seed::fixed(self.seed).round(index).value() % 4000 {
            0 => panic!("{ON_PURPOSE}"),
            1 => return Err(ActorError::new(ON_PURPOSE)),
            2 => tokio::task::yield_now().await,
            _ => {}
        }
        self.ledger.completed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_messages_through_random_crashes_are_each_handled_once_or_a_dead_letter() {
    let seed = Seed::from_env();
    let system = node();
    let ledger = Ledger::new();
    let (shared, value) = (Arc::clone(&ledger), seed.value());
    let spec = Spec::new("crashing", move || Crashing { ledger: Arc::clone(&shared), seed: value });
    let address = start(&system, spec).await;
    for producer in 0..PRODUCERS {
        let address = address.clone();
        tokio::spawn(async move {
            for number in 0..EACH {
                let priority =
                    Priority::ALL[(number.wrapping_mul(2_654_435_761) >> 8) as usize % 5];
                let options = SendOptions::new().priority(priority);
                address.send_with(Numbered { producer, number }, options).await.unwrap();
            }
        });
    }
    let crashed = || system.dead_letters().count(DeadReason::Crash);
    let all = u64::from(PRODUCERS * EACH);
    eventually(|| ledger.completed() + crashed() == all, PATIENCE).await;
    assert!(ledger.begun.iter().all(|begun| begun.load(Ordering::Relaxed) == 1));
    assert_eq!(ledger.out_of_order.load(Ordering::Relaxed), 0);
    assert!(crashed() > 300, "{} crashes", crashed());
    assert_eq!(system.dead_letters().total(), crashed());
}

/// Holds an actor up inside its first message.
#[derive(Default)]
struct Gate {
    entered: Notify,
    open: Notify,
}

/// What has been handled, in order.
type Seen = Arc<Mutex<Vec<(Priority, u32)>>>;

/// Writes down what it handles, the first time not before the gate opens.
struct Scribe {
    seen: Seen,
    gate: Option<Arc<Gate>>,
    crash_at: Option<u32>,
}

impl Actor for Scribe {
    type Message = u32;
    const KIND: &'static str = "scribe";

    async fn handle(&mut self, number: u32, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        if let Some(gate) = self.gate.take() {
            gate.entered.notify_one();
            gate.open.notified().await;
        }
        if self.crash_at == Some(number) {
            panic!("{ON_PURPOSE}");
        }
        self.seen.lock().push((ctx.metadata().priority, number));
        Ok(())
    }
}

fn scribe(crash_at: Option<u32>) -> (Spec<Scribe>, Seen, Arc<Gate>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let gate = Arc::new(Gate::default());
    let (shared, mut first) = (Arc::clone(&seen), Some(Arc::clone(&gate)));
    let make = move || Scribe { seen: Arc::clone(&shared), gate: first.take(), crash_at };
    (Spec::new("scribe", make), seen, gate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_urgent_overtake_a_backlog_of_ten_thousand_after_at_most_a_batch() {
    let system = node();
    let (spec, seen, gate) = scribe(None);
    let address = start(&system, spec.mailbox(MailboxConfig::bounded(20_000))).await;
    for number in 0..10_000 {
        address.send(number).await.unwrap();
    }
    gate.entered.notified().await;
    let urgent = SendOptions::new().priority(Priority::Critical);
    address.try_send_with(77_777, urgent).unwrap();
    gate.open.notify_one();
    eventually(|| seen.lock().len() == 10_001, PATIENCE).await;
    let position = seen.lock().iter().position(|(_, number)| *number == 77_777).unwrap();
    assert!(position <= MailboxConfig::default().batch, "{position} were handled before it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loses_nothing_of_its_batch() {
    let system = node();
    let (spec, seen, gate) = scribe(Some(10));
    let before_start = spec.address();
    for number in 0..64 {
        before_start.try_send(number).unwrap();
    }
    gate.open.notify_one();
    start(&system, spec).await;
    eventually(|| seen.lock().len() == 63, PATIENCE).await;
    let numbers: Vec<u32> = seen.lock().iter().map(|(_, number)| *number).collect();
    let expected: Vec<u32> = (0..64).filter(|number| *number != 10).collect();
    assert_eq!(numbers, expected);
    assert_eq!(system.dead_letters().count(DeadReason::Crash), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_background_does_not_shut_out_the_critical() {
    let system = node();
    let (spec, seen, gate) = scribe(None);
    let address = start(&system, spec).await;
    let background = SendOptions::new().priority(Priority::Background);
    while address.try_send_with(0, background.clone()).is_ok() {}
    let critical = SendOptions::new().priority(Priority::Critical);
    for number in 1..=64 {
        address.try_send_with(number, critical.clone()).unwrap();
    }
    gate.open.notify_one();
    eventually(|| address.depth() == 0, PATIENCE).await;
    let seen = seen.lock();
    let last = seen.iter().rposition(|(priority, _)| *priority == Priority::Critical).unwrap();
    assert!(last < 64 + 64 + 8, "within the batch in hand and their own number, not {last}");
}

/// Sends itself another message of the same lane for each that it handles, so that every lane
/// stays as full as it was at the start, whatever the machine does.
struct Treadmill {
    waits: Arc<Mutex<Vec<(Priority, usize)>>>,
}

const TREADMILL_TURNS: usize = 100_000;

impl Actor for Treadmill {
    /// How many messages had been handled when it was sent.
    type Message = usize;
    const KIND: &'static str = "treadmill";

    async fn handle(&mut self, sent: usize, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let handled = {
            let mut waits = self.waits.lock();
            let handled = waits.len();
            waits.push((ctx.metadata().priority, handled - sent));
            handled + 1
        };
        if handled < TREADMILL_TURNS {
            ctx.address().try_send(handled)?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lane_is_served_within_the_bound_while_all_are_saturated() {
    const IN_EACH: usize = 150;
    let system = node();
    let waits = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&waits);
    let spec = Spec::new("treadmill", move || Treadmill { waits: Arc::clone(&shared) });
    let address = spec.address();
    for priority in Priority::ALL {
        let options = SendOptions::new().priority(priority);
        for _ in 0..IN_EACH {
            address.try_send_with(0, options.clone()).unwrap();
        }
    }
    start(&system, spec).await;
    let all = TREADMILL_TURNS + Priority::COUNT * IN_EACH - 1;
    eventually(|| waits.lock().len() == all, PATIENCE).await;
    let config = MailboxConfig::default();
    let queued = Priority::COUNT * IN_EACH;
    let bound = config.fairness as usize * queued + config.batch;
    let waits = waits.lock();
    for lane in Priority::ALL {
        let own = waits.iter().filter(|(priority, _)| *priority == lane);
        let longest = own.clone().map(|(_, wait)| *wait).max().unwrap();
        assert!(longest <= bound, "{lane}: {longest} were handled before it");
        assert!(own.count() > IN_EACH, "{lane} was served again and again");
    }
}

/// Echoes, or crashes with the request in hand.
struct Fragile;

struct Echo(u64);

impl Ask for Echo {
    type Reply = u64;
}

struct EchoMessage(Request<Echo>);

impl From<Request<Echo>> for EchoMessage {
    fn from(request: Request<Echo>) -> Self {
        Self(request)
    }
}

impl Actor for Fragile {
    type Message = EchoMessage;
    const KIND: &'static str = "fragile";

    async fn handle(
        &mut self,
        EchoMessage(request): EchoMessage,
        _: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let number = request.body.0;
        if number % 7 == 3 {
            panic!("{ON_PURPOSE}");
        }
        request.answer(number);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_asker_of_a_crashing_actor_hears_exactly_once() {
    const ASKS: u64 = 700;
    let system = node();
    let spec = Spec::new("fragile", || Fragile).mailbox(MailboxConfig::bounded(2 * ASKS as usize));
    let address = start(&system, spec).await;
    let probe = Probe::new();
    for number in 0..ASKS {
        address
            .ask_into(Echo(number), PATIENCE, &probe.address(), move |outcome| (number, outcome));
    }
    let mut heard = Vec::new();
    for _ in 0..ASKS {
        heard.push(probe.expect().await);
    }
    heard.sort_unstable_by_key(|(number, _)| *number);
    for (expected, (number, outcome)) in (0..ASKS).zip(heard) {
        assert_eq!(number, expected);
        let crashed = number % 7 == 3;
        assert_eq!(outcome, if crashed { Err(AskError::Unanswered) } else { Ok(number) });
    }
    probe.expect_none(Duration::from_millis(10)).await;
    assert_eq!(system.dead_letters().count(DeadReason::Crash), ASKS / 7);
}
