//! A group, from its opening to its end.

use std::time::Duration;

use synod_runtime::Principal;
use uuid::Uuid;

use super::*;
use crate::protocol::{Effects, Moment, Opening, Protocol, Refusal};
use crate::sync::barrier::Arrival;
use crate::sync::phase::Moved;

fn at(ms: i64) -> Moment {
    Moment(ms * 1000)
}

fn setup() -> GroupSetup {
    GroupSetup {
        members: ["a", "b", "c"].into_iter().map(GroupMember::agent).collect(),
        barriers: vec![BarrierSetup { name: "start".into(), ..BarrierSetup::default() }],
        phases: PhaseSetup { names: vec!["plan".into(), "build".into()], ..PhaseSetup::default() },
        lease_ms: 1000,
        ..GroupSetup::default()
    }
}

fn open(setup: GroupSetup) -> Result<(Group, Effects), Refusal> {
    let opening = Opening { id: Uuid::nil(), now: at(0), seed: 1, by: Principal::user("ann") };
    let mut out = Effects::default();
    Group::open(setup, &opening, &mut out).map(|group| (group, out))
}

fn step(
    group: &mut Group,
    ms: i64,
    by: &str,
    input: GroupInput,
) -> (Result<GroupAnswer, Refusal>, Effects) {
    let before = group.clone();
    let mut out = Effects::default();
    let answer = group.step(at(ms), &Principal::agent(by), input, &mut out);
    if answer.is_err() {
        assert_eq!((&before, out.notes.len(), out.dispatches.len()), (&*group, 0, 0));
    }
    (answer, out)
}

fn arrive(member: &str) -> GroupInput {
    GroupInput::Arrive { member: member.into(), barrier: "start".into() }
}

fn kinds(out: &Effects) -> Vec<&str> {
    out.notes.iter().map(|note| note.kind.as_str()).collect()
}

#[test]
fn a_group_waits_moves_on_and_is_led() {
    let (mut group, out) = open(setup()).unwrap();
    assert_eq!(kinds(&out), ["group.opened", "group.phase", "group.leads"]);
    assert_eq!(out.dispatches.len(), 4, "all hear of the phase, the leader of its lease");
    let numbers: Vec<_> = out.dispatches.iter().map(|dispatch| dispatch.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    step(&mut group, 1, "a", arrive("a")).0.unwrap();
    step(&mut group, 1, "b", arrive("b")).0.unwrap();
    let (last, out) = step(&mut group, 2, "c", arrive("c"));
    assert_eq!(last, Ok(GroupAnswer::Arrival(Arrival::Released { generation: 1 })));
    assert_eq!(out.dispatches.len(), 3);
    for (member, moved) in [("a", 2), ("b", 1)] {
        let done = GroupInput::Done { member: member.into(), phase: "plan".into() };
        let waits = GroupAnswer::Phase(Moved::Waits { missing: moved });
        assert_eq!(step(&mut group, 3, member, done).0, Ok(waits));
    }
    // The one that all wait for dies: the next phase begins.
    let died = || GroupInput::Died { member: "c".into(), reason: "no heartbeat".into() };
    let (refused, _) = step(&mut group, 4, "a", died());
    assert!(matches!(refused, Err(Refusal::NotAllowed(_))), "no member may say who is dead");
    let mut out = Effects::default();
    group.step(at(4), &Principal::node("n"), died(), &mut out).unwrap();
    assert_eq!(kinds(&out), ["group.member_lost", "group.phase"]);
    assert_eq!(group.view().phases.unwrap().current.as_deref(), Some("build"));
}

#[test]
fn a_leader_that_dies_or_falls_silent_is_followed_by_the_next_in_rank() {
    let (mut group, _) = open(setup()).unwrap();
    let lease = |group: &Group| group.view().leader.map(|lease| (lease.holder, lease.token));
    assert_eq!(lease(&group), Some(("a".into(), 1)));
    let renew = |member: &str, token| GroupInput::Renew { member: member.into(), token };
    let renewed = step(&mut group, 500, "a", renew("a", 1)).0;
    assert_eq!(renewed, Ok(GroupAnswer::Leads(1_500_000)));
    let stranger = step(&mut group, 500, "b", renew("a", 1)).0;
    assert!(matches!(stranger, Err(Refusal::NotAllowed(_))));
    assert_eq!(group.next_wake(), Some(at(1500)));
    let mut out = Effects::default();
    group.wake(at(1500), &mut out);
    assert_eq!(kinds(&out), ["group.lease_over", "group.leads"]);
    assert_eq!(lease(&group), Some(("b".into(), 2)));
    assert!(matches!(step(&mut group, 1501, "a", renew("a", 1)).0, Err(Refusal::Conflict(_))));
    step(&mut group, 1502, "b", GroupInput::Leave { member: "b".into() }).0.unwrap();
    assert_eq!(lease(&group), Some(("c".into(), 3)));
    let down = GroupInput::StepDown { member: "c".into(), token: 3 };
    step(&mut group, 1503, "c", down).0.unwrap();
    assert_eq!(lease(&group), Some(("a".into(), 4)), "all others have let go");
}

#[test]
fn every_group_ends_with_an_outcome() {
    let (mut group, _) = open(setup()).unwrap();
    for ms in (0..).step_by(500) {
        let Some(wake) = group.next_wake() else { break };
        assert!(wake <= at(3_600_000) && ms < 10_000_000);
        group.wake(wake, &mut Effects::default());
    }
    assert_eq!(group.view().outcome, Some(GroupOutcome::Expired));
    assert!(matches!(step(&mut group, 1, "a", arrive("a")).0, Err(Refusal::TooLate(_))));

    let (mut group, _) = open(setup()).unwrap();
    for member in ["a", "b", "c"] {
        step(&mut group, 1, member, GroupInput::Leave { member: member.into() }).0.unwrap();
    }
    assert!(group.has_ended());
    assert_eq!(group.view().outcome, Some(GroupOutcome::Deserted));

    let (mut group, _) = open(setup()).unwrap();
    let close = || GroupInput::Close { reason: "done".into() };
    assert!(matches!(step(&mut group, 1, "b", close()).0, Err(Refusal::NotAllowed(_))));
    assert_eq!(step(&mut group, 1, "a", close()).0, Ok(GroupAnswer::Closed), "it leads");
}

#[test]
fn setups_out_of_bounds_are_refused_by_their_field() {
    let field = |change: fn(&mut GroupSetup)| {
        let mut setup = setup();
        change(&mut setup);
        match open(setup) {
            Err(Refusal::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(field(|setup| setup.members.clear()), "members");
    assert_eq!(field(|setup| setup.members[1].name = "a".into()), "members[1]");
    assert_eq!(field(|setup| setup.members[1].name = "No Agent".into()), "members[1].name");
    assert_eq!(field(|setup| setup.lasts_ms = 0), "lasts_ms");
    assert_eq!(field(|setup| setup.barriers[0].within_ms = 0), "barriers[0].within_ms");
    assert_eq!(field(|setup| setup.phases.names.push("plan".into())), "phases.names[2]");
    let many = |setup: &mut GroupSetup| {
        setup.members = (0..100_001).map(|at| GroupMember::agent(format!("m{at}"))).collect();
    };
    assert_eq!(field(many), "members");
}

#[test]
fn what_is_stored_comes_back_and_setups_read_as_users_write_them() {
    let (group, _) = open(setup()).unwrap();
    let bytes = synod_journal::RecordCodec::encode(&group).unwrap();
    assert_eq!(synod_journal::RecordCodec::decode::<Group>(&bytes).unwrap(), group);
    let text =
        r#"{"members": [{"name": "ann"}], "phases": {"names": ["x"], "needed": {"quorum": 1}}}"#;
    let setup: GroupSetup = serde_json::from_str(text).unwrap();
    assert_eq!(setup.lasts_ms, Duration::from_secs(3600).as_millis() as u64);
    let input: GroupInput =
        serde_json::from_str(r#"{"arrive": {"member": "ann", "barrier": "start"}}"#).unwrap();
    assert_eq!(input, arrive("ann"));
}
