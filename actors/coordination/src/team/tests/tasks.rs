//! Tasks: given, returned, handed off, done once.

use synod_agents::Performative;
use synod_runtime::Principal;

use super::super::*;
use super::stage::{Stage, at, reply, setup, task};
use crate::protocol::{Heard, Protocol, Refusal};

fn offer(from: &str, to: &str, task: &str) -> TeamInput {
    TeamInput::Offer { member: from.into(), to: to.into(), task: task.into(), within_ms: 1000 }
}

fn accept(who: &str, task: &str) -> TeamInput {
    TeamInput::Accept { member: who.into(), task: task.into() }
}

#[test]
fn tasks_go_to_who_can_do_them_in_their_order_and_the_team_is_done() {
    let mut stage = Stage::open(setup(&[
        task("draft", "write", &[]),
        task("check", "test", &["draft"]),
        task("print", "", &["check"]),
    ]))
    .unwrap();
    assert_eq!(stage.task("draft").member.as_deref(), Some("a"));
    assert_eq!(stage.task("check").state, "open");
    let request = stage.asked_of("a").unwrap();
    assert_eq!(request.content.to_text().unwrap(), "do draft");
    stage.answers("a", Performative::Agree, "");
    assert_eq!(stage.task("draft").state, "assigned", "the answer is still to come");
    let work = stage.team.view().work[0].number;
    stage.hears(work, &reply("a", Performative::Inform, "the draft"));
    assert_eq!(stage.task("check").member.as_deref(), Some("b"));
    stage.informs("b", "fine");
    stage.informs("a", "printed");
    let done = TeamOutcome::Done { done: 3, failed: 0 };
    assert_eq!(stage.team.view().outcome, Some(done));
    assert_eq!(stage.kinds.last().map(String::as_str), Some("team.done"));
    assert_eq!(stage.task("draft").result.as_deref(), Some("the draft"));
}

#[test]
fn what_a_member_held_goes_to_another_when_it_dies() {
    let mut stage = Stage::open(setup(&[task("x", "test", &[]), task("y", "test", &[])])).unwrap();
    assert_eq!(stage.task("x").member.as_deref(), Some("b"));
    let of_b = stage.asked_of("b").unwrap().number;
    stage.dies("b");
    assert_eq!(stage.kinds, ["team.member_lost", "team.task_returned"]);
    assert_eq!((stage.task("x").state, stage.task("x").attempts), ("open", 0), "'c' is busy");
    stage.informs("c", "y is done");
    assert_eq!(stage.task("x").member.as_deref(), Some("c"));
    // The dead one was only slow: what it says comes too late.
    stage.hears(of_b, &reply("b", Performative::Inform, "x by b"));
    assert_eq!(stage.task("x").state, "assigned");
    stage.informs("c", "x by c");
    assert_eq!(stage.task("x").result.as_deref(), Some("x by c"));
    assert_eq!(stage.team.view().outcome, Some(TeamOutcome::Done { done: 2, failed: 0 }));
}

#[test]
fn a_task_waits_for_somebody_who_can_do_it() {
    let mut stage = Stage::open(setup(&[task("paint", "paint", &[])])).unwrap();
    assert_eq!(stage.task("paint").state, "open");
    let member = TeamMember::agent("d", &["paint"]);
    stage.says("d", TeamInput::Join { member }).unwrap();
    assert_eq!(stage.kinds, ["team.joined", "team.task_assigned"]);
    let again = TeamInput::Join { member: TeamMember::agent("d", &[]) };
    assert!(matches!(stage.says("d", again), Err(Refusal::Conflict(_))));
}

#[test]
fn a_task_that_fails_is_tried_by_others_and_at_last_fails_with_what_needs_it() {
    let tasks = [task("x", "test", &[]), task("y", "", &["x"]), task("z", "", &["y"])];
    let mut stage = Stage::open(TeamSetup { max_attempts: 2, ..setup(&tasks) }).unwrap();
    stage.answers("b", Performative::Failure, "no tools");
    assert_eq!(stage.task("x").member.as_deref(), Some("c"), "another tries first");
    let number = stage.asked_of("c").unwrap().number;
    stage.hears(number, &Heard::Silent("no answer".into()));
    assert_eq!(stage.task("x").why.as_deref(), Some("silent: no answer"));
    assert_eq!(stage.task("z").why.as_deref(), Some("it needs 'y', which has failed"));
    assert_eq!(stage.team.view().outcome, Some(TeamOutcome::Done { done: 0, failed: 3 }));
}

#[test]
fn work_that_is_late_goes_back_by_itself() {
    let mut stage = Stage::open(setup(&[task("x", "test", &[])])).unwrap();
    stage.wake();
    assert_eq!(stage.now, at(300_000));
    assert_eq!((stage.task("x").member.as_deref(), stage.task("x").attempts), (Some("c"), 1));
}

#[test]
fn a_task_is_handed_off_by_consent_of_both() {
    let mut stage = Stage::open(setup(&[task("x", "test", &[])])).unwrap();
    let former = stage.asked_of("b").unwrap().number;
    let wrong = stage.says("b", offer("b", "a", "x"));
    assert!(matches!(wrong, Err(Refusal::Invalid { .. })), "'a' can't test");
    assert!(stage.says("c", offer("c", "b", "x")).is_err(), "'c' does not hold it");
    let offered = stage.says("b", offer("b", "c", "x"));
    assert_eq!(offered, Ok(TeamAnswer::Offered(1_000_000)));
    assert!(matches!(stage.says("b", offer("b", "c", "x")), Err(Refusal::Conflict(_))));
    assert!(matches!(stage.says("a", accept("a", "x")), Err(Refusal::NotAllowed(_))));
    assert_eq!(stage.task("x").member.as_deref(), Some("b"), "until the other agrees");
    stage.answers("c", Performative::AcceptProposal, "");
    assert_eq!(stage.kinds, ["team.handed_off", "team.task_assigned"]);
    assert_eq!(
        (stage.task("x").member.as_deref(), &*stage.cancelled),
        (Some("c"), &["b".into()][..])
    );
    // The former holder is too late.
    stage.hears(former, &reply("b", Performative::Inform, "x by b"));
    let finish = TeamInput::Finish { member: "b".into(), work: former, result: "x".into() };
    assert!(matches!(stage.says("b", finish), Err(Refusal::Conflict(_))));
    stage.informs("c", "x by c");
    assert_eq!(stage.task("x").result.as_deref(), Some("x by c"));
}

#[test]
fn hand_offs_that_race_leave_the_task_in_one_pair_of_hands() {
    let open = || {
        let mut stage =
            Stage::open(setup(&[task("x", "test", &[]), task("y", "write", &[])])).unwrap();
        stage.says("b", offer("b", "c", "x")).unwrap();
        stage
    };
    // Done before the other agrees.
    let mut stage = open();
    let number = stage
        .team
        .view()
        .work
        .iter()
        .find(|work| work.kind == "task" && work.member == "b")
        .unwrap()
        .number;
    stage.hears(number, &reply("b", Performative::Inform, "x by b"));
    assert!(stage.kinds.contains(&"team.handoff_void".to_owned()));
    assert!(matches!(stage.says("c", accept("c", "x")), Err(Refusal::Conflict(_))));
    // The other declines, or does not answer in time.
    let mut stage = open();
    stage.answers("c", Performative::RejectProposal, "busy");
    assert_eq!(
        (stage.kinds.as_slice(), stage.task("x").member.as_deref()),
        (&["team.handoff_declined".to_owned()][..], Some("b"))
    );
    let mut stage = open();
    stage.wake();
    assert_eq!((stage.now, stage.task("x").offered_to), (at(1000), None));
    assert!(stage.says("c", accept("c", "x")).is_err());
    // The time is over, and nobody has said so yet.
    let mut stage = open();
    stage.now = at(1000);
    assert!(matches!(stage.says("c", accept("c", "x")), Err(Refusal::TooLate(_))));
    // The other dies; whoever offered dies.
    let mut stage = open();
    stage.dies("c");
    assert_eq!((stage.task("x").member.as_deref(), stage.task("x").offered_to), (Some("b"), None));
    let mut stage = open();
    stage.dies("b");
    assert_eq!(stage.task("x").offered_to, None);
    assert_ne!(stage.task("x").member.as_deref(), Some("b"));
    assert!(stage.says("c", accept("c", "x")).is_err());
}

#[test]
fn people_take_tasks_and_give_them_back() {
    let person = |name: &str| TeamMember { name: name.into(), ..TeamMember::default() };
    let setup = TeamSetup {
        members: vec![person("ann"), person("Bob Smith")],
        tasks: vec![TaskSetup::new("x", "do x")],
        assigns: false,
        ..TeamSetup::default()
    };
    let mut stage = Stage::open(setup).unwrap();
    let (ann, bob) = (Principal::user("ann"), Principal::user("Bob Smith"));
    let take = |who: &str| TeamInput::Take { member: who.into(), task: "x".into() };
    let Ok(TeamAnswer::Holds(work)) = stage.told(&ann, take("ann")) else { panic!("not taken") };
    assert!(matches!(stage.told(&bob, take("Bob Smith")), Err(Refusal::Conflict(_))));
    assert!(matches!(stage.told(&bob, take("ann")), Err(Refusal::NotAllowed(_))));
    let finish =
        |who: &str, work| TeamInput::Finish { member: who.into(), work, result: "ok".into() };
    assert!(matches!(stage.told(&bob, finish("Bob Smith", work)), Err(Refusal::Conflict(_))));
    let back = TeamInput::GiveBack { member: "ann".into(), task: "x".into() };
    stage.told(&ann, back).unwrap();
    assert!(matches!(stage.told(&ann, finish("ann", work)), Err(Refusal::Conflict(_))));
    let Ok(TeamAnswer::Holds(work)) = stage.told(&bob, take("Bob Smith")) else {
        panic!("not taken")
    };
    stage.told(&bob, finish("Bob Smith", work)).unwrap();
    assert!(stage.team.has_ended());
    assert!(matches!(stage.told(&ann, take("ann")), Err(Refusal::TooLate(_))));
}

#[test]
fn setups_out_of_bounds_are_refused_by_their_field() {
    let field = |change: fn(&mut TeamSetup)| {
        let mut setup = setup(&[task("x", "", &[]), task("y", "", &["x"])]);
        change(&mut setup);
        match Stage::open(setup).map(|stage| stage.team) {
            Err(Refusal::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(field(|setup| setup.members.clear()), "members");
    assert_eq!(field(|setup| setup.members[0].name = "No Agent".into()), "members[0].name");
    assert_eq!(field(|setup| setup.tasks[1].after = vec!["z".into()]), "tasks[1].after");
    assert_eq!(field(|setup| setup.tasks[0].after = vec!["y".into()]), "tasks");
    assert_eq!(field(|setup| setup.tasks[1].id = "x".into()), "tasks[1]");
    assert_eq!(field(|setup| setup.capacity = 0), "capacity");
    assert_eq!(field(|setup| setup.lasts_ms = u64::MAX), "lasts_ms");
    let large = |setup: &mut TeamSetup| setup.tasks[0].content = "x".repeat((1 << 20) + 1);
    assert_eq!(field(large), "tasks[0].content");
    let many = |setup: &mut TeamSetup| {
        setup.members = (0..100_001).map(|at| TeamMember::agent(format!("m{at}"), &[])).collect();
    };
    assert_eq!(field(many), "members");
}

#[test]
fn a_team_of_a_hundred_thousand_opens_and_works() {
    let members = (0..100_000).map(|at| TeamMember::agent(format!("m{at}"), &["any"])).collect();
    let tasks = (0..1_000).map(|at| task(&format!("t{at}"), "any", &[])).collect();
    let setup = TeamSetup { members, tasks, ..TeamSetup::default() };
    let stage = Stage::open(setup).unwrap();
    assert_eq!(stage.asked.len(), 1_000);
    assert_eq!(stage.team.view().members.len(), 1_000);
}

#[test]
fn inputs_read_as_users_write_them() {
    let text = r#"{"run": {"run": {"id": "r", "mode": "consensus", "contents": ["2+2?"]}}}"#;
    let input: TeamInput = serde_json::from_str(text).unwrap();
    assert!(matches!(input, TeamInput::Run { run } if run.within_ms == 300_000));
    let text = r#"{"members": [{"name": "ann"}], "goal": "ship"}"#;
    assert!(serde_json::from_str::<TeamSetup>(text).unwrap().assigns);
    assert!(serde_json::from_str::<TeamSetup>(r#"{"member": []}"#).is_err());
}
