//! What holds when everything is well again: all that was accepted is there and done, once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use synod::Node;
use synod::tasks::{EngineStats, GetTask, TaskState};
use synod::workflows::{GetRun, RunHistory, RunState, WorkflowStats};
use synod_cluster::{MemberState, ShowMembers, ShowRegistry};
use synod_journal::{JournalMessage, Position, ReadStream, StoredRecord, Stream};
use synod_runtime::Address;

use crate::agent::Piece;
use crate::clients::Clients;
use crate::decisions;
use crate::world::World;

/// How long a question may take when all is well.
const WITHIN: Duration = Duration::from_secs(5);

/// What is not as it is to be; none when all is well.
pub(crate) async fn unwell(world: &Arc<World>, clients: &Clients) -> Option<String> {
    for group in [0, 1] {
        if let Some(why) = behind(world, group) {
            return Some(why);
        }
    }
    if !clients.have_ended() {
        return Some("clients still wait to be accepted".to_owned());
    }
    if let Some(why) = apart(world).await {
        return Some(why);
    }
    open(world, clients).await
}

/// Whether all members of a group follow one leader and know all that it has.
fn behind(world: &World, group: u32) -> Option<String> {
    let Some(leader) = world.leader(group) else {
        return Some(format!("group {group} has no leader"));
    };
    let led = world.view(leader, group)?;
    for node in 0..world.seats.len() {
        let Some(parts) = world.parts(node) else {
            return Some(format!("node {node} does not run"));
        };
        let (own, view) = (parts.peers.own().id, parts.groups.view(led.group));
        if !led.voters.contains(&own) && !led.learners.contains(&own) {
            continue;
        }
        if let Some(fault) = &view.fault {
            return Some(format!("group {group} of node {node}: {fault}"));
        }
        if view.leader != led.leader || view.term != led.term {
            return Some(format!("node {node} follows {:?} in group {group}", view.leader));
        }
        if view.applied < led.committed {
            let (has, all) = (view.applied, led.committed);
            return Some(format!("node {node} has {has} of {all} of group {group}"));
        }
    }
    None
}

/// Whether all nodes know the same of one another.
async fn apart(world: &World) -> Option<String> {
    let mut fingerprints = Vec::new();
    for node in 0..world.seats.len() {
        let Some(parts) = world.parts(node) else { return Some(format!("node {node} is down")) };
        let Ok(view) = parts.membership.ask(ShowMembers, WITHIN).await else {
            return Some(format!("the membership of node {node} does not answer"));
        };
        let alive = view.members.iter().filter(|one| one.state == MemberState::Alive).count();
        let others = world.seats.len() - 1;
        if alive < others {
            return Some(format!("node {node} sees {alive} of {others} others"));
        }
        let Ok(told) = parts.told.ask(ShowRegistry, WITHIN).await else {
            return Some(format!("the registry of node {node} does not answer"));
        };
        fingerprints.push((told.fingerprint, told.entries));
    }
    let same = fingerprints.windows(2).all(|two| two[0] == two[1]);
    (!same).then(|| format!("registries differ: {fingerprints:?}"))
}

fn owner(world: &World) -> Option<Arc<Node>> {
    world.leader(1).and_then(|leader| world.node(leader))
}

/// Whether all work is done.
async fn open(world: &World, clients: &Clients) -> Option<String> {
    let Some(owner) = owner(world) else { return Some("nobody owns the work".to_owned()) };
    let Ok(tasks) = owner.tasks().ask(EngineStats {}, WITHIN).await else {
        return Some("the task engine does not answer".to_owned());
    };
    if tasks.ledger.open > 0 {
        return Some(format!("{} tasks are open", tasks.ledger.open));
    }
    let Ok(runs) = owner.workflows().ask(WorkflowStats {}, WITHIN).await else {
        return Some("the workflow engine does not answer".to_owned());
    };
    if runs.ledger.open > 0 {
        return Some(format!("{} runs are open", runs.ledger.open));
    }
    decisions::open(&owner, &clients.talks.decisions).await
}

/// All that was accepted is there, done once, with the right result; the ledgers balance.
pub(crate) async fn durable(world: &Arc<World>, clients: &Clients) {
    let Some(owner) = owner(world) else { return };
    let (tasks, runs) = {
        let kept = clients.kept.lock();
        (kept.tasks.clone(), kept.runs.clone())
    };
    for (id, piece) in &tasks {
        match owner.tasks().ask(GetTask { id: *id }, WITHIN).await {
            Ok(Some(status)) if status.state == TaskState::Completed => {
                let given = status.result.as_ref().and_then(|out| out.0.to_json::<Piece>().ok());
                if given != Some(*piece) {
                    world.broken(format!("task {} has the result {given:?}", piece.number));
                }
            }
            Ok(Some(status)) => {
                let (number, state) = (piece.number, status.state);
                world.broken(format!("task {number} is {state}: {:?}", status.error));
            }
            Ok(None) => world.broken(format!("accepted and lost: task {} ({id})", piece.number)),
            Err(why) => world.broken(format!("task {} can't be shown: {why}", piece.number)),
        }
    }
    for (id, piece) in &runs {
        run(world, &owner, *id, *piece).await;
    }
    decisions::durable(world, &owner, &clients.talks.decisions).await;
    if let Some(leader) = world.leader(1) {
        let log = world.seats[leader].eye.log.lock().clone();
        if let Some(log) = log {
            once(world, &log, tasks.len()).await;
        }
    }
    if let Ok(stats) = owner.tasks().ask(EngineStats {}, WITHIN).await
        && !stats.ledger.balanced
    {
        world.broken(format!("the ledger of tasks does not balance: {:?}", stats.ledger));
    }
    if let Ok(stats) = owner.workflows().ask(WorkflowStats {}, WITHIN).await
        && !stats.ledger.balanced
    {
        world.broken(format!("the ledger of runs does not balance: {:?}", stats.ledger));
    }
}

async fn run(world: &World, owner: &Node, id: synod::workflows::RunId, piece: Piece) {
    let number = piece.number;
    match owner.workflows().ask(GetRun { id }, WITHIN).await {
        Ok(Some(status)) if status.summary.state == RunState::Completed => {}
        Ok(Some(status)) => {
            return world.broken(format!("run {number} is {}", status.summary.state));
        }
        Ok(None) => return world.broken(format!("accepted and lost: run {number} ({id})")),
        Err(why) => return world.broken(format!("run {number} can't be shown: {why}")),
    }
    let history = RunHistory { id, after: 0, limit: 10_000 };
    let Ok(Some(page)) = owner.workflows().ask(history, WITHIN).await else {
        return world.broken(format!("run {number} has no history"));
    };
    let mut completed = BTreeMap::new();
    for event in page.events.iter().filter(|event| event.name == "step.completed") {
        *completed.entry(event.step.clone().unwrap_or_default()).or_insert(0) += 1;
    }
    let steps: Vec<_> = completed.iter().map(|(step, times)| (step.as_str(), *times)).collect();
    if steps != [("a", 1), ("b", 1), ("c", 1)] {
        world.broken(format!("each step result taken once: run {number} has {steps:?}"));
    }
}

/// Each task was accepted once and ended once, by the records of the log.
async fn once(world: &World, log: &Address<JournalMessage>, accepted: usize) {
    let mut seen: BTreeMap<(Vec<u8>, String), u32> = BTreeMap::new();
    for record in records(log).await {
        if record.kind == "task.accepted" || record.kind == "task.ended" {
            // A record of a task begins with the task's id.
            let id = record.bytes.get(..16).unwrap_or_default().to_vec();
            *seen.entry((id, record.kind)).or_default() += 1;
        }
    }
    let of_kind = |kind: &str| seen.keys().filter(|(_, of)| of == kind).count();
    if of_kind("task.accepted") < accepted {
        world.broken(format!("{accepted} tasks accepted, {} in the log", of_kind("task.accepted")));
    }
    for ((id, kind), times) in seen.iter().filter(|(_, times)| **times > 1) {
        world.broken(format!("each task result taken once: {kind} {times} times of {id:02x?}"));
    }
}

async fn records(log: &Address<JournalMessage>) -> Vec<StoredRecord> {
    let (mut records, mut after) = (Vec::new(), Position::START);
    loop {
        let stream = Stream::new("tasks");
        let read = ReadStream { stream, after, max_records: 4_096, max_bytes: 4 << 20 };
        let Ok(Ok(page)) = log.ask(read, WITHIN).await else { return records };
        records.extend(page.records);
        match page.next {
            Some(next) => after = next,
            None => return records,
        }
    }
}
