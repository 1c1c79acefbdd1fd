//! The supervision machine, case by case, without a runtime: a small world answers its commands.

mod backoff;
mod endings;
mod groups;
mod random;
mod restarts;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::command::{ChildKey, ChildPolicy, Command, Input, Report, Supervised};
use super::config::{Backoff, Restart, Shutdown, Strategy, Supervision};
use super::machine::{KILL_WAIT, SupervisorMachine};
use crate::exit::ExitReason;

const STRATEGIES: [Strategy; 4] =
    [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic];
const START_TIMEOUT: Duration = Duration::from_secs(3);
const SHUTDOWN: Duration = Duration::from_secs(2);
const BACKOFF: Duration = Duration::from_millis(100);

fn error() -> ExitReason {
    ExitReason::Error("disk".into())
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A child as these tests keep it.
struct Kept(Arc<str>, ChildPolicy);

impl Supervised for Kept {
    fn name(&self) -> &Arc<str> {
        &self.0
    }

    fn policy(&self) -> ChildPolicy {
        self.1
    }
}

/// A supervisor whose children start and stop at once, unless they are named otherwise.
struct World {
    machine: SupervisorMachine<Kept>,
    now: Instant,
    names: Vec<&'static str>,
    /// Children that don't answer a start.
    hang: HashSet<&'static str>,
    /// Children that don't answer a stop.
    deaf: HashSet<&'static str>,
    /// Children that don't even end when they are killed.
    stuck: HashSet<&'static str>,
    log: Vec<String>,
    reports: Vec<(&'static str, Report)>,
}

impl World {
    fn new(supervision: Supervision) -> Self {
        Self {
            machine: SupervisorMachine::new(supervision, 7),
            now: Instant::now(),
            names: Vec::new(),
            hang: HashSet::new(),
            deaf: HashSet::new(),
            stuck: HashSet::new(),
            log: Vec::new(),
            reports: Vec::new(),
        }
    }

    fn with(strategy: Strategy) -> Self {
        Self::new(Supervision::new(strategy))
    }

    /// Three running permanent children, with the log wiped.
    fn abc(strategy: Strategy) -> Self {
        let mut world = Self::with(strategy);
        for name in ["a", "b", "c"] {
            world.add(name, Restart::Permanent);
        }
        world.log.clear();
        world.reports.clear();
        world
    }

    fn add(&mut self, name: &'static str, restart: Restart) {
        self.add_with(name, |policy| ChildPolicy { restart, ..policy });
    }

    fn add_with(&mut self, name: &'static str, with: impl FnOnce(ChildPolicy) -> ChildPolicy) {
        let key = ChildKey(self.names.len() as u64 + 1);
        self.names.push(name);
        let policy = ChildPolicy {
            restart: Restart::Permanent,
            shutdown: Shutdown::Within(SHUTDOWN),
            start_timeout: START_TIMEOUT,
            backoff: Backoff::fixed(BACKOFF),
        };
        let mut out = Vec::new();
        self.machine.add(self.now, key, Kept(name.into(), with(policy)), &mut out);
        self.obey_all(out);
    }

    fn key(&self, name: &str) -> ChildKey {
        let at = self.names.iter().position(|known| *known == name);
        ChildKey(at.expect("a child of that name") as u64 + 1)
    }

    fn name(&self, key: ChildKey) -> &'static str {
        self.names[key.0 as usize - 1]
    }

    fn exit(&mut self, name: &str, reason: ExitReason) {
        self.input(Input::Exited(self.key(name), reason));
    }

    fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.machine.step(self.now, input, &mut out);
        self.obey_all(out);
    }

    fn obey_all(&mut self, mut commands: Vec<Command>) {
        while !commands.is_empty() {
            let mut inputs = Vec::new();
            for command in commands.drain(..) {
                inputs.extend(self.obey(command));
            }
            for input in inputs {
                self.machine.step(self.now, input, &mut commands);
            }
        }
    }

    fn obey(&mut self, command: Command) -> Option<Input> {
        let (verb, key) = match command {
            Command::Start(key) => ("start", key),
            Command::Stop(key) => ("stop", key),
            Command::Kill(key) => ("kill", key),
            Command::Abandon(key) => ("abandon", key),
            Command::Close(key) => ("close", key),
            Command::Remove(key) => {
                self.machine.take(key);
                ("remove", key)
            }
            Command::Report(key, report) => {
                self.reports.push((self.name(key), report));
                return None;
            }
            Command::Done(reason) => {
                self.log.push(format!("done {reason}"));
                return None;
            }
        };
        let name = self.name(key);
        self.log.push(format!("{verb} {name}"));
        match verb {
            "start" if !self.hang.contains(name) => Some(Input::Started(key)),
            "stop" if !self.deaf.contains(name) => Some(Input::Exited(key, ExitReason::Shutdown)),
            "kill" if !self.stuck.contains(name) => Some(Input::Exited(key, ExitReason::Killed)),
            _ => None,
        }
    }

    /// Lets time pass, stopping at each deadline on the way.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.machine.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Tick);
        }
        self.now = end;
    }

    /// What was commanded since the last call.
    fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}
