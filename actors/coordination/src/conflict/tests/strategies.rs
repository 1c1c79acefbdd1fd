//! Strategies that need nobody's word.

use super::super::{MergeKind, VersionVector};
use super::*;
use crate::sync::Stamp;

fn party(name: &str, change: impl FnOnce(&mut Party)) -> Party {
    let mut party = Party::named(name);
    change(&mut party);
    party
}

fn settled(parties: &[Party], strategy: Strategy) -> World {
    World::of(parties.to_vec(), vec![strategy])
}

#[test]
fn priority_and_authority_choose_the_greatest_and_pass_when_two_are_equal() {
    let mut parties = vec![party("a", |it| it.priority = 2), party("b", |it| it.authority = 3)];
    assert_eq!(settled(&parties, Strategy::Priority).resolution().winner.unwrap(), "a");
    assert_eq!(settled(&parties, Strategy::Authority).resolution().winner.unwrap(), "b");
    parties[1].priority = 2;
    let world = World::of(parties.clone(), vec![Strategy::Priority, Strategy::Authority]);
    assert_eq!(world.resolution().strategy, "authority");
    parties[1].authority = 0;
    let world = World::of(parties, vec![Strategy::Priority, Strategy::Authority]);
    let Some(ConflictOutcome::Unresolved { reason }) = world.outcome() else { panic!() };
    assert!(reason.contains("priority: 'a' and 'b' are equal"), "{reason}");
    assert!(reason.contains("authority: 'a' and 'b' are equal"), "{reason}");
}

#[test]
fn wound_wait_gives_it_to_the_oldest_and_wait_die_to_the_holder() {
    let parties = [
        party("old", |it| it.since_us = 1),
        party("holder", |it| (it.since_us, it.holds) = (2, true)),
        party("young", |it| it.since_us = 3),
    ];
    let world = settled(&parties, Strategy::WoundWait);
    assert_eq!(world.fates(), [Fate::Wins, Fate::Yields, Fate::Waits]);
    let world = settled(&parties, Strategy::WaitDie);
    assert_eq!(world.fates(), [Fate::Waits, Fate::Wins, Fate::Yields]);
}

#[test]
fn the_victim_is_the_least_urgent_then_the_youngest_then_who_holds_least() {
    let of = |name: &str, priority, since_us, locks| {
        party(name, |it| (it.priority, it.since_us, it.locks) = (priority, since_us, locks))
    };
    let victim = |parties: &[Party]| {
        let resolution = settled(parties, Strategy::Victim).resolution();
        let yields = resolution.fates.into_iter().find(|it| it.fate == Fate::Yields);
        yields.unwrap().party
    };
    assert_eq!(victim(&[of("a", 1, 9, 0), of("b", 0, 1, 9)]), "b");
    assert_eq!(victim(&[of("a", 0, 9, 9), of("b", 0, 1, 0)]), "a");
    assert_eq!(victim(&[of("a", 0, 1, 2), of("b", 0, 1, 1), of("c", 0, 1, 2)]), "b");
}

#[test]
fn claims_of_the_right_form_are_merged_and_others_are_passed_on() {
    let mut parties = [
        party("a", |it| it.claim = r#"{"up": {"a": 2}}"#.into()),
        party("b", |it| it.claim = r#"{"up": {"b": 3}}"#.into()),
    ];
    let world = settled(&parties, Strategy::Merge(MergeKind::Counter));
    assert_eq!(world.fates(), [Fate::Merged, Fate::Merged]);
    assert_eq!(world.resolution().value.unwrap(), r#"{"up":{"a":2,"b":3},"down":{}}"#);
    parties[1].claim = "three".into();
    let world = settled(&parties, Strategy::Merge(MergeKind::Counter));
    assert!(matches!(world.outcome(), Some(ConflictOutcome::Unresolved { .. })));
}

#[test]
fn the_last_writer_is_who_has_seen_all_or_else_wrote_last() {
    let version = |counts: &[(&str, u64)]| {
        VersionVector(counts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect())
    };
    let mut parties = [
        party("a", |it| (it.stamp, it.version) = (Stamp::at(9), version(&[("a", 1)]))),
        party("b", |it| (it.stamp, it.version) = (Stamp::at(5), version(&[("a", 1), ("b", 1)]))),
    ];
    assert_eq!(settled(&parties, Strategy::LastWriter).resolution().winner.unwrap(), "b");
    parties[1].version = version(&[("b", 1)]);
    assert_eq!(settled(&parties, Strategy::LastWriter).resolution().winner.unwrap(), "a");
    parties[1].stamp = parties[0].stamp;
    assert_eq!(settled(&parties, Strategy::LastWriter).resolution().winner.unwrap(), "b");
    parties[1].stamp = Stamp::default();
    assert!(matches!(
        settled(&parties, Strategy::LastWriter).outcome(),
        Some(ConflictOutcome::Unresolved { .. })
    ));
}

#[test]
fn a_setup_that_makes_no_sense_is_refused_by_its_field() {
    let good = || ConflictSetup {
        subject: "s".into(),
        parties: vec![Party::named("a"), Party::named("b")],
        strategies: vec![Strategy::Priority],
        ..ConflictSetup::default()
    };
    let refused = |change: fn(&mut ConflictSetup)| {
        let mut setup = good();
        change(&mut setup);
        match World::open(setup).err() {
            Some(Refusal::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert!(World::open(good()).is_ok());
    assert_eq!(refused(|it| it.subject.clear()), "subject");
    assert_eq!(refused(|it| it.parties.truncate(1)), "parties");
    assert_eq!(refused(|it| it.parties.clear()), "parties");
    assert_eq!(refused(|it| it.parties[1].name = "a".into()), "parties[1].name");
    assert_eq!(refused(|it| it.parties[0].claim = "x".repeat(70_000)), "parties[0].claim");
    assert_eq!(refused(|it| it.strategies.clear()), "strategies");
    assert_eq!(refused(|it| it.deadline_ms = 0), "deadline_ms");
    let vote = |it: &mut ConflictSetup, arbiters: &[&str]| {
        let arbiters = arbiters.iter().map(|it| (*it).to_owned()).collect();
        it.strategies = vec![Strategy::Vote { arbiters, quorum: 0, within_ms: 1 }];
    };
    let at = "strategies[0].vote.arbiters";
    let mut setup = good();
    vote(&mut setup, &[]);
    assert!(World::open(setup).is_err_and(|it| it.to_string().starts_with(at)));
    let mut setup = good();
    vote(&mut setup, &["j", "a"]);
    assert!(World::open(setup).is_err_and(|it| it.to_string().contains("is a party")));
}
