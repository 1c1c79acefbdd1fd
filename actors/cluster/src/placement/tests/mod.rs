//! Who should host what, and who does while nodes and the control group fail.

mod plans;
mod seats;

use std::collections::BTreeMap;

use crate::consensus::StorageId;
use crate::control::{ControlAnswer, ControlCommand, ControlState, FencingToken, ShardTable};
use crate::node::{ClusterId, Incarnation, NodeId, NodeName, NodeRecord, NodeRole, Roles};

pub(super) fn record(id: u64, capacity: u32) -> NodeRecord {
    NodeRecord {
        id: NodeId(id),
        name: NodeName::parse(&format!("node-{id}")).unwrap(),
        address: "127.0.0.1:1".to_owned(),
        api: None,
        incarnation: Incarnation(1),
        roles: Roles::default(),
        capacity,
        labels: BTreeMap::new(),
    }
}

pub(super) fn tell(
    state: &mut ControlState,
    position: u64,
    command: ControlCommand,
) -> ControlAnswer {
    state.apply(command, FencingToken { epoch: 1, position })
}

pub(super) fn admit(state: &mut ControlState, record: NodeRecord) {
    let storage = StorageId(record.id.0);
    let command = match state.cluster {
        Some(_) => ControlCommand::Admit { record, storage, at_us: 0 },
        None => {
            let (cluster, groups) = (ClusterId(1), 1);
            ControlCommand::Form { cluster, groups, founder: record, storage, at_us: 0 }
        }
    };
    let answer = tell(state, 0, command);
    assert!(matches!(answer, ControlAnswer::Done { .. }), "{answer:?}");
}

/// The shards are where they belong, in one step.
pub(super) fn settle(state: &mut ControlState) {
    let weights = state.weights();
    state.shards = ShardTable::default().spread(&weights).unwrap_or_default();
}

pub(super) fn mark(state: &mut ControlState, node: u64, up: bool) {
    tell(state, 0, ControlCommand::Mark { node: NodeId(node), up, at_us: 0 });
}

pub(super) fn only(role: NodeRole) -> Roles {
    Roles([role].into())
}
