//! Whether two nodes may have a connection: pure rules over what they said of themselves.

use std::time::Duration;

use tokio::time::Instant;

use crate::node::{ClusterId, Incarnation, NodeId, NodeRecord};
use crate::wire::{FORMAT, Greeting, Refusal, RefusalCode};

/// What this node knows of itself when somebody greets it.
pub(super) struct Own<'a> {
    pub(super) record: &'a NodeRecord,
    pub(super) cluster: Option<ClusterId>,
}

/// What it knows of the one who greets.
pub(crate) struct Known {
    pub(super) record: NodeRecord,
    /// A connection to it stands.
    pub(super) is_alive: bool,
}

/// Judges a greeting, `named` in the certificate of who sent it.
pub(super) fn admit(
    own: &Own<'_>,
    known: Option<&Known>,
    theirs: &Greeting,
    named: Option<&str>,
) -> Result<(), Refusal> {
    let refuse = |code, reason: String| Err(Refusal::new(code, reason));
    let record = &theirs.record;
    if theirs.format != FORMAT {
        let reason = format!("format {} of the logs, expected {FORMAT}", theirs.format);
        return refuse(RefusalCode::Version, reason);
    }
    if let (Some(ours), Some(other)) = (own.cluster, theirs.cluster)
        && ours != other
    {
        let reason = format!("{} is of cluster {other}, expected {ours}", record.name);
        return refuse(RefusalCode::Cluster, reason);
    }
    if let Some(named) = named
        && named != record.name.as_str()
    {
        let reason = format!("{} has the certificate of {named}", record.name);
        return refuse(RefusalCode::Stranger, reason);
    }
    if record.id == own.record.id {
        let NodeRecord { id, name, address, .. } = own.record;
        let reason = format!(
            "the id {id} of {} at {} is that of {name} at {address}",
            record.name, record.address
        );
        return refuse(RefusalCode::Twin, reason);
    }
    if let Some(expected) = theirs.expects
        && expected != own.record.id
    {
        let NodeRecord { id, name, .. } = own.record;
        let reason = format!("this is node {id} ({name}), not {expected}");
        return refuse(RefusalCode::Stranger, reason);
    }
    known.map_or(Ok(()), |known| admit_again(known, record))
}

fn admit_again(known: &Known, record: &NodeRecord) -> Result<(), Refusal> {
    let Known { record: before, is_alive } = known;
    let NodeRecord { id, name, incarnation, address, .. } = record;
    if *incarnation < before.incarnation {
        let reason = format!(
            "start {incarnation} of {name} ({id}) is over: start {} has been seen",
            before.incarnation
        );
        return Err(Refusal::new(RefusalCode::Stale, reason));
    }
    let elsewhere = before.address != *address || before.name != *name;
    if *is_alive && elsewhere {
        let reason = format!(
            "the id {id} of {name} at {address} is in use: {} at {} is alive",
            before.name, before.address
        );
        return Err(Refusal::new(RefusalCode::Twin, reason));
    }
    Ok(())
}

/// A connection that stands, or is about to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) incarnation: Incarnation,
    /// Who has called whom.
    pub(super) caller: NodeId,
    pub(super) since: Instant,
}

/// Whether a connection takes the place of another to the same node. When both have called one
/// another at once, both keep the one that the lower id has made; else the later one counts,
/// since the other side would not have made it if it still had the former.
pub(super) fn replaces(
    former: &Standing,
    later: &Standing,
    lower: NodeId,
    at_once: Duration,
) -> bool {
    if later.incarnation != former.incarnation {
        return later.incarnation > former.incarnation;
    }
    let is_crossed = former.caller == lower && later.caller != lower;
    !is_crossed || later.since.saturating_duration_since(former.since) >= at_once
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
