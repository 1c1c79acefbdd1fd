//! Conversations that want to be woken.

use std::time::Duration;

use jiff::SignedDuration;
use synod_runtime::{ActorPath, Control};

use super::ground::{Ground, ada};
use super::tally::Goal;
use crate::desk::{DeskConfig, Open};

fn lasting(seconds: u64) -> Open<super::tally::Tally> {
    let lasts = Some(Duration::from_secs(seconds));
    let setup = Goal { goal: 5, lasts, filler: String::new() };
    Open { setup, by: ada(), id: None, key: None }
}

#[tokio::test(start_paused = true)]
async fn conversations_are_woken_at_their_time_whichever_was_opened_first() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let late = stage.open(lasting(20)).await.unwrap().id;
    let soon = stage.open(lasting(10)).await.unwrap().id;
    ground.time.pass(Duration::from_millis(9_900)).await;
    assert!(!stage.view(soon).await.ended);
    ground.time.pass(Duration::from_millis(200)).await;
    assert!(stage.view(soon).await.ended);
    assert!(!stage.view(late).await.ended);
    ground.time.pass(Duration::from_secs(10)).await;
    assert_eq!(stage.kinds(late).await, ["tally.opened", "tally.expired"]);
}

#[tokio::test(start_paused = true)]
async fn a_timer_fires_after_a_restart_also_when_its_time_was_over_before() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let missed = stage.open(lasting(10)).await.unwrap().id;
    let coming = stage.open(lasting(100)).await.unwrap().id;
    stage.cut(&ground).await;
    ground.time.pass(Duration::from_secs(30)).await;
    let stage = ground.start().await;
    ground.time.pass(Duration::from_millis(100)).await;
    assert!(stage.view(missed).await.ended);
    assert!(!stage.view(coming).await.ended);
    // Also when nobody asks for anything after it.
    stage.system.control(&ActorPath::new("/node/tallys"), Control::Restart).unwrap();
    ground.time.pass(Duration::from_secs(70)).await;
    let notes = stage.notes(coming).await;
    assert!(notes[1].at.0 - notes[0].at.0 < 101_000_000, "not only now: {notes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_delays_nothing() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let first = stage.open(lasting(10)).await.unwrap().id;
    ground.time.jump_utc(SignedDuration::from_hours(-48));
    let second = stage.open(lasting(10)).await.unwrap().id;
    ground.time.pass(Duration::from_secs(11)).await;
    for id in [first, second] {
        assert!(stage.view(id).await.ended);
    }
    let notes = stage.notes(second).await;
    assert!(notes[0].at >= stage.notes(first).await[0].at, "time does not go back");
}
