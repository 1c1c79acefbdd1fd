//! Tokens, leases, and who may say what.

use synod_journal::RecordCodec;

use super::super::{Ending, Mode, Reentrancy, Semaphore};
use super::*;

#[test]
fn tokens_rise_and_one_that_was_given_back_is_refused() {
    let mut world = World::with(DeadlockPolicy::Detect);
    let first = fence(&world.lock("a", &["x"]));
    assert!(world.release("b", first).is_err(), "another's token");
    assert!(world.release("a", first + 1).is_err(), "a token to come");
    world.release("a", first).unwrap();
    assert!(matches!(world.release("a", first), Err(Refusal::Conflict(_))));
    let second = fence(&world.lock("b", &["x"]));
    assert!(second > first);
    assert!(world.release("b", first).is_err());
    assert!(world.space.is_live(second) && !world.space.is_live(first));
}

#[test]
fn a_lease_that_ends_frees_for_the_next_and_its_token_is_stale() {
    let mut world = World::with(DeadlockPolicy::Detect);
    let stale = fence(&world.lock("a", &["x"]));
    let waiting = ticket(&world.lock("b", &["x"]));
    world.pass(999);
    assert_eq!(world.holders("x"), ["a"]);
    world.pass(1);
    assert_eq!(world.holders("x"), ["b"]);
    assert!(world.told("lock.expired", "a") && world.told("lock.granted", "b"));
    assert!(world.endings.iter().any(|it| it.ticket == Some(waiting) && it.fence > Some(stale)));
    let renew = LockInput::Renew { owner: "a".into(), fence: stale, lease_ms: 1_000 };
    assert!(matches!(world.step(renew), Err(Refusal::Conflict(_))));
}

#[test]
fn a_token_is_stale_at_the_end_of_its_lease_even_before_anybody_has_looked() {
    let mut world = World::with(DeadlockPolicy::Detect);
    let stale = fence(&world.lock("a", &["x"]));
    world.now_ms += 1_000; // Nobody wakes the space.
    assert!(world.release("a", stale).is_err());
    assert!(fence(&world.lock("b", &["x"])) > stale, "it was free all the same");
}

#[test]
fn a_renewed_lease_lasts_longer_under_the_same_token() {
    let mut world = World::with(DeadlockPolicy::Detect);
    let held = fence(&world.lock("a", &["x"]));
    world.pass(900);
    let renew = LockInput::Renew { owner: "a".into(), fence: held, lease_ms: 1_000 };
    assert_eq!(fence(&world.step(renew).unwrap()), held);
    world.pass(999);
    assert_eq!(world.holders("x"), ["a"]);
    world.pass(1);
    assert!(world.holders("x").is_empty());
}

#[test]
fn an_owner_that_is_gone_frees_all_and_waits_no_longer() {
    let mut world = World::with(DeadlockPolicy::Detect);
    world.lock("a", &["x", "y"]);
    world.lock("b", &["z"]);
    world.lock("a", &["z"]);
    world.lock("c", &["x"]);
    let gone = world.step(LockInput::OwnerGone { owner: "a".into() }).unwrap();
    assert_eq!(gone, LockAnswer::Freed { grants: 1 });
    assert_eq!(world.holders("x"), ["c"]);
    assert_eq!(world.space.view().waiting, 0);
    assert!(world.told("lock.gone", "a"));
    assert!(world.step(LockInput::OwnerGone { owner: "a".into() }).is_err());
}

#[test]
fn closing_frees_everything_and_tells_whoever_waits() {
    let mut world = World::with(DeadlockPolicy::Detect);
    world.lock("a", &["x"]);
    world.lock("b", &["x"]);
    let answer = world.step(LockInput::Close { reason: "over".into() }).unwrap();
    assert_eq!(answer, LockAnswer::Freed { grants: 1 });
    assert!(world.space.has_ended() && world.space.next_wake().is_none());
    assert!(world.told("lock.closed", "a") && world.told("lock.closed", "b"));
    assert!(matches!(
        world.ask(acquire("a", vec![Wish::exclusive("x")])),
        Err(Refusal::TooLate(_))
    ));
    assert_eq!(world.endings.iter().filter(|it| it.ending == Ending::Closed).count(), 2);
}

#[test]
fn nobody_acts_for_another() {
    let mut world = World::with(DeadlockPolicy::Detect);
    let held = fence(&world.lock("a", &["x"]));
    let mut refused = |input| {
        let by = Principal::agent("b");
        let answer = world.space.step(Moment(1), &by, input, &mut Effects::default());
        assert!(matches!(answer, Err(Refusal::NotAllowed(_))), "{answer:?}");
    };
    refused(LockInput::Acquire(acquire("a", vec![Wish::exclusive("y")])));
    refused(LockInput::Release { owner: "a".into(), fence: held });
    refused(LockInput::OwnerGone { owner: "a".into() });
    refused(LockInput::Close { reason: String::new() });
}

#[test]
fn bad_requests_are_refused_by_their_field() {
    let gpu = Semaphore { name: "gpu".into(), permits: 2 };
    let setup = LockSetup { semaphores: vec![gpu], ..LockSetup::default() };
    let mut world = World::new(setup);
    let mut refused = |change: fn(&mut Acquire)| {
        let mut ask = acquire("a", vec![Wish::exclusive("x")]);
        change(&mut ask);
        match world.ask(ask) {
            Err(Refusal::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|ask| ask.resources.clear()), "resources");
    assert_eq!(refused(|ask| ask.resources = vec![Wish::shared("x"); 65]), "resources");
    assert_eq!(refused(|ask| ask.resources = vec![Wish::shared("x"); 2]), "resources[1].name");
    assert_eq!(refused(|ask| ask.resources[0].name.clear()), "resources[0].name");
    assert_eq!(refused(|ask| ask.resources[0].mode = Mode::Permits(1)), "resources[0].mode");
    assert_eq!(refused(|ask| ask.resources[0] = Wish::permits("gpu", 3)), "resources[0].mode");
    assert_eq!(refused(|ask| ask.resources[0] = Wish::permits("gpu", 0)), "resources[0].mode");
    assert_eq!(refused(|ask| ask.owner = "o".repeat(257)), "owner");
    assert_eq!(refused(|ask| ask.lease_ms = 0), "lease_ms");
    assert_eq!(refused(|ask| ask.lease_ms = u64::MAX), "lease_ms");
    assert_eq!(refused(|ask| ask.wait_ms = 600_001), "wait_ms");
}

#[test]
fn a_space_comes_back_from_its_bytes_as_it_was() {
    let setup = LockSetup {
        reentrancy: Reentrancy::Allow,
        semaphores: vec![Semaphore { name: "gpu".into(), permits: 2 }],
        ..LockSetup::default()
    };
    let mut world = World::new(setup);
    world.lock("a", &["x"]);
    world.ask(acquire("b", vec![Wish::permits("gpu", 1), Wish::exclusive("x")])).unwrap();
    let bytes = RecordCodec::encode(&world.space).unwrap();
    assert_eq!(RecordCodec::decode::<LockSpace>(&bytes).unwrap(), world.space);
    let input = LockInput::Acquire(acquire("c", vec![Wish::shared("y")]));
    let bytes = RecordCodec::encode(&input).unwrap();
    assert_eq!(RecordCodec::decode::<LockInput>(&bytes).unwrap(), input);
    let json = r#"{"acquire": {"owner": "a", "lease_ms": 5, "resources":
        [{"name": "x"}, {"name": "gpu", "mode": {"permits": 2}}]}}"#;
    let LockInput::Acquire(ask) = serde_json::from_str(json).unwrap() else { panic!() };
    assert_eq!(ask.resources[1], Wish::permits("gpu", 2));
    assert!(serde_json::to_value(world.space.view()).unwrap()["grants"].is_array());
}
