//! The end of a supervisor: orderly, escalated, with children that won't go.

use super::*;

#[test]
fn children_stop_in_reverse_order_one_after_the_other() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut world = World::abc(strategy);
        world.deaf.extend(["a", "b", "c"]);
        world.input(Input::Stop(ExitReason::Shutdown));
        assert_eq!(world.log(), ["stop c"]);
        world.exit("c", ExitReason::Shutdown);
        assert_eq!(world.log(), ["remove c", "stop b"]);
        world.exit("b", ExitReason::Shutdown);
        world.exit("a", ExitReason::Shutdown);
        assert_eq!(world.log(), ["remove b", "stop a", "remove a", "done shutdown"]);
    }
}

#[test]
fn dynamic_children_stop_all_at_once() {
    let mut world = World::abc(Strategy::Dynamic);
    world.deaf.extend(["a", "b", "c"]);
    world.input(Input::Stop(ExitReason::Shutdown));
    assert_eq!(world.log(), ["stop a", "stop b", "stop c"]);
}

#[test]
fn a_supervisor_without_children_is_done_at_once() {
    let mut world = World::with(Strategy::OneForOne);
    world.input(Input::Stop(ExitReason::Normal));
    assert_eq!(world.log(), ["done normal"]);
    world.add("late", Restart::Permanent);
    assert_eq!(world.log(), ["remove late"], "nothing starts after the end");
}

#[test]
fn a_child_beyond_its_shutdown_time_is_killed_and_one_that_is_stuck_is_abandoned() {
    let mut world = World::abc(Strategy::OneForOne);
    world.deaf.extend(["b", "c"]);
    world.stuck.insert("b");
    world.input(Input::Stop(ExitReason::Shutdown));
    world.pass(SHUTDOWN);
    assert_eq!(world.log(), ["stop c", "kill c", "remove c", "stop b"]);
    world.pass(SHUTDOWN);
    assert_eq!(world.log(), ["kill b"]);
    world.pass(KILL_WAIT);
    assert_eq!(world.log(), ["abandon b", "remove b", "stop a", "remove a", "done shutdown"]);
}

#[test]
fn a_brutal_child_is_killed_without_being_asked() {
    let mut world = World::with(Strategy::OneForOne);
    world.add_with("a", |policy| ChildPolicy { shutdown: Shutdown::Brutal, ..policy });
    world.log.clear();
    world.input(Input::Stop(ExitReason::Shutdown));
    assert_eq!(world.log(), ["kill a", "remove a", "done shutdown"]);
}

#[test]
fn a_stop_during_a_group_restart_starts_nothing_any_more() {
    let mut world = World::abc(Strategy::OneForAll);
    world.deaf.insert("c");
    world.exit("b", error());
    world.input(Input::Stop(ExitReason::Shutdown));
    world.exit("c", ExitReason::Shutdown);
    world.pass(BACKOFF * 10);
    assert_eq!(
        world.log(),
        ["stop c", "remove b", "remove c", "stop a", "remove a", "done shutdown"]
    );
}

#[test]
fn a_stop_during_a_back_off_or_a_start_leaves_nobody() {
    let mut world = World::abc(Strategy::OneForOne);
    world.hang.insert("b");
    world.exit("a", error());
    world.exit("b", error());
    world.pass(BACKOFF);
    world.exit("a", error());
    world.log.clear();
    world.input(Input::Stop(ExitReason::Shutdown));
    world.pass(BACKOFF * 10);
    assert_eq!(
        world.log(),
        ["remove a", "stop c", "remove c", "stop b", "remove b", "done shutdown"]
    );
}

#[test]
fn one_failure_more_than_the_intensity_escalates() {
    for strategy in STRATEGIES {
        let limits = Supervision::new(strategy).intensity(2, Duration::from_secs(10));
        let mut world = World::new(limits);
        for name in ["a", "b", "c"] {
            world.add(name, Restart::Permanent);
        }
        for _ in 0..2 {
            world.exit("b", error());
            world.pass(BACKOFF);
        }
        assert!(world.log().iter().all(|line| !line.starts_with("done")));
        world.exit("b", error());
        let log = world.log();
        let (first, last) = (log.first().unwrap(), log.last().unwrap());
        assert_eq!(first, "remove b", "{strategy:?}");
        assert!(last.starts_with("done escalated: 3 failures within 10s, the last of `b`"));
        assert!(world.reports.contains(&("b", Report::GaveUp(error()))));
        if strategy != Strategy::Dynamic {
            assert_eq!(log[1..5], ["stop c", "remove c", "stop a", "remove a"]);
        }
    }
}

#[test]
fn failures_outside_the_period_are_forgotten() {
    let limits = Supervision::new(Strategy::OneForOne).intensity(1, Duration::from_secs(10));
    let mut world = World::new(limits);
    world.add("a", Restart::Permanent);
    for _ in 0..20 {
        world.exit("a", error());
        world.pass(millis(10_001));
    }
    assert!(world.log().iter().all(|line| line == "start a"));
}

#[test]
fn an_intensity_of_zero_allows_no_restart() {
    let limits = Supervision::new(Strategy::OneForOne).intensity(0, Duration::from_secs(10));
    let mut world = World::new(limits);
    world.add("a", Restart::Permanent);
    world.log.clear();
    world.exit("a", ExitReason::Normal);
    let log = world.log();
    assert_eq!(log[0], "remove a");
    assert!(log[1].starts_with("done escalated"), "{log:?}");
}

#[test]
fn a_temporary_child_never_escalates() {
    let limits = Supervision::new(Strategy::OneForOne).intensity(0, Duration::from_secs(10));
    let mut world = World::new(limits);
    world.add("t", Restart::Temporary);
    world.add("a", Restart::Permanent);
    world.log.clear();
    world.exit("t", error());
    assert_eq!(world.log(), ["remove t"]);
}

#[test]
fn a_removed_child_stops_alone() {
    let mut world = World::abc(Strategy::OneForAll);
    world.input(Input::Remove(world.key("b")));
    assert_eq!(world.log(), ["stop b", "remove b"]);
    assert_eq!(world.reports, [("b", Report::Exited(ExitReason::Shutdown))]);
}

#[test]
fn a_late_exit_of_a_child_that_is_gone_changes_nothing() {
    let mut world = World::abc(Strategy::OneForOne);
    world.input(Input::Remove(world.key("b")));
    world.log.clear();
    world.exit("b", error());
    world.input(Input::Started(world.key("b")));
    assert!(world.log().is_empty());
}
