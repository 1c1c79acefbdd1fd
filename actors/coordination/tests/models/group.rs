//! A group of three in which everything may happen in any order: arrivals, deaths, leaving and
//! coming back, leases renewed with every token there was, time running out.

use std::collections::BTreeSet;

use stateright::{Checker, Model, Property};
use synod_coordination::sync::Group;
use synod_coordination::sync::group::{BarrierSetup, GroupInput, GroupMember, GroupSetup};
use synod_coordination::{Effects, Moment, Opening, Protocol};
use synod_runtime::Principal;

const MEMBERS: [&str; 3] = ["a", "b", "c"];
const BARRIER: &str = "start";

fn opened(setup: GroupSetup) -> Group {
    let by = Principal::user("opener");
    let opening = Opening { id: uuid::Uuid::nil(), now: Moment(0), seed: 1, by };
    Group::open(setup, &opening, &mut Effects::default()).unwrap()
}

/// Gives a group an input; none when it was refused and so changed nothing.
fn told(group: &Group, now: i64, input: GroupInput) -> Option<(Group, Effects)> {
    let (mut next, mut out) = (group.clone(), Effects::default());
    if next.step(Moment(now), Principal::anonymous(), input, &mut out).is_err() {
        assert!(next == *group && out.notes.is_empty(), "a refusal changes nothing");
        return None;
    }
    Some((next, out))
}

fn woken(group: &Group) -> Option<(Group, i64, Effects)> {
    let wake = group.next_wake()?;
    let (mut next, mut out) = (group.clone(), Effects::default());
    next.wake(wake, &mut out);
    Some((next, wake.0, out))
}

fn members() -> Vec<GroupMember> {
    MEMBERS.into_iter().map(GroupMember::agent).collect()
}

// ---- barriers ----

/// Two of three pass, again and again, within a second each.
#[derive(Clone)]
struct Passing;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Passage {
    group: Group,
    now: i64,
    /// Who has come and has not been let go, by the model's own count.
    came: BTreeSet<&'static str>,
    /// Whether somebody was let go before two had come.
    early: bool,
    events: u8,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Arrive(&'static str),
    Dies(&'static str),
    Joins(&'static str),
    Reset,
    Wake,
}

impl Model for Passing {
    type State = Passage;
    type Action = Step;

    fn init_states(&self) -> Vec<Passage> {
        let barrier = BarrierSetup { name: BARRIER.into(), parties: 2, within_ms: 1000 };
        let setup = GroupSetup {
            members: members(),
            barriers: vec![barrier],
            lasts_ms: 2500,
            ..GroupSetup::default()
        };
        let (group, came) = (opened(setup), BTreeSet::new());
        vec![Passage { group, now: 0, came, early: false, events: 0 }]
    }

    fn actions(&self, _: &Passage, steps: &mut Vec<Step>) {
        for member in MEMBERS {
            steps.extend([Step::Arrive(member), Step::Dies(member), Step::Joins(member)]);
        }
        steps.extend([Step::Reset, Step::Wake]);
    }

    fn next_state(&self, last: &Passage, step: Step) -> Option<Passage> {
        let (group, now) = (&last.group, last.now);
        let (next, now, out) = match &step {
            Step::Wake => woken(group)?,
            other => {
                let (next, out) = told(group, now, input(other))?;
                (next, now, out)
            }
        };
        let mut state = Passage { group: next, now, events: last.events + 1, ..last.clone() };
        if let Step::Arrive(member) = step {
            state.came.insert(member);
        }
        for note in &out.notes {
            if note.kind == "group.released" {
                state.early |= state.came.len() < 2;
                state.came.clear();
            }
            if note.kind == "group.barrier_reset" {
                state.came.clear();
            }
        }
        Some(state)
    }

    fn within_boundary(&self, state: &Passage) -> bool {
        state.events <= 7
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nobody is let go before all have come", |_, state: &Passage| {
                !state.early
            }),
            Property::always("nobody who is gone is waited with", |_, state: &Passage| {
                let view = state.group.view();
                let barrier = &view.barriers[0];
                barrier.broken.is_some()
                    || barrier.waiting.iter().all(|member| view.members.contains(member))
            }),
            Property::always("who waits will hear of it in time", |_, state: &Passage| {
                let barrier = &state.group.view().barriers[0];
                let waits = barrier.broken.is_none() && barrier.waiting_count > 0;
                let soon =
                    state.group.next_wake().is_some_and(|wake| wake.0 <= state.now + 1_000_000);
                state.group.has_ended() || !waits || soon
            }),
            Property::always("while it is open it waits for a time", |_, state: &Passage| {
                state.group.next_wake().is_some() != state.group.has_ended()
            }),
            Property::sometimes("it lets go twice", |_, state: &Passage| {
                state.group.view().barriers[0].generation == 3
            }),
            Property::sometimes("it is mended", |_, state: &Passage| {
                let barrier = &state.group.view().barriers[0];
                barrier.generation == 2 && state.now == 1_000_000 && barrier.broken.is_none()
            }),
            Property::sometimes("it ends", |_, state: &Passage| state.group.has_ended()),
        ]
    }
}

fn input(step: &Step) -> GroupInput {
    match step {
        Step::Arrive(member) => {
            GroupInput::Arrive { member: (*member).into(), barrier: BARRIER.into() }
        }
        Step::Dies(member) => GroupInput::Died { member: (*member).into(), reason: "gone".into() },
        Step::Joins(member) => GroupInput::Join { member: GroupMember::agent(*member) },
        // Whoever is there.
        Step::Reset => GroupInput::Reset { member: "a".into(), barrier: BARRIER.into() },
        Step::Wake => unreachable!("no input"),
    }
}

// ---- leaders ----

/// Three that lead one after the other, for a second at a time.
#[derive(Clone)]
struct Leading;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Reign {
    group: Group,
    now: i64,
    /// The highest token that anybody was seen to lead with, and who.
    last: (u64, String),
    /// Whether two led with one token, or a token came again.
    doubled: bool,
    /// Whether somebody's word counted who did not lead.
    heeded: bool,
    events: u8,
}

#[derive(Debug, Clone, PartialEq)]
enum Deed {
    Renew(&'static str, u64),
    StepDown(&'static str, u64),
    Dies(&'static str),
    Joins(&'static str),
    Wake,
}

impl Model for Leading {
    type State = Reign;
    type Action = Deed;

    fn init_states(&self) -> Vec<Reign> {
        let setup = GroupSetup {
            members: members(),
            lease_ms: 1000,
            lasts_ms: 3500,
            ..GroupSetup::default()
        };
        let (group, last) = (opened(setup), (1, "a".to_owned()));
        vec![Reign { group, now: 0, last, doubled: false, heeded: false, events: 0 }]
    }

    fn actions(&self, state: &Reign, deeds: &mut Vec<Deed>) {
        for member in MEMBERS {
            for token in 1..=state.last.0 {
                deeds.extend([Deed::Renew(member, token), Deed::StepDown(member, token)]);
            }
            deeds.extend([Deed::Dies(member), Deed::Joins(member)]);
        }
        deeds.push(Deed::Wake);
    }

    fn next_state(&self, last: &Reign, deed: Deed) -> Option<Reign> {
        let (group, now) = (&last.group, last.now);
        let leads = |member: &str, token: u64| {
            let leader = group.view().leader;
            leader.is_some_and(|of| of.holder == member && of.token == token && now < of.until_us)
        };
        let name = |member: &&'static str| (*member).to_owned();
        let (input, heeded) = match &deed {
            Deed::Renew(member, token) => {
                let input = GroupInput::Renew { member: name(member), token: *token };
                (Some(input), !leads(member, *token))
            }
            Deed::StepDown(member, token) => {
                let input = GroupInput::StepDown { member: name(member), token: *token };
                (Some(input), !leads(member, *token))
            }
            Deed::Dies(member) => {
                let reason = "gone".to_owned();
                (Some(GroupInput::Died { member: name(member), reason }), false)
            }
            Deed::Joins(member) => {
                (Some(GroupInput::Join { member: GroupMember::agent(*member) }), false)
            }
            Deed::Wake => (None, false),
        };
        let (group, now) = match input {
            Some(input) => (told(group, now, input)?.0, now),
            None => woken(group).map(|(group, now, _)| (group, now))?,
        };
        let mut state = Reign { group, now, events: last.events + 1, ..last.clone() };
        state.heeded |= heeded;
        if let Some(leader) = state.group.view().leader {
            let seen = (leader.token, leader.holder);
            state.doubled |=
                seen.0 < state.last.0 || (seen.0 == state.last.0 && seen != state.last);
            state.last = seen;
        }
        Some(state)
    }

    fn within_boundary(&self, state: &Reign) -> bool {
        state.events <= 6
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no two leaders with one token", |_, state: &Reign| !state.doubled),
            Property::always("nobody but the leader is heeded", |_, state: &Reign| !state.heeded),
            Property::always("somebody leads while somebody is there", |_, state: &Reign| {
                let view = state.group.view();
                state.group.has_ended() || view.leader.is_some()
            }),
            Property::always("the leader is a member", |_, state: &Reign| {
                let view = state.group.view();
                let is_member = |leader| view.members.contains(&leader);
                state.group.has_ended() || view.leader.is_none_or(|of| is_member(of.holder))
            }),
            Property::always("while it is open it waits for a time", |_, state: &Reign| {
                state.group.next_wake().is_some() != state.group.has_ended()
            }),
            Property::sometimes("all have led", |_, state: &Reign| state.last == (3, "c".into())),
            Property::sometimes("it is deserted", |_, state: &Reign| {
                state.group.has_ended() && state.now == 0
            }),
        ]
    }
}

#[test]
fn barriers_let_nobody_go_early_and_nobody_wait_for_ever() {
    Passing.checker().threads(2).spawn_bfs().join().assert_properties();
}

#[test]
fn one_leads_at_a_time_whoever_dies_or_falls_silent() {
    Leading.checker().threads(2).spawn_bfs().join().assert_properties();
}
