//! The registry's machine: who is found, who fell silent, what is told.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::machine::{Command, Moment, Order, Registration, Registry};
use super::messages::{AgentSelector, InvalidCursor, ListAgents, SetStatusError};
use crate::card::{AgentCard, AgentKind};
use crate::id::AgentId;
use crate::messages::{AgentChange, AgentStatus};

type Out = Vec<Command<u32>>;

/// A registry whose agents live at numbers, and its time.
struct World {
    registry: Registry<u32>,
    start: Instant,
}

impl World {
    fn new(max_agents: usize) -> Self {
        let start = Instant::now();
        Self { registry: Registry::new(max_agents, start), start }
    }

    fn at(&self, seconds: u64) -> Moment {
        let passed = Duration::from_secs(seconds);
        let utc = Timestamp::UNIX_EPOCH.checked_add(passed).unwrap();
        Moment { now: self.start + passed, utc }
    }

    fn register(&mut self, card: AgentCard, address: u32) -> Out {
        let mut out = Out::new();
        let at = self.at(0);
        let new = Registration { card: card.into(), address, connected: true };
        self.registry.register(at, new, &mut out).expect("there is room");
        out
    }

    /// `id@version` of all that a list shows, page by page.
    fn pages(&self, ask: ListAgents) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut cursor = None;
        loop {
            let ask = ListAgents { cursor, ..ask.clone() };
            let (entries, next) = self.registry.list(self.at(0), &ask).unwrap();
            pages.push(entries.iter().map(|entry| entry.key().to_string()).collect());
            if next.is_none() {
                return pages;
            }
            cursor = next;
        }
    }
}

fn card(id: &str, version: &str) -> AgentCard {
    AgentCard::new(id, version).capability("text.count")
}

fn select(id: &str) -> AgentSelector {
    AgentId::new(id).unwrap().into()
}

fn statuses(out: &Out) -> Vec<AgentStatus> {
    out.iter()
        .filter_map(|command| match command {
            Command::Publish(AgentChange::StatusChanged { status, .. }) => Some(*status),
            _ => None,
        })
        .collect()
}

fn orders(out: &Out) -> Vec<(u32, Order)> {
    out.iter()
        .filter_map(|command| match command {
            Command::Tell(address, order) => Some((*address, *order)),
            _ => None,
        })
        .collect()
}

#[test]
fn versions_stand_side_by_side_and_are_found_from_a_lowest_one() {
    let mut world = World::new(10);
    for version in ["1.10.0", "1.9.0", "2.0.0-rc.1", "0.0.0-0"] {
        world.register(card("count", version), 0);
    }
    world.register(card("counter", "3.0.0"), 0);
    let shown = world.registry.show(world.at(0), &select("count")).unwrap();
    let versions: Vec<_> = shown.iter().map(|entry| entry.card.version.to_string()).collect();
    assert_eq!(versions, ["0.0.0-0", "1.9.0", "1.10.0", "2.0.0-rc.1"]);
    let least = "1.10.0".parse().unwrap();
    let found = world.registry.find(world.at(0), "text.count", Some(&least), 10);
    let keys: Vec<_> = found.iter().map(|entry| entry.key().to_string()).collect();
    assert_eq!(keys, ["count@1.10.0", "count@2.0.0-rc.1", "counter@3.0.0"]);
    assert!(world.registry.find(world.at(0), "other", None, 10).is_empty());
}

#[test]
fn pages_cover_everything_once_and_in_order() {
    let mut world = World::new(100);
    for number in 0..7 {
        world.register(card(&format!("agent-{number}"), "1.0.0"), number);
    }
    let pages = world.pages(ListAgents { limit: 3, ..ListAgents::default() });
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    let all: Vec<_> = pages.into_iter().flatten().collect();
    let expected: Vec<_> = (0..7).map(|number| format!("agent-{number}@1.0.0")).collect();
    assert_eq!(all, expected);
    let bad = ListAgents { cursor: Some("?".into()), limit: 1, ..ListAgents::default() };
    assert_eq!(world.registry.list(world.at(0), &bad).unwrap_err(), InvalidCursor);
}

#[test]
fn a_list_is_filtered_by_capability_kind_and_status() {
    let mut world = World::new(10);
    world.register(card("a", "1.0.0"), 1);
    world.register(card("b", "1.0.0").capability("text.sum"), 2);
    let http = card("c", "1.0.0").kind(AgentKind::Http).endpoint("http://x/");
    world.register(http, 3);
    let paused = world.at(0);
    world.registry.set_status(paused, &select("a"), AgentStatus::Paused, &mut Out::new()).unwrap();
    let list = |ask: ListAgents| world.pages(ListAgents { limit: 9, ..ask }).concat();
    let by_capability = ListAgents { capability: Some("text.sum".into()), ..Default::default() };
    assert_eq!(list(by_capability), ["b@1.0.0"]);
    let by_kind = ListAgents { kind: Some(AgentKind::Http), ..Default::default() };
    assert_eq!(list(by_kind), ["c@1.0.0"]);
    let by_status = ListAgents { status: Some(AgentStatus::Active), ..Default::default() };
    assert_eq!(list(by_status), ["b@1.0.0", "c@1.0.0"]);
}

#[test]
fn a_full_registry_takes_no_new_agent_but_replaces_an_old_one() {
    let mut world = World::new(1);
    world.register(card("a", "1.0.0"), 1);
    let new = Registration { card: card("b", "1.0.0").into(), address: 2, connected: true };
    assert!(world.registry.register(world.at(0), new, &mut Out::new()).is_none());
    world.register(card("a", "1.0.0"), 3);
    assert_eq!(world.registry.show(world.at(0), &select("a")).unwrap()[0].address, 3);
}

#[test]
fn the_status_is_told_to_the_agent_and_published_once() {
    let mut world = World::new(10);
    world.register(card("a", "1.0.0"), 7);
    let mut out = Out::new();
    let at = world.at(0);
    for status in [AgentStatus::Paused, AgentStatus::Paused, AgentStatus::Active] {
        world.registry.set_status(at, &select("a"), status, &mut out).unwrap();
    }
    assert_eq!(statuses(&out), [AgentStatus::Paused, AgentStatus::Active]);
    assert_eq!(orders(&out), [(7, Order::Pause), (7, Order::Pause), (7, Order::Resume)]);
    let unset = world.registry.set_status(at, &select("a"), AgentStatus::Disconnected, &mut out);
    assert_eq!(unset.unwrap_err(), SetStatusError::NotSettable);
    let unknown = world.registry.set_status(at, &select("b"), AgentStatus::Paused, &mut out);
    assert!(matches!(unknown.unwrap_err(), SetStatusError::Unknown(_)));
}

#[test]
fn a_lost_connection_does_not_change_what_an_operator_wanted() {
    let mut world = World::new(10);
    world.register(card("a", "1.0.0").kind(AgentKind::Websocket), 7);
    let key = card("a", "1.0.0").key();
    let mut out = Out::new();
    let at = world.at(0);
    world.registry.set_status(at, &select("a"), AgentStatus::Paused, &mut out).unwrap();
    world.registry.connection(at, &key, false, &mut out);
    world.registry.connection(at, &key, false, &mut out);
    world.registry.connection(at, &key, true, &mut out);
    let seen = [AgentStatus::Paused, AgentStatus::Disconnected, AgentStatus::Paused];
    assert_eq!(statuses(&out), seen);
}

#[test]
fn a_replaced_agent_stays_paused_and_its_new_actor_hears_of_it() {
    let mut world = World::new(10);
    world.register(card("a", "1.0.0"), 1);
    let at = world.at(0);
    world.registry.set_status(at, &select("a"), AgentStatus::Paused, &mut Out::new()).unwrap();
    assert_eq!(orders(&world.register(card("a", "1.0.0"), 2)), [(2, Order::Pause)]);
}

#[test]
fn only_silent_remote_run_time_registrations_are_retired() {
    let mut world = World::new(10);
    let remote = |id| card(id, "1.0.0").kind(AgentKind::Websocket);
    for id in ["silent", "alive", "configured"] {
        world.register(remote(id), 0);
    }
    world.register(card("local", "1.0.0"), 0);
    for kept in [remote("silent"), remote("alive"), card("local", "1.0.0")] {
        world.registry.keep(kept.into());
    }
    world.registry.heartbeat(world.at(1_000).now, &select("alive")).unwrap();
    let mut out = Out::new();
    let limit = Duration::from_secs(1_800);
    world.registry.sweep(world.at(1_800).now, limit, &mut out);
    assert!(out.is_empty(), "not a moment too early: {out:?}");
    world.registry.sweep(world.at(1_801).now, limit, &mut out);
    assert!(matches!(&out[..], [Command::RetireSilent(key)] if key.id.as_str() == "silent"));
    let alive = world.registry.show(world.at(1_801), &select("alive")).unwrap();
    assert_eq!(alive[0].last_heartbeat, world.at(1_000).utc);
}

#[test]
fn what_is_retired_leaves_and_is_told_to_stop() {
    let mut world = World::new(10);
    world.register(card("a", "1.0.0"), 7);
    world.registry.keep(card("a", "1.0.0").into());
    let mut out = Out::new();
    world.registry.retire(&card("a", "1.0.0").key(), "enough", &mut out);
    assert_eq!(orders(&out), [(7, Order::Retire)]);
    assert!(matches!(&out[0],
        Command::Publish(AgentChange::Left { reason, .. }) if reason == "enough"));
    assert_eq!(world.registry.durable().count(), 0);
    assert!(world.registry.find(world.at(0), "text.count", None, 1).is_empty());
    world.registry.ended(&card("a", "1.0.0").key(), "normal", &mut out);
    assert_eq!(out.len(), 2, "its end is no news any more");
}
