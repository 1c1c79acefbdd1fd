//! The members as this node last told of them, and what has changed since.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use foca::{Member, State};

use super::messages::{MemberChange, MemberState, MemberView};
use super::seat::{Mark, Seat};
use crate::node::{NodeId, NodeRecord};

/// One member.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) seat: Seat,
    pub(super) record: Arc<NodeRecord>,
    pub(super) state: MemberState,
    pub(super) refuted: u16,
    since: Duration,
}

impl Row {
    pub(super) fn is_up(&self) -> bool {
        self.state <= MemberState::Suspect
    }
}

/// All members but this node.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<NodeId, Row>,
}

fn state_of(member: &Member<Seat>) -> MemberState {
    match (member.id().mark(), member.state()) {
        (Mark::Left | Mark::Removed, _) => MemberState::Left,
        (Mark::Present, State::Alive) => MemberState::Alive,
        (Mark::Present, State::Suspect) => MemberState::Suspect,
        (Mark::Present, State::Down) => MemberState::Down,
    }
}

impl Table {
    /// Takes over what the protocol knows, and says what changed.
    pub(super) fn refresh<'a>(
        &mut self,
        own: NodeId,
        now: Duration,
        members: impl Iterator<Item = &'a Member<Seat>>,
    ) -> Vec<MemberChange> {
        let mut changes = Vec::new();
        let mut gone: Vec<NodeId> = Vec::new();
        let mut former = std::mem::take(&mut self.rows);
        for member in members.filter(|member| member.id().id != own) {
            let Some(record) = member.id().record.clone() else { continue };
            let (state, refuted) = (state_of(member), member.incarnation());
            let before = former.remove(&member.id().id);
            tell(before.as_ref(), &record, state, &mut changes);
            let since =
                before.as_ref().filter(|row| row.state == state).map_or(now, |row| row.since);
            let row = Row { seat: member.id().clone(), record, state, refuted, since };
            self.rows.insert(row.seat.id, row);
        }
        gone.extend(former.keys());
        changes.extend(gone.into_iter().map(MemberChange::Forgotten));
        changes
    }

    pub(super) fn get(&self, node: NodeId) -> Option<&Row> {
        self.rows.get(&node)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    pub(super) fn up(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().filter(|row| row.is_up())
    }

    /// Members that were lost and may be back: those that left or were removed are not.
    pub(super) fn down(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().filter(|row| row.state == MemberState::Down)
    }

    pub(super) fn views(&self, now: Duration) -> Vec<MemberView> {
        let view = |row: &Row| MemberView {
            record: (*row.record).clone(),
            state: row.state,
            renewal: row.seat.rank.renewal,
            refuted: row.refuted,
            since_ms: now.saturating_sub(row.since).as_millis() as u64,
            phi: None,
            silence_ms: None,
        };
        self.rows.values().map(view).collect()
    }
}

/// What the way from one state to the other is called.
fn tell(
    before: Option<&Row>,
    record: &NodeRecord,
    state: MemberState,
    changes: &mut Vec<MemberChange>,
) {
    use MemberState::{Alive, Down, Left, Suspect};
    let id = record.id;
    let was = before.map(|row| row.state);
    let restarted = before.is_some_and(|row| row.record.incarnation < record.incarnation);
    match (was, state) {
        (Some(Alive | Suspect), Alive | Suspect) if restarted => {
            changes.push(MemberChange::Up(record.clone()));
            if state == Suspect {
                changes.push(MemberChange::Suspect(id));
            }
        }
        (Some(Alive), Suspect) => changes.push(MemberChange::Suspect(id)),
        (Some(Suspect), Alive) => changes.push(MemberChange::Recovered(id)),
        (None | Some(Down | Left), Alive | Suspect) => {
            changes.push(MemberChange::Up(record.clone()));
            if state == Suspect {
                changes.push(MemberChange::Suspect(id));
            }
        }
        (Some(Alive | Suspect), Down) => changes.push(MemberChange::Down(id)),
        (Some(Alive | Suspect | Down), Left) => changes.push(MemberChange::Left(id)),
        // Heard of for the first time when it was gone already, or nothing new.
        (None | Some(Left), Down | Left)
        | (Some(Down), Down)
        | (Some(Alive), Alive)
        | (Some(Suspect), Suspect) => {}
    }
}
