//! A node of one test: virtual time, a simulated disk that outlives it, agents that are a script.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_agents::{BoxFuture, Envelope, Payload, Performative, Recipient};
use synod_journal::{
    JournalActor, JournalConfig, JournalMessage, PartitionShare, ReadStream, SimulatedDisk,
    StoredRecord, Stream,
};
use synod_runtime::{Address, Principal, SeededEntropy, Strategy, Supervisor, System};
use synod_testkit::{Seed, VirtualTime, silence_provoked_panics};

use super::tally::{Goal, Say, Tally, TallyView};
use crate::desk::{
    Courier, Desk, DeskConfig, DeskError, DeskHealth, DeskHealthResponse, DeskMessage, History,
    HistoryPage, NoteTeller, NumberedNote, Open, Opened, Show, Shown, Step, Told,
};
use crate::protocol::ConversationId;

pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What agents do with an envelope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Habit {
    /// They answer after so long.
    Answer(Duration),
    /// They never answer.
    Silence,
    /// There are none.
    Absence,
    /// They answer something else.
    Nonsense,
    /// They answer too much.
    Flood,
    /// The courier fails.
    Crash,
}

/// Agents that are a script.
pub(super) struct Agents {
    pub(super) habit: Mutex<Habit>,
    pub(super) got: Mutex<Vec<Envelope>>,
}

impl Courier for Agents {
    fn deliver(
        &self,
        envelope: Envelope,
        _within: Duration,
    ) -> BoxFuture<'static, Result<Option<Envelope>, String>> {
        let habit = *self.habit.lock();
        self.got.lock().push(envelope.clone());
        assert_ne!(habit, Habit::Crash, "{}", synod_testkit::ON_PURPOSE);
        Box::pin(async move {
            match habit {
                Habit::Answer(wait) => {
                    tokio::time::sleep(wait).await;
                    Ok(envelope.reply_with.is_some().then(|| answer(&envelope, "7")))
                }
                Habit::Absence => Err("there is no such agent".to_owned()),
                Habit::Nonsense => {
                    let wrong = Some("something".to_owned());
                    Ok(Some(Envelope { in_reply_to: wrong, ..answer(&envelope, "7") }))
                }
                Habit::Flood => Ok(Some(answer(&envelope, &"7".repeat(1 << 16)))),
                Habit::Silence | Habit::Crash => std::future::pending().await,
            }
        })
    }
}

fn answer(to: &Envelope, text: &str) -> Envelope {
    let Recipient::Agent(agent) = &to.recipient else { panic!("{:?}", to.recipient) };
    Envelope {
        sender: format!("not {agent}"),
        performative: Performative::Inform,
        in_reply_to: to.reply_with.clone(),
        content: Payload::text(text),
        ..to.clone()
    }
}

/// What a node of one test keeps over its restarts.
pub(super) struct Ground {
    pub(super) time: VirtualTime,
    pub(super) disk: SimulatedDisk,
    pub(super) config: DeskConfig,
    pub(super) journal: JournalConfig,
    pub(super) agents: Arc<Agents>,
    pub(super) told: Arc<Mutex<Vec<Told>>>,
    pub(super) seed: Seed,
    starts: Mutex<u64>,
}

impl Ground {
    pub(super) fn new(config: DeskConfig) -> Self {
        Self::of(config, Seed::from_env())
    }

    pub(super) fn of(config: DeskConfig, seed: Seed) -> Self {
        silence_provoked_panics();
        assert_eq!(config.validate(), Ok(()));
        let journal = JournalConfig {
            segment_bytes: 256 << 10,
            max_group_bytes: 128 << 10,
            max_record_bytes: 32 << 10,
            reserve_bytes: 0,
            ..JournalConfig::default()
        };
        assert_eq!(journal.validate(), Ok(()));
        let habit = Mutex::new(Habit::Answer(Duration::from_millis(10)));
        Self {
            time: VirtualTime::new(),
            disk: SimulatedDisk::new(seed.value()),
            config,
            journal,
            agents: Arc::new(Agents { habit, got: Mutex::default() }),
            told: Arc::default(),
            seed,
            starts: Mutex::new(0),
        }
    }

    pub(super) fn habit(&self, habit: Habit) {
        *self.agents.habit.lock() = habit;
    }

    /// Which dispatches agents were given, in order.
    pub(super) fn given(&self) -> Vec<Envelope> {
        self.agents.got.lock().clone()
    }

    /// Starts a node on this disk.
    pub(super) async fn start(&self) -> Stage {
        *self.starts.lock() += 1;
        let entropy = SeededEntropy::new(self.seed.round(*self.starts.lock()).value());
        let system = System::builder().clock(self.time.clone()).entropy(entropy).build();
        let journal = JournalActor::simulated(self.journal.clone(), self.disk.clone());
        let log = journal.address();
        let agents = Arc::clone(&self.agents) as Arc<dyn Courier>;
        let share = PartitionShare::new(1, 2).unwrap();
        let told = Arc::clone(&self.told);
        let teller: NoteTeller = Arc::new(move |note| told.lock().push(note.clone()));
        let desk = Desk::<Tally>::spec(self.config.clone(), share, log.clone(), agents, teller);
        assert_eq!(&**desk.name(), "tallys");
        let address = desk.address();
        let root = Supervisor::new(Strategy::RestForOne).child(journal).child(desk);
        system.start(root.into_spec("node")).await.unwrap();
        Stage { system, journal: log, desk: address }
    }
}

/// A running node.
pub(super) struct Stage {
    pub(super) system: System,
    pub(super) journal: Address<JournalMessage>,
    pub(super) desk: Address<DeskMessage<Tally>>,
}

pub(super) fn ada() -> Principal {
    Principal::user("ada")
}

pub(super) fn goal(goal: u64) -> Open<Tally> {
    let setup = Goal { goal, ..Goal::default() };
    Open { setup, by: ada(), id: None, key: None }
}

impl Stage {
    pub(super) async fn open(&self, open: Open<Tally>) -> Result<Opened<TallyView>, DeskError> {
        self.desk.ask(open, PATIENCE).await.unwrap()
    }

    pub(super) async fn opened(&self, to: u64) -> ConversationId {
        self.open(goal(to)).await.unwrap().id
    }

    pub(super) async fn say(&self, id: ConversationId, input: Say) -> Result<u64, DeskError> {
        self.desk.ask(Step { id, by: ada(), input }, PATIENCE).await.unwrap()
    }

    pub(super) async fn show(&self, id: ConversationId) -> Option<Shown<TallyView>> {
        self.desk.ask(Show::new(id), PATIENCE).await.unwrap()
    }

    pub(super) async fn view(&self, id: ConversationId) -> TallyView {
        self.show(id).await.expect("a known conversation").view
    }

    pub(super) async fn page(&self, id: ConversationId) -> HistoryPage {
        let history = History { id, after: 0, limit: 1_000 };
        self.desk.ask(history, PATIENCE).await.unwrap().expect("a known conversation")
    }

    pub(super) async fn notes(&self, id: ConversationId) -> Vec<NumberedNote> {
        self.page(id).await.notes
    }

    pub(super) async fn kinds(&self, id: ConversationId) -> Vec<String> {
        self.notes(id).await.into_iter().map(|numbered| numbered.note.kind).collect()
    }

    pub(super) async fn health(&self) -> DeskHealthResponse {
        self.desk.ask(DeskHealth {}, PATIENCE).await.unwrap()
    }

    /// All records of the desk that the log has.
    pub(super) async fn records(&self) -> Vec<StoredRecord> {
        let stream = Stream::new("coordination.tally");
        let (mut after, mut records) = (synod_journal::Position::START, Vec::new());
        loop {
            let read = ReadStream { stream, after, max_records: 1_000, max_bytes: 1 << 20 };
            let page = self.journal.ask(read, PATIENCE).await.unwrap().unwrap();
            records.extend(page.records);
            match page.next {
                Some(next) => after = next,
                None => return records,
            }
        }
    }

    /// Stops the node in order.
    pub(super) async fn stop(self) {
        self.system.stop(PATIENCE).await.unwrap();
    }

    /// Cuts the power; whatever the node still does reaches no disk.
    pub(super) async fn cut(self, ground: &Ground) {
        ground.disk.crash();
        // It can't stop in order any more, and nobody cares how it ends.
        let _ended = self.system.stop(Duration::from_secs(1)).await;
    }
}
