//! Who is served first: priorities, fairness, tenants, named agents, the better agent.

use std::collections::BTreeMap;

use synod_agents::{AgentCard, AgentErrorKind, AgentStatus};
use synod_runtime::Priority;

use super::{World, answer, request};
use crate::TasksConfig;
use crate::machine::Outcome;

/// Serves `count` executions one by one; says what kind of task each was.
fn serve(world: &mut World, count: usize) -> Vec<String> {
    let mut served = Vec::new();
    for _ in 0..count {
        let dispatch = world.in_hand.remove(0);
        served.push(dispatch.spec.labels["name"].clone());
        world.finish(dispatch, answer("1"));
    }
    served
}

fn labelled(name: &str) -> crate::TaskSubmissionRequest {
    request("x").label("name", name)
}

#[test]
fn urgent_work_goes_first_and_work_of_one_priority_in_order() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.accept(labelled("first"));
    for (name, priority) in [
        ("background", Priority::Background),
        ("normal-1", Priority::Normal),
        ("critical", Priority::Critical),
        ("normal-2", Priority::Normal),
        ("high", Priority::High),
    ] {
        world.accept(labelled(name).priority(priority));
    }
    let served = serve(&mut world, 6);
    assert_eq!(served, ["first", "critical", "high", "normal-1", "normal-2", "background"]);
}

#[test]
fn priority_counts_within_a_batch_whatever_came_first() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.submit_within_batch(labelled("low").priority(Priority::Low)).unwrap();
    world.submit_within_batch(labelled("critical").priority(Priority::Critical)).unwrap();
    world.settle();
    assert_eq!(serve(&mut world, 2), ["critical", "low"]);
}

#[test]
fn a_lane_is_overtaken_at_most_so_often_under_any_flood() {
    let mut world = World::with(TasksConfig { max_overtaken: 16, ..TasksConfig::default() });
    world.agent("a", &["x"]);
    world.accept(labelled("first"));
    for _ in 0..3 {
        world.accept(labelled("background").priority(Priority::Background));
        world.accept(labelled("low").priority(Priority::Low));
    }
    for _ in 0..200 {
        world.accept(labelled("critical").priority(Priority::Critical));
    }
    let served = serve(&mut world, 100);
    for lane in ["background", "low"] {
        let places: Vec<usize> =
            served.iter().enumerate().filter(|(_, name)| *name == lane).map(|(at, _)| at).collect();
        assert_eq!(places.len(), 3, "{lane}: {places:?}");
        let gaps = places.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.chain([places[0]]).all(|gap| gap <= 16 + 3), "{lane}: {places:?}");
    }
}

#[test]
fn tenants_share_an_agent_however_much_one_of_them_has_queued() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    for _ in 0..100 {
        world.accept(labelled("flood").tenant("flood"));
    }
    for _ in 0..5 {
        world.accept(labelled("small").tenant("small"));
    }
    let served = serve(&mut world, 11);
    assert_eq!(served.iter().filter(|name| *name == "small").count(), 5, "{served:?}");
}

#[test]
fn a_tenants_weight_is_its_share() {
    let tenant_weights = BTreeMap::from([("gold".to_owned(), 3)]);
    let mut world = World::with(TasksConfig { tenant_weights, ..TasksConfig::default() });
    world.agent("a", &["x"]);
    world.accept(labelled("first"));
    for _ in 0..40 {
        world.accept(labelled("gold").tenant("gold"));
        world.accept(labelled("plain").tenant("plain"));
    }
    let served = serve(&mut world, 41);
    assert_eq!(served.iter().filter(|name| *name == "gold").count(), 30, "{served:?}");
}

#[test]
fn work_that_waits_for_its_agent_blocks_nobody_elses() {
    let mut world = World::new();
    world.agent("busy", &["slow"]);
    world.agent("idle", &["quick"]);
    for _ in 0..50 {
        world.accept(request("slow").priority(Priority::Critical));
    }
    world.accept(request("quick").priority(Priority::Background));
    assert_eq!(world.hands(), ["busy:slow", "idle:quick"]);
}

#[test]
fn requirements_that_share_an_agent_take_turns() {
    let mut world = World::new();
    world.agent("a", &["x", "y"]);
    world.accept(request("x"));
    for _ in 0..10 {
        world.accept(request("x"));
        world.accept(request("y"));
    }
    let mut served = Vec::new();
    for _ in 0..10 {
        let dispatch = world.in_hand.remove(0);
        served.push(dispatch.spec.kind.clone());
        world.finish(dispatch, answer("1"));
    }
    let xs = served.iter().filter(|kind| *kind == "x").count();
    assert!((4..=6).contains(&xs), "{served:?}");
}

#[test]
fn named_agents_are_taken_in_the_given_order() {
    let mut world = World::new();
    for id in ["a", "b", "c"] {
        world.agent(id, &["x"]);
    }
    for _ in 0..3 {
        world.accept(request("job").agent("c").agent("a"));
    }
    assert_eq!(world.hands(), ["c:job", "a:job"], "b is not named, though it is free");
}

#[test]
fn the_agent_that_was_quicker_and_failed_less_is_the_first_choice() {
    let mut world = World::new();
    world.agent("quick", &["x"]);
    world.agent("slow", &["x"]);
    world.agent("flaky", &["x"]);
    for _ in 0..3 {
        let together: Vec<_> = (0..3).map(|_| world.accept(request("x"))).collect();
        assert_eq!(together.len(), world.in_hand.len());
        for (id, ran_us) in [("quick", 1_000), ("slow", 900_000)] {
            let dispatch = world.dispatch_to(id);
            let (work, agent) = (dispatch.work, dispatch.agent);
            let outcome = answer("1");
            world.step(crate::machine::Input::Finished { work, agent, outcome, ran_us });
        }
        let dispatch = world.dispatch_to("flaky");
        let error = synod_agents::AgentError::new(AgentErrorKind::InvalidInput, "no");
        world.finish(dispatch, Outcome::Error(error));
    }
    for _ in 0..20 {
        world.accept(request("x"));
        assert_eq!(world.hands(), ["quick:x"]);
        world.succeed("1");
    }
}

#[test]
fn equals_are_chosen_by_chance() {
    let mut world = World::new();
    for n in 0..4 {
        world.agent(&format!("agent-{n}"), &["x"]);
    }
    let mut chosen = BTreeMap::<String, u32>::new();
    for _ in 0..400 {
        world.accept(request("x"));
        *chosen.entry(world.hands()[0].clone()).or_default() += 1;
        world.succeed("1");
    }
    assert_eq!(chosen.len(), 4, "{chosen:?}");
    assert!(chosen.values().all(|count| (60..=140).contains(count)), "{chosen:?}");
}

#[test]
fn several_versions_live_side_by_side_and_a_minimum_is_kept() {
    let mut world = World::new();
    world.join(AgentCard::new("a", "1.0.0").capability("x"));
    world.join(AgentCard::new("a", "2.1.0").capability("x"));
    for _ in 0..2 {
        world.accept(request("job").capability("x@2.0.0".parse().unwrap()));
    }
    assert_eq!(world.in_hand.len(), 1);
    let agent = world.machine.matching.agent(world.in_hand[0].agent).unwrap();
    assert_eq!(&*agent.label, "a@2.1.0");
}

#[test]
fn paused_and_draining_agents_get_nothing_new() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    for status in [AgentStatus::Paused, AgentStatus::Draining, AgentStatus::Disconnected] {
        world.set_status("a", status);
        world.accept(request("x"));
        assert!(world.in_hand.is_empty(), "{status}");
    }
    world.set_status("a", AgentStatus::Active);
    assert_eq!(world.in_hand.len(), 1);
}
