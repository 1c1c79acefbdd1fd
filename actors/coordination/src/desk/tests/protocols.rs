//! Every protocol of the house at a desk: what it stores can be read, and makes the same again.

use std::collections::VecDeque;
use std::time::Duration;

use synod_agents::{AgentId, Envelope, Payload, Performative, Recipient};
use synod_journal::{PartitionShare, StoredRecord, Stream};
use synod_runtime::Principal;

use crate::auction::{self, Auction, Bidder};
use crate::ballot::{BallotInput, BallotProtocol, Paper, Proposal, VoterEntry};
use crate::contract_net::{self, ContractNet};
use crate::desk::DeskConfig;
use crate::desk::book::{Begin, Book, Change, digest};
use crate::desk::id::mint;
use crate::desk::records::{self, EntryV1, Reader};
use crate::lock::{Acquire, LockInput, LockSetup, LockSpace, Wish};
use crate::protocol::{ConversationId, Dispatch, Heard, Moment, Opening, Protocol};
use crate::sync::group::{BarrierSetup, Group, GroupInput, GroupMember, GroupSetup};

/// A conversation that is written down as a desk does.
struct Scribe<P: Protocol> {
    book: Book<P>,
    id: ConversationId,
    now: Moment,
    log: Vec<StoredRecord>,
    asked: VecDeque<Dispatch>,
    heard: u64,
}

fn ada() -> Principal {
    Principal::user("ada")
}

fn encoded<T: serde::Serialize>(value: &T) -> bytes::Bytes {
    synod_journal::RecordCodec::encode(value).unwrap()
}

impl<P: Protocol> Scribe<P> {
    fn open(setup: P::Setup) -> Self {
        let now = Moment(1_767_225_600_000_000);
        let id = mint(PartitionShare::WHOLE, now, 77 << 70);
        let mut scribe = Self {
            book: Book::new(&DeskConfig::default()),
            id,
            now,
            log: Vec::new(),
            asked: VecDeque::new(),
            heard: 0,
        };
        let (bytes, version) = (encoded(&setup), P::VERSION);
        let opening = Opening { id, now, seed: 7, by: ada() };
        let begin = Begin { opening, key: None, digest: digest(&bytes), setup };
        let change = scribe.book.open(begin, None).unwrap();
        let (setup, told) = (bytes, None);
        let entry =
            EntryV1::Opened { id, by: ada(), at: now, seed: 7, key: None, version, setup, told };
        scribe.write(entry, change);
        scribe
    }

    fn write(&mut self, entry: EntryV1, change: Change) {
        self.asked.extend(change.dispatches.into_iter().filter(|it| it.reply_within.is_some()));
        for record in entry.telling(&change.notes).encode(64, 1 << 20).unwrap() {
            self.log.push(StoredRecord {
                position: Default::default(),
                partition: Default::default(),
                stream: Stream::new("coordination"),
                epoch: Default::default(),
                kind: record.kind.as_str().to_owned(),
                version: record.version,
                recorded_at_us: 0,
                bytes: record.bytes,
            });
        }
    }

    fn say(&mut self, input: P::Input) -> bool {
        let (id, at, by, version) = (self.id, self.now, Principal::default(), P::VERSION);
        let bytes = encoded(&input);
        let Ok((_, change)) = self.book.step(id, at, &by, input, None).unwrap() else {
            return false;
        };
        let (input, told) = (bytes, None);
        self.write(EntryV1::Stepped { id, by, at, version, input, told }, change);
        true
    }

    /// Lets time pass, and agents answer: every other with this, the rest not at all.
    fn pass(&mut self, by: Duration, answer: Performative, content: &str) {
        self.now = self.now.after(by);
        let (id, at) = (self.id, self.now);
        for _ in 0..100 {
            let Some(dispatch) = self.asked.pop_front() else { break };
            self.heard += 1;
            let (about, told) = (dispatch.number, None);
            let heard = match self.heard % 2 {
                0 => Heard::Silent("it is gone".to_owned()),
                _ => Heard::Reply(reply(id, &dispatch, answer, content)),
            };
            if let Some(change) = self.book.hear(id, at, about, &heard, None) {
                self.write(EntryV1::Heard { id, at, about, heard, told }, change);
            }
        }
        for _ in self.book.due(self.now, 1) {
            let change = self.book.wake(id, at, None).unwrap();
            self.write(EntryV1::Woken { id, at, told: None }, change);
        }
    }

    /// From wherever a log is read, with a snapshot or without, the same stands as in the book.
    fn replays(&self) {
        let mut book = Book::<P>::new(&DeskConfig::default());
        let mut reader = Reader::default();
        for record in &self.log {
            let Some(entry) = reader.read(record).unwrap() else { continue };
            book.replay(entry).unwrap();
            assert_eq!(book.diverged, 0);
            let (last, image) = book.image();
            let snapshot = records::encode_snapshot(last, &image).unwrap();
            book = Book::restore(&DeskConfig::default(), records::SNAPSHOT_VERSION, &snapshot)
                .unwrap();
        }
        let looks = |book: &Book<P>| {
            let known = book.get(self.id).unwrap();
            let view = serde_json::to_string(&known.state.view()).unwrap();
            (view, known.notes.clone(), known.ended_at, book.next_wake(), book.resume(self.id))
        };
        assert_eq!(looks(&book), looks(&self.book));
        assert_eq!(book.last, self.book.last);
    }
}

fn reply(id: ConversationId, to: &Dispatch, performative: Performative, content: &str) -> Envelope {
    Envelope {
        id,
        sender: to.to.to_string(),
        recipient: Recipient::Everyone,
        performative,
        protocol: String::new(),
        conversation: Some(id),
        reply_with: None,
        in_reply_to: Some(to.number.to_string()),
        reply_by_us: None,
        sent_at_us: 0,
        trace: String::new(),
        content: Payload::new("application/json", content.to_owned()),
    }
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_ballot_stands_after_a_replay() {
    let voters = NAMES.into_iter().map(VoterEntry::agent).collect();
    let mut scribe = Scribe::<BallotProtocol>::open(Proposal::new("?", &["x", "y"], voters));
    let ballot = Paper::Choice("x".to_owned());
    let voter = "d".to_owned();
    assert!(scribe.say(BallotInput::Vote { voter, ballot, reason: "so".to_owned() }));
    scribe.pass(SECOND, Performative::Inform, r#"{"choice": "y", "reason": "why"}"#);
    scribe.replays();
    scribe.pass(SECOND * 100, Performative::Inform, "{}");
    scribe.replays();
    assert!(scribe.book.first_end().is_some());
}

#[test]
fn a_contract_net_stands_after_a_replay() {
    let participants = NAMES.into_iter().map(|name| AgentId::new(name).unwrap()).collect();
    let task = "dig".to_owned();
    let setup = contract_net::Setup { task, participants, ..Default::default() };
    let mut scribe = Scribe::<ContractNet>::open(setup);
    scribe.pass(SECOND, Performative::Propose, r#"{"price": 2.5, "time_ms": 10}"#);
    scribe.replays();
    for _ in 0..5 {
        scribe.pass(SECOND * 100, Performative::Inform, r#"{"done": true}"#);
        scribe.replays();
    }
    scribe.say(contract_net::Input::Cancel { reason: "enough".to_owned() });
    scribe.replays();
}

#[test]
fn an_auction_stands_after_a_replay() {
    let bidder = |name: &str| Bidder { name: name.to_owned(), budget: Some(1_000) };
    let bidders = NAMES.into_iter().map(bidder).collect();
    let goods = "a minute".to_owned();
    let mut scribe =
        Scribe::<Auction>::open(auction::Setup { goods, bidders, ..Default::default() });
    assert!(scribe.say(auction::Input::Bid { bidder: "d".to_owned(), amount: 5 }));
    scribe.pass(SECOND, Performative::Propose, r#"{"amount": 7}"#);
    scribe.replays();
    scribe.pass(SECOND * 100, Performative::Propose, "{}");
    scribe.replays();
    assert!(scribe.book.first_end().is_some());
}

#[test]
fn a_lock_space_stands_after_a_replay() {
    let mut scribe = Scribe::<LockSpace>::open(LockSetup::default());
    for owner in NAMES {
        let resources = vec![Wish::exclusive("x"), Wish::shared("y")];
        let owner = owner.to_owned();
        let acquire = Acquire { owner, resources, lease_ms: 5_000, wait_ms: 20_000, priority: 1 };
        assert!(scribe.say(LockInput::Acquire(acquire)));
        scribe.pass(SECOND, Performative::Inform, "{}");
        scribe.replays();
    }
    for _ in 0..10 {
        scribe.pass(SECOND * 4, Performative::Inform, "{}");
        scribe.replays();
    }
    assert!(scribe.say(LockInput::Close { reason: "done".to_owned() }));
    scribe.replays();
}

#[test]
fn a_group_stands_after_a_replay() {
    let barriers = vec![BarrierSetup { name: "x".to_owned(), ..BarrierSetup::default() }];
    let members = NAMES.into_iter().map(GroupMember::agent).collect();
    let setup = GroupSetup { members, barriers, lease_ms: 5_000, ..GroupSetup::default() };
    let mut scribe = Scribe::<Group>::open(setup);
    for member in &NAMES[..3] {
        let (member, barrier) = ((*member).to_owned(), "x".to_owned());
        assert!(scribe.say(GroupInput::Arrive { member, barrier }));
        scribe.pass(SECOND, Performative::Inform, "{}");
        scribe.replays();
    }
    for _ in 0..10 {
        scribe.pass(SECOND * 20, Performative::Inform, "{}");
        scribe.replays();
    }
}
