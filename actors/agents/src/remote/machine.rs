//! Handing work to a program at the other end of a connection: acknowledge, deliver again, give
//! back what is lost. Pure.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use synod_runtime::{Correlation, after};

use super::frames::{NORMAL, POLICY, Said, ToAgent};
use crate::config::Undelivered;
use crate::error::AgentError;
use crate::letters::{LetterNumber, LetterOutcome, Letters, unanswered};
use crate::relay::Letter;
use crate::unfit::MAX_STRAYS;
use crate::usage::Usage;
use crate::wire::{WorkOrder, WorkProgress};
use crate::work::{Assignment, Performed, WorkId};

/// The limits of handing over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HandOverLimits {
    pub(crate) ack: Duration,
    pub(crate) max_deliveries: u32,
    pub(crate) undelivered: Undelivered,
    pub(crate) grace: Duration,
    /// A connection silent for longer is closed.
    pub(crate) silence: Duration,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// A program connected; an older connection is replaced.
    Connected { session: u64 },
    /// A connection ended, and why.
    Dropped { session: u64, reason: Cow<'static, str> },
    /// Any frame came.
    Heard { session: u64 },
    /// The program says something about a work.
    Said { session: u64, work: WorkId, said: Said },
    /// A frame came that can't be taken; the work that it names.
    Unfit { session: u64, work: Option<WorkId>, why: String },
    /// Work is to be handed over.
    Deliver { assignment: Box<Assignment> },
    /// Work is to stop.
    Cancel { work: WorkId },
    /// A message is to be read.
    Letter(Box<Letter>),
    /// The program says something to a message, or nothing, or why it can't.
    Replied { session: u64, letter: LetterNumber, outcome: LetterOutcome },
    /// Time has passed.
    Tick,
}

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Send a frame over the connection; no room means that it is lost.
    Send(ToAgent),
    /// Answer whoever handed the work over; it is not held any more.
    Answer { work: WorkId, outcome: Result<Performed, AgentError> },
    /// Answer whoever sent this message.
    AnswerLetter { number: LetterNumber, outcome: LetterOutcome },
    /// Note how far the work is.
    Note { work: WorkId, progress: WorkProgress },
    /// Note what the work used up.
    Spend { work: WorkId, usage: Usage },
    /// Nobody acknowledged the work, and it is not to be tried again.
    DeadLetter { work: WorkId, correlation: Option<Correlation> },
    /// Close this connection.
    Close { session: u64, code: u16, reason: String },
    /// The agent can be reached, or can't.
    Reachable(bool),
}

#[derive(Debug)]
struct Held {
    assignment: Assignment,
    /// Deliveries so far; acknowledged work is not delivered again.
    deliveries: u32,
    accepted: bool,
    cancelled: bool,
    /// When it is dropped whatever the program does.
    forget_at: Instant,
    /// When it is looked at next; mirrors its entry in `due`.
    due: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    number: u64,
    heard: Instant,
    /// Frames in a row that were about nothing in hand.
    strays: u32,
}

/// The work in the hands of one remote agent.
#[derive(Debug)]
pub(crate) struct HandOver {
    limits: HandOverLimits,
    session: Option<Session>,
    held: HashMap<WorkId, Held>,
    due: BTreeSet<(Instant, WorkId)>,
    /// Messages that the program has.
    letters: Letters,
}

impl HandOver {
    pub(crate) fn new(limits: HandOverLimits) -> Self {
        let (held, due, letters) = (HashMap::new(), BTreeSet::new(), Letters::default());
        Self { limits, session: None, held, due, letters }
    }

    /// The connection, if there is one.
    pub(crate) fn session(&self) -> Option<u64> {
        self.session.map(|session| session.number)
    }

    /// When `Tick` is next of use.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let silence = self.session.map(|session| after(session.heard, self.limits.silence));
        let due = self.due.first().map(|(at, _)| *at);
        silence.into_iter().chain(due).chain(self.letters.next_wake()).min()
    }

    pub(crate) fn step(&mut self, now: Instant, input: Input, out: &mut Vec<Command>) {
        match input {
            Input::Connected { session } => self.connected(now, session, out),
            Input::Dropped { session, reason } if self.session() == Some(session) => {
                self.session = None;
                self.give_back(&reason, out);
                out.push(Command::Reachable(false));
            }
            Input::Heard { session } => self.heard(now, session),
            Input::Said { session, work, said } if self.session() == Some(session) => {
                self.said(work, said, out);
            }
            Input::Unfit { session, work, why } if self.session() == Some(session) => {
                self.unfit(work, why, out);
            }
            // From a connection that was replaced or closed: what it held is given back already.
            Input::Dropped { .. } | Input::Said { .. } | Input::Unfit { .. } => {}
            Input::Replied { session, letter, outcome } => {
                self.replied(session, letter, outcome, out);
            }
            Input::Letter(letter) => self.letter(*letter, out),
            Input::Deliver { assignment } => self.deliver(now, *assignment, out),
            Input::Cancel { work } => self.cancel(now, work, out),
            Input::Tick => self.tick(now, out),
        }
    }

    fn connected(&mut self, now: Instant, session: u64, out: &mut Vec<Command>) {
        let new = Session { number: session, heard: now, strays: 0 };
        if let Some(old) = self.session.replace(new) {
            let reason = "a newer connection of the same agent took its place".to_owned();
            out.push(Command::Close { session: old.number, code: NORMAL, reason });
            self.give_back("the agent connected anew", out);
        }
        out.push(Command::Reachable(true));
    }

    fn heard(&mut self, now: Instant, session: u64) {
        if let Some(current) = self.session.as_mut().filter(|current| current.number == session) {
            current.heard = now;
        }
    }

    fn said(&mut self, work: WorkId, said: Said, out: &mut Vec<Command>) {
        if let Some(session) = &mut self.session {
            session.strays = 0;
        }
        if !self.held.contains_key(&work) {
            return; // Given back or forgotten before: the result is fenced here.
        }
        match said {
            Said::Accepted => self.accepted(work),
            Said::Progress(progress) => {
                self.accepted(work);
                out.push(Command::Note { work, progress });
            }
            Said::Done(result) => {
                out.extend(result.usage.map(|usage| Command::Spend { work, usage }));
                match result.try_into() {
                    Ok(performed) => self.answer(work, Ok(performed), out),
                    Err(AgentError { message, .. }) => self.unfit(Some(work), message, out),
                }
            }
            Said::Failed(error) => {
                out.extend(error.usage.map(|usage| Command::Spend { work, usage }));
                self.answer(work, Err(error.into()), out);
            }
        }
    }

    /// Fails the work that a frame was about, and no other; whoever sends too much that is about
    /// nothing is not listened to any more.
    fn unfit(&mut self, work: Option<WorkId>, why: String, out: &mut Vec<Command>) {
        let held = work.filter(|work| self.held.contains_key(work));
        let told = held.map(|work| work.to_string());
        out.push(Command::Send(ToAgent::Error { work: told, message: why.clone() }));
        if let Some(work) = held {
            let error = AgentError::failed(format!("the agent sent what can't be taken: {why}"));
            return self.answer(work, Err(error), out);
        }
        let Some(session) = &mut self.session else { return };
        session.strays += 1;
        if session.strays > MAX_STRAYS {
            let reason = format!("{MAX_STRAYS} frames in a row were of no use; the next: {why}");
            self.hang_up(POLICY, reason, out);
        }
    }

    /// Closes the connection from this side.
    fn hang_up(&mut self, code: u16, reason: String, out: &mut Vec<Command>) {
        let Some(session) = self.session.take() else { return };
        self.give_back(&reason, out);
        out.push(Command::Close { session: session.number, code, reason });
        out.push(Command::Reachable(false));
    }

    fn accepted(&mut self, work: WorkId) {
        let Some(held) = self.held.get_mut(&work) else { return };
        held.accepted = true;
        self.due.remove(&(held.due, work));
        held.due = held.forget_at;
        self.due.insert((held.due, work));
    }

    fn deliver(&mut self, now: Instant, assignment: Assignment, out: &mut Vec<Command>) {
        let work = assignment.work;
        if self.session.is_none() {
            let outcome = Err(AgentError::unavailable("the agent is not connected"));
            out.push(Command::Answer { work, outcome });
            return;
        }
        let forget_at = after(assignment.deadline.into_std(), self.limits.grace);
        let held = Held {
            assignment,
            deliveries: 0,
            accepted: false,
            cancelled: false,
            forget_at,
            due: now,
        };
        self.held.insert(work, held);
        self.offer(now, work, out);
    }

    fn offer(&mut self, now: Instant, work: WorkId, out: &mut Vec<Command>) {
        let Some(held) = self.held.get_mut(&work) else { return };
        held.deliveries += 1;
        let order = Box::new(WorkOrder::new(&held.assignment, now));
        out.push(Command::Send(ToAgent::Perform { delivery: held.deliveries, order }));
        self.due.remove(&(held.due, work));
        held.due = held.forget_at.min(after(now, self.limits.ack));
        self.due.insert((held.due, work));
    }

    fn cancel(&mut self, now: Instant, work: WorkId, out: &mut Vec<Command>) {
        let grace = self.limits.grace;
        let Some(held) = self.held.get_mut(&work).filter(|held| !held.cancelled) else { return };
        held.cancelled = true;
        held.forget_at = held.forget_at.min(after(now, grace));
        self.due.remove(&(held.due, work));
        held.due = held.forget_at;
        self.due.insert((held.due, work));
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        out.push(Command::Send(ToAgent::Cancel { work: work.to_string(), grace_ms }));
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Command>) {
        while let Some((at, work)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, work));
            self.due_now(now, work, out);
        }
        let over = self.letters.overdue(now);
        out.extend(over.into_iter().map(|number| answered(number, unanswered())));
        let silent =
            self.session.filter(|session| after(session.heard, self.limits.silence) <= now);
        if silent.is_some() {
            let seconds = self.limits.silence.as_secs();
            self.hang_up(POLICY, format!("no sign of life from the agent in {seconds} s"), out);
        }
    }

    fn due_now(&mut self, now: Instant, work: WorkId, out: &mut Vec<Command>) {
        let Some(held) = self.held.get(&work) else { return };
        if held.cancelled {
            let error = AgentError::cancelled("the agent did not stop within its grace time");
            self.answer(work, Err(error), out);
        } else if now >= held.forget_at {
            let error = AgentError::timeout("the agent gave no result before the deadline");
            self.answer(work, Err(error), out);
        } else if held.deliveries < self.limits.max_deliveries {
            self.offer(now, work, out);
        } else {
            let deliveries = held.deliveries;
            let correlation = held.assignment.correlation;
            self.undelivered(work, correlation, deliveries, out);
        }
    }

    fn undelivered(
        &mut self,
        work: WorkId,
        correlation: Option<Correlation>,
        deliveries: u32,
        out: &mut Vec<Command>,
    ) {
        let what = format!("the agent did not acknowledge the work in {deliveries} deliveries");
        let error = match self.limits.undelivered {
            Undelivered::Requeue => AgentError::lost(what),
            Undelivered::DeadLetter => {
                out.push(Command::DeadLetter { work, correlation });
                AgentError::refused(format!("{what}; it is a dead letter now"))
            }
        };
        self.answer(work, Err(error), out);
    }

    /// All that is held is lost; the task engine decides what follows.
    fn give_back(&mut self, why: &str, out: &mut Vec<Command>) {
        self.due.clear();
        let mut lost: Vec<_> = self.held.drain().map(|(work, _)| work).collect();
        lost.sort_unstable(); // The order of a hash map would differ from run to run.
        out.extend(
            lost.into_iter()
                .map(|work| Command::Answer { work, outcome: Err(AgentError::lost(why)) }),
        );
        for number in self.letters.take_all() {
            out.push(answered(number, LetterOutcome::Failed(AgentError::lost(why))));
        }
    }

    // ---- messages ----

    fn letter(&mut self, letter: Letter, out: &mut Vec<Command>) {
        let Letter { number, order, until } = letter;
        if self.session.is_none() {
            let error = AgentError::unavailable("the agent is not connected");
            return out.push(answered(number, LetterOutcome::Failed(error)));
        }
        self.letters.open(number, number, until);
        out.push(Command::Send(ToAgent::Receive { letter: number, order: Box::new(order) }));
    }

    /// What is said to a message that is not waited for any more is ignored.
    fn replied(
        &mut self,
        session: u64,
        letter: LetterNumber,
        outcome: LetterOutcome,
        out: &mut Vec<Command>,
    ) {
        let Some(current) = self.session.as_mut().filter(|now| now.number == session) else {
            return;
        };
        if let Some(number) = self.letters.close(letter) {
            current.strays = 0;
            out.push(answered(number, outcome));
        }
    }

    fn answer(
        &mut self,
        work: WorkId,
        outcome: Result<Performed, AgentError>,
        out: &mut Vec<Command>,
    ) {
        let Some(held) = self.held.remove(&work) else { return };
        self.due.remove(&(held.due, work));
        out.push(Command::Answer { work, outcome });
    }
}

fn answered(number: LetterNumber, outcome: LetterOutcome) -> Command {
    Command::AnswerLetter { number, outcome }
}
