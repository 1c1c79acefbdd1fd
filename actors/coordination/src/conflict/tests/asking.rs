//! Strategies that ask: arbiters, a vote, a person.

use synod_agents::{Envelope, Payload, Performative, Recipient};
use synod_journal::RecordCodec;

use super::super::HumanFallback;
use super::*;

fn two() -> Vec<Party> {
    let claim = |name: &str| Party { claim: name.to_uppercase(), ..Party::named(name) };
    vec![claim("a"), claim("b")]
}

fn vote(arbiters: &[&str]) -> Strategy {
    let arbiters = arbiters.iter().map(|it| (*it).to_owned()).collect();
    Strategy::Vote { arbiters, quorum: 0, within_ms: 100 }
}

fn human(fallback: HumanFallback) -> Strategy {
    Strategy::Human { users: vec!["olga".into()], within_ms: 100, fallback }
}

fn reply(performative: Performative, content: &serde_json::Value) -> Heard {
    Heard::Reply(Envelope {
        id: Uuid::nil(),
        sender: "j1".into(),
        recipient: Recipient::Everyone,
        performative,
        protocol: String::new(),
        conversation: None,
        reply_with: None,
        in_reply_to: None,
        reply_by_us: None,
        sent_at_us: 0,
        trace: String::new(),
        content: Payload::json(content).unwrap(),
    })
}

#[test]
fn arbiters_that_are_agents_are_asked_and_their_majority_decides_early() {
    let mut world = World::of(two(), vec![vote(&["j1", "j2", "j3"])]);
    assert_eq!(world.sent.len(), 3);
    let asked: serde_json::Value = world.sent[0].content.to_json().unwrap();
    assert_eq!(asked["parties"][1]["claim"], "B");
    let chosen = serde_json::json!({ "choice": "b", "reason": "better" });
    world.hear(1, &reply(Performative::Inform, &chosen));
    world.hear(1, &reply(Performative::Inform, &chosen));
    assert!(world.outcome().is_none(), "a second answer does not count");
    world.hear(3, &reply(Performative::Inform, &chosen));
    let resolution = world.resolution();
    assert_eq!((resolution.winner.as_deref(), resolution.value.as_deref()), (Some("b"), Some("B")));
    assert!(resolution.why.contains("2 of 2"), "{}", resolution.why);
    assert!(world.tell(judge("j2", Some("a"))).is_err(), "too late");
}

#[test]
fn silence_nonsense_and_other_answers_are_abstentions_and_a_tie_is_passed_on() {
    let mut world = World::of(two(), vec![vote(&["j1", "j2", "j3", "j4", "j5"])]);
    world.hear(1, &Heard::Silent("gone".into()));
    world.hear(2, &reply(Performative::NotUnderstood, &serde_json::json!({})));
    world.hear(3, &reply(Performative::Inform, &serde_json::json!({ "choice": "nobody" })));
    world.hear(9, &Heard::Silent("nobody was asked that".into()));
    world.tell(judge("j4", Some("a"))).unwrap();
    world.tell(judge("j5", Some("b"))).unwrap();
    let Some(ConflictOutcome::Unresolved { reason }) = world.outcome() else { panic!() };
    assert!(reason.contains("2 of 5 arbiters chose"), "{reason}");
}

#[test]
fn who_has_not_judged_by_the_deadline_is_not_waited_for() {
    let mut world = World::of(two(), vec![vote(&["j1", "j2", "j3"]), Strategy::LastWriter]);
    world.tell(judge("j1", Some("a"))).unwrap();
    world.pass(99);
    assert!(world.outcome().is_none());
    world.pass(1);
    let Some(ConflictOutcome::Unresolved { reason }) = world.outcome() else { panic!() };
    assert!(reason.contains("1 of 3 arbiters chose"), "no quorum: {reason}");
}

#[test]
fn only_arbiters_judge_and_each_once_for_a_party() {
    let mut world = World::of(two(), vec![vote(&["j1", "j2", "j3"])]);
    assert!(matches!(world.tell(judge("x", Some("a"))), Err(Refusal::NotAllowed(_))));
    assert!(matches!(world.tell(judge("j1", Some("x"))), Err(Refusal::Invalid { .. })));
    let forged = world.step(&Principal::agent("j2"), judge("j1", Some("a")));
    assert!(matches!(forged, Err(Refusal::NotAllowed(_))));
    world.tell(judge("j1", Some("a"))).unwrap();
    assert!(matches!(world.tell(judge("j1", Some("b"))), Err(Refusal::Conflict(_))));
}

#[test]
fn an_arbiter_decides_or_the_next_strategy_does() {
    let arbiter = || Strategy::Arbiter { name: "judge".into(), within_ms: 100 };
    let mut world = World::of(two(), vec![arbiter()]);
    world.tell(judge("judge", Some("a"))).unwrap();
    assert_eq!(world.resolution().strategy, "arbiter");
    let mut world = World::of(two(), vec![arbiter(), human(HumanFallback::Next)]);
    world.hear(1, &Heard::Silent("gone".into()));
    assert_eq!(world.conflict.view().waits_for.as_deref(), Some("human"));
}

#[test]
fn a_ballot_stands_for_the_arbiters_votes() {
    let ballot = |choice: Option<&str>| ConflictInput::Ballot {
        ballot: "b1".into(),
        choice: choice.map(str::to_owned),
    };
    let mut world = World::of(two(), vec![vote(&["j1"])]);
    world.tell(ballot(Some("b"))).unwrap();
    assert_eq!(world.resolution().winner.as_deref(), Some("b"));
    let mut world = World::of(two(), vec![vote(&["j1"]), human(HumanFallback::Next)]);
    world.tell(ballot(None)).unwrap();
    assert!(matches!(world.tell(ballot(None)), Err(Refusal::Conflict(_))));
}

#[test]
fn a_person_decides_and_else_the_fallback_holds() {
    let decide = |user: &str, choice: Option<&str>| ConflictInput::Decide {
        user: user.into(),
        choice: choice.map(str::to_owned),
        value: choice.is_none().then(|| "C".to_owned()),
        reason: "so".into(),
    };
    let mut world = World::of(two(), vec![human(HumanFallback::Next)]);
    assert!(world.sent.is_empty(), "people are not agents");
    assert!(world.notes.iter().any(|note| note.kind == "conflict.escalated"));
    assert!(matches!(world.tell(decide("paul", Some("a"))), Err(Refusal::NotAllowed(_))));
    let agent = world.step(&Principal::agent("olga"), decide("olga", Some("a")));
    assert!(matches!(agent, Err(Refusal::NotAllowed(_))));
    world.step(&Principal::user("olga"), decide("olga", None)).unwrap();
    let resolution = world.resolution();
    assert_eq!((resolution.winner, resolution.value.as_deref()), (None, Some("C")));

    let mut world = World::of(two(), vec![human(HumanFallback::Party("b".into()))]);
    world.pass(100);
    assert_eq!(world.resolution().winner.as_deref(), Some("b"));
    let mut world = World::of(two(), vec![human(HumanFallback::Unresolved), Strategy::Priority]);
    world.now_ms = 100; // Nobody has woken it yet.
    assert!(matches!(world.tell(decide("olga", Some("a"))), Err(Refusal::TooLate(_))));
    world.pass(0);
    assert!(matches!(world.outcome(), Some(ConflictOutcome::Unresolved { .. })));
}

#[test]
fn who_is_left_when_the_others_give_up_has_it() {
    let give_up =
        |party: &str| ConflictInput::Withdraw { party: party.into(), reason: "enough".into() };
    let mut parties = two();
    parties.push(Party::named("c"));
    let mut world = World::of(parties, vec![vote(&["j1", "j2", "j3"])]);
    world.tell(judge("j1", Some("c"))).unwrap();
    world.tell(give_up("c")).unwrap();
    assert!(world.tell(give_up("c")).is_err());
    assert_eq!(world.conflict.view().judged["j1"], None);
    world.tell(give_up("a")).unwrap();
    assert_eq!(world.resolution().strategy, "withdrawal");
    assert_eq!(world.fates(), [Fate::Withdrawn, Fate::Wins, Fate::Withdrawn]);
}

#[test]
fn whoever_opened_it_may_take_it_back() {
    let cancel = || ConflictInput::Cancel { reason: "moot".into() };
    let mut world = World::of(two(), vec![human(HumanFallback::Next)]);
    assert!(world.step(&Principal::user("paul"), cancel()).is_err());
    world.step(&Principal::user("opener"), cancel()).unwrap();
    assert!(world.conflict.has_ended());
}

#[test]
fn the_deadline_of_the_whole_cuts_every_wait() {
    let setup = ConflictSetup {
        subject: "s".into(),
        parties: two(),
        strategies: vec![human(HumanFallback::Next), vote(&["j1"]), Strategy::Victim],
        deadline_ms: 60,
        ..ConflictSetup::default()
    };
    let mut world = World::open(setup).unwrap();
    world.pass(60);
    let Some(ConflictOutcome::Unresolved { reason }) = world.outcome() else { panic!() };
    assert!(reason.contains("vote: no time is left"), "{reason}");
    assert!(reason.contains("victim: 'a' and 'b' are equal"), "{reason}");
}

#[test]
fn who_has_not_answered_is_asked_again_after_a_restart_under_the_same_number() {
    let mut world = World::of(two(), vec![vote(&["j1", "j2", "j3"])]);
    world.hear(2, &Heard::Silent("gone".into()));
    let bytes = RecordCodec::encode(&world.conflict).unwrap();
    let back: Conflict = RecordCodec::decode(&bytes).unwrap();
    assert_eq!(back, world.conflict);
    let mut out = Effects::default();
    back.resume(&mut out);
    assert_eq!(out.dispatches, [world.sent[0].clone(), world.sent[2].clone()]);
}

#[test]
fn setups_and_inputs_read_as_users_write_them() {
    let json = r#"{"subject": "s", "cause": "decisions",
        "parties": [{"name": "a", "claim": "1", "stamp": 3}, {"name": "b", "version": {"b": 1}}],
        "strategies": ["priority", {"merge": "counter"},
            {"vote": {"arbiters": ["j"], "within_ms": 5}},
            {"human": {"within_ms": 5, "fallback": {"party": "a"}}}]}"#;
    let setup: ConflictSetup = serde_json::from_str(json).unwrap();
    assert_eq!(setup.strategies.len(), 4);
    let bytes = RecordCodec::encode(&setup).unwrap();
    assert_eq!(RecordCodec::decode::<ConflictSetup>(&bytes).unwrap(), setup);
    let input: ConflictInput = serde_json::from_str(r#"{"judge": {"arbiter": "j"}}"#).unwrap();
    assert_eq!(input, judge("j", None));
    assert!(serde_json::from_str::<ConflictInput>(r#"{"judge": {"arbitre": "j"}}"#).is_err());
}
