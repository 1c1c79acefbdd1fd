//! Who is restarted after which end, with real actors.

use synod_runtime::{AskError, Restart, Strategy};

use super::world::{Act, BACKOFF, Handled, LONG, Order, World};

#[tokio::test(start_paused = true)]
async fn each_restart_type_follows_otps_table() {
    let ends = ["normal", "error", "panic"];
    for (restart, after_normal, after_failure) in [
        (Restart::Permanent, true, true),
        (Restart::Transient, false, true),
        (Restart::Temporary, false, false),
    ] {
        for name in ends {
            let end = match name {
                "normal" => Order::Finish,
                "error" => Order::Act(Act::Fail),
                _ => Order::Act(Act::Panic),
            };
            let world = World::new();
            let spec = world.worker("w").restart(restart);
            let [worker] = world.root(Strategy::OneForOne, [spec]).await;
            worker.send(end).await.unwrap();
            let log = world.after(BACKOFF * 2).await;
            let again = if name == "normal" { after_normal } else { after_failure };
            let started = log.iter().any(|line| line == "start w");
            assert_eq!(started, again, "{restart:?} after {name}: {log:?}");
            assert_eq!(worker.is_closed(), !again, "{restart:?} after {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_survives_the_restart_and_the_queue_waits() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    worker.send(Order::Act(Act::Panic)).await.unwrap();
    for text in ["one", "two", "three"] {
        worker.send(Order::Note(text)).await.unwrap();
    }
    assert!(world.after(BACKOFF / 2).await.is_empty(), "the queue waits during the back-off");
    assert_eq!(worker.depth(), 3);
    worker.send(Order::Note("four")).await.unwrap();
    assert_eq!(world.after(BACKOFF).await, ["start w", "w one", "w two", "w three", "w four"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_told_to_stop_and_a_panic_is_not() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    worker.send(Order::Act(Act::Fail)).await.unwrap();
    assert_eq!(world.after(BACKOFF).await, ["stop w error: on purpose"]);
    assert_eq!(world.now().await, ["start w"]);
    worker.send(Order::Act(Act::Panic)).await.unwrap();
    assert_eq!(world.after(BACKOFF * 2).await, ["start w"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_begins_with_a_new_value() {
    let world = World::new();
    let [worker] = world.root(Strategy::OneForOne, [world.worker("w")]).await;
    worker.send(Order::Note("x")).await.unwrap();
    worker.send(Order::Act(Act::Fail)).await.unwrap();
    assert_eq!(worker.ask(Handled, LONG).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_temporary_child_that_ends_leaves_nothing_behind() {
    let world = World::new();
    let spec = world.worker("w").restart(Restart::Temporary);
    let [worker] = world.root(Strategy::OneForOne, [spec]).await;
    worker.send(Order::Act(Act::Fail)).await.unwrap();
    worker.send(Order::Note("never")).await.unwrap();
    world.now().await;
    assert_eq!(worker.ask(Handled, LONG).await, Err(AskError::Closed));
    assert!(world.system.observe_under(&"/root/w".into(), 0, 0).is_none());
    assert_eq!(world.system.dead_letters().total(), 2, "the one in hand and the queued one");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_dynamic_children_fail_and_come_back() {
    let world = World::new();
    let names: Vec<&'static str> =
        (0..1000).map(|number| &*Box::leak(format!("w{number}").into_boxed_str())).collect();
    let specs = names.iter().map(|name| world.worker(name)).collect::<Vec<_>>();
    let addresses: Vec<_> = specs.iter().map(synod_runtime::Spec::address).collect();
    let root = specs.into_iter().fold(
        super::world::patient(Strategy::Dynamic).intensity(2000, LONG),
        synod_runtime::SupervisorSpec::child,
    );
    world.system.start(root.into_spec("root")).await.unwrap();
    assert_eq!(world.log().len(), 1000);
    for address in addresses.iter().step_by(2) {
        address.send(Order::Act(Act::Panic)).await.unwrap();
    }
    assert_eq!(world.after(BACKOFF * 2).await.len(), 500, "only those that failed start again");
    for address in &addresses {
        assert_eq!(address.ask(Handled, LONG).await, Ok(1));
    }
    world.system.stop(LONG).await.unwrap();
    assert_eq!(world.log().len(), 1000);
}
