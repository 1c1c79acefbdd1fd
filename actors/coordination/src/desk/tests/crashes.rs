//! The power is cut before any change of the disk.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use synod_testkit::Seed;

use super::ground::{Ground, Habit, Stage, goal};
use super::tally::Say;
use crate::desk::{DeskConfig, NumberedNote, Open};
use crate::protocol::ConversationId;

/// Changes of the disk before each of which the power is cut once.
const CUTS: u64 = 60;

/// Inputs of a round at most.
const INPUTS: usize = 60;

/// What a client was told.
#[derive(Default)]
struct Known {
    /// The seed, and the least sum.
    sums: BTreeMap<ConversationId, (u64, u64)>,
    keys: BTreeMap<String, ConversationId>,
    /// What is known of each conversation by reading it.
    notes: BTreeMap<ConversationId, Vec<NumberedNote>>,
}

/// Little is kept before a snapshot is taken, so that there are some.
fn config() -> DeskConfig {
    DeskConfig { snapshot_records: 16, max_notes: 10_000, ..DeskConfig::default() }
}

/// Opens and says things until the power is cut or all is said.
async fn play(stage: &Stage, chance: &mut ChaCha12Rng, known: &mut Known) {
    for turn in 0..INPUTS {
        let ids: Vec<_> = known.sums.keys().copied().collect();
        if ids.is_empty() || chance.random_range(0..6) == 0 {
            let key = format!("{}", chance.random_range(0..1_000));
            let Ok(opened) = stage.open(Open { key: Some(key.clone()), ..goal(1 << 40) }).await
            else {
                return;
            };
            assert_eq!(opened.duplicate, known.keys.contains_key(&key));
            assert_eq!(*known.keys.entry(key).or_insert(opened.id), opened.id);
            known.sums.entry(opened.id).or_insert((opened.view.seed, 0));
            continue;
        }
        let id = ids[chance.random_range(0..ids.len())];
        let input = match chance.random_range(0..8) {
            0 => Say::Ask("bob".to_owned(), Duration::from_secs(1)),
            1 => Say::Tell("bob".to_owned()),
            2 => Say::Long("x".repeat(chance.random_range(0..40_000))),
            _ => Say::Add(chance.random_range(1..9)),
        };
        let Ok(sum) = stage.say(id, input).await else { return };
        if let Some((_, least)) = known.sums.get_mut(&id) {
            *least = sum;
        }
        if turn % 10 == 9 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// What was acknowledged stands, and what was told once is still told so.
async fn check(ground: &Ground, stage: &Stage, known: &mut Known) {
    for (id, (seed, least)) in &mut known.sums {
        let view = stage.view(*id).await;
        assert_eq!(view.seed, *seed);
        assert!(view.sum >= *least, "{} is less than {least}", view.sum);
        *least = view.sum;
        let notes = stage.notes(*id).await;
        let before = known.notes.insert(*id, notes.clone()).unwrap_or_default();
        assert_eq!(notes[..before.len()], before);
        let numbers = notes.iter().map(|note| note.number);
        assert!(numbers.eq(1..=notes.len() as u64), "without gaps");
    }
    for told in ground.told.lock().iter() {
        if let Some(notes) = known.notes.get(&told.conversation) {
            assert!(notes.contains(&told.note), "{told:?} was told and is not there");
        }
    }
}

/// What all conversations look like.
async fn all(stage: &Stage, known: &Known) -> String {
    let mut all = String::new();
    for id in known.sums.keys() {
        all += &format!("{:?} {:?}\n", stage.show(*id).await, stage.notes(*id).await);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn after_a_power_cut_at_any_change_of_the_disk_the_same_conversations_stand() {
    let seed = Seed::from_env();
    for cut in 1..=CUTS {
        let seed = seed.round(cut);
        let ground = Ground::of(config(), Seed::fixed(seed.value()));
        ground.habit(Habit::Answer(Duration::from_millis(20)));
        let (mut chance, mut known) = (seed.rng(), Known::default());
        let stage = ground.start().await;
        ground.disk.crash_at(chance.random_range(3 * cut - 2..=3 * cut));
        play(&stage, &mut chance, &mut known).await;
        stage.cut(&ground).await;
        let stage = ground.start().await;
        check(&ground, &stage, &mut known).await;
        play(&stage, &mut chance, &mut known).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        check(&ground, &stage, &mut known).await;
        let (before, telling) = (all(&stage, &known).await, ground.given().len());
        stage.cut(&ground).await;
        let stage = ground.start().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(all(&stage, &known).await, before, "cut {cut}: a replay makes the same again");
        assert_eq!(ground.given().len(), telling, "cut {cut}: nobody is told twice");
        check(&ground, &stage, &mut known).await;
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_reads_a_snapshot_and_what_came_after_it() {
    let ground = Ground::new(config());
    let stage = ground.start().await;
    let (mut chance, mut known) = (ground.seed.rng(), Known::default());
    for _ in 0..10 {
        play(&stage, &mut chance, &mut known).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    check(&ground, &stage, &mut known).await;
    let first = stage.records().await[0].position;
    assert!(first.0 > 1, "the log begins at {first}");
    let before = all(&stage, &known).await;
    stage.cut(&ground).await;
    let stage = ground.start().await;
    assert_eq!(all(&stage, &known).await, before);
    let keys: Vec<_> = known.keys.clone().into_iter().collect();
    for (key, id) in keys {
        let again = stage.open(Open { key: Some(key), ..goal(1 << 40) }).await.unwrap();
        assert_eq!((again.id, again.duplicate), (id, true));
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_desk_lets_go_of_its_records_too() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    for _ in 0..3 {
        ground.time.pass(Duration::from_secs(700)).await;
    }
    let snapshots = ground.disk.paths();
    assert!(snapshots.iter().any(|path| path.contains("coordination.tally")), "{snapshots:?}");
    stage.cut(&ground).await;
    assert_eq!(ground.start().await.view(id).await.sum, 0);
}
