//! Crashes of the engine: what the log says afterwards, and what goes on.

use synod_agents::{AgentCard, AgentError, AgentErrorKind, AgentStatus};

use super::{World, answer, request};
use crate::machine::{Input, Outcome};
use crate::records::{SNAPSHOT_VERSION, decode_snapshot, encode_snapshot};
use crate::task::{FailureKind, TaskState};

#[test]
fn queued_work_survives_a_crash_and_running_work_is_queued_again_as_lost() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let running = world.accept(request("x"));
    let queued = world.accept(request("x"));
    world.crash();
    assert_eq!(world.status(running).lost, 1);
    assert_eq!(world.state(running), TaskState::Running, "it took its old place");
    assert_eq!(world.state(queued), TaskState::Queued);
    world.succeed("1");
    world.succeed("2");
    assert_eq!(world.result(running), "1");
    assert_eq!(world.result(queued), "2");
}

#[test]
fn a_task_that_takes_the_node_down_each_time_fails_in_the_end() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let poison = world.accept(request("x"));
    for _ in 0..5 {
        assert_eq!(world.state(poison), TaskState::Running);
        world.crash();
    }
    world.crash();
    assert_eq!(world.failure(poison), "lost");
}

#[test]
fn what_was_not_stored_is_as_if_it_had_never_been() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let stored = world.accept(request("x"));
    let lost = world.submit_within_batch(request("x")).unwrap().task_id;
    world.crash();
    assert!(world.machine.status(lost).is_none());
    assert_eq!(world.state(stored), TaskState::Running);
    assert_eq!(world.machine.ledger().accepted, 1);
}

#[test]
fn a_back_off_and_a_deadline_go_on_after_a_crash_with_what_was_left_of_them() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let mut hasty = request("x").timeout_s(10);
    hasty.retry.initial_ms = Some(5_000);
    hasty.retry.jitter = Some(0.0);
    let task = world.accept(hasty);
    world.err(AgentErrorKind::Failed);
    world.advance_ms(2_000);
    world.crash();
    world.advance_ms(2_999);
    assert_eq!(world.state(task), TaskState::Pending);
    world.advance_ms(1);
    assert_eq!(world.state(task), TaskState::Running);
    world.advance_ms(5_000);
    assert_eq!(world.failure(task), "deadline_passed");
}

#[test]
fn an_epoch_is_never_used_twice() {
    let mut world = World::new();
    let mut epochs = vec![world.machine.book().epoch];
    for _ in 0..3 {
        world.crash();
        epochs.push(world.machine.book().epoch);
    }
    assert_eq!(epochs, [1, 2, 3, 4]);
}

#[test]
fn a_snapshot_holds_everything() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.agent("b", &["y"]);
    let done = world.accept(request("x").idempotency_key("k").label("env", "test"));
    world.succeed("[1, 2]");
    let waiting = world.accept(request("x"));
    world.err(AgentErrorKind::Failed);
    let failed = world.accept(request("y"));
    let dispatch = world.dispatch_to("b");
    world.lose(dispatch, 1_000, "gone");
    let bytes = encode_snapshot(world.machine.book()).unwrap();
    let book = decode_snapshot(SNAPSHOT_VERSION, &bytes).unwrap();
    assert_eq!(encode_snapshot(&book).unwrap(), bytes);
    assert!(book.is_balanced());
    world.restart(book);
    assert_eq!(world.result(done), "[1, 2]");
    assert_eq!(world.state(waiting), TaskState::Pending);
    assert_eq!(world.state(failed), TaskState::Running);
    let again = world.submit(request("x").idempotency_key("k").label("env", "test"));
    assert!(again.unwrap().duplicate);
}

#[test]
fn a_snapshot_of_another_version_is_refused() {
    assert!(decode_snapshot(2, &[]).is_err());
    assert!(decode_snapshot(SNAPSHOT_VERSION, &[1, 2, 3]).is_err());
}

#[test]
fn what_is_handed_back_counts_neither_as_lost_nor_as_an_error() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(request("x"));
    world.step(Input::Drain);
    world.step(Input::HandBack);
    world.settle();
    assert_eq!(world.cancelled, [(task, 0)]);
    world.crash();
    assert_eq!(world.state(task), TaskState::Running);
    assert_eq!((world.status(task).lost, world.status(task).attempts), (0, 1));
    world.succeed("1");
    assert_eq!(world.state(task), TaskState::Completed);
}

#[test]
fn a_task_of_several_parts_goes_on_from_those_that_were_done() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.agent("b", &["y"]);
    let pipeline = request("job")
        .mode(crate::TaskMode::Pipeline)
        .capability("x".parse().unwrap())
        .capability("y".parse().unwrap());
    let task = world.accept(pipeline);
    world.succeed(r#""from x""#);
    world.crash();
    let second = world.dispatch_to("b");
    assert_eq!(second.work.part, 1);
    assert_eq!(world.in_hand.len(), 0, "the first stage is not done again");
    world.finish(second, answer(r#""from y""#));
    assert_eq!(world.result(task), r#""from y""#);
}

#[test]
fn a_part_that_waits_says_why_after_a_crash_and_after_a_snapshot_too() {
    let mut world = World::new();
    world.join(AgentCard::new("a", "1.0.0").capability("x").concurrency(2));
    let (lost, refused) = (world.accept(request("x")), world.accept(request("x")));
    world.set_status("a", AgentStatus::Paused);
    let execution = world.in_hand.remove(0);
    world.lose(execution, 1_000, "the frame was too large");
    let execution = world.in_hand.remove(0);
    world.finish(execution, Outcome::Error(AgentError::unavailable("its endpoint is down")));
    let waits = |world: &World| {
        [lost, refused].map(|task| world.status(task).parts[0].waiting_for.clone().unwrap())
    };
    let told = waits(&world);
    let expected = ["a@1.0.0: the frame was too large", "a@1.0.0: its endpoint is down"];
    assert_eq!(told, expected);
    world.crash();
    assert_eq!(waits(&world), told);
    let book = decode_snapshot(SNAPSHOT_VERSION, &world.image(world.machine.book())).unwrap();
    world.restart(book);
    assert_eq!(waits(&world), told);
    let shown = world.status(lost).parts[0].error.clone().unwrap();
    assert_eq!((shown.kind, shown.message), (FailureKind::Lost, told[0].clone()));
}

#[test]
fn what_comes_back_undone_hides_no_error_before_it() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(request("x"));
    let execution = world.only_dispatch();
    world.lose(execution, 1_000, "the frame was too large");
    let execution = world.only_dispatch();
    world.set_status("a", AgentStatus::Paused);
    world.finish(execution, Outcome::Error(AgentError::unavailable("its endpoint is down")));
    for _ in 0..2 {
        let part = &world.status(task).parts[0];
        assert_eq!(part.waiting_for.as_deref(), Some("a@1.0.0: its endpoint is down"));
        let error = part.error.as_ref().unwrap();
        assert_eq!(error.message, "a@1.0.0: the frame was too large");
        world.crash();
    }
}

#[test]
fn a_part_that_nobody_was_given_says_after_a_crash_what_its_agents_lack() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.set_status("a", AgentStatus::Disconnected);
    let task = world.accept(request("x"));
    let told = world.status(task).parts[0].waiting_for.clone();
    assert!(told.as_deref().is_some_and(|why| why.contains("a@1.0.0 is disconnected")));
    world.crash();
    assert_eq!(world.status(task).parts[0].waiting_for, told);
}
