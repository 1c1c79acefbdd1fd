//! Who should vote and lead where: decided from what is agreed on alone, so that two leaders of
//! the control group decide alike.

use std::collections::{BTreeMap, BTreeSet};

use super::OverseerConfig;
use crate::consensus::{GroupId, GroupView};
use crate::control::command::Seats;
use crate::control::member::Member;
use crate::control::shards::ranking;
use crate::control::state::ControlState;
use crate::node::{NodeId, NodeRole};

/// The seats that should change, if any.
pub(super) fn seats(
    state: &ControlState,
    config: &OverseerConfig,
    now_us: i64,
) -> BTreeMap<GroupId, Seats> {
    let grace_us = i64::try_from(config.down_grace_ms * 1_000).unwrap_or(i64::MAX);
    let lost = |since: i64| now_us.saturating_sub(since) > grace_us;
    let may_vote = state.members.values().filter(|member| {
        member.record.roles.has(NodeRole::Control) && !member.down_since_us.is_some_and(lost)
    });
    let weights: BTreeMap<NodeId, u32> =
        may_vote.map(|member| (member.record.id, member.record.capacity)).collect();
    let mut wanted = state.seats.clone();
    for (group, seats) in &mut wanted {
        if let Some(voters) = voters(*group, &seats.voters, &weights, config.max_voters) {
            seats.voters = voters;
        }
    }
    spread_leaders(state, &mut wanted);
    wanted.retain(|group, seats| state.seats.get(group) != Some(seats));
    wanted
}

/// The voters of a group: the best by rendezvous, an odd number of them. One at a time is
/// exchanged, so that a group always has most of those it had. `None` when nobody may vote.
fn voters(
    group: GroupId,
    current: &BTreeSet<NodeId>,
    weights: &BTreeMap<NodeId, u32>,
    most: u32,
) -> Option<BTreeSet<NodeId>> {
    let able = weights.len().min(most.max(1) as usize);
    let count = if able.is_multiple_of(2) { able.checked_sub(1)? } else { able };
    let key = u16::try_from(group.0).unwrap_or(u16::MAX);
    let best: Vec<_> = ranking(key, weights);
    // With two nodes one vote would decide anyway: the one that has it keeps it.
    if count == 1 && current.len() == 1 && current.iter().all(|node| weights.contains_key(node)) {
        return Some(current.clone());
    }
    let best: BTreeSet<_> = best.into_iter().take(count).collect();
    let mut next = current.clone();
    let lost = current.iter().find(|node| !weights.contains_key(*node));
    let surplus = current.iter().find(|node| !best.contains(*node));
    let newcomers: Vec<_> = best.difference(current).copied().collect();
    if current.len() < count {
        // Grown at once to an odd number: halfway it could bear no more failures than before.
        next.extend(newcomers.into_iter().take(count - current.len()));
    } else if let Some(goes) = lost.or(surplus) {
        next.remove(goes);
        if current.len() <= count {
            next.extend(newcomers.first());
        }
        while next.len() > count {
            let goes = next.iter().find(|node| !best.contains(*node)).copied();
            let Some(goes) = goes else { break };
            next.remove(&goes);
        }
    }
    if next.is_empty() { None } else { Some(next) }
}

/// Gives each group a leader among its voters that are available, none much more than others.
fn spread_leaders(state: &ControlState, wanted: &mut BTreeMap<GroupId, Seats>) {
    let available: BTreeSet<NodeId> = state
        .members
        .values()
        .filter(|member| member.is_available())
        .map(|member| member.record.id)
        .collect();
    let leaders: BTreeSet<NodeId> =
        wanted.values().flat_map(|seats| &seats.voters).copied().collect();
    let able = leaders.intersection(&available).count().max(1);
    let most = wanted.len().div_ceil(able);
    let mut load: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut open = Vec::new();
    for (group, seats) in wanted.iter_mut() {
        let fits = |node: &NodeId| available.contains(node) && seats.voters.contains(node);
        let kept = seats.preferred.filter(fits);
        seats.pinned &= kept.is_some();
        let is_spare = |node: &NodeId| load.get(node).copied().unwrap_or(0) < most;
        let kept = kept.filter(|node| seats.pinned || is_spare(node));
        match kept {
            Some(node) => *load.entry(node).or_default() += 1,
            None => open.push(*group),
        }
        seats.preferred = kept;
    }
    for group in open {
        let Some(seats) = wanted.get_mut(&group) else { continue };
        let able = seats.voters.iter().filter(|node| available.contains(*node));
        let least = able.min_by_key(|node| (load.get(*node).copied().unwrap_or(0), **node));
        // With nobody available the group keeps whom it elects.
        if let Some(node) = least.copied() {
            *load.entry(node).or_default() += 1;
            seats.preferred = Some(node);
        }
    }
}

/// Another voter that could lead a group as well.
pub(super) fn other(
    state: &ControlState,
    view: &GroupView,
    own: NodeId,
    caught_up: &BTreeSet<NodeId>,
) -> Option<NodeId> {
    let available = |node: &NodeId| state.members.get(node).is_some_and(Member::is_available);
    let mut others = view.voters.intersection(caught_up);
    others.find(|node| **node != own && available(node)).copied()
}

/// What the leader of a group does next to bring it to where it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Let this node follow.
    Add(NodeId),
    /// Let these vote.
    Vote(BTreeSet<NodeId>),
    /// Let these follow no longer.
    Remove(BTreeSet<NodeId>),
    /// Give the leadership away.
    Lead(NodeId),
}

/// The next step of a group that is led here. `caught_up` are the members that have nearly all
/// of its log.
pub(super) fn step(
    state: &ControlState,
    view: &GroupView,
    own: NodeId,
    caught_up: &BTreeSet<NodeId>,
) -> Option<Step> {
    let seats = state.seats.get(&view.group)?;
    // Every member follows the control group, so that each node can read it.
    let follows = |node: &NodeId| match view.group {
        GroupId::CONTROL => state.members.contains_key(node),
        _ => seats.voters.contains(node),
    };
    let missing = state.members.keys().filter(|node| follows(node));
    let mut missing = missing.filter(|node| !view.voters.contains(*node));
    if let Some(node) = missing.find(|node| !view.learners.contains(*node)) {
        return Some(Step::Add(*node));
    }
    let newcomers: Vec<_> = seats.voters.difference(&view.voters).collect();
    if view.voters != seats.voters && newcomers.iter().all(|node| caught_up.contains(*node)) {
        return Some(Step::Vote(seats.voters.clone()));
    }
    let strangers: BTreeSet<_> =
        view.learners.iter().filter(|node| !follows(node)).copied().collect();
    if !strangers.is_empty() && view.voters == seats.voters {
        return Some(Step::Remove(strangers));
    }
    let to = seats.preferred.filter(|to| *to != own && view.voters.contains(to))?;
    caught_up.contains(&to).then_some(Step::Lead(to))
}
