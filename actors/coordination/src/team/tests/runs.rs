//! The five modes.

use synod_agents::Performative;

use super::super::*;
use super::stage::{Stage, at, setup};
use crate::protocol::{Protocol, Refusal};

fn run(mode: RunMode, contents: &[&str]) -> RunSetup {
    let contents = contents.iter().map(|content| (*content).to_owned()).collect();
    RunSetup { id: "r".into(), mode, contents, ..RunSetup::default() }
}

fn start(setup: RunSetup) -> Stage {
    let mut stage = Stage::open(super::stage::setup(&[])).unwrap();
    stage.says("a", TeamInput::Run { run: setup }).unwrap();
    stage
}

fn asked(stage: &Stage) -> Vec<(String, String)> {
    let of = |dispatch: &crate::protocol::Dispatch| {
        (dispatch.to.to_string(), dispatch.content.to_text().unwrap())
    };
    stage.asked.iter().map(of).collect()
}

fn pair(who: &str, what: &str) -> (String, String) {
    (who.to_owned(), what.to_owned())
}

#[test]
fn a_sequence_goes_from_member_to_member_in_order() {
    let mut stage = start(run(RunMode::Sequential, &["1", "2", "3", "4"]));
    for (at, who) in ["a", "b", "c", "a"].into_iter().enumerate() {
        assert_eq!(asked(&stage), [pair(who, &(at + 1).to_string())], "one at a time");
        stage.informs(who, &format!("{who}{at}"));
    }
    let view = stage.run("r");
    assert_eq!(
        (view.state, view.results),
        ("done", vec!["a0".into(), "b1".into(), "c2".into(), "a3".into()])
    );
}

#[test]
fn a_failure_in_a_sequence_is_tried_by_the_others_and_then_fails_the_run() {
    let mut stage = start(run(RunMode::Sequential, &["1", "2"]));
    stage.answers("a", Performative::Failure, "can't");
    stage.informs("b", "one");
    assert_eq!(asked(&stage), [pair("a", "2")]);
    for who in ["a", "b", "c"] {
        stage.answers(who, Performative::Refuse, "no");
    }
    let why = stage.run("r").why.unwrap();
    assert_eq!(why, "'c': refuse: no; 3 have tried piece 1");
    assert!(stage.kinds.contains(&"team.run_failed".to_owned()));
}

#[test]
fn parallel_pieces_are_shared_out_at_once_and_come_back_in_order() {
    let mut stage = start(run(RunMode::Parallel, &["1", "2", "3", "4"]));
    let all = [pair("a", "1"), pair("b", "2"), pair("c", "3"), pair("a", "4")];
    assert_eq!(asked(&stage), all);
    stage.informs("a", "four");
    stage.informs("c", "three");
    stage.dies("b");
    // What it held goes to one that has less to do.
    assert_eq!(asked(&stage).last(), Some(&pair("c", "2")));
    stage.informs("c", "two");
    stage.informs("a", "one");
    let view = stage.run("r");
    assert_eq!(view.results, ["one", "two", "three", "four"]);
    assert!(stage.cancelled.is_empty());
}

#[test]
fn a_pipeline_hands_each_result_to_the_next_stage() {
    let stages = vec!["write".to_owned(), "test".to_owned(), String::new()];
    let mut stage = start(RunSetup { stages, ..run(RunMode::Pipeline, &["raw"]) });
    assert_eq!(asked(&stage), [pair("a", "raw")]);
    stage.informs("a", "drafted");
    assert_eq!(asked(&stage), [pair("b", "drafted")]);
    stage.dies("b");
    assert_eq!(
        asked(&stage).last(),
        Some(&pair("c", "drafted")),
        "the stage, not the run, begins anew"
    );
    stage.informs("c", "tested");
    stage.informs("a", "shipped");
    assert_eq!(stage.run("r").results, ["shipped"]);
}

#[test]
fn a_consensus_is_what_more_than_half_answer_alike() {
    let mut stage = start(run(RunMode::Consensus, &["2+2?"]));
    assert_eq!(stage.asked.len(), 3);
    stage.informs("a", " {\"sum\": 4} ");
    assert_eq!(stage.run("r").state, "running");
    stage.informs("c", "{\"sum\":4}");
    let view = stage.run("r");
    assert_eq!(
        (view.state, view.why.as_deref()),
        ("done", Some("2 of 3 answered alike, 2 needed"))
    );
    assert_eq!(stage.cancelled, ["b"], "its answer changes nothing any more");

    let mut stage = start(run(RunMode::Consensus, &["2+2?"]));
    stage.informs("a", "4");
    stage.informs("b", "5");
    assert_eq!(stage.run("r").state, "running");
    stage.dies("c");
    assert_eq!(
        stage.run("r").why.as_deref(),
        Some("no consensus: at most 1 answer alike, 2 needed")
    );
}

#[test]
fn in_a_competition_the_first_wins_and_the_others_stop() {
    let mut stage = start(run(RunMode::Competitive, &["go"]));
    stage.answers("a", Performative::Failure, "stuck");
    stage.informs("c", "done by c");
    let view = stage.run("r");
    assert_eq!(
        (view.results.as_slice(), stage.cancelled.as_slice()),
        (&["done by c".to_owned()][..], &["b".to_owned()][..])
    );
    let mut stage = start(run(RunMode::Competitive, &["go"]));
    for who in ["a", "b", "c"] {
        stage.answers(who, Performative::Failure, "stuck");
    }
    assert_eq!(stage.run("r").why.as_deref(), Some("all failed; the last, 'c': failure: stuck"));
}

#[test]
fn a_run_ends_by_its_deadline_and_when_it_is_stopped() {
    for mode in [RunMode::Sequential, RunMode::Parallel, RunMode::Consensus, RunMode::Competitive] {
        let mut stage = start(RunSetup { within_ms: 50, ..run(mode, &["go"]) });
        let held = stage.team.view().work.len();
        stage.wake();
        let view = stage.run("r");
        assert_eq!(
            (stage.now, view.state, view.why.as_deref()),
            (at(50), "failed", Some("its time is over"))
        );
        assert_eq!((stage.team.view().work.len(), stage.cancelled.len()), (0, held), "{mode:?}");
    }
    let mut stage = start(run(RunMode::Competitive, &["go"]));
    stage.says("b", TeamInput::Stop { run: "r".into() }).unwrap();
    assert_eq!(stage.cancelled.len(), 3);
    let again = stage.says("b", TeamInput::Stop { run: "r".into() });
    assert!(matches!(again, Err(Refusal::TooLate(_))));
}

#[test]
fn runs_that_make_no_sense_are_refused() {
    let mut stage = Stage::open(setup(&[])).unwrap();
    let mut refused = |run: RunSetup| match stage.says("a", TeamInput::Run { run }) {
        Err(Refusal::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(run(RunMode::Parallel, &[])), "run.contents");
    assert_eq!(refused(run(RunMode::Consensus, &["a", "b"])), "run.contents");
    assert_eq!(refused(run(RunMode::Pipeline, &["a"])), "run.stages");
    let role = RunSetup { role: "fly".into(), ..run(RunMode::Parallel, &["a"]) };
    assert_eq!(refused(role), "run.role");
    assert_eq!(refused(RunSetup { needed: 4, ..run(RunMode::Consensus, &["a"]) }), "run.needed");
    assert_eq!(refused(RunSetup { id: String::new(), ..run(RunMode::Parallel, &["a"]) }), "run.id");
    let stranger = stage.says("x", TeamInput::Run { run: run(RunMode::Parallel, &["a"]) });
    assert!(matches!(stranger, Err(Refusal::NotAllowed(_))));
}
