//! Keeps groups and shards where they should be: the control leader decides, each group's leader
//! carries out.

mod decide;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::{Actor, ActorError, ConfigFault, Context, Spec};

use super::command::ControlCommand;
use super::handle::Control;
use super::state::ControlState;
use crate::config::within;
use crate::consensus::{GroupId, GroupView};
use crate::node::NodeId;
use decide::Step;

/// How long one step may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Entries that a follower may be behind and still count as having nearly all.
const NEARLY: u64 = 1_000;

/// How the overseer decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OverseerConfig {
    /// Most voters of a group; an even number counts as one less. 1 to 7. Default 5.
    pub max_voters: u32,
    /// Milliseconds for which a node may be down before its votes go to others. 1,000 to
    /// 86,400,000. Default 60,000.
    pub down_grace_ms: u64,
    /// Milliseconds between looks. 50 to 60,000. Default 250.
    pub look_ms: u64,
}

impl Default for OverseerConfig {
    fn default() -> Self {
        Self { max_voters: 5, down_grace_ms: 60_000, look_ms: 250 }
    }
}

impl OverseerConfig {
    /// Checks every field against its range.
    ///
    /// # Errors
    /// All faults at once, each with its key.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        within(&[
            ("max_voters", self.max_voters.into(), 1, 7),
            ("down_grace_ms", self.down_grace_ms, 1_000, 86_400_000),
            ("look_ms", self.look_ms, 50, 60_000),
        ])
    }
}

/// What the overseer is told.
#[derive(Clone, Debug)]
pub enum OverseerMessage {
    /// Membership has seen a node up, or down.
    Seen {
        /// Who.
        node: NodeId,
        /// Whether it is up.
        up: bool,
    },
    /// It is time to look.
    Look,
    /// A step has ended.
    Stepped(Stepped),
}

/// What came of a step; made by the overseer alone.
#[derive(Clone, Debug)]
pub struct Stepped {
    work: Work,
    outcome: Result<(), String>,
}

/// What is under way; one of each at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    /// A proposal to the control group.
    Control,
    /// A step of a group that is led here.
    Group(GroupId),
}

/// Keeps groups and shards where they should be.
pub struct Overseer {
    config: OverseerConfig,
    control: Control,
    /// What membership has seen last.
    seen: BTreeMap<NodeId, bool>,
    busy: BTreeSet<Work>,
}

impl Overseer {
    /// The overseer of this node, `overseer`. Every node has one.
    #[must_use]
    pub fn spec(config: OverseerConfig, control: Control) -> Spec<Self> {
        Spec::new("overseer", move || Self {
            config: config.clone(),
            control: control.clone(),
            seen: BTreeMap::new(),
            busy: BTreeSet::new(),
        })
    }

    fn look(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let state = self.control.read();
        if state.cluster.is_none() {
            return Ok(());
        }
        for view in self.control.groups.list() {
            if view.accepts() {
                self.step_group(&state, &view, ctx)?;
            }
        }
        if self.control.groups.view(GroupId::CONTROL).accepts()
            && let Some(command) = self.decide(&state)
        {
            self.propose(command, ctx)?;
        }
        Ok(())
    }

    /// What the control group should be told next, if anything.
    fn decide(&self, state: &ControlState) -> Option<ControlCommand> {
        let now_us = self.control.groups.site.now_us();
        let own = self.control.groups.own();
        for (node, member) in &state.members {
            let up = *node == own || self.seen.get(node).copied().unwrap_or(true);
            if up != member.down_since_us.is_none() {
                return Some(ControlCommand::Mark { node: *node, up, at_us: now_us });
            }
        }
        let seats = decide::seats(state, &self.config, now_us);
        if !seats.is_empty() {
            return Some(ControlCommand::Seat { epoch: state.epoch, seats });
        }
        if !state.is_spread() {
            return Some(ControlCommand::Spread { epoch: state.shards.epoch });
        }
        // Those that have run out are no longer held; now and then they are forgotten.
        let dead = |lease: &super::Lease| lease.until_us.saturating_add(60_000_000) < now_us;
        let dead = state.leases.values().any(dead);
        dead.then_some(ControlCommand::Expire { at_us: now_us })
    }

    fn propose(
        &mut self,
        command: ControlCommand,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let control = self.control.clone();
        self.work(Work::Control, ctx, async move {
            let proposed = control.propose(command, WITHIN).await;
            proposed.map(drop).map_err(|error| error.to_string())
        })
    }

    fn step_group(
        &mut self,
        state: &ControlState,
        view: &GroupView,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let groups = self.control.groups.clone();
        let group = view.group;
        let caught_up = groups.caught_up(group, NEARLY);
        let own = groups.own();
        let stalled = groups.is_stalled(group);
        let step = match decide::other(state, view, own, &caught_up).filter(|_| stalled) {
            // A leader that can't write gives its group to one that can.
            Some(other) => Some(Step::Lead(other)),
            None => decide::step(state, view, own, &caught_up),
        };
        let Some(step) = step else { return Ok(()) };
        let storage = |node: &NodeId| state.members.get(node).map(|member| member.storage);
        let step = match &step {
            Step::Add(node) => storage(node).map(|storage| (step.clone(), storage)),
            _ => Some((step, Default::default())),
        };
        let Some((step, storage)) = step else { return Ok(()) };
        self.work(Work::Group(group), ctx, async move {
            tracing::info!(%group, ?step, "a group is brought to where it should be");
            let stepped = match step {
                Step::Add(node) => groups.add_learner(group, node, storage, WITHIN).await,
                Step::Vote(voters) => groups.change_voters(group, voters, WITHIN).await,
                Step::Remove(nodes) => groups.remove_learners(group, nodes, WITHIN).await,
                Step::Lead(to) => groups.transfer_leader(group, to, WITHIN / 5).await,
            };
            stepped.map_err(|error| error.to_string())
        })
    }

    fn work(
        &mut self,
        work: Work,
        ctx: &mut Context<Self>,
        doing: impl Future<Output = Result<(), String>> + Send + 'static,
    ) -> Result<(), ActorError> {
        if !self.busy.insert(work) {
            return Ok(());
        }
        ctx.attach(doing, move |outcome| {
            let outcome = outcome.unwrap_or_else(|failure| Err(failure.to_string()));
            OverseerMessage::Stepped(Stepped { work, outcome })
        })?;
        Ok(())
    }
}

impl Actor for Overseer {
    type Message = OverseerMessage;

    const KIND: &'static str = "overseer";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        ctx.send_after(Duration::from_millis(self.config.look_ms), OverseerMessage::Look);
        Ok(())
    }

    async fn handle(
        &mut self,
        message: OverseerMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            OverseerMessage::Seen { node, up } => {
                self.seen.insert(node, up);
            }
            OverseerMessage::Look => {
                ctx.send_after(Duration::from_millis(self.config.look_ms), OverseerMessage::Look);
                self.look(ctx)?;
            }
            OverseerMessage::Stepped(Stepped { work, outcome }) => {
                self.busy.remove(&work);
                if let Err(reason) = outcome {
                    tracing::warn!(?work, reason, "what should be done was not; it is tried again");
                }
            }
        }
        Ok(())
    }
}
