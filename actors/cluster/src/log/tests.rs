//! The machine of a group against a naive model, and against the journal itself: the same
//! requests in the same order must have the same answers.

use bytes::Bytes;
use proptest::prelude::*;
use synod_journal::{
    Append, AppendError, BlobId, Committed, Epoch, Expected, JournalActor, JournalConfig,
    LoadSnapshot, Partition, Position, ReadStream, Record, RecordKind, SaveSnapshot, SimulatedDisk,
    SnapshotError, StoredRecord, Stream,
};
use synod_runtime::{Strategy as Supervise, Supervisor, System};
use synod_testkit::VirtualTime;

use super::answer::StreamsAnswer;
use super::command::{Command, SaveCommand, encode_append};
use super::streams::{StreamLimits, Streams};

const KIND: RecordKind = RecordKind::new("test.happened");
const STREAMS: [Stream; 3] = [Stream::new("a"), Stream::new("b"), Stream::new("c")];
const LIMITS: StreamLimits = StreamLimits { streams: 2, tail_bytes: 1 << 30 };
const WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

#[derive(Clone, Debug)]
enum Ask {
    Append { stream: usize, expected: Option<u64>, epoch: u64, records: Vec<(u16, u8)> },
    Save { stream: usize, at: u64 },
    Load { stream: usize },
    Read { stream: usize, records: u32, bytes: u64 },
}

fn ask() -> impl Strategy<Value = Ask> {
    let stream = || 0..STREAMS.len();
    let records = proptest::collection::vec((0..3_u16, 0..40_u8), 1..5);
    prop_oneof![
        4 => (stream(), proptest::option::of(0..12_u64), 0..4_u64, records).prop_map(
            |(stream, expected, epoch, records)| Ask::Append { stream, expected, epoch, records }
        ),
        2 => (stream(), 0..40_u64).prop_map(|(stream, at)| Ask::Save { stream, at }),
        1 => stream().prop_map(|stream| Ask::Load { stream }),
        2 => (stream(), 1..5_u32, 1..80_u64)
            .prop_map(|(stream, records, bytes)| Ask::Read { stream, records, bytes }),
    ]
}

fn append(stream: usize, expected: Option<u64>, epoch: u64, records: &[(u16, u8)]) -> Append {
    let record = |(partition, length): &(u16, u8)| {
        let bytes = vec![*length; usize::from(*length)];
        Record::new(KIND, 1, bytes).in_partition(Partition::from_low_bits(*partition))
    };
    Append {
        partition: Partition::default(),
        stream: STREAMS[stream],
        expected: expected.map_or(Expected::Any, Expected::Exact),
        epoch: Epoch(epoch),
        records: records.iter().map(record).collect(),
    }
}

/// The machine, asked as the journal is.
struct Machine(Streams);

impl Machine {
    fn append(&mut self, append: &Append) -> Result<Committed, AppendError> {
        let command = Command::decode(&encode_append(append, 0).unwrap()).unwrap();
        let (answer, effect) = self.0.apply(command);
        assert_eq!(effect, None);
        answer.committed(append.stream)
    }

    fn save(&mut self, stream: Stream, at: Position) -> Result<(), SnapshotError> {
        let (stream, pieces) = (stream.to_string(), vec![BlobId::of(&at.0.to_le_bytes())]);
        let save = SaveCommand { stream, at, version: 1, pieces, bytes: 8 };
        match self.0.apply(Command::SaveSnapshot(save)).0 {
            StreamsAnswer::Saved => Ok(()),
            StreamsAnswer::NotSaved(refusal) => Err(refusal.into_error(at)),
            answer => panic!("{answer:?}"),
        }
    }

    fn read(&self, read: ReadStream) -> Vec<StoredRecord> {
        let (mut records, mut after) = (Vec::new(), read.after);
        loop {
            let page = self.0.read(&ReadStream { after, ..read });
            assert!(page.records.len() <= read.max_records as usize);
            records.extend(page.records);
            match page.next {
                Some(next) => after = next,
                None => return records,
            }
        }
    }
}

fn timeless(records: Vec<StoredRecord>) -> Vec<StoredRecord> {
    records.into_iter().map(|record| StoredRecord { recorded_at_us: 0, ..record }).collect()
}

async fn same_answers(asks: Vec<Ask>) {
    let config = JournalConfig {
        max_streams: LIMITS.streams,
        segment_bytes: 64 << 10,
        max_group_bytes: 32 << 10,
        max_record_bytes: 16 << 10,
        ..JournalConfig::default()
    };
    let journal = JournalActor::simulated(config, SimulatedDisk::new(1));
    let real = journal.address();
    let system = System::builder().clock(VirtualTime::new()).build();
    let root = Supervisor::new(Supervise::OneForOne).child(journal).into_spec("root");
    system.start(root).await.unwrap();
    let mut machine = Machine(Streams::new(LIMITS));
    let mut saved = [(Position::START, Position::START); STREAMS.len()];
    for ask in asks {
        match &ask {
            Ask::Append { stream, expected, epoch, records } => {
                let append = append(*stream, *expected, *epoch, records);
                let answer = machine.append(&append);
                assert_eq!(answer, real.ask(append, WITHIN).await.unwrap(), "{ask:?}");
            }
            Ask::Save { stream, at } => {
                let (at, stream_name) = (Position(*at), STREAMS[*stream]);
                let bytes = Bytes::copy_from_slice(&at.0.to_le_bytes());
                let save = SaveSnapshot { stream: stream_name, at, version: 1, bytes };
                let answer = machine.save(stream_name, at);
                assert_eq!(answer, real.ask(save, WITHIN).await.unwrap(), "{ask:?}");
                if answer.is_ok() && saved[*stream].1 != at {
                    saved[*stream] = (saved[*stream].1, at);
                }
            }
            Ask::Load { stream } => {
                let stream = STREAMS[*stream];
                let loaded = real.ask(LoadSnapshot { stream }, WITHIN).await.unwrap().unwrap();
                let loaded = loaded.map(|snapshot| (snapshot.at, BlobId::of(&snapshot.bytes)));
                let kept = machine.0.snapshot(&stream).map(|kept| (kept.at, kept.pieces[0]));
                assert_eq!(kept, loaded, "{ask:?}");
            }
            Ask::Read { stream, records, bytes } => {
                // What the second newest snapshot contains is gone here, and may be there.
                let read = ReadStream {
                    max_records: *records,
                    max_bytes: *bytes,
                    ..whole(STREAMS[*stream], saved[*stream].0)
                };
                let mut found = Vec::new();
                let mut after = read.after;
                loop {
                    let page = ReadStream { after, ..read };
                    let page = real.ask(page, WITHIN).await.unwrap().unwrap();
                    found.extend(page.records);
                    match page.next {
                        Some(next) => after = next,
                        None => break,
                    }
                }
                assert_eq!(timeless(machine.read(read)), timeless(found), "{ask:?}");
            }
        }
        let image = machine.0.encode().unwrap();
        assert_eq!(Streams::decode(&image, LIMITS).unwrap(), machine.0);
    }
    let _ = system.stop(WITHIN).await;
}

fn whole(stream: Stream, after: Position) -> ReadStream {
    ReadStream { stream, after, max_records: 4_096, max_bytes: 1 << 20 }
}

/// All records ever, and nothing clever.
#[derive(Default)]
struct Naive {
    records: Vec<(Stream, u16, u64)>,
}

impl Naive {
    fn append(&mut self, append: &Append) -> Result<Committed, AppendError> {
        for record in &append.records {
            let partition = record.partition.unwrap();
            let theirs = self.records.iter().filter(|(_, own, _)| *own == partition.get());
            let current = Epoch(theirs.map(|(_, _, epoch)| *epoch).max().unwrap_or(0));
            if append.epoch < current {
                return Err(AppendError::Fenced { partition, current });
            }
        }
        let names: std::collections::BTreeSet<_> =
            self.records.iter().map(|(stream, ..)| *stream).collect();
        if !names.contains(&append.stream) && names.len() == LIMITS.streams as usize {
            return Err(AppendError::Invalid("the log has as many streams as it may have"));
        }
        let stream = append.stream;
        let found = self.records.iter().filter(|(name, ..)| *name == stream).count() as u64;
        if let Expected::Exact(expected) = append.expected
            && expected != found
        {
            return Err(AppendError::WrongExpected { stream, expected, found });
        }
        let first = Position(self.records.len() as u64 + 1);
        let rows = append.records.iter().map(|record| record.partition.unwrap().get());
        self.records.extend(rows.map(|partition| (stream, partition, append.epoch.0)));
        let last = Position(self.records.len() as u64);
        Ok(Committed { first, last, stream_version: found + append.records.len() as u64 })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_group_answers_what_the_journal_answers(asks in proptest::collection::vec(ask(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(same_answers(asks));
    }

    #[test]
    fn a_group_answers_what_a_naive_log_answers(asks in proptest::collection::vec(ask(), 1..80)) {
        let (mut machine, mut naive) = (Machine(Streams::new(LIMITS)), Naive::default());
        for ask in asks {
            if let Ask::Append { stream, expected, epoch, records } = ask {
                let append = append(stream, expected, epoch, &records);
                prop_assert_eq!(machine.append(&append), naive.append(&append));
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_of_states_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300)
    ) {
        let _ = Streams::decode(&Bytes::from(bytes), LIMITS);
    }
}
