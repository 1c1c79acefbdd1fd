//! Proposals that wait for a majority: bounded, and each with a deadline.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::config::ConsensusConfig;
use super::types::Outcome;
use crate::node::NodeId;

/// What is called when a proposal has ended.
pub(crate) type Proposed = Box<dyn FnOnce(Result<Outcome, ProposeFault>) + Send>;

/// Why a proposal has no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProposeFault {
    /// This node doesn't lead, or may not. Nothing was stored.
    NotLeader(Option<NodeId>),
    /// Too many wait. Nothing was stored.
    Overloaded,
    /// Leadership was lost, or time ran out: it may be stored, now or later.
    Unknown,
}

struct Ticket {
    bytes: u64,
    deadline: Instant,
    done: Proposed,
}

/// Proposals that wait, by number; all may take equally long, so the oldest ends first.
pub(super) struct Tickets {
    next: u64,
    bytes: u64,
    waiting: BTreeMap<u64, Ticket>,
    most: usize,
    most_bytes: u64,
}

impl Tickets {
    pub(super) fn new(config: &ConsensusConfig) -> Self {
        Self {
            next: 0,
            bytes: 0,
            waiting: BTreeMap::new(),
            most: config.max_pending_appends as usize,
            most_bytes: config.max_pending_bytes,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Takes one in, or gives it back when too many wait.
    pub(super) fn add(
        &mut self,
        bytes: u64,
        deadline: Instant,
        done: Proposed,
    ) -> Result<u64, Proposed> {
        if self.waiting.len() >= self.most || self.bytes + bytes > self.most_bytes {
            return Err(done);
        }
        let number = self.next;
        self.next += 1;
        self.bytes += bytes;
        self.waiting.insert(number, Ticket { bytes, deadline, done });
        Ok(number)
    }

    pub(super) fn take(&mut self, number: u64) -> Option<Proposed> {
        let ticket = self.waiting.remove(&number)?;
        self.bytes -= ticket.bytes;
        Some(ticket.done)
    }

    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Proposed> {
        let mut overdue = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            if first.get().deadline > now {
                break;
            }
            let ticket = first.remove();
            self.bytes -= ticket.bytes;
            overdue.push(ticket.done);
        }
        overdue
    }

    pub(super) fn take_all(&mut self) -> Vec<Proposed> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting).into_values().map(|ticket| ticket.done).collect()
    }
}
