//! The journal from outside, through its messages alone.
#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised, in its helpers too")]

mod acceptance;
mod golden;
mod restart;
mod storage;

use std::path::Path;
use std::time::Duration;

use synod_journal::{
    Append, AppendError, Committed, Epoch, Expected, Health, JournalActor, JournalConfig,
    JournalHealth, JournalMessage, Page, Partition, Position, ReadStream, Record, RecordKind,
    SimulatedDisk, Stream,
};
use synod_runtime::{Address, System};
use synod_testkit::{Seed, VirtualTime};

const TASKS: Stream = Stream::new("tasks");
const KIND: RecordKind = RecordKind::new("test.happened");

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// A node with a journal.
struct Node {
    system: System,
    journal: Address<JournalMessage>,
}

impl Node {
    /// On a real folder, in real time.
    fn in_folder(folder: &Path, config: JournalConfig) -> Self {
        let system = System::new(synod_runtime::SystemConfig::default());
        let journal = system.spawn(JournalActor::spec(config, folder)).unwrap();
        Self { system, journal }
    }

    /// On a simulated disk, in virtual time.
    fn simulated(disk: &SimulatedDisk, config: JournalConfig) -> Self {
        let entropy = Seed::fixed(1).entropy();
        let system = System::builder().clock(VirtualTime::new()).entropy(entropy).build();
        let journal = system.spawn(JournalActor::simulated(config, disk.clone())).unwrap();
        Self { system, journal }
    }

    async fn append(&self, append: Append) -> Result<Committed, AppendError> {
        self.journal.ask(append, LONG).await.unwrap()
    }

    async fn health(&self) -> JournalHealth {
        self.journal.ask(Health {}, LONG).await.unwrap()
    }

    async fn page(&self, after: Position, max_records: u32) -> Page {
        let read = ReadStream { stream: TASKS, after, max_records, max_bytes: 1 << 20 };
        self.journal.ask(read, LONG).await.unwrap().unwrap()
    }

    /// The contents of all records of `TASKS`.
    async fn contents(&self) -> Vec<Vec<u8>> {
        let (mut contents, mut after) = (Vec::new(), Position::START);
        loop {
            let page = self.page(after, 100).await;
            contents.extend(page.records.iter().map(|record| record.bytes.to_vec()));
            match page.next {
                Some(next) => after = next,
                None => return contents,
            }
        }
    }

    /// Why the journal's last incarnation ended.
    fn last_error(&self) -> String {
        let journal = self.system.observe().children.remove(0);
        journal.last_error.map(|reason| reason.to_string()).unwrap_or_default()
    }

    async fn stop(self) {
        self.system.stop(LONG).await.unwrap();
    }
}

/// An append of one record to `TASKS`, whatever its version.
fn one(contents: impl AsRef<[u8]>) -> Append {
    Append {
        partition: Partition::default(),
        stream: TASKS,
        expected: Expected::Any,
        epoch: Epoch(0),
        records: vec![Record::new(KIND, 1, contents.as_ref().to_vec())],
    }
}

/// Segments of 64 KiB, groups of up to 16.
fn small() -> JournalConfig {
    JournalConfig {
        segment_bytes: 64 << 10,
        max_group_bytes: 16 << 10,
        max_record_bytes: 8 << 10,
        reserve_bytes: 0,
        ..JournalConfig::default()
    }
}
