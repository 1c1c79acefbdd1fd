//! The electorate: who votes, with what weight, and who has been heard.

use serde::{Deserialize, Serialize};

use super::super::methods::{Live, Marks, Method, Profile, Running};
use super::proposal::{VoterEntry, VoterKind};

/// Bytes of all reasons that are kept.
const MOST_REASONS: usize = 2 << 20;

/// What has been heard of a voter in this round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Standing {
    Waiting,
    Voted,
    Abstained,
    /// It did not answer, or not so that it was understood.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Voter {
    pub(super) name: String,
    /// In millionths.
    pub(super) weight: u64,
    pub(super) kind: VoterKind,
    pub(super) standing: Standing,
    /// Whether it voted or abstained in any round.
    pub(super) took_part: bool,
    /// Whether it said something else in this round than what it was for.
    changed: bool,
    /// What it is for: its last vote, of whatever round.
    pub(super) marks: Option<Marks>,
    pub(super) reason: String,
}

/// All voters by name, with what a vote needs to know of the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Roll {
    voters: Vec<Voter>,
    /// Who has not been heard in this round: how many, of what weight, and how many of them have
    /// not taken part in an earlier round.
    pub(super) waiting: u32,
    pub(super) waiting_weight: u64,
    pub(super) waiting_new: u32,
    pub(super) took_part: u32,
    reason_bytes: usize,
    /// The points of all who have been heard in this round.
    running: Running,
}

impl Roll {
    /// Nobody heard yet.
    pub(super) fn of(entries: Vec<VoterEntry>, options: usize) -> Self {
        let mut voters: Vec<Voter> = entries.into_iter().map(Voter::from).collect();
        voters.sort_by(|a, b| a.name.cmp(&b.name));
        let mut roll = Self {
            voters,
            waiting: 0,
            waiting_weight: 0,
            waiting_new: 0,
            took_part: 0,
            reason_bytes: 0,
            running: Running::of(options),
        };
        roll.begin_round();
        roll
    }

    /// All are waited for again; what they are for stays until they say otherwise.
    pub(super) fn begin_round(&mut self) {
        for voter in &mut self.voters {
            voter.standing = Standing::Waiting;
            voter.changed = false;
        }
        self.waiting = self.voters.len() as u32;
        self.waiting_weight = self.weight();
        self.waiting_new = self.waiting - self.took_part;
        self.running = Running::of(self.running.options());
    }

    pub(super) fn voters(&self) -> &[Voter] {
        &self.voters
    }

    pub(super) fn len(&self) -> u32 {
        self.voters.len() as u32
    }

    pub(super) fn weight(&self) -> u64 {
        self.voters.iter().map(|voter| voter.weight).sum()
    }

    pub(super) fn running(&self) -> &Running {
        &self.running
    }

    /// Where a voter stands on the roll, and the voter.
    pub(super) fn find(&self, name: &str) -> Option<(usize, &Voter)> {
        let at = self.voters.binary_search_by(|voter| voter.name.as_str().cmp(name)).ok()?;
        Some((at, &self.voters[at]))
    }

    /// Whether a voter's reason can be kept beside the others'.
    pub(super) fn has_room(&self, at: usize, reason: &str) -> bool {
        self.reason_bytes - self.voters[at].reason.len() + reason.len() <= MOST_REASONS
    }

    /// Notes what a voter said; says whether it had been heard in this round before.
    pub(super) fn hear(
        &mut self,
        (method, live): (Method, &Live),
        at: usize,
        marks: Option<Marks>,
        reason: String,
    ) -> bool {
        let Some(voter) = self.voters.get_mut(at) else { return false };
        let replaced = voter.standing != Standing::Waiting;
        if replaced {
            if let Some(before) = &voter.marks {
                self.running.remove(method, live, voter.weight, before);
            }
        } else {
            self.waiting -= 1;
            self.waiting_weight -= voter.weight;
            self.waiting_new -= u32::from(!voter.took_part);
        }
        self.took_part += u32::from(!voter.took_part);
        voter.took_part = true;
        voter.changed |= voter.marks != marks;
        if let Some(now) = &marks {
            self.running.add(method, live, voter.weight, now);
        }
        voter.standing = if marks.is_some() { Standing::Voted } else { Standing::Abstained };
        voter.marks = marks;
        self.reason_bytes = self.reason_bytes - voter.reason.len() + reason.len();
        voter.reason = reason;
        replaced
    }

    /// A voter will not be heard in this round. What it was for in an earlier one stays.
    pub(super) fn fail(&mut self, (method, live): (Method, &Live), at: usize) {
        let Some(voter) = self.voters.get_mut(at) else { return };
        if voter.standing != Standing::Waiting {
            return;
        }
        voter.standing = Standing::Failed;
        self.waiting -= 1;
        self.waiting_weight -= voter.weight;
        self.waiting_new -= u32::from(!voter.took_part);
        if let Some(marks) = &voter.marks {
            self.running.add(method, live, voter.weight, marks);
        }
    }

    /// Counts again who has been heard: the options in the running are other ones.
    pub(super) fn recount(&mut self, (method, live): (Method, &Live)) {
        self.running = Running::of(live.options());
        for voter in self.voters.iter().filter(|voter| voter.standing != Standing::Waiting) {
            if let Some(marks) = &voter.marks {
                self.running.add(method, live, voter.weight, marks);
            }
        }
    }

    /// What all are for.
    pub(super) fn profile(&self, live: &Live) -> Profile {
        let ballot = |voter: &Voter| Some((voter.weight, voter.marks.clone()?));
        Profile { live: live.clone(), ballots: self.voters.iter().filter_map(ballot).collect() }
    }

    /// Whether everybody has stayed with what it was for before this round.
    pub(super) fn is_unmoved(&self) -> bool {
        !self.voters.iter().any(|voter| voter.changed)
    }

    /// Whether all who are for something are for the same.
    pub(super) fn is_agreed(&self) -> bool {
        let mut marks = self.voters.iter().filter_map(|voter| voter.marks.as_ref());
        let Some(first) = marks.next() else { return false };
        marks.all(|other| other == first)
    }
}

impl From<VoterEntry> for Voter {
    fn from(entry: VoterEntry) -> Self {
        Self {
            name: entry.name,
            weight: (entry.weight * 1e6).round().max(1.0) as u64,
            kind: entry.kind,
            standing: Standing::Waiting,
            took_part: false,
            changed: false,
            marks: None,
            reason: String::new(),
        }
    }
}
