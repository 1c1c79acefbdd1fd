//! Systems: two in one process, directories, starts and ends of whole nodes.

use std::time::Duration;

use synod_runtime::{
    NameTaken, Restart, SeededEntropy, SpawnError, StartError, Strategy, System, VirtualClock,
};

use super::world::{Act, LONG, Order, World, patient};

#[tokio::test(start_paused = true)]
async fn two_systems_with_the_same_names_have_nothing_in_common() {
    let (left, right) = (World::new(), World::new());
    let [left_w] = left.root(Strategy::OneForOne, [left.worker("w")]).await;
    let [right_w] = right.root(Strategy::OneForOne, [right.worker("w")]).await;
    left.system.directory().register("w", &left_w).unwrap();
    right.system.directory().register("w", &right_w).unwrap();
    assert_eq!(left_w.path(), right_w.path());
    assert_ne!(left_w, right_w);
    left_w.send(Order::Act(Act::Panic)).await.unwrap();
    right_w.send(Order::Note("here")).await.unwrap();
    assert_eq!(left.system.stop(LONG).await, Ok(()));
    assert_eq!(right.now().await, ["w here"]);
    assert_eq!(right.system.dead_letters().total(), 0);
    assert!(left.system.directory().lookup::<Order>("w").is_none());
    assert!(right.system.directory().lookup::<Order>("w").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_name_belongs_to_a_role_until_it_ends_for_good() {
    let world = World::new();
    let transient = world.worker("t").restart(Restart::Transient);
    let [w, t] = world.root(Strategy::OneForOne, [world.worker("w"), transient]).await;
    let directory = world.system.directory();
    directory.register("name", &t).unwrap();
    let taken = NameTaken { name: "name".into(), owner: t.path() };
    assert_eq!(directory.register("name", &w), Err(taken));
    t.send(Order::Act(Act::Fail)).await.unwrap();
    world.after(Duration::from_secs(1)).await;
    assert_eq!(directory.lookup::<Order>("name"), Some(t.clone()), "a restart keeps it");
    assert!(directory.lookup::<u64>("name").is_none(), "it takes other messages");
    t.send(Order::Finish).await.unwrap();
    world.now().await;
    assert!(directory.lookup::<Order>("name").is_none());
    directory.register("name", &w).unwrap();
    assert_eq!(directory.names(), [("name".into(), w.path())]);
    assert!(directory.unregister("name") && !directory.unregister("name"));
}

#[tokio::test(start_paused = true)]
async fn a_root_name_is_taken_once() {
    let world = World::new();
    world.abc(Strategy::OneForOne).await;
    let twin = world.system.start(patient(Strategy::OneForOne).into_spec("root")).await;
    let refused = StartError::Refused(SpawnError::NameTaken("/root".into()));
    assert_eq!(twin.map(drop), Err(refused));
}

#[tokio::test(start_paused = true)]
async fn a_systems_time_and_chance_come_from_outside() {
    let epoch: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let system = System::builder()
        .clock(VirtualClock::starting_at(epoch))
        .entropy(SeededEntropy::new(7))
        .build();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(system.clock().utc().to_string(), "2026-01-01T00:00:01Z");
    let mut left = [0; 16];
    system.entropy().fill(&mut left);
    assert_ne!(left, [0; 16]);
}
