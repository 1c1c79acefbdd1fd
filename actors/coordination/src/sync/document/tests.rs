//! The laws that a join keeps, the same as somebody else's types, and what hostile deltas do.

use std::collections::BTreeSet;

use crdts::{CmRDT, CvRDT};
use proptest::prelude::*;

use super::*;
use crate::sync::Scalar;

const REPLICAS: usize = 3;

/// What one replica does: an edit, or hearing all of another's state, or only what it lacks.
#[derive(Debug, Clone)]
enum Act {
    Edit(usize, Edit),
    Merge { to: usize, from: usize },
    CatchUp { to: usize, from: usize, max_bytes: usize },
}

fn edits() -> impl Strategy<Value = Edit> {
    let value = || (0i64..4).prop_map(Scalar::Int);
    let key = |kind: &'static str| (0u8..2).prop_map(move |at| format!("{kind}{at}"));
    prop_oneof![
        (key("latest"), value()).prop_map(|(key, value)| Edit::Set { key, value }),
        (key("versions"), value()).prop_map(|(key, value)| Edit::Put { key, value }),
        (key("counter"), -3i64..6).prop_map(|(key, by)| Edit::Count { key, by }),
        (key("set"), value()).prop_map(|(key, member)| Edit::Include { key, member }),
        (key("set"), value()).prop_map(|(key, member)| Edit::Exclude { key, member }),
    ]
}

fn acts(removals: bool) -> impl Strategy<Value = Vec<Act>> {
    let who = || 0..REPLICAS;
    let kinds = prop::sample::select(vec!["latest0", "versions0", "counter0", "set0"]);
    let remove = kinds.prop_map(|key| Edit::Remove { key: key.to_owned() });
    let edit =
        if removals { prop_oneof![5 => edits(), 1 => remove].boxed() } else { edits().boxed() };
    let act = prop_oneof![
        3 => (who(), edit).prop_map(|(who, edit)| Act::Edit(who, edit)),
        1 => (who(), who()).prop_map(|(to, from)| Act::Merge { to, from }),
        1 => (who(), who(), 1usize..200)
            .prop_map(|(to, from, max_bytes)| Act::CatchUp { to, from, max_bytes }),
    ];
    prop::collection::vec(act, 1..60)
}

/// Some replicas of one document, each with its clock.
struct Group {
    documents: Vec<SharedDocument>,
    clocks: Vec<HybridClock>,
    deltas: Vec<Delta>,
    now: u64,
}

impl Group {
    fn new() -> Self {
        Self {
            documents: vec![SharedDocument::default(); REPLICAS],
            clocks: vec![HybridClock::new(u64::MAX); REPLICAS],
            deltas: Vec::new(),
            now: 0,
        }
    }

    fn act(&mut self, act: &Act) {
        self.now += 1;
        match act {
            Act::Edit(who, edit) => {
                let (document, clock) = (&mut self.documents[*who], &mut self.clocks[*who]);
                let (id, limits) = (ReplicaId(*who as u64), DocumentLimits::default());
                let edits = std::slice::from_ref(edit);
                let delta = document.edit(id, edits, clock, self.now, &limits).unwrap();
                self.deltas.push(delta);
            }
            Act::Merge { to, from } => {
                let whole = self.documents[*from].whole();
                self.merge(*to, &whole);
            }
            Act::CatchUp { to, from, max_bytes } => {
                let digest = self.documents[*to].digest();
                let (delta, _) = self.documents[*from].delta_since(&digest, *max_bytes);
                self.merge(*to, &delta);
            }
        }
    }

    fn merge(&mut self, to: usize, delta: &Delta) -> Merged {
        let merged = self.documents[to].merge(delta, &DocumentLimits::default()).unwrap();
        if let Some(latest) = merged.latest {
            self.clocks[to].observe(latest, self.now).unwrap();
        }
        merged
    }

    fn run(acts: &[Act]) -> Self {
        let mut group = Self::new();
        acts.iter().for_each(|act| group.act(act));
        group
    }
}

fn join(left: &SharedDocument, right: &SharedDocument) -> SharedDocument {
    let mut both = left.clone();
    both.merge(&right.whole(), &DocumentLimits::default()).unwrap();
    assert_eq!(both.fingerprint(), rebuilt(&both).fingerprint(), "kept as it is made");
    both
}

fn rebuilt(document: &SharedDocument) -> SharedDocument {
    let mut new = SharedDocument::default();
    new.merge(&document.whole(), &DocumentLimits::default()).unwrap();
    assert_eq!((new.weight, new.places.clone()), (document.weight, document.places.clone()));
    new
}

proptest! {
    #[test]
    fn a_join_is_commutative_associative_and_idempotent(acts in acts(true)) {
        let documents = Group::run(&acts).documents;
        let [a, b, c] = [&documents[0], &documents[1], &documents[2]];
        prop_assert!(join(a, b) == join(b, a));
        prop_assert!(join(&join(a, b), c) == join(a, &join(b, c)));
        prop_assert!(join(a, a) == *a);
        prop_assert!(join(&join(a, b), b) == join(a, b));
    }

    #[test]
    fn every_edit_and_merge_only_grows_what_was_seen(acts in acts(true)) {
        let mut group = Group::new();
        for act in &acts {
            let before = group.documents.clone();
            group.act(act);
            for (before, after) in before.iter().zip(&group.documents) {
                // In the order of the join, before is below after.
                prop_assert!(join(before, after) == *after);
            }
        }
    }

    #[test]
    fn deltas_come_to_the_same_as_whole_states_in_any_order(
        acts in acts(true),
        order in any::<prop::sample::Index>(),
        doubled in any::<prop::sample::Index>(),
    ) {
        let group = Group::run(&acts);
        let empty = SharedDocument::default();
        let whole = group.documents.iter().fold(empty, |all, one| join(&all, one));
        let mut deltas = group.deltas;
        if !deltas.is_empty() {
            let (count, again) = (deltas.len(), deltas[doubled.index(deltas.len())].clone());
            deltas.rotate_left(order.index(count));
            deltas.push(again);
        }
        let mut pieced = SharedDocument::default();
        for delta in &deltas {
            let delta = Delta::decode(&delta.encode().unwrap()).unwrap();
            pieced.merge(&delta, &DocumentLimits::default()).unwrap();
        }
        prop_assert!(pieced == whole);
        prop_assert_eq!(pieced.fingerprint(), whole.fingerprint());
    }

    #[test]
    fn catching_up_in_parts_comes_to_the_join(acts in acts(true), max_bytes in 1usize..300) {
        let mut group = Group::run(&acts);
        let joined = join(&group.documents[0], &group.documents[1]);
        for round in 0.. {
            let digest = group.documents[0].digest();
            digest.check(&DocumentLimits::default()).unwrap();
            let (delta, more) = group.documents[1].delta_since(&digest, max_bytes);
            let merged = group.merge(0, &delta);
            prop_assert_eq!(merged.is_news, !delta.is_empty(), "nothing is told twice");
            prop_assert!(round < 100);
            if !more {
                break;
            }
        }
        prop_assert!(group.documents[0] == joined);
        prop_assert!(!group.documents[0].is_behind(&group.documents[1].digest()));
    }

    #[test]
    fn registers_counters_and_sets_read_as_those_of_another_library(acts in acts(false)) {
        let (mut group, mut theirs) = (Group::new(), vec![Oracle::default(); REPLICAS]);
        for act in &acts {
            // Theirs are told whole states alone.
            let act = match act {
                Act::CatchUp { to, from, .. } => Act::Merge { to: *to, from: *from },
                other => other.clone(),
            };
            group.act(&act);
            match &act {
                Act::Edit(who, edit) => theirs[*who].edit(*who, edit, &group.documents[*who]),
                Act::Merge { to, from } => {
                    let other = theirs[*from].clone();
                    theirs[*to].merge(other);
                }
                Act::CatchUp { .. } => {}
            }
            for (ours, theirs) in group.documents.iter().zip(&theirs) {
                theirs.compare(ours);
            }
        }
    }

    #[test]
    fn bytes_from_anybody_are_refused_or_taken_and_never_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        acts in acts(true),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut document = Group::run(&acts).documents.swap_remove(0);
        let mut forged = document.whole().encode().unwrap().to_vec();
        for (at, value) in flips {
            let at = at.index(forged.len());
            forged[at] = value;
        }
        for bytes in [&bytes, &forged] {
            if let Ok(delta) = Delta::decode(bytes) {
                let limits = DocumentLimits { entries: 8, spans: 8, ..DocumentLimits::default() };
                let before = document.clone();
                match document.merge(&delta, &limits) {
                    Ok(_) => {
                        let again = document.merge(&delta, &limits);
                        prop_assert!(again.is_ok_and(|again| !again.is_news));
                        rebuilt(&document);
                    }
                    Err(_) => prop_assert!(document == before),
                }
            }
        }
    }
}

/// The same, of the crate `crdts`.
#[derive(Clone, Default)]
struct Oracle {
    latest: [Option<crdts::LWWReg<Scalar, (Stamp, u64)>>; 2],
    versions: [crdts::MVReg<Scalar, u64>; 2],
    counters: [crdts::PNCounter<u64>; 2],
    sets: [crdts::Orswot<Scalar, u64>; 2],
}

impl Oracle {
    fn edit(&mut self, who: usize, edit: &Edit, ours: &SharedDocument) {
        let (id, at) = (who as u64, usize::from(edit.key().ends_with('1')));
        match edit {
            Edit::Set { key, value } => {
                // Theirs leave the clock to their user.
                let stamps = ours.slots(key).flat_map(|(_, dots)| dots).map(|dot| {
                    match &ours.entries[dot].cell {
                        Cell::Latest(stamp, _) => *stamp,
                        other => panic!("{other:?}"),
                    }
                });
                let marker = (stamps.max().unwrap(), id);
                self.latest[at] = Some(crdts::LWWReg { val: value.clone(), marker });
            }
            Edit::Put { value, .. } => {
                let register = &mut self.versions[at];
                let op = register.write(value.clone(), register.read_ctx().derive_add_ctx(id));
                register.apply(op);
            }
            Edit::Count { by, .. } => {
                let counter = &mut self.counters[at];
                let steps = by.unsigned_abs();
                let op =
                    if *by < 0 { counter.dec_many(id, steps) } else { counter.inc_many(id, steps) };
                counter.apply(op);
            }
            Edit::Include { member, .. } => {
                let set = &mut self.sets[at];
                let op = set.add(member.clone(), set.read_ctx().derive_add_ctx(id));
                set.apply(op);
            }
            Edit::Exclude { member, .. } => {
                let set = &mut self.sets[at];
                let op = set.rm(member.clone(), set.contains(member).derive_rm_ctx());
                set.apply(op);
            }
            Edit::Remove { .. } => unreachable!("theirs have no keys"),
        }
    }

    fn merge(&mut self, other: Self) {
        for (at, theirs) in other.latest.into_iter().enumerate() {
            match (&mut self.latest[at], theirs) {
                (Some(ours), Some(theirs)) => ours.merge(theirs),
                (ours, theirs) => *ours = ours.take().or(theirs),
            }
        }
        for (at, theirs) in other.versions.into_iter().enumerate() {
            self.versions[at].merge(theirs);
        }
        for (at, theirs) in other.counters.into_iter().enumerate() {
            self.counters[at].merge(theirs);
        }
        for (at, theirs) in other.sets.into_iter().enumerate() {
            self.sets[at].merge(theirs);
        }
    }

    fn compare(&self, ours: &SharedDocument) {
        for at in 0..2 {
            let latest = self.latest[at].clone().map(|register| SharedValue::Latest(register.val));
            assert_eq!(ours.get(&format!("latest{at}")), latest);
            let sorted = |values: Vec<Scalar>| values.into_iter().collect::<BTreeSet<_>>();
            let versions = match ours.get(&format!("versions{at}")) {
                Some(SharedValue::Versions(values)) => values,
                None => Vec::new(),
                other => panic!("{other:?}"),
            };
            assert_eq!(sorted(versions), sorted(self.versions[at].read().val));
            let sum = match ours.get(&format!("counter{at}")) {
                Some(SharedValue::Counter(sum)) => sum,
                None => 0,
                other => panic!("{other:?}"),
            };
            assert_eq!(sum.to_string(), self.counters[at].read().to_string());
            let members = match ours.get(&format!("set{at}")) {
                Some(SharedValue::Set(members)) => members,
                None => Vec::new(),
                other => panic!("{other:?}"),
            };
            assert_eq!(sorted(members), self.sets[at].read().val.into_iter().collect());
        }
    }
}

// ---- single cases ----

fn text(key: &str, value: &str) -> Edit {
    Edit::Set { key: key.into(), value: Scalar::text(value) }
}

fn edit(group: &mut Group, who: usize, edits: &[Edit]) -> Result<Delta, EditRefusal> {
    group.now += 1;
    let (document, clock) = (&mut group.documents[who], &mut group.clocks[who]);
    let limits = DocumentLimits { entries: 4, ..DocumentLimits::default() };
    document.edit(ReplicaId(who as u64), edits, clock, group.now, &limits)
}

#[test]
fn edits_of_one_write_are_done_together_or_not_at_all() {
    let mut group = Group::new();
    let count = |by| Edit::Count { key: "n".into(), by };
    edit(&mut group, 0, &[text("a", "1"), text("a", "2"), count(5), count(-7)]).unwrap();
    assert_eq!(group.documents[0].get("n"), Some(SharedValue::Counter(-2)));
    assert_eq!(group.documents[0].get("a"), Some(SharedValue::Latest(Scalar::text("2"))));
    assert_eq!(group.documents[0].entry_count(), 2, "nothing replaced is left");
    let before = group.documents[0].clone();
    let wrong = edit(&mut group, 0, &[text("b", "1"), Edit::Count { key: "a".into(), by: 1 }]);
    let kind = CellKind::Latest;
    assert_eq!(wrong, Err(EditRefusal::Kind { edit: 1, key: "a".into(), kind }));
    let full = edit(&mut group, 0, &[text("b", "1"), text("c", "1"), text("d", "1")]);
    assert_eq!(full, Err(EditRefusal::Full { what: "entries", limit: 4 }));
    let far = edit(&mut group, 0, &[count(i64::MAX), count(i64::MAX)]);
    assert!(matches!(far, Err(EditRefusal::Overflow { edit: 1, .. })), "{far:?}");
    assert!(group.documents[0] == before);
    // Once it is removed, a key may become something else, in the same write too.
    let remove = Edit::Remove { key: "a".into() };
    edit(&mut group, 0, &[remove, Edit::Count { key: "a".into(), by: 1 }]).unwrap();
    assert_eq!(group.documents[0].get("a"), Some(SharedValue::Counter(1)));
}

#[test]
fn adding_wins_over_taking_out_and_a_removal_takes_only_what_it_saw() {
    let mut group = Group::new();
    let include = |who: &str| Edit::Include { key: "team".into(), member: Scalar::text(who) };
    let exclude = |who: &str| Edit::Exclude { key: "team".into(), member: Scalar::text(who) };
    edit(&mut group, 0, &[include("ann"), include("bob")]).unwrap();
    group.act(&Act::Merge { to: 1, from: 0 });
    edit(&mut group, 0, &[exclude("ann"), exclude("bob")]).unwrap();
    edit(&mut group, 1, &[include("ann")]).unwrap();
    group.act(&Act::Merge { to: 0, from: 1 });
    let members = |group: &Group| group.documents[0].get("team");
    assert_eq!(members(&group), Some(SharedValue::Set(vec![Scalar::text("ann")])));
    // The other adds while this one removes the key.
    edit(&mut group, 0, &[Edit::Remove { key: "team".into() }]).unwrap();
    assert_eq!(members(&group), None);
    edit(&mut group, 1, &[include("eve")]).unwrap();
    group.act(&Act::Merge { to: 0, from: 1 });
    assert_eq!(members(&group), Some(SharedValue::Set(vec![Scalar::text("eve")])));
}

#[test]
fn types_that_were_made_at_once_stay_until_the_key_is_removed() {
    let mut group = Group::new();
    edit(&mut group, 0, &[text("k", "x")]).unwrap();
    edit(&mut group, 1, &[Edit::Count { key: "k".into(), by: 3 }]).unwrap();
    group.act(&Act::Merge { to: 0, from: 1 });
    group.act(&Act::Merge { to: 1, from: 0 });
    for document in &group.documents[..2] {
        assert_eq!(document.get("k"), Some(SharedValue::Latest(Scalar::text("x"))));
    }
    edit(&mut group, 1, &[Edit::Remove { key: "k".into() }]).unwrap();
    group.act(&Act::Merge { to: 0, from: 1 });
    assert_eq!((group.documents[0].get("k"), group.documents[0].entry_count()), (None, 0));
    assert_eq!(group.documents[0].weight(), 0);
}

#[test]
fn a_merge_beyond_all_limits_is_refused_and_one_within_their_slack_is_not() {
    let limits = DocumentLimits { entries: 4, ..DocumentLimits::default() };
    let mut target = SharedDocument::default();
    for replica in 0..5 {
        let (mut other, mut clock) = (SharedDocument::default(), HybridClock::new(0));
        let edits: Vec<_> = (0..4).map(|at| text(&format!("{replica}-{at}"), "x")).collect();
        let delta = other.edit(ReplicaId(replica), &edits, &mut clock, 1, &limits).unwrap();
        let merged = target.merge(&delta, &limits);
        assert_eq!(merged.is_ok(), replica < 4, "{merged:?}");
    }
    assert_eq!(target.entry_count(), 16);
    // It can be made smaller, not larger.
    let mut clock = HybridClock::new(0);
    let larger = target.edit(ReplicaId(9), &[text("new", "x")], &mut clock, 1, &limits);
    assert!(matches!(larger, Err(EditRefusal::Full { .. })));
    let remove = Edit::Remove { key: "0-0".into() };
    target.edit(ReplicaId(9), &[remove], &mut clock, 1, &limits).unwrap();
    assert_eq!(target.entry_count(), 15);
}

#[test]
fn keys_and_values_of_wrong_length_are_refused_by_their_place() {
    let mut group = Group::new();
    let refused = |group: &mut Group, of: &[Edit]| edit(group, 0, of).unwrap_err().to_string();
    assert_eq!(refused(&mut group, &[]), "edits: 0 of them, expected 1 to 1000");
    assert_eq!(
        refused(&mut group, &[text("a", "1"), text("", "1")]),
        "edits[1].key: 0 bytes, expected 1 to 256"
    );
    let long = "x".repeat(70_000);
    assert_eq!(
        refused(&mut group, &[text("a", &long)]),
        "edits[0]: a value of 70000 bytes, at most 65536"
    );
}
