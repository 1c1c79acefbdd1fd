//! Voters that are agents: asked, heard, silent, late.

use synod_agents::{AgentId, Envelope, Payload, Performative, Recipient};

use super::*;
use crate::protocol::{Dispatch, Heard};

pub(super) fn reply(performative: Performative, content: &str) -> Heard {
    Heard::Reply(Envelope {
        id: Uuid::nil(),
        sender: "agent".into(),
        recipient: Recipient::Everyone,
        performative,
        protocol: "ballot".into(),
        conversation: None,
        reply_with: None,
        in_reply_to: None,
        reply_by_us: None,
        sent_at_us: 0,
        trace: String::new(),
        content: Payload::new("application/json", content.to_owned()),
    })
}

impl World {
    /// What this agent was asked last.
    pub(super) fn asked(&self, agent: &str) -> Dispatch {
        let to = AgentId::new(agent).unwrap();
        let is_it = |dispatch: &&Dispatch| {
            dispatch.to == to && dispatch.performative == Performative::QueryRef
        };
        self.out.dispatches.iter().rfind(is_it).unwrap().clone()
    }

    /// An agent answers what it was asked last.
    pub(super) fn answer(&mut self, agent: &str, content: &str) {
        let about = self.asked(agent).number;
        let heard = reply(Performative::Inform, content);
        self.ballot.heard(self.now, about, &heard, &mut self.out);
    }
}

fn proposal(voters: &str) -> Proposal {
    Proposal::new("which colour?", &["red", "green", "blue"], agents(voters))
}

#[test]
fn agents_are_asked_their_answers_counted_and_all_are_told() {
    let mut world = World::open(proposal("a b c"));
    let asked: serde_json::Value = world.asked("a").content.to_json().unwrap();
    assert_eq!(asked["question"], "which colour?");
    assert_eq!(asked["options"], serde_json::json!(["red", "green", "blue"]));
    assert_eq!(asked["answer_with"], "choice");
    assert_eq!(asked["round"], 1);
    world.answer("a", r#"{"choice": "red", "reason": "warm"}"#);
    world.answer("b", r#"{"choice": "green"}"#);
    world.answer("c", r#"{"choice": "red", "mood": "extra fields are no matter"}"#);
    assert_eq!(world.chosen(), "red");
    let told = world.out.dispatches.iter().filter(|d| d.performative == Performative::Inform);
    let told: Vec<&Dispatch> = told.collect();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|dispatch| dispatch.reply_within.is_none()));
    let content: serde_json::Value = told[0].content.to_json().unwrap();
    assert_eq!(content["outcome"]["chosen"]["option"], "red");
    let mut numbers: Vec<u64> = world.out.dispatches.iter().map(|d| d.number).collect();
    numbers.dedup();
    assert_eq!(numbers, [1, 2, 3, 5, 6, 7], "each dispatch has a number of its own");
}

#[test]
fn agents_answer_in_every_form() {
    let cases = [
        (Method::Approval, r#"{"approve": ["red"]}"#),
        (Method::Score { max: 10.0 }, r#"{"scores": {"red": 7.5, "blue": 1}}"#),
        (Method::Schulze, r#"{"ranking": ["red", ["blue", "green"]]}"#),
    ];
    for (method, content) in cases {
        let mut world = World::open(Proposal { method, ..proposal("a") });
        world.answer("a", content);
        assert_eq!(world.chosen(), "red", "{method:?}");
    }
}

#[test]
fn a_failed_or_silent_agent_abstains_and_took_no_part() {
    let cases = [
        Heard::Silent("it is gone".into()),
        reply(Performative::NotUnderstood, "{}"),
        reply(Performative::Refuse, "{}"),
        reply(Performative::Inform, "{"),
        reply(Performative::Inform, r#"{"choice": "pink"}"#),
        reply(Performative::Inform, r#"{"ranking": ["red"]}"#),
        reply(Performative::Inform, r#"{"choice": "red", "ranking": ["red"]}"#),
        reply(Performative::Inform, r#"{"choice": "red", "abstain": true}"#),
        reply(Performative::Inform, r#"{}"#),
    ];
    for heard in cases {
        let mut world = World::open(proposal("a b c"));
        let about = world.asked("a").number;
        world.ballot.heard(world.now, about, &heard, &mut world.out);
        let note = world.out.notes.last().unwrap();
        assert_eq!((note.kind.as_str(), note.who.as_str()), ("ballot.silent", "a"), "{heard:?}");
        assert!(!note.why.is_empty());
        world.answer("b", r#"{"choice": "green"}"#);
        world.answer("c", r#"{"choice": "green"}"#);
        assert_eq!(world.chosen(), "green");
        assert_eq!(world.ballot.view().took_part, 2);
    }
}

#[test]
fn an_abstaining_agent_took_part() {
    let mut world = World::open(proposal("a b"));
    world.answer("a", r#"{"abstain": true, "reason": "no view"}"#);
    world.answer("b", r#"{"choice": "red"}"#);
    assert_eq!(world.ballot.view().took_part, 2);
    assert_eq!(world.chosen(), "red");
}

#[test]
fn late_and_duplicate_answers_change_nothing() {
    let mut world = World::open(Proposal { revote: true, ..proposal("a b c") });
    let about = world.asked("a").number;
    world.answer("a", r#"{"choice": "red"}"#);
    // It is heard twice, and answers in its own name later: a copy of the first must not undo that.
    world.vote("a", choice("blue")).unwrap();
    let before = world.ballot.clone();
    let copy = reply(Performative::Inform, r#"{"choice": "red"}"#);
    for number in [about, 0, 4, 1_000, u64::MAX] {
        world.ballot.heard(world.now, number, &copy, &mut world.out);
        assert_eq!(world.ballot, before);
    }
    world.now = world.ballot.next_wake().unwrap();
    let late = world.asked("b").number;
    world.ballot.heard(world.now, late, &copy, &mut world.out);
    assert_eq!(world.ballot, before, "an answer at the deadline is late");
    world.pass();
    let ended = world.ballot.clone();
    world.ballot.heard(world.now, late, &copy, &mut world.out);
    world.ballot.wake(Moment(i64::MAX), &mut world.out);
    assert_eq!(world.ballot, ended);
}

#[test]
fn after_a_restart_those_are_asked_again_who_have_not_answered_by_the_same_number() {
    let mut world = World::open(proposal("a b c"));
    world.answer("b", r#"{"choice": "red"}"#);
    let mut again = Effects::default();
    world.ballot.resume(&mut again);
    let asked: Vec<(u64, &str)> =
        again.dispatches.iter().map(|d| (d.number, d.to.as_str())).collect();
    assert_eq!(asked, [(1, "a"), (3, "c")]);
    assert_eq!(again.dispatches[0], world.asked("a"));
    assert!(again.notes.is_empty());
}

#[test]
fn a_chair_that_is_an_agent_is_asked_to_decide() {
    let tie = TieBreak::Chair { name: "a".into() };
    let mut world = World::open(Proposal { tie, ..proposal("a b c") });
    world.answer("a", r#"{"abstain": true}"#);
    world.answer("b", r#"{"choice": "red"}"#);
    world.answer("c", r#"{"choice": "green"}"#);
    let asked: serde_json::Value = world.asked("a").content.to_json().unwrap();
    assert_eq!(asked["tied"], true);
    assert_eq!(asked["options"], serde_json::json!(["red", "green"]));
    world.answer("a", r#"{"choice": "blue"}"#);
    assert_eq!(world.ballot.outcome(), None, "blue is not tied");
    world.answer("a", r#"{"choice": "green"}"#);
    let by = ChosenBy::Chair("a".into());
    assert_eq!(*world.outcome(), BallotOutcome::Chosen { option: "green".into(), by });
}

#[test]
fn an_agent_that_may_veto_is_told_so_and_vetoes_by_its_answer() {
    let veto = |effect| Some(VetoRule { holders: vec!["c".into()], effect });
    let mut world = World::open(Proposal { veto: veto(VetoEffect::End), ..proposal("a b c") });
    let may_veto = |world: &World, agent: &str| {
        let asked: serde_json::Value = world.asked(agent).content.to_json().unwrap();
        asked["may_veto"].clone()
    };
    assert_eq!((may_veto(&world, "a"), may_veto(&world, "c")), (false.into(), true.into()));
    world.answer("a", r#"{"veto": "", "reason": "no"}"#);
    assert_eq!(world.out.notes.last().unwrap().kind, "ballot.silent");
    world.answer("c", r#"{"veto": "", "reason": "no"}"#);
    let (by, reason) = ("c".to_owned(), "no".to_owned());
    assert_eq!(*world.outcome(), BallotOutcome::Vetoed { by, reason });

    let mut world = World::open(Proposal { veto: veto(VetoEffect::Strike), ..proposal("a b c") });
    world.answer("a", r#"{"choice": "red"}"#);
    world.answer("c", r#"{"veto": "red", "choice": "blue"}"#);
    world.answer("b", r#"{"choice": "blue"}"#);
    assert_eq!(world.chosen(), "blue");
}
