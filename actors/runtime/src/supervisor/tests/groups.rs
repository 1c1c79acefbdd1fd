//! Group restarts while other things happen: siblings that die, hang or are removed meanwhile.

use super::*;

#[test]
fn no_sibling_starts_before_all_of_the_group_have_ended() {
    let mut world = World::abc(Strategy::OneForAll);
    world.deaf.insert("c");
    world.exit("b", error());
    world.pass(BACKOFF * 2);
    assert_eq!(world.log(), ["stop c"], "the back-off alone doesn't start the group");
    world.exit("c", ExitReason::Shutdown);
    assert_eq!(world.log(), ["stop a", "start a", "start b", "start c"]);
}

#[test]
fn a_sibling_that_exceeds_its_shutdown_time_is_killed_before_the_restart() {
    let mut world = World::abc(Strategy::RestForOne);
    world.deaf.insert("c");
    world.exit("b", error());
    world.pass(SHUTDOWN);
    assert_eq!(world.log(), ["stop c", "kill c", "start b", "start c"]);
}

#[test]
fn a_sibling_that_ends_by_itself_during_a_group_restart_is_not_counted() {
    let limits = Supervision::new(Strategy::OneForAll).intensity(1, Duration::from_secs(60));
    let mut world = World::new(limits);
    for name in ["a", "b", "c"] {
        world.add(name, Restart::Permanent);
    }
    world.deaf.insert("c");
    world.log.clear();
    world.exit("b", error());
    world.exit("a", error());
    world.exit("c", ExitReason::Panic("while stopping".into()));
    world.pass(BACKOFF);
    assert_eq!(world.log(), ["stop c", "start a", "start b", "start c"]);
}

#[test]
fn an_older_child_that_fails_during_a_rest_for_one_restart_widens_it() {
    let mut world = World::abc(Strategy::RestForOne);
    world.deaf.insert("c");
    world.exit("b", error());
    world.exit("a", error());
    world.exit("c", ExitReason::Shutdown);
    world.pass(BACKOFF);
    assert_eq!(world.log(), ["stop c", "start a", "start b", "start c"]);
}

#[test]
fn a_child_that_dies_while_its_group_starts_again_begins_another_restart() {
    let mut world = World::abc(Strategy::OneForAll);
    world.hang.insert("b");
    world.exit("c", error());
    world.pass(BACKOFF);
    assert_eq!(world.log(), ["stop b", "stop a", "start a", "start b"]);
    world.exit("a", error());
    assert_eq!(world.log(), ["stop b"], "a start under way is stopped as well");
    world.hang.clear();
    world.pass(BACKOFF);
    assert_eq!(world.log(), ["start a", "start b", "start c"]);
}

#[test]
fn a_temporary_sibling_is_not_brought_back_by_a_group_restart() {
    let mut world = World::with(Strategy::OneForAll);
    world.add("a", Restart::Permanent);
    world.add("t", Restart::Temporary);
    world.log.clear();
    world.exit("a", error());
    world.pass(BACKOFF);
    assert_eq!(world.log(), ["stop t", "remove t", "start a"]);
}

#[test]
fn a_transient_sibling_that_had_done_its_work_runs_again_with_its_group() {
    let mut world = World::with(Strategy::OneForAll);
    world.add("migrate", Restart::Transient);
    world.add("serve", Restart::Permanent);
    world.log.clear();
    world.exit("migrate", ExitReason::Normal);
    assert_eq!(world.log(), ["close migrate"]);
    world.exit("serve", error());
    world.pass(BACKOFF);
    assert_eq!(world.log(), ["start migrate", "start serve"]);
}

#[test]
fn a_child_removed_during_a_group_restart_stays_away() {
    let mut world = World::abc(Strategy::OneForAll);
    world.deaf.insert("c");
    world.exit("b", error());
    world.input(Input::Remove(world.key("c")));
    world.input(Input::Remove(world.key("b")));
    world.exit("c", ExitReason::Shutdown);
    world.pass(BACKOFF);
    assert_eq!(world.log(), ["stop c", "remove b", "remove c", "stop a", "start a"]);
}

#[test]
fn a_child_added_during_a_group_restart_starts_after_it() {
    let mut world = World::abc(Strategy::OneForAll);
    world.exit("b", error());
    world.add("d", Restart::Permanent);
    assert_eq!(world.log(), ["stop c", "stop a"]);
    world.pass(BACKOFF);
    assert_eq!(world.log(), ["start a", "start b", "start c", "start d"]);
}

#[test]
fn a_group_whose_child_never_starts_gives_up_in_the_end() {
    let mut world =
        World::new(Supervision::new(Strategy::OneForAll).intensity(2, Duration::from_secs(60)));
    world.hang.insert("b");
    world.add("a", Restart::Permanent);
    world.add("b", Restart::Permanent);
    world.pass(Duration::from_secs(30));
    let log = world.log();
    assert_eq!(log.iter().filter(|line| *line == "start b").count(), 3);
    assert_eq!(log[log.len() - 4..log.len() - 1], ["remove b", "stop a", "remove a"]);
    assert!(log.last().is_some_and(|line| line.starts_with("done escalated")), "{log:?}");
}

#[test]
fn an_operators_restart_follows_the_strategy_and_is_not_counted() {
    for (strategy, expected) in [
        (Strategy::OneForOne, vec!["stop b", "start b"]),
        (Strategy::Dynamic, vec!["stop b", "start b"]),
        (Strategy::RestForOne, vec!["stop c", "stop b", "start b", "start c"]),
        (Strategy::OneForAll, vec!["stop c", "stop b", "stop a", "start a", "start b", "start c"]),
    ] {
        let mut world = World::new(Supervision { intensity: 0, ..Supervision::new(strategy) });
        for name in ["a", "b", "c"] {
            world.add(name, Restart::Permanent);
        }
        world.log.clear();
        for _ in 0..3 {
            world.input(Input::Restart(world.key("b")));
            assert_eq!(world.log(), expected, "{strategy:?}");
        }
    }
}

#[test]
fn an_operators_restart_ends_a_back_off() {
    let mut world = World::abc(Strategy::OneForOne);
    world.exit("a", error());
    world.input(Input::Restart(world.key("a")));
    assert_eq!(world.log(), ["start a"]);
    world.pass(BACKOFF);
    assert!(world.log().is_empty(), "the back-off's own start is gone");
}
