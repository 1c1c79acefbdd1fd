//! The life of one child process and the work it has in hand. Pure.

mod letters;
mod unfit;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use synod_runtime::{Backoff, after};

use super::codec::{self, FromChild, PROTOCOL, RpcError};
use crate::card::AgentCard;
use crate::error::{AgentError, AgentErrorKind};
use crate::letters::{LetterNumber, LetterOutcome, Letters};
use crate::relay::Letter;
use crate::usage::Usage;
use crate::wire::{WorkOrder, WorkProgress, WorkResult};
use crate::work::{Assignment, Performed, WorkId};

/// The times a child has to keep.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) initialize: Duration,
    pub(super) ping_every: Duration,
    pub(super) ping_answer: Duration,
    pub(super) grace: Duration,
    pub(super) backoff: Backoff,
}

/// What happened. `run` counts the children from 1; what comes from an earlier one is ignored.
#[derive(Debug)]
pub(super) enum Input {
    /// The child wrote a line.
    Line { run: u64, line: String },
    /// The child ended, or could not be started.
    Ended { run: u64, why: String },
    /// The child broke a limit: line length, rate, or it does not read its input.
    Broke { run: u64, why: String },
    /// Work is to be handed over.
    Deliver { assignment: Box<Assignment> },
    /// Work is to stop.
    Cancel { work: WorkId },
    /// A message is to be read.
    Letter(Box<Letter>),
    /// Time has passed, or the actor has started.
    Tick,
}

/// What the shell is to do.
#[derive(Debug, PartialEq)]
pub(super) enum Command {
    /// Start a child.
    Spawn { run: u64 },
    /// Write a line to the child.
    Write { run: u64, line: String },
    /// Kill the child and its whole group, now.
    Kill,
    /// Answer whoever handed the work over; it is not held any more.
    Answer { work: WorkId, outcome: Result<Performed, AgentError> },
    /// Answer whoever sent this message.
    AnswerLetter { number: LetterNumber, outcome: LetterOutcome },
    /// Note how far the work is.
    Note { work: WorkId, progress: WorkProgress },
    /// Note what the work used up.
    Spend { work: WorkId, usage: Usage },
    /// It wrote a line that is about nothing in hand: tell people.
    Stray { why: String },
    /// The child takes work now.
    Up,
    /// It takes none until it has been started again.
    Down { why: String },
}

#[derive(Debug)]
enum Phase {
    /// No child; a new one is started at this time.
    Waiting { until: Instant },
    /// A child has been started and asked to initialize.
    Starting { until: Instant },
    /// The child takes work.
    Ready { since: Instant, ping: Ping },
}

#[derive(Debug, Clone, Copy)]
enum Ping {
    /// To be sent at this time.
    Next(Instant),
    /// Sent with this id, to be answered by this time.
    Sent { id: u64, until: Instant },
}

#[derive(Debug)]
struct Held {
    id: u64,
    cancelled: bool,
    due: Instant,
}

/// One child process after the other, and what the present one has in hand.
#[derive(Debug)]
pub(super) struct Child {
    card: Arc<AgentCard>,
    times: Times,
    /// In `[0, 1)`; spreads the restarts of many children.
    chance: f64,
    phase: Phase,
    run: u64,
    failures: u32,
    next_id: u64,
    ping_while_busy: bool,
    /// Whether it said that it reads messages.
    receives: bool,
    /// Messages that it has, by the ids of their requests.
    letters: Letters,
    /// Lines in a row that could not be taken.
    strays: u32,
    held: HashMap<WorkId, Held>,
    by_id: HashMap<u64, WorkId>,
    due: BTreeSet<(Instant, WorkId)>,
}

/// What `initialize` returns.
#[derive(Deserialize)]
struct Initialized {
    protocol: u32,
    version: Option<String>,
    capabilities: Option<Vec<String>>,
    #[serde(default)]
    ping_while_busy: bool,
    #[serde(default)]
    receives: bool,
}

impl Child {
    pub(super) fn new(card: Arc<AgentCard>, times: Times, chance: f64, now: Instant) -> Self {
        Self {
            card,
            times,
            chance,
            phase: Phase::Waiting { until: now },
            run: 0,
            failures: 0,
            next_id: 0,
            ping_while_busy: false,
            receives: false,
            letters: Letters::default(),
            strays: 0,
            held: HashMap::new(),
            by_id: HashMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// When `Tick` is next of use.
    pub(super) fn next_wake(&self) -> Instant {
        let phase = match self.phase {
            Phase::Waiting { until } | Phase::Starting { until } => until,
            Phase::Ready { ping: Ping::Next(at), .. } => at,
            Phase::Ready { ping: Ping::Sent { until, .. }, .. } => until,
        };
        let due = self.due.first().map(|(at, _)| *at);
        due.into_iter().chain(self.letters.next_wake()).fold(phase, Instant::min)
    }

    pub(super) fn step(&mut self, now: Instant, input: Input, out: &mut Vec<Command>) {
        match input {
            Input::Tick => self.tick(now, out),
            Input::Line { run, line } if self.is_live(run) => self.line(now, &line, out),
            Input::Ended { run, why } if self.is_live(run) => {
                self.fail(now, AgentErrorKind::Lost, &why, out);
            }
            Input::Broke { run, why } if self.is_live(run) => {
                // Of several it is not known which one did it.
                let alone = self.held.len() <= 1;
                let kind = if alone { AgentErrorKind::Failed } else { AgentErrorKind::Lost };
                self.fail(now, kind, &why, out);
            }
            Input::Line { .. } | Input::Ended { .. } | Input::Broke { .. } => {}
            Input::Deliver { assignment } => self.deliver(now, &assignment, out),
            Input::Cancel { work } => self.cancel(now, work, out),
            Input::Letter(letter) => self.letter(&letter, out),
        }
    }

    fn is_live(&self, run: u64) -> bool {
        run == self.run && !matches!(self.phase, Phase::Waiting { .. })
    }

    // ---- the child ----

    fn tick(&mut self, now: Instant, out: &mut Vec<Command>) {
        match self.phase {
            Phase::Waiting { until } if until <= now => self.spawn(now, out),
            Phase::Starting { until } if until <= now => {
                self.fail(now, AgentErrorKind::Lost, "it did not answer initialize in time", out);
            }
            Phase::Ready { ping: Ping::Sent { until, .. }, .. } if until <= now => {
                self.fail(now, AgentErrorKind::Lost, "it hangs: no answer to ping in time", out);
            }
            Phase::Ready { since, ping: Ping::Next(at) } if at <= now => {
                let ping = self.ping(now, out);
                self.phase = Phase::Ready { since, ping };
            }
            _ => {}
        }
        if let Some((at, work)) = self.due.first().copied()
            && at <= now
        {
            self.did_not_stop(now, work, out);
        }
        self.give_up_letters(now, out);
    }

    fn spawn(&mut self, now: Instant, out: &mut Vec<Command>) {
        self.run += 1;
        (self.next_id, self.strays) = (0, 0);
        self.phase = Phase::Starting { until: after(now, self.times.initialize) };
        out.push(Command::Spawn { run: self.run });
        let agent = json!({
            "protocol": PROTOCOL,
            "agent": self.card.id,
            "version": self.card.version,
            "capabilities": self.card.capabilities.iter().map(|c| &c.name).collect::<Vec<_>>(),
            "max_concurrent_tasks": self.card.limits.max_concurrent_tasks,
        });
        let id = self.take_id();
        out.push(self.write(codec::request(id, "initialize", agent)));
    }

    /// A child that does one thing after the other can't answer while it works, so only one that
    /// said it can is asked then.
    fn ping(&mut self, now: Instant, out: &mut Vec<Command>) -> Ping {
        let busy = !self.held.is_empty() || !self.letters.is_empty();
        if busy && !self.ping_while_busy {
            return Ping::Next(after(now, self.times.ping_every));
        }
        let id = self.take_id();
        out.push(self.write(codec::request(id, "ping", json!({}))));
        Ping::Sent { id, until: after(now, self.times.ping_answer) }
    }

    fn write(&self, line: String) -> Command {
        Command::Write { run: self.run, line }
    }

    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The child is of no more use: all it holds is answered, and it is started again later.
    fn fail(&mut self, now: Instant, kind: AgentErrorKind, why: &str, out: &mut Vec<Command>) {
        let backoff = &self.times.backoff;
        let ran_well = matches!(self.phase,
            Phase::Ready { since, .. } if after(since, backoff.reset_after) <= now);
        self.failures = if ran_well { 1 } else { self.failures.saturating_add(1) };
        self.phase = Phase::Waiting { until: after(now, backoff.wait(self.failures, self.chance)) };
        out.push(Command::Kill);
        let mut held: Vec<_> = self.held.drain().map(|(work, _)| work).collect();
        held.sort_unstable(); // The order of a hash map would differ from run to run.
        self.by_id.clear();
        self.due.clear();
        for work in held {
            let error = AgentError::new(kind, format!("the agent's process: {why}"));
            out.push(Command::Answer { work, outcome: Err(error) });
        }
        self.lose_letters(kind, why, out);
        out.push(Command::Down { why: why.to_owned() });
    }

    // ---- what it says ----

    fn line(&mut self, now: Instant, line: &str, out: &mut Vec<Command>) {
        match codec::read(line) {
            Ok(FromChild::Reply { id, outcome }) => self.reply(now, id, outcome, out),
            Ok(FromChild::Progress { id, progress }) => {
                if let Some(work) = self.by_id.get(&id).copied() {
                    out.push(Command::Note { work, progress });
                }
            }
            Ok(FromChild::Request { id, method }) => {
                out.push(self.write(codec::not_found(&id, &method)));
            }
            Ok(FromChild::Unknown) => {}
            Err(reason) => self.unfit(now, line, &reason, out),
        }
    }

    fn reply(
        &mut self,
        now: Instant,
        id: u64,
        outcome: Result<Value, RpcError>,
        out: &mut Vec<Command>,
    ) {
        match self.phase {
            Phase::Starting { .. } => self.initialized(now, outcome, out),
            Phase::Ready { since, ping: Ping::Sent { id: sent, .. } } if sent == id => {
                let ping = Ping::Next(after(now, self.times.ping_every));
                self.phase = Phase::Ready { since, ping };
            }
            // Work that is not held any more was given up before: its result is fenced here.
            _ => {
                let Some(outcome) = self.letter_answered(id, outcome, out) else { return };
                let Some(work) = self.by_id.get(&id).copied() else { return };
                self.strays = 0;
                let (outcome, usage) = match outcome {
                    Ok(value) => performed(value),
                    Err(error) => {
                        let usage = error.usage();
                        (Err(error.into()), usage)
                    }
                };
                out.extend(usage.map(|usage| Command::Spend { work, usage }));
                self.answer(work, outcome, out);
            }
        }
    }

    fn initialized(
        &mut self,
        now: Instant,
        outcome: Result<Value, RpcError>,
        out: &mut Vec<Command>,
    ) {
        match self.check(outcome) {
            Ok(initialized) => {
                self.ping_while_busy = initialized.ping_while_busy;
                self.receives = initialized.receives;
                let ping = Ping::Next(after(now, self.times.ping_every));
                self.phase = Phase::Ready { since: now, ping };
                out.push(Command::Up);
            }
            Err(why) => self.fail(now, AgentErrorKind::Failed, &why, out),
        }
    }

    fn check(&self, outcome: Result<Value, RpcError>) -> Result<Initialized, String> {
        let value = outcome.map_err(|error| format!("it refused to start: {}", error.message))?;
        let said: Initialized = serde_json::from_value(value)
            .map_err(|error| format!("its answer to initialize: {error}"))?;
        if said.protocol != PROTOCOL {
            let got = said.protocol;
            return Err(format!("it speaks version {got} of the protocol, not {PROTOCOL}"));
        }
        let version = self.card.version.to_string();
        if let Some(got) = said.version.as_ref().filter(|got| **got != version) {
            return Err(format!("it is version {got}, configured is {version}"));
        }
        let can = |name: &str| {
            said.capabilities.as_ref().is_none_or(|said| said.iter().any(|known| known == name))
        };
        if let Some(missing) = self.card.capabilities.iter().find(|wanted| !can(&wanted.name)) {
            return Err(format!("it does not have the configured capability {}", missing.name));
        }
        Ok(said)
    }

    // ---- its work ----

    fn deliver(&mut self, now: Instant, assignment: &Assignment, out: &mut Vec<Command>) {
        let work = assignment.work;
        if !matches!(self.phase, Phase::Ready { .. }) {
            let outcome = Err(AgentError::unavailable("the agent's process is not running"));
            out.push(Command::Answer { work, outcome });
            return;
        }
        let id = self.take_id();
        let due = after(assignment.deadline.into_std(), self.times.grace);
        self.held.insert(work, Held { id, cancelled: false, due });
        self.by_id.insert(id, work);
        self.due.insert((due, work));
        let order = WorkOrder::new(assignment, now);
        out.push(self.write(codec::request(id, "perform", order)));
    }

    fn cancel(&mut self, now: Instant, work: WorkId, out: &mut Vec<Command>) {
        let due = after(now, self.times.grace);
        let Some(held) = self.held.get_mut(&work).filter(|held| !held.cancelled) else { return };
        held.cancelled = true;
        self.due.remove(&(held.due, work));
        held.due = held.due.min(due);
        self.due.insert((held.due, work));
        let params = json!({"id": held.id});
        out.push(self.write(codec::notification("cancel", params)));
    }

    /// Neither a result nor an end of the work within the grace time: only killing stops it.
    fn did_not_stop(&mut self, now: Instant, work: WorkId, out: &mut Vec<Command>) {
        let cancelled = self.held.get(&work).is_some_and(|held| held.cancelled);
        let error = if cancelled {
            AgentError::cancelled("the agent's process did not stop the work and was killed")
        } else {
            AgentError::timeout("the agent's process gave no result and was killed")
        };
        self.answer(work, Err(error), out);
        let why = "it was killed, because other work would not stop when told";
        self.fail(now, AgentErrorKind::Lost, why, out);
    }

    fn answer(
        &mut self,
        work: WorkId,
        outcome: Result<Performed, AgentError>,
        out: &mut Vec<Command>,
    ) {
        let Some(held) = self.held.remove(&work) else { return };
        self.by_id.remove(&held.id);
        self.due.remove(&(held.due, work));
        out.push(Command::Answer { work, outcome });
    }
}

/// What the work came to, and what it used up.
fn performed(value: Value) -> (Result<Performed, AgentError>, Option<Usage>) {
    match serde_json::from_value::<WorkResult>(value) {
        Ok(result) => {
            let usage = result.usage;
            (result.try_into(), usage)
        }
        Err(error) => (Err(AgentError::failed(format!("the result of the agent: {error}"))), None),
    }
}
