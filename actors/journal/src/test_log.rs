//! A log without its actor, for tests: the machine, the writer and the catalog in one thread.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::commit::{Command, GroupCommit, GroupWrite, Input, WriteFault};
use crate::config::JournalConfig;
use crate::disk::{Disk, LOG};
use crate::error::{AppendError, OpenError};
use crate::frame::LogKey;
use crate::messages::{Append, Committed, Expected, ReadStream, Record, StoredRecord};
use crate::names::{Epoch, Partition, Position, RecordKind, Stream};
use crate::page::read_page;
use crate::recovery::{Birth, open_log};
use crate::segment;
use crate::simulated::SimulatedDisk;
use crate::writer::{Writer, WriterLimits};

pub(crate) const TASKS: Stream = Stream::new("tasks");
pub(crate) const AGENTS: Stream = Stream::new("agents");
pub(crate) const KIND: RecordKind = RecordKind::new("test.happened");

pub(crate) type Answer = (u64, Result<Committed, AppendError>);

/// An open log and the lock on its folder.
pub(crate) struct TestLog {
    pub(crate) disk: SimulatedDisk,
    pub(crate) machine: GroupCommit<u64>,
    pub(crate) catalog: Catalog,
    pub(crate) cut_bytes: u64,
    writer: Writer,
    key: LogKey,
    under_way: Option<GroupWrite>,
    answers: Vec<Answer>,
    _lock: Box<dyn Send + Sync>,
}

/// Segments of 64 KiB, groups of up to 16.
pub(crate) fn small() -> JournalConfig {
    JournalConfig {
        segment_bytes: 64 << 10,
        max_group_bytes: 16 << 10,
        max_record_bytes: 8 << 10,
        reserve_bytes: 0,
        ..JournalConfig::default()
    }
}

/// An append of one record for each of `contents`, whatever the stream's version.
pub(crate) fn append(stream: Stream, contents: &[&[u8]]) -> Append {
    let records = contents.iter().map(|bytes| Record::new(KIND, 1, bytes.to_vec())).collect();
    let partition = Partition::default();
    Append { partition, stream, expected: Expected::Any, epoch: Epoch(0), records }
}

impl TestLog {
    pub(crate) fn open(disk: &SimulatedDisk, config: JournalConfig) -> Result<Self, OpenError> {
        let lock =
            disk.lock().map_err(|_| OpenError::InUse { folder: String::new(), pid: None })?;
        let birth = Birth { log_id: [7; 16], segment_bytes: config.segment_bytes, now_us: 1 };
        let log = open_log(disk, &birth)?;
        let (segment_bytes, reserve_bytes) = (config.segment_bytes, config.reserve_bytes);
        let limits = WriterLimits { segment_bytes, reserve_bytes, ahead: false };
        let key = LogKey::new(&log.log_id);
        Ok(Self {
            disk: disk.clone(),
            machine: GroupCommit::new(config, log.log_id, log.heads, log.end),
            catalog: log.catalog,
            cut_bytes: log.cut_bytes,
            writer: Writer::new(Arc::new(disk.clone()), limits, (key, log.file, log.mark)),
            key,
            under_way: None,
            answers: Vec::new(),
            _lock: lock,
        })
    }

    /// Hands an append in; nothing is written before `flush`.
    pub(crate) fn submit(&mut self, token: u64, append: Append) {
        self.step(Input::Append { token, append, now_us: 2 });
    }

    /// Begins a group of what waits.
    pub(crate) fn flush(&mut self) {
        self.step(Input::Flush { now_us: 2 });
    }

    /// Writes the group under way, if there is one. Those that follow from it wait.
    pub(crate) fn write(&mut self) {
        if let Some(group) = self.under_way.take() {
            let result = self.writer.commit(&group).map(drop);
            self.step(Input::Done { result, now_us: 2 });
        }
    }

    /// Writes everything that waits.
    pub(crate) fn settle(&mut self) {
        self.flush();
        while self.under_way.is_some() {
            self.write();
        }
    }

    /// One append, written at once.
    pub(crate) fn append(&mut self, append: Append) -> Result<Committed, AppendError> {
        self.submit(u64::MAX, append);
        self.settle();
        self.answers.pop().map_or(Err(AppendError::Overloaded), |(_, answer)| answer)
    }

    pub(crate) fn answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    pub(crate) fn probe(&mut self) -> Result<(), WriteFault> {
        self.writer.probe()?;
        self.step(Input::SpaceBack);
        Ok(())
    }

    /// All records of a stream, read in pages of so many records.
    pub(crate) fn read(&self, stream: Stream, max_records: u32) -> Vec<StoredRecord> {
        let (mut records, mut after) = (Vec::new(), Position::START);
        loop {
            let request = ReadStream { stream, after, max_records, max_bytes: 1 << 20 };
            let plan = self.catalog.plan(&stream, after, max_records as usize);
            let page = read_page(&self.disk, self.key, &request, &plan).unwrap();
            assert!(!page.records.is_empty() || page.next.is_none());
            assert!(page.records.len() <= max_records as usize);
            records.extend(page.records);
            match page.next {
                Some(next) => after = next,
                None => return records,
            }
        }
    }

    /// The contents of all records of a stream.
    pub(crate) fn contents(&self, stream: Stream) -> Vec<Vec<u8>> {
        self.read(stream, 3).into_iter().map(|record| record.bytes.to_vec()).collect()
    }

    fn step(&mut self, input: Input<u64>) {
        let mut out = Vec::new();
        self.machine.step(input, &mut out);
        for command in out {
            match command {
                Command::Write(group) => self.under_way = Some(group),
                Command::Answer(token, answer) => self.answers.push((token, answer)),
                Command::Committed(group) => group.enter(&mut self.catalog),
            }
        }
    }
}

/// The paths of all segments, the oldest first.
pub(crate) fn segments(disk: &SimulatedDisk) -> Vec<String> {
    let folder = format!("{LOG}/");
    let paths = disk.paths().into_iter();
    paths.filter(|path| path.strip_prefix(&folder).and_then(segment::first_of).is_some()).collect()
}
