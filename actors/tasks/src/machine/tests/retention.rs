//! How long ended tasks are kept, and what outlives them.

use super::{World, request};
use crate::TasksConfig;
use crate::messages::TaskFilter;
use crate::task::TaskState;

fn complete(world: &mut World, count: usize) -> Vec<crate::TaskId> {
    let one = |world: &mut World| {
        let task = world.accept(request("x"));
        world.succeed(r#""a result of some length""#);
        world.advance_ms(1);
        task
    };
    (0..count).map(|_| one(world)).collect()
}

#[test]
fn the_newest_ended_tasks_are_kept_and_the_counters_of_all() {
    let mut world = World::with(TasksConfig { keep_ended: 10, ..TasksConfig::default() });
    world.agent("a", &["x"]);
    let tasks = complete(&mut world, 50);
    let kept = world.machine.book().ended.len();
    assert!((10..=12).contains(&kept), "{kept}");
    assert!(world.machine.status(tasks[0]).is_none());
    assert_eq!(world.state(tasks[49]), TaskState::Completed);
    assert_eq!(world.machine.ledger().completed, 50);
    world.crash();
    assert_eq!(world.machine.ledger().completed, 50);
    assert!(world.machine.status(tasks[0]).is_none());
}

#[test]
fn old_tasks_are_forgotten_when_their_time_is_over() {
    let mut world = World::with(TasksConfig { keep_ended_s: 60, ..TasksConfig::default() });
    world.agent("a", &["x"]);
    let old = complete(&mut world, 1)[0];
    world.advance_ms(40_000);
    let young = complete(&mut world, 1)[0];
    world.advance_ms(30_000);
    assert!(world.machine.status(old).is_none());
    assert!(world.machine.status(young).is_some());
    world.advance_ms(60_000);
    assert!(world.machine.status(young).is_none());
}

#[test]
fn results_that_hold_too_much_memory_go_first_come_first_gone() {
    let mut world = World::with(TasksConfig { keep_ended_bytes: 1 << 20, ..Default::default() });
    world.agent("a", &["x"]);
    for _ in 0..40 {
        world.accept(request("x"));
        world.succeed(&format!("\"{}\"", "r".repeat(60_000)));
    }
    let book = world.machine.book();
    assert!(book.ended_bytes < 1_200_000, "{}", book.ended_bytes);
    assert!((17..=19).contains(&book.ended.len()), "{}", book.ended.len());
}

#[test]
fn an_open_task_is_never_forgotten() {
    let config = TasksConfig { keep_ended: 0, keep_ended_s: 1, ..TasksConfig::default() };
    let mut world = World::with(config);
    world.agent("a", &["x"]);
    world.agent("b", &["y"]);
    let open = world.accept(request("y").timeout_s(400_000));
    for _ in 0..20 {
        world.accept(request("x"));
        let dispatch = world.in_hand.pop().unwrap();
        world.finish(dispatch, super::answer("1"));
        world.advance_ms(1_000);
    }
    world.advance_ms(300_000_000);
    assert_eq!(world.state(open), TaskState::Running);
}

#[test]
fn of_an_ended_task_only_the_result_is_kept_in_memory() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    let task = world.accept(request("x").payload(&"p".repeat(10_000)).unwrap());
    assert!(world.machine.book().task(task).unwrap().held_bytes() > 10_000);
    world.succeed("1");
    assert_eq!(world.machine.book().task(task).unwrap().held_bytes(), 1);
    assert_eq!(world.machine.held_bytes, 0);
}

#[test]
fn a_list_shows_the_newest_first_page_by_page_through_a_filter() {
    let mut world = World::new();
    world.agent("a", &["x"]);
    world.agent("b", &["y"]);
    let mut tasks = complete(&mut world, 7);
    let other = world.accept(request("y"));
    let filter = TaskFilter { kind: Some("x".to_owned()), ..TaskFilter::default() };
    let mut listed = Vec::new();
    let mut cursor = None;
    loop {
        let page = world.machine.list(&filter, cursor.as_deref(), 3).unwrap();
        listed.extend(page.tasks.into_iter().map(|task| task.task_id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    tasks.reverse();
    assert_eq!(listed, tasks);
    let running = TaskFilter { state: Some(TaskState::Running), ..TaskFilter::default() };
    let page = world.machine.list(&running, None, 10).unwrap();
    assert_eq!(page.tasks.iter().map(|task| task.task_id).collect::<Vec<_>>(), [other]);
    assert!(world.machine.list(&filter, Some("nonsense"), 3).is_err());
}
