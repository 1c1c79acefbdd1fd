//! The children of one incarnation: the machine decides, this table carries it out.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::command::{ChildKey, ChildPolicy, Command, Input, Report, Supervised};
use super::config::Supervision;
use super::machine::SupervisorMachine;
use crate::actor::ChildEvent;
use crate::cell::{ChildNews, Launched, Port, Signal, Watcher};
use crate::context::Site;
use crate::exit::ExitReason;
use crate::lifecycle::LifecycleChange;
use crate::observation::{ActorState, Node};
use crate::spec::{Birth, Role};

/// A child as its parent sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildStatus {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub kind: &'static str,
    /// Where it stands.
    pub state: ActorState,
}

/// What the machine keeps of a child for this shell.
pub(super) struct Child {
    role: Arc<dyn Role>,
    node: Arc<Node>,
    /// The current incarnation.
    launched: Option<Launched>,
    /// Number of the last incarnation, from 1; 0 before the first.
    incarnation: u32,
    /// The role outlives the parent's incarnation.
    kept: bool,
    /// Why its last incarnation ended, where somebody listens, until it runs again.
    left: Option<Box<ExitReason>>,
}

impl Supervised for Child {
    fn name(&self) -> &Arc<str> {
        self.role.name()
    }

    fn policy(&self) -> ChildPolicy {
        self.role.terms().policy()
    }
}

/// Dropped without an orderly end, as after a kill of the parent, it kills what still runs.
pub(crate) struct Children {
    machine: SupervisorMachine<Child>,
    news: VecDeque<ChildEvent>,
    done: bool,
}

impl Children {
    pub(crate) fn new(supervision: Supervision, seed: u64) -> Self {
        Self {
            machine: SupervisorMachine::new(supervision, seed),
            news: VecDeque::new(),
            done: false,
        }
    }

    /// Takes a child whose node is in the tree.
    pub(crate) fn adopt(&mut self, site: &Site, role: Arc<dyn Role>, node: Arc<Node>, kept: bool) {
        let key = node.key();
        let child = Child { role, node, launched: None, incarnation: 0, kept, left: None };
        let (now, mut commands) = (site.system.clock().now(), Vec::new());
        self.machine.add(now, key, child, &mut commands);
        self.carry_out(site, now, commands);
    }

    /// News of an incarnation; those of one that was abandoned come too late to matter.
    pub(crate) fn hear(&mut self, site: &Site, key: ChildKey, incarnation: u32, news: ChildNews) {
        let Some(child) = self.machine.child_mut(key) else { return };
        if child.incarnation != incarnation || child.launched.is_none() {
            return;
        }
        match news {
            ChildNews::Started => self.input(site, Input::Started(key)),
            ChildNews::Exited(reason) => {
                child.launched = None;
                child.node.ended(&reason);
                self.input(site, Input::Exited(key, reason));
            }
        }
    }

    /// Lets the machine take a step and carries out what it commands.
    pub(crate) fn input(&mut self, site: &Site, input: Input) {
        let (now, mut commands) = (site.system.clock().now(), Vec::new());
        self.machine.step(now, input, &mut commands);
        self.carry_out(site, now, commands);
    }

    fn carry_out(&mut self, site: &Site, now: Instant, commands: Vec<Command>) {
        let mut commands = VecDeque::from(commands);
        while let Some(command) = commands.pop_front() {
            if let Some(input) = self.obey(site, now, command) {
                let mut more = Vec::new();
                self.machine.step(now, input, &mut more);
                commands.extend(more);
            }
        }
    }

    /// Carries out a command. A launch that fails at once is an input of its own.
    fn obey(&mut self, site: &Site, now: Instant, command: Command) -> Option<Input> {
        match command {
            Command::Start(key) => return self.start(site, now, key),
            Command::Stop(key) => self.with_port(key, |child, port| {
                child.node.set_state(ActorState::Stopping);
                port.push(Signal::Stop);
            }),
            Command::Kill(key) => self.with_port(key, |child, port| {
                tracing::warn!(path = %child.node.path(), "killing an actor that did not end");
                port.kill();
            }),
            Command::Abandon(key) => self.abandon(site, key),
            Command::Close(key) => {
                if let Some(child) = self.machine.child(key) {
                    child.node.set_state(ActorState::Stopped);
                    child.role.close();
                }
            }
            Command::Remove(key) => self.remove(site, key),
            Command::Report(key, report) => self.report(site, key, report),
            Command::Done(_) => self.done = true,
        }
        None
    }

    fn start(&mut self, site: &Site, now: Instant, key: ChildKey) -> Option<Input> {
        let child = self.machine.child_mut(key)?;
        child.incarnation += 1;
        child.role.open();
        child.node.set_state(ActorState::Starting);
        if child.incarnation > 1 {
            child.node.count_restart();
        }
        let watcher =
            Watcher::Parent { port: Arc::clone(&site.port), key, incarnation: child.incarnation };
        let birth = Birth {
            system: site.system.clone(),
            node: Arc::clone(&child.node),
            watcher,
            above: Some(Arc::clone(&site.presence)),
        };
        match child.role.launch(birth) {
            Ok(launched) => {
                child.node.launched(Arc::clone(&launched.port), now);
                child.launched = Some(launched);
                None
            }
            Err(panic) => Some(Input::Exited(key, ExitReason::StartFailed(panic))),
        }
    }

    /// Goes on without a child that blocks its thread. It keeps the batch that it has in hand, so
    /// that its role is never handled by two incarnations at once: a successor gets messages
    /// when the thread has come back.
    fn abandon(&mut self, site: &Site, key: ChildKey) {
        let Some(child) = self.machine.child_mut(key) else { return };
        tracing::error!(path = %child.node.path(), "abandoning an actor that a kill did not end");
        site.system.count_abandoned();
        child.node.set_state(ActorState::Failed);
        child.node.ended(&ExitReason::Killed);
        if let Some(launched) = child.launched.take() {
            let mut orphans = Vec::new();
            launched.abandon(|| orphans = child.node.release_all());
            orphans.iter().for_each(|orphan| site.system.tell(orphan, || LifecycleChange::Ended));
        }
    }

    fn remove(&mut self, site: &Site, key: ChildKey) {
        let Some(child) = self.machine.take(key) else { return };
        site.node.release(&child.node);
        site.system.tell(&child.node, || LifecycleChange::Ended);
        if child.node.is_named() {
            site.system.directory().forget(child.node.path());
        }
        if !child.kept || self.machine.ending().is_none() {
            child.role.close();
        }
    }

    fn report(&mut self, site: &Site, key: ChildKey, report: Report) {
        let Some(child) = self.machine.child_mut(key) else { return };
        let Child { node, left, .. } = child;
        site.system.tell(node, || change(&report, left));
        let (name, path) = (Arc::clone(child.role.name()), child.node.path());
        self.news.push_back(match report {
            Report::Started => ChildEvent::Started { name },
            Report::Restarted => {
                tracing::info!(%path, "actor restarted");
                ChildEvent::Restarted { name }
            }
            Report::Exited(reason) => {
                if !reason.is_normal() {
                    // Why it never ran is told by who started it, or again by the next attempt.
                    if matches!(reason, ExitReason::StartFailed(_)) && child.node.restarts() == 0 {
                        tracing::debug!(%path, %reason, "actor failed");
                    } else {
                        tracing::warn!(%path, %reason, "actor failed");
                    }
                    metrics::counter!("synod_actor_failures_total").increment(1);
                }
                if child.node.state() != ActorState::Failed {
                    child.node.set_state(ActorState::Restarting);
                }
                ChildEvent::Exited { name, reason }
            }
            Report::GaveUp(reason) => {
                tracing::error!(%path, %reason, "giving up on an actor that fails too often");
                ChildEvent::GaveUp { name, reason }
            }
        });
    }

    fn with_port(&self, key: ChildKey, act: impl FnOnce(&Child, &Port)) {
        if let Some(child) = self.machine.child(key)
            && let Some(launched) = &child.launched
        {
            act(child, &launched.port);
        }
    }

    pub(crate) fn status(&self) -> Vec<ChildStatus> {
        let status = |child: &Child| ChildStatus {
            name: Arc::clone(child.role.name()),
            kind: child.role.kind(),
            state: child.node.state(),
        };
        self.machine.children().map(status).collect()
    }

    pub(crate) fn next_news(&mut self) -> Option<ChildEvent> {
        self.news.pop_front()
    }

    pub(crate) fn count_news(&self) -> usize {
        self.news.len()
    }

    /// Why all children end or have ended, if they do.
    pub(crate) fn ending(&self) -> Option<&ExitReason> {
        self.machine.ending()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.machine.is_settled()
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.machine.next_deadline()
    }
}

/// A report as it is told to listeners. `left` keeps why the last incarnation ended.
fn change(report: &Report, left: &mut Option<Box<ExitReason>>) -> LifecycleChange {
    match report {
        Report::Started => LifecycleChange::Started,
        Report::Restarted => LifecycleChange::Restarted { reason: left.take().map(|why| *why) },
        Report::Exited(reason) => {
            *left = Some(Box::new(reason.clone()));
            let reason = reason.clone();
            if reason.is_normal() {
                LifecycleChange::Stopped { reason }
            } else {
                LifecycleChange::Failed { reason }
            }
        }
        Report::GaveUp(reason) => LifecycleChange::GaveUp { reason: reason.clone() },
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in self.machine.children() {
            if let Some(launched) = &child.launched {
                launched.port.kill();
            }
        }
    }
}
