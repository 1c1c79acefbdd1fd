//! Asking agents who does a part: rounds are opened, heard, decided and forgotten.
//!
//! A part that is asked about is ready, as far as anybody else is concerned: it is in no queue, no
//! agent has it, and nothing of the round is recorded. So a restart, a drain or a rebuild queues it
//! again, and it is asked about anew. A round ends when all have answered or when its time is up,
//! which runs from when the call went out.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;
use synod_coordination::contract_net::History;

use super::{Effects, TaskMachine};
use crate::bidding::{Candidate, Place, Ranked, Round, Said, Seat, Terms, rank};
use crate::machine::Command;
use crate::matching::{AgentSlot, ClassId, Match};
use crate::modes::mode;
use crate::task::{Allocation, Body, Failure, FailureKind, Moment, Phase, TaskId, TaskSpec};

/// Most agents that vote on who does it.
const MAX_VOTERS: usize = 5;

/// A part of a task or an execution.
type PartKey = (TaskId, u16);

/// A call to agents, to be sent.
#[derive(Debug)]
pub(crate) struct Call {
    pub task: TaskId,
    pub part: u16,
    pub round: u64,
    pub kind: Allocation,
    pub spec: Arc<TaskSpec>,
    pub capability: Option<String>,
    pub input: Body,
    /// When the task is given up, on the monotonic clock.
    pub deadline: u64,
    /// How long answers are waited for, microseconds.
    pub within: u64,
    /// Who is asked, and as what it is to choose from.
    pub asked: Vec<(AgentSlot, Arc<str>)>,
}

/// What was decided, while it may be gone by again.
#[derive(Debug)]
struct Standing {
    places: Vec<Place>,
    /// Until when, on the monotonic clock.
    until: u64,
}

/// The rounds that are open, and what is left of those that were decided.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    open: BTreeMap<PartKey, Round>,
    standing: BTreeMap<PartKey, Standing>,
    /// Rounds in a row that came to nothing.
    fruitless: BTreeMap<PartKey, u32>,
    /// The number of the last one.
    last: u64,
}

/// What came of going by what was decided.
enum Award {
    Given,
    /// Nobody of those who have room may be paid.
    TooDear,
    NoRoom,
}

impl Rounds {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn knows_nothing(&self) -> bool {
        self.open.is_empty() && self.standing.is_empty() && self.fruitless.is_empty()
    }

    /// How far the round about a part is, for people.
    pub(crate) fn progress(&self, id: TaskId, part: u16) -> Option<String> {
        let round = self.open.get(&(id, part))?;
        let (answered, asked) = (round.answered(), round.seats.len());
        Some(format!("{answered} of {asked} agents that were asked have answered"))
    }
}

impl TaskMachine {
    /// A part is next that agents are to be asked about: by what an earlier round decided, if that
    /// is fresh, else a new one begins.
    pub(super) fn ask_about(
        &mut self,
        now: Moment,
        key: PartKey,
        class: ClassId,
        out: &mut Effects,
    ) {
        let standing = self.rounds.standing.remove(&key);
        if let Some(Standing { places, until }) = standing
            && until > now.mono
            && matches!(self.award(now, key, places, until, out), Award::Given)
        {
            return self.matching.end_round(class);
        }
        let kind = self.matching.allocation_of(class);
        let most = match kind {
            Allocation::Consensus => MAX_VOTERS,
            _ => usize::from(self.config.bidding.max_asked),
        };
        let seats = self.matching.with_room(class, most, &mut self.chance);
        let seat = |agent| {
            let label = self.matching.agent(agent)?.label.clone();
            Some(Seat { agent, label, said: None })
        };
        let seats: Vec<Seat> = seats.into_iter().filter_map(seat).collect();
        self.rounds.last += 1;
        let mut round = Round { number: self.rounds.last, class, kind, seats };
        self.stats.bidding.rounds += 1;
        let full = self.rounds.open.len() >= self.config.bidding.max_rounds as usize;
        if full || round.seats.is_empty() {
            self.stats.bidding.unasked += 1;
            for seat in &mut round.seats {
                seat.said = Some(Said::Silent);
            }
            return self.decide(now, key, round, out);
        }
        self.stats.bidding.asked += round.seats.len() as u64;
        self.send_call(key, &round, out);
        self.rounds.open.insert(key, round);
    }

    fn send_call(&mut self, key: PartKey, round: &Round, out: &mut Effects) {
        let Some(task) = self.task(key.0) else { return };
        let Some(part) = task.parts.get(usize::from(key.1)) else { return };
        let call = Call {
            task: key.0,
            part: key.1,
            round: round.number,
            kind: round.kind,
            spec: task.spec.clone(),
            capability: super::dispatch::capability_of(task, part),
            input: mode(task.spec.mode).input(task, key.1).clone(),
            deadline: task.due,
            within: self.config.bidding.timeout_ms.saturating_mul(1_000),
            asked: round.seats.iter().map(|seat| (seat.agent, seat.label.clone())).collect(),
        };
        let is_kept = task.kept.is_some();
        let command = Command::Call(Box::new(call));
        if is_kept {
            out.prompt.push((0, command));
        } else {
            out.commands.push(command);
        }
    }

    /// The call went out: the time for answers runs.
    pub(super) fn called(&mut self, now: Moment, id: TaskId, part: u16, round: u64) {
        let known = self.rounds.open.get(&(id, part));
        if !self.active || known.is_none_or(|known| known.number != round) {
            return;
        }
        let due = now.mono.saturating_add(self.config.bidding.timeout_ms.saturating_mul(1_000));
        if let Some(known) = self.part_mut(id, part) {
            known.due = due;
            self.timers.insert((due, id, part));
        }
    }

    /// An agent answered, or is known not to.
    pub(super) fn heard(
        &mut self,
        now: Moment,
        key: PartKey,
        number: u64,
        agent: AgentSlot,
        said: Said,
        out: &mut Effects,
    ) {
        let round = self.rounds.open.get_mut(&key).filter(|round| round.number == number);
        let Some(round) = round.filter(|_| self.active) else {
            self.stats.bidding.late += u64::from(said != Said::Silent);
            return;
        };
        let Some(said) = round.hear(agent, said) else {
            self.stats.bidding.late += 1;
            return;
        };
        self.stats.bidding.count(said);
        if round.is_settled() {
            self.close_round(now, key, out);
        }
    }

    /// Whether the round of this number is still open.
    pub(crate) fn awaits_bids(&self, id: TaskId, part: u16, round: u64) -> bool {
        self.rounds.open.get(&(id, part)).is_some_and(|open| open.number == round)
    }

    /// Whether a round about this part is open.
    pub(super) fn is_asked_about(&self, key: PartKey) -> bool {
        !self.rounds.open.is_empty() && self.rounds.open.contains_key(&key)
    }

    /// Decides a round by what has been said so far.
    pub(super) fn close_round(&mut self, now: Moment, key: PartKey, out: &mut Effects) {
        let Some(mut round) = self.rounds.open.remove(&key) else { return };
        if let Some(due) = self.part(key.0, key.1).map(|part| part.due) {
            self.timers.remove(&(due, key.0, key.1));
        }
        for seat in round.seats.iter_mut().filter(|seat| seat.said.is_none()) {
            seat.said = Some(Said::Silent);
            self.stats.bidding.silent += 1;
        }
        self.decide(now, key, round, out);
    }

    fn decide(&mut self, now: Moment, key: PartKey, round: Round, out: &mut Effects) {
        let candidates: Vec<_> =
            round.seats.iter().map(|seat| self.candidate(seat.agent)).collect();
        let terms = Terms {
            bid_weight: self.config.bidding.bid_weight,
            reserve: self.reserve(key),
            seed: self.chance.random(),
        };
        let Ranked { places, too_dear } = rank(&round, &candidates, terms);
        self.matching.end_round(round.class);
        let fresh = now.mono.saturating_add(self.config.bidding.fresh_ms.saturating_mul(1_000));
        let nobody = places.is_empty();
        match self.award(now, key, places, fresh, out) {
            Award::Given => {}
            Award::TooDear => self.too_dear(now, key, out),
            Award::NoRoom if nobody && too_dear => self.too_dear(now, key, out),
            Award::NoRoom if nobody => self.ask_later(now, key),
            Award::NoRoom => self.enqueue(key.0, key.1),
        }
    }

    fn candidate(&self, slot: AgentSlot) -> Candidate {
        let Some(agent) = self.matching.agent(slot) else {
            return Candidate {
                history: History { success: 0.0, time_ms: 0.0, cost: 0.0, samples: 0 },
                cost: 0,
            };
        };
        let load =
            f64::from(agent.running) / f64::from(agent.card.limits.max_concurrent_tasks.max(1));
        let history = History {
            success: agent.measure.success(),
            time_ms: agent.measure.latency_us() / 1_000.0 * (1.0 + load),
            cost: agent.card.cost,
            samples: agent.measure.samples(),
        };
        Candidate { history, cost: crate::validation::in_millionths(agent.card.cost) }
    }

    /// What may be paid for a part: an equal share of what is left of the budget for each of the
    /// parts to come.
    fn reserve(&self, key: PartKey) -> Option<u64> {
        let task = self.task(key.0)?;
        let left = task.spec.budget?.saturating_sub(task.spent);
        let waiting = |phase: &Phase| matches!(phase, Phase::Ready | Phase::Backoff { .. });
        let to_come = task.parts.iter().filter(|part| waiting(&part.phase)).count();
        Some(left / (to_come.max(1) as u64))
    }

    /// Gives a part to the first of these that is there, has room and may be paid; what is left is
    /// kept for the case that it comes back.
    fn award(
        &mut self,
        now: Moment,
        key: PartKey,
        places: Vec<Place>,
        until: u64,
        out: &mut Effects,
    ) -> Award {
        let mut too_dear = false;
        for at in 0..places.len() {
            let Place { agent, cost, because } = &places[at];
            if !self.matching.occupy(*agent) {
                continue;
            }
            if !self.may_be_paid(key.0, *cost) {
                self.undispatch(*agent);
                too_dear = true;
                continue;
            }
            let next = Match { task: key.0, part: key.1, agent: *agent };
            self.start(now, next, *cost, Some(because.clone()), out);
            self.rounds.fruitless.remove(&key);
            self.stats.bidding.awarded += 1;
            self.keep_standing(key, places, at, until);
            return Award::Given;
        }
        if too_dear { Award::TooDear } else { Award::NoRoom }
    }

    fn keep_standing(&mut self, key: PartKey, mut places: Vec<Place>, awarded: usize, until: u64) {
        places.drain(..=awarded);
        if !places.is_empty() {
            self.rounds.standing.insert(key, Standing { places, until });
        }
    }

    fn too_dear(&mut self, now: Moment, key: PartKey, out: &mut Effects) {
        let message = "every agent that would do it asks for more than the budget has left";
        let failure = Failure::new(FailureKind::OverBudget, message);
        self.fail_part(now, key.0, key.1, failure, out);
    }

    /// All refused: asked again after the wait of the task's retry policy.
    fn ask_later(&mut self, now: Moment, key: PartKey) {
        let tries = self.rounds.fruitless.entry(key).or_default();
        *tries = tries.saturating_add(1);
        let tries = *tries;
        self.stats.bidding.fruitless += 1;
        let retry = self.task(key.0).map(|task| task.spec.retry).unwrap_or_default();
        let wait = retry.wait_us(tries, self.chance.random::<f64>()).max(SHORTEST_WAIT_US);
        self.start_backoff(now, key.0, key.1, now.utc.saturating_add(wait));
    }

    /// Forgets what is known of rounds about a part that has ended.
    pub(super) fn forget_rounds(&mut self, id: TaskId, part: u16) {
        if self.rounds.knows_nothing() {
            return;
        }
        self.rounds.standing.remove(&(id, part));
        self.rounds.fruitless.remove(&(id, part));
        if let Some(round) = self.rounds.open.remove(&(id, part)) {
            self.matching.end_round(round.class);
        }
    }

    /// The same of all parts of a task.
    pub(super) fn forget_all_rounds(&mut self, id: TaskId) {
        if self.rounds.knows_nothing() {
            return;
        }
        let parts = self.task(id).map_or(0, |task| task.parts.len());
        for part in 0..parts {
            self.forget_rounds(id, part as u16);
        }
    }

    /// Gives up the rounds that are open: what they are about is queued again.
    pub(super) fn recall_rounds(&mut self) {
        let open: Vec<_> = self.rounds.open.keys().copied().collect();
        for key in open {
            if let Some(due) = self.part(key.0, key.1).map(|part| part.due) {
                self.timers.remove(&(due, key.0, key.1));
            }
            self.forget_rounds(key.0, key.1);
            self.enqueue(key.0, key.1);
        }
    }
}

/// Shortest wait until agents that have all refused are asked again, microseconds.
const SHORTEST_WAIT_US: i64 = 20_000;
