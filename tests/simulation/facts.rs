//! What was seen of all nodes, and whether it can be: the invariants that hold at every moment.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use synod_cluster::{GroupView, NodeId};
use tokio::time::Instant;

/// A place in a group's log.
type Index = (u32, u64);

/// What is in it: the term, and a fingerprint of the entry.
pub(crate) type Held = (u64, u64);

/// An append of the task engine that was acknowledged.
#[derive(Clone, Copy)]
struct Acknowledged {
    last: u64,
    epoch: u64,
    node: usize,
    works: bool,
}

/// A node knows so many entries of a group as committed.
#[derive(Clone, Copy)]
struct Said {
    at: Instant,
    node: usize,
    group: u32,
    committed: u64,
}

/// What of a node's logs is on its way to its disk.
#[derive(Clone, Copy, Default)]
struct Writing {
    appends: u32,
    /// The last one was refused, and is tried again.
    stalled: bool,
}

/// A node says that an entry is committed as soon as it has it in memory; by then it is seen on
/// its way to the disk as well.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// What was seen so far.
pub(crate) struct Facts {
    begun: Instant,
    /// What was broken, as sentences.
    pub(crate) violations: Vec<String>,
    /// Everything that happened, one line each.
    pub(crate) trace: Vec<String>,
    /// Where they are written down as they happen, so that a run that hangs tells where.
    written: Option<File>,
    leaders: BTreeMap<(u32, u64), NodeId>,
    entries: BTreeMap<(u32, u64, u64), u64>,
    logs: BTreeMap<(usize, u32), BTreeMap<u64, Held>>,
    committed: BTreeMap<Index, Held>,
    committed_at: BTreeMap<(usize, u32), u64>,
    /// What nodes said they know as committed, until their logs have been seen up to there.
    said: Vec<Said>,
    /// Appends of each node that are on their way to its disk.
    writing: BTreeMap<usize, Writing>,
    terms: BTreeMap<(usize, u32), u64>,
    appends: BTreeMap<u64, Acknowledged>,
    owners: BTreeMap<u64, usize>,
    ended: BTreeSet<Vec<u8>>,
    /// Executions that agents were given.
    pub(crate) performed: u64,
}

impl Facts {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            violations: Vec::new(),
            trace: Vec::new(),
            written: None,
            leaders: BTreeMap::new(),
            entries: BTreeMap::new(),
            logs: BTreeMap::new(),
            committed: BTreeMap::new(),
            committed_at: BTreeMap::new(),
            said: Vec::new(),
            writing: BTreeMap::new(),
            terms: BTreeMap::new(),
            appends: BTreeMap::new(),
            owners: BTreeMap::new(),
            ended: BTreeSet::new(),
            performed: 0,
        }
    }

    /// Writes all that happens from now on to this file as well.
    pub(crate) fn write_to(&mut self, path: &OsStr) {
        self.written = Some(File::create(path).expect("a file for the trace"));
    }

    /// Notes that something happened.
    pub(crate) fn note(&mut self, what: impl AsRef<str>) {
        let mut line = String::new();
        // Writing to a string does not fail.
        let _ = write!(line, "{:>10} {}", self.begun.elapsed().as_micros(), what.as_ref());
        if let Some(file) = &mut self.written {
            // A trace that can't be written is missed by who reads it.
            let _ = writeln!(file, "{line}");
        }
        self.trace.push(line);
    }

    /// Notes that something happened that must not.
    pub(crate) fn broken(&mut self, what: impl AsRef<str>) {
        self.note(format!("BROKEN {}", what.as_ref()));
        self.violations.push(what.as_ref().to_owned());
    }

    /// The node's memory is gone; what is on its disk is told anew.
    pub(crate) fn forget(&mut self, node: usize) {
        self.logs.retain(|(of, _), _| *of != node);
        self.committed_at.retain(|(of, _), _| *of != node);
        self.said.retain(|said| said.node != node);
        self.writing.remove(&node);
    }

    /// Log matching: what has the same index and term is the same entry, on every node for ever.
    pub(crate) fn entry(&mut self, node: usize, group: u32, index: u64, held: Held) {
        let known = *self.entries.entry((group, index, held.0)).or_insert(held.1);
        if known != held.1 {
            let term = held.0;
            self.broken(format!("log matching: group {group}, index {index}, term {term}"));
        }
        let log = self.logs.entry((node, group)).or_default();
        log.split_off(&index);
        log.insert(index, held);
    }

    /// Entries from an index on are no more: none of them may be known as committed.
    pub(crate) fn truncated(&mut self, node: usize, group: u32, from: u64) {
        let committed = self.committed_at.get(&(node, group)).copied().unwrap_or(0);
        if from < committed {
            self.broken(format!(
                "committed never changes: node {node} cut group {group} at {from}, of which it \
                 knew {committed} entries as committed"
            ));
        }
        self.logs.entry((node, group)).or_default().split_off(&from);
        self.note(format!("node {node} cut group {group} at {from}"));
    }

    /// How a group looks from a node: one leader a term, and what is committed stays.
    pub(crate) fn view(&mut self, node: usize, view: &GroupView) {
        let group = view.group.0;
        if let Some(leader) = view.leader {
            let known = *self.leaders.entry((group, view.term)).or_insert(leader);
            if known != leader {
                let term = view.term;
                self.broken(format!("one leader a term: group {group}, term {term}"));
            }
        }
        let term = self.terms.insert((node, group), view.term).unwrap_or(0);
        if term != view.term {
            self.note(format!("node {node} is in term {} of group {group}", view.term));
        }
        let committed = view.committed;
        if committed > 0 {
            self.said.push(Said { at: Instant::now(), node, group, committed });
        }
        self.settle();
    }

    /// An append of a node's logs is on its way to its disk.
    pub(crate) fn writes(&mut self, node: usize) {
        self.writing.entry(node).or_default().appends += 1;
    }

    /// One has arrived, or was refused.
    pub(crate) fn written(&mut self, node: usize, stored: bool) {
        if let Some(writing) = self.writing.get_mut(&node) {
            writing.appends = writing.appends.saturating_sub(1);
            writing.stalled = !stored;
        }
        self.settle();
    }

    /// Looks at what is said to be committed where all that was written has been seen.
    pub(crate) fn settle(&mut self) {
        let now = Instant::now();
        let writing = &self.writing;
        let is_seen = |said: &mut Said| {
            let writing = writing.get(&said.node).copied().unwrap_or_default();
            now - said.at >= SEEN_WITHIN && writing.appends == 0 && !writing.stalled
        };
        let seen: Vec<Said> = self.said.extract_if(.., is_seen).collect();
        for Said { node, group, committed, .. } in seen {
            let known = self.committed_at.get(&(node, group)).copied().unwrap_or(0);
            for index in known..committed {
                self.commit(node, group, index);
            }
            self.committed_at.insert((node, group), known.max(committed));
        }
    }

    fn commit(&mut self, node: usize, group: u32, index: u64) {
        // What came as a saved state was never an entry here.
        let Some(held) = self.logs.get(&(node, group)).and_then(|log| log.get(&index)) else {
            return;
        };
        let (held, known) = (*held, self.committed.get(&(group, index)).copied());
        match known {
            None => drop(self.committed.insert((group, index), held)),
            Some(known) if known != held => self.broken(format!(
                "committed never changes: group {group}, index {index}, term {} and {}",
                known.0, held.0
            )),
            Some(_) => {}
        }
    }

    /// The highest term of a group on these nodes.
    pub(crate) fn highest_term(&self, group: u32, nodes: impl Iterator<Item = usize>) -> u64 {
        let terms = nodes.filter_map(|node| self.terms.get(&(node, group)));
        terms.copied().max().unwrap_or(0)
    }

    /// The end of a task was stored: its result is taken, and no other ever is.
    pub(crate) fn ended(&mut self, node: usize, task: &[u8]) {
        if !self.ended.insert(task.to_vec()) {
            self.broken(format!("each task result taken once: node {node}, {task:02x?}"));
        }
    }

    /// An append of the task engine was acknowledged: one live owner an epoch, epochs rise along
    /// the log, and no two appends have the same place.
    pub(crate) fn acknowledged(
        &mut self,
        node: usize,
        (first, last): (u64, u64),
        epoch: u64,
        works: bool,
    ) {
        if works {
            let owner = *self.owners.entry(epoch).or_insert(node);
            if owner != node {
                self.broken(format!("one owner an epoch: {epoch} of nodes {owner} and {node}"));
            }
        }
        let before = self.appends.range(..=last).next_back().map(|(at, one)| (*at, *one));
        let after = self.appends.range(first..).next().map(|(at, one)| (*at, *one));
        if let Some((at, one)) = before
            && (one.last >= first || one.epoch > epoch)
        {
            self.broken(format!(
                "no stale epoch: node {node} had {first} to {last} in epoch {epoch} acknowledged, \
                 node {} has {at} to {} in epoch {}",
                one.node, one.last, one.epoch
            ));
        }
        if let Some((at, one)) = after
            && at > last
            && one.works
            && works
            && one.epoch < epoch
        {
            self.broken(format!(
                "no stale epoch: {at} has epoch {} of node {} after {epoch} of node {node}",
                one.epoch, one.node
            ));
        }
        self.appends.insert(first, Acknowledged { last, epoch, node, works });
    }
}

/// FNV-1a (Fowler, Noll, Vo), 64 bits.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
