//! For whom an envelope is, and having them read it.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

use synod_agents::{
    AgentEntry, AgentId, AgentStatus, Envelope, FindAgents, ListAgents, Reach, RegistryMessage,
};
use synod_runtime::Address;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::messages::RouteError;
use crate::messaging::courier::{hand_over, look_up, readiness};

/// How long the registry may take.
const LOOK_UP: Duration = Duration::from_secs(5);
/// Agents on a page of the registry.
const PAGE: usize = 1_000;

/// What came of one recipient.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) agent: AgentId,
    pub(super) said: Result<Option<Envelope>, String>,
    pub(super) took: Duration,
}

fn silent(why: impl std::fmt::Display) -> RouteError {
    RouteError::Unavailable(format!("the registry of agents: {why}"))
}

/// One entry for each agent: the one that is most likely to read, of the newest version.
#[derive(Default)]
struct Found(BTreeMap<AgentId, AgentEntry>);

impl Found {
    fn add(&mut self, entry: AgentEntry, sender: &str) {
        if entry.card.id.as_str() == sender || entry.status == AgentStatus::Disconnected {
            return;
        }
        let ready = readiness(entry.status);
        match self.0.get(&entry.card.id) {
            Some(known) if readiness(known.status) > ready => {}
            _ => {
                self.0.insert(entry.card.id.clone(), entry);
            }
        }
    }
}

/// The agent of this id.
pub(super) async fn agent(
    registry: &Address<RegistryMessage>,
    id: &AgentId,
) -> Result<Vec<AgentEntry>, RouteError> {
    let entry = look_up(registry, id).await.map_err(RouteError::NoRecipient)?;
    Ok(vec![entry])
}

/// All agents with this capability that can be reached, but the sender.
pub(super) async fn capable(
    registry: &Address<RegistryMessage>,
    capability: &str,
    sender: &str,
    most: usize,
) -> Result<Vec<AgentEntry>, RouteError> {
    let limit = most.saturating_mul(4).saturating_add(1);
    let find = FindAgents { capability: capability.to_owned(), min_version: None, limit };
    let entries = registry.ask(find, LOOK_UP).await.map_err(silent)?;
    let mut found = Found::default();
    entries.into_iter().for_each(|entry| found.add(entry, sender));
    let none = || format!("no agent that can be reached has the capability '{capability}'");
    bounded(found, most, none)
}

/// All agents that can be reached, but the sender.
pub(super) async fn everyone(
    registry: &Address<RegistryMessage>,
    sender: &str,
    most: usize,
) -> Result<Vec<AgentEntry>, RouteError> {
    let (mut found, mut cursor) = (Found::default(), None);
    loop {
        let list = ListAgents { cursor, limit: PAGE, ..ListAgents::default() };
        let page = registry.ask(list, LOOK_UP).await.map_err(silent)?.map_err(silent)?;
        page.entries.into_iter().for_each(|entry| found.add(entry, sender));
        cursor = page.next;
        if cursor.is_none() || found.0.len() > most {
            break;
        }
    }
    bounded(found, most, || "there is no other agent that can be reached".to_owned())
}

fn bounded(
    found: Found,
    most: usize,
    none: impl Fn() -> String,
) -> Result<Vec<AgentEntry>, RouteError> {
    match found.0.len() {
        0 => Err(RouteError::NoRecipient(none())),
        count if count > most => Err(RouteError::TooMany { most }),
        _ => Ok(found.0.into_values().collect()),
    }
}

/// Which of several agents an envelope is for. `chance` is a lot in `[0, 1)`.
pub(super) fn chosen(
    entries: Vec<AgentEntry>,
    reach: Reach,
    chance: f64,
    merit: impl Fn(&AgentId) -> f64,
) -> Vec<AgentEntry> {
    if reach == Reach::All {
        return entries;
    }
    // Whoever takes work goes before who was paused, for a message as well.
    let best = entries.iter().map(|entry| readiness(entry.status)).max().unwrap_or(0);
    let mut ready: Vec<_> =
        entries.into_iter().filter(|entry| readiness(entry.status) == best).collect();
    let index = match reach {
        Reach::Best => {
            let merits = ready.iter().map(|entry| merit(&entry.card.id)).enumerate();
            // Of equals the first by name.
            merits.rev().max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(index, _)| index)
        }
        _ => ((chance * ready.len() as f64) as usize).min(ready.len().saturating_sub(1)),
    };
    if ready.is_empty() { ready } else { vec![ready.swap_remove(index)] }
}

/// Has all of them read the envelope, so many at a time.
pub(super) async fn have_read(
    entries: Vec<AgentEntry>,
    envelope: &Envelope,
    deadline: Instant,
    side_by_side: usize,
) -> Vec<Read> {
    let mut waiting: VecDeque<AgentEntry> = entries.into();
    let (mut reading, mut all) = (JoinSet::new(), Vec::with_capacity(waiting.len()));
    loop {
        while reading.len() < side_by_side
            && let Some(entry) = waiting.pop_front()
        {
            reading.spawn(read(entry, envelope.clone(), deadline));
        }
        match reading.join_next().await {
            Some(Ok(read)) => all.push(read),
            // Neither panics nor is aborted: an agent's code runs elsewhere.
            Some(Err(error)) => tracing::error!(%error, "handing a message over failed"),
            None => return all,
        }
    }
}

async fn read(entry: AgentEntry, envelope: Envelope, deadline: Instant) -> Read {
    let since = Instant::now();
    let said = hand_over(&entry, envelope, deadline).await;
    Read { agent: entry.card.id.clone(), said, took: since.elapsed() }
}
