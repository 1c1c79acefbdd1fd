//! Everything at random: whatever happens in whatever order, the promises hold and all ends.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use synod_agents::Performative;
use synod_testkit::Seed;

use super::super::*;
use super::stage::{Stage, at, reply, task};
use crate::protocol::{Heard, Moment, Protocol};

const MEMBERS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn any<'a, T>(rng: &mut ChaCha12Rng, of: &'a [T]) -> &'a T {
    &of[rng.random_range(0..of.len())]
}

fn setup(rng: &mut ChaCha12Rng) -> TeamSetup {
    let members = MEMBERS.iter().map(|name| {
        let roles: &[&str] = if *name < "c" { &["write"] } else { &["write", "test"] };
        TeamMember::agent(*name, roles)
    });
    let tasks: Vec<_> = (0..8)
        .map(|at| {
            let role = *any(rng, &["", "write", "test"]);
            let before = rng.random_range(0..8usize);
            let after = format!("t{before}");
            let after: &[&str] = if before < at { &[after.as_str()] } else { &[] };
            task(&format!("t{at}"), role, after)
        })
        .collect();
    TeamSetup {
        members: members.collect(),
        tasks,
        assigns: rng.random_range(0..3) > 0,
        capacity: rng.random_range(1..3),
        answer_within_ms: 2_000,
        ends_when_done: rng.random_range(0..2) > 0,
        lasts_ms: 60_000,
        ..TeamSetup::default()
    }
}

fn input(rng: &mut ChaCha12Rng, stage: &Stage, runs: &mut u32) -> TeamInput {
    let member = (*any(rng, &MEMBERS)).to_owned();
    let (to, task) = ((*any(rng, &MEMBERS)).to_owned(), format!("t{}", rng.random_range(0..9)));
    let works = stage.team.view().work;
    let held = works.get(rng.random_range(0..works.len().max(1)));
    let (holder, work) = held.map_or((member.clone(), 7), |of| (of.member.clone(), of.number));
    let tasks = stage.team.view().tasks;
    let assigned: Vec<_> = tasks.iter().filter(|task| task.state == "assigned").collect();
    let offered: Vec<_> = tasks.iter().filter(|task| task.offered_to.is_some()).collect();
    match rng.random_range(0..24) {
        12..15 if !assigned.is_empty() => {
            let of = any(rng, &assigned);
            let (member, task) = (of.member.clone().unwrap(), of.id.clone());
            TeamInput::Offer { member, to, task, within_ms: 500 }
        }
        15..18 if !offered.is_empty() => {
            let of = any(rng, &offered);
            TeamInput::Accept { member: of.offered_to.clone().unwrap(), task: of.id.clone() }
        }
        0 => TeamInput::Leave { member },
        1 => TeamInput::Died { member, reason: "gone".into() },
        2..5 => TeamInput::Join { member: TeamMember::agent(member, &["write", "test"]) },
        5..7 => TeamInput::Take { member, task },
        7 => TeamInput::GiveBack { member: holder, task },
        8..11 => TeamInput::Finish { member: holder, work, result: "done".into() },
        11 => TeamInput::Fail { member: holder, work, reason: "broken".into() },
        12..15 => TeamInput::Offer { member: holder, to, task, within_ms: 500 },
        15..18 => TeamInput::Accept { member: to, task },
        18 => TeamInput::Decline { member: to, task, reason: "busy".into() },
        19 => TeamInput::Stop { run: format!("r{}", rng.random_range(0..=*runs)) },
        _ => {
            *runs += 1;
            let modes =
                [RunMode::Sequential, RunMode::Parallel, RunMode::Consensus, RunMode::Competitive];
            let mode = *any(rng, &modes);
            let contents = vec!["go".to_owned()];
            TeamInput::Run {
                run: RunSetup {
                    id: format!("r{runs}"),
                    mode,
                    contents,
                    within_ms: 3_000,
                    ..RunSetup::default()
                },
            }
        }
    }
}

/// What must hold after every step.
fn check(stage: &Stage, done: &mut BTreeMap<String, String>) {
    let view = stage.team.view();
    let mut holders = BTreeMap::new();
    for work in view.work.iter().filter(|work| work.kind == "task") {
        assert_eq!(holders.insert(&work.of, &work.member), None, "one holds a task");
    }
    for task in &view.tasks {
        let holder = holders.get(&task.id).map(|holder| holder.as_str());
        let assigned = task.member.as_deref().filter(|_| task.state == "assigned");
        assert_eq!(holder, assigned, "{task:?}");
        if task.state == "done" {
            let by = task.member.clone().unwrap();
            assert_eq!(*done.entry(task.id.clone()).or_insert_with(|| by.clone()), by, "done once");
        } else {
            assert!(!done.contains_key(&task.id), "what is done stays done");
        }
    }
    let offers = view.work.iter().filter(|work| work.kind == "offer").count();
    assert_eq!(offers, view.tasks.iter().filter(|task| task.offered_to.is_some()).count());
    for work in &view.work {
        assert!(view.members.iter().any(|member| member.name == work.member));
        assert!(work.until_us <= view.until_us.max(stage.now.0 + 3_000_000));
    }
    let held: u32 = view.members.iter().map(|member| member.holds).sum();
    assert_eq!(held as usize, view.work.len() - offers);
}

#[test]
fn whatever_happens_a_task_is_done_once_and_everything_ends() {
    let seed = Seed::from_env();
    let (mut finished, mut handed_off) = (0, 0);
    for round in 0..60 {
        let mut rng = seed.round(round).rng();
        let setup = setup(&mut rng);
        let mut stage = Stage::open(setup).unwrap();
        let (mut done, mut runs) = (BTreeMap::new(), 0);
        for _ in 0..120 {
            if stage.team.has_ended() {
                break;
            }
            match rng.random_range(0..10) {
                0..6 => {
                    let input = input(&mut rng, &stage, &mut runs);
                    drop(stage.told(synod_runtime::Principal::anonymous(), input));
                }
                6..9 if !stage.asked.is_empty() => {
                    // Now and then an answer that came before comes again.
                    let at = rng.random_range(0..stage.asked.len());
                    let (number, who) = (stage.asked[at].number, stage.asked[at].to.to_string());
                    let act = *any(
                        &mut rng,
                        &[
                            Performative::Inform,
                            Performative::Inform,
                            Performative::Failure,
                            Performative::AcceptProposal,
                            Performative::RejectProposal,
                        ],
                    );
                    let heard = reply(&who, act, "4");
                    let silent = rng.random_range(0..8) == 0;
                    let heard = if silent { Heard::Silent("slow".into()) } else { heard };
                    stage.hears(number, &heard);
                }
                _ => {
                    let wake = stage.team.next_wake().unwrap();
                    let soon = Moment(stage.now.0 + 100_000);
                    if wake <= soon { stage.wake() } else { stage.now = soon }
                }
            }
            handed_off += stage.kinds.iter().filter(|kind| *kind == "team.handed_off").count();
            check(&stage, &mut done);
        }
        for _ in 0..1_000 {
            if stage.team.has_ended() {
                break;
            }
            stage.wake();
            check(&stage, &mut done);
        }
        assert!(stage.team.has_ended() && stage.now <= at(60_000));
        let view = stage.team.view();
        assert!(view.work.is_empty() && view.runs.iter().all(|run| run.state != "running"));
        finished += view.done;
        stage.replays();
    }
    assert!(finished > 50 && handed_off > 10, "{finished} finished, {handed_off} handed off");
}
