//! Ballots as conversations, from the opening to the one outcome.

mod agents;
mod deliberation;
mod ends;
mod limits;
mod properties;

use std::collections::BTreeMap;

use synod_journal::RecordCodec;
use synod_runtime::Principal;
use uuid::Uuid;

use super::super::config::Quorum;
use super::super::methods::Method;
use super::*;
use crate::protocol::{Effects, Moment, Opening, Protocol, Refusal};

/// A ballot, the clock, and all that has come of it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) ballot: BallotProtocol,
    pub(super) now: Moment,
    pub(super) out: Effects,
}

pub(super) fn opening() -> Opening {
    Opening { id: Uuid::nil(), now: Moment(0), seed: 7, by: Principal::user("opener") }
}

pub(super) fn users(names: &str) -> Vec<VoterEntry> {
    names.split_whitespace().map(VoterEntry::user).collect()
}

pub(super) fn agents(names: &str) -> Vec<VoterEntry> {
    names.split_whitespace().map(VoterEntry::agent).collect()
}

/// A majority of users on red, green and blue.
pub(super) fn colours(voters: &str) -> Proposal {
    Proposal::new("which colour?", &["red", "green", "blue"], users(voters))
}

pub(super) fn choice(option: &str) -> Paper {
    Paper::Choice(option.to_owned())
}

pub(super) fn ranking(options: &str) -> Paper {
    Paper::Ranking(options.split_whitespace().map(|option| vec![option.to_owned()]).collect())
}

impl World {
    pub(super) fn open(proposal: Proposal) -> Self {
        let mut out = Effects::default();
        let ballot = BallotProtocol::open(proposal, &opening(), &mut out).unwrap();
        Self { ballot, now: Moment(0), out }
    }

    /// Feeds an input; a refusal has to leave everything as it was.
    pub(super) fn step(
        &mut self,
        by: &Principal,
        input: BallotInput,
    ) -> Result<BallotAnswer, Refusal> {
        let before = self.ballot.clone();
        let mut out = Effects::default();
        let answer = self.ballot.step(self.now, by, input, &mut out);
        if answer.is_err() {
            assert_eq!(self.ballot, before, "a refusal changes nothing");
            assert!(out.notes.is_empty() && out.dispatches.is_empty());
        }
        self.out.notes.extend(out.notes);
        self.out.dispatches.extend(out.dispatches);
        answer
    }

    pub(super) fn vote(&mut self, voter: &str, ballot: Paper) -> Result<BallotAnswer, Refusal> {
        self.vote_because(voter, ballot, "")
    }

    pub(super) fn vote_because(
        &mut self,
        voter: &str,
        ballot: Paper,
        reason: &str,
    ) -> Result<BallotAnswer, Refusal> {
        let (voter, reason) = (voter.to_owned(), reason.to_owned());
        let by = Principal::user(voter.as_str());
        self.step(&by, BallotInput::Vote { voter, ballot, reason })
    }

    pub(super) fn abstain(&mut self, voter: &str) -> Result<BallotAnswer, Refusal> {
        let input = BallotInput::Abstain { voter: voter.to_owned(), reason: String::new() };
        self.step(&Principal::user(voter), input)
    }

    pub(super) fn veto(
        &mut self,
        holder: &str,
        option: Option<&str>,
    ) -> Result<BallotAnswer, Refusal> {
        let (holder, reason) = (holder.to_owned(), "too bright".to_owned());
        let by = Principal::user(holder.as_str());
        let option = option.map(str::to_owned);
        self.step(&by, BallotInput::Veto { holder, option, reason })
    }

    pub(super) fn decide(
        &mut self,
        by: &str,
        option: Option<&str>,
    ) -> Result<BallotAnswer, Refusal> {
        let option = option.map(str::to_owned);
        let input = BallotInput::Decide { by: by.to_owned(), option, reason: String::new() };
        self.step(&Principal::user(by), input)
    }

    /// Lets the time pass that the ballot waits for.
    pub(super) fn pass(&mut self) {
        if let Some(wake) = self.ballot.next_wake() {
            self.now = wake;
            self.ballot.wake(wake, &mut self.out);
        }
    }

    pub(super) fn outcome(&self) -> &BallotOutcome {
        self.ballot.outcome().expect("no outcome yet")
    }

    pub(super) fn chosen(&self) -> &str {
        match self.outcome() {
            BallotOutcome::Chosen { option, .. } => option,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.ballot.view().state == BallotState::Voting
    }
}

#[test]
fn a_majority_closes_the_ballot_before_the_last_vote_and_a_late_one_is_refused() {
    let mut world = World::open(colours("a b c"));
    world.vote("a", choice("red")).unwrap();
    let answer = world.vote("b", choice("red")).unwrap();
    let by = ChosenBy::Votes;
    assert_eq!(answer.outcome, Some(BallotOutcome::Chosen { option: "red".into(), by }));
    let late = world.vote("c", choice("blue"));
    assert!(matches!(late, Err(Refusal::TooLate(_))), "{late:?}");
    assert_eq!(world.ballot.next_wake(), None);
    let kinds: Vec<&str> = world.out.notes.iter().map(|note| note.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["ballot.opened", "ballot.heard", "ballot.heard", "ballot.round-closed", "ballot.decided"]
    );
}

#[test]
fn each_method_decides_by_its_own_form_of_ballot() {
    let approve = |options: &[&str]| {
        Paper::Approve(options.iter().map(|option| (*option).to_owned()).collect())
    };
    let scores = |points: &[(&str, f64)]| {
        let points = points.iter().map(|(option, score)| ((*option).to_owned(), *score));
        Paper::Scores(points.collect::<BTreeMap<_, _>>())
    };
    let cases = [
        (Method::Plurality, [choice("red"), choice("red"), choice("blue")]),
        (Method::Supermajority { share: 0.6 }, [choice("red"), choice("red"), choice("blue")]),
        (Method::Unanimity, [choice("red"), choice("red"), choice("red")]),
        (Method::Approval, [approve(&["red", "blue"]), approve(&["red"]), approve(&[])]),
        (
            Method::Score { max: 5.0 },
            [scores(&[("red", 4.5)]), scores(&[("red", 1.0), ("blue", 5.0)]), scores(&[])],
        ),
        (Method::Borda, [ranking("red blue"), ranking("red"), ranking("blue red")]),
        (Method::Irv, [ranking("red"), ranking("green red"), ranking("blue red green")]),
        (Method::Copeland, [ranking("red"), ranking("green red"), ranking("red blue")]),
        (Method::Schulze, [ranking("red"), ranking("green red"), ranking("red blue")]),
        (Method::RankedPairs, [ranking("red"), ranking("green red"), ranking("red blue")]),
    ];
    for (method, papers) in cases {
        let mut proposal = Proposal { method, early_close: false, ..colours("a b c") };
        // A run-off of three firsts is a tie of all.
        proposal.tie = TieBreak::Chair { name: "a".into() };
        let mut world = World::open(proposal);
        for (voter, paper) in ["a", "b", "c"].into_iter().zip(papers) {
            world.vote(voter, paper).unwrap();
        }
        assert_eq!(world.chosen(), "red", "{method:?}");
        let count = world.ballot.view().count.unwrap();
        assert_eq!(count.prefers.is_empty(), method.is_additive() || method == Method::Irv);
    }
}

#[test]
fn a_ballot_of_another_form_is_refused_with_the_form_expected() {
    let mut world = World::open(Proposal { method: Method::Borda, ..colours("a b") });
    let refused = world.vote("a", choice("red")).unwrap_err().to_string();
    assert!(refused.contains("'ranking'"), "{refused}");
}

#[test]
fn weights_decide_and_the_quorum_counts_voters() {
    let mut proposal = colours("a b c");
    proposal.voters[0].weight = 2.5;
    proposal.quorum = Quorum::Voters(2);
    let mut world = World::open(proposal);
    world.vote("a", choice("red")).unwrap();
    assert!(world.is_open(), "the quorum is not reached by weight");
    world.vote("b", choice("blue")).unwrap();
    assert_eq!(world.chosen(), "red");
}

#[test]
fn who_may_revote_keeps_the_ballot_open_and_the_last_vote_counts() {
    let mut world = World::open(Proposal { revote: true, ..colours("a b c") });
    for voter in ["a", "b", "c"] {
        assert!(!world.vote(voter, choice("red")).unwrap().replaced);
    }
    assert!(world.is_open(), "a further vote could still change it");
    assert!(world.vote("a", choice("blue")).unwrap().replaced);
    world.vote("b", choice("blue")).unwrap();
    world.pass();
    assert_eq!(world.chosen(), "blue");
    assert_eq!(world.ballot.view().count.unwrap().tally, [1.0, 0.0, 2.0]);
}

#[test]
fn a_second_vote_is_refused_where_votes_are_final() {
    let mut world = World::open(colours("a b c"));
    world.vote("a", choice("red")).unwrap();
    let again = world.vote("a", choice("blue"));
    assert!(matches!(again, Err(Refusal::Conflict(_))), "{again:?}");
    let again = world.abstain("a");
    assert!(matches!(again, Err(Refusal::Conflict(_))), "{again:?}");
}

#[test]
fn an_open_ballot_shows_who_is_waited_for_and_nothing_of_what_is_in_it() {
    let mut world = World::open(colours("a b c"));
    world.vote_because("a", choice("green"), "it calms").unwrap();
    let shown = serde_json::to_string(&world.ballot.view()).unwrap();
    let view = world.ballot.view();
    assert_eq!(view.waiting_for, ["b", "c"]);
    assert_eq!((view.tally, view.count, view.ballots.len()), (None, None, 0));
    assert!(!shown.contains("calms"), "{shown}");
    let note = world.out.notes.iter().find(|note| note.kind == "ballot.heard").unwrap();
    assert!(!format!("{note:?}").contains("green"), "{note:?}");
    world.vote("b", choice("green")).unwrap();
    let view = world.ballot.view();
    assert_eq!(view.ballots[0].ballot, Some(choice("green")));
    assert_eq!(view.ballots[0].reason, "it calms");
    assert!(view.ballots[1].reason.is_empty());
}

#[test]
fn a_ballot_that_is_not_independent_shows_its_tally_as_it_grows() {
    let mut world = World::open(Proposal { independent: false, ..colours("a b c") });
    world.vote("a", choice("green")).unwrap();
    let view = world.ballot.view();
    assert_eq!(view.tally, Some(vec![0.0, 1.0, 0.0]));
    assert_eq!(view.ballots.len(), 1);
    assert!(world.out.notes.iter().any(|note| note.what.contains("green")));
}

#[test]
fn setups_inputs_and_states_survive_the_disk() {
    let proposal = Proposal {
        method: Method::Schulze,
        veto: Some(VetoRule { holders: vec!["z".into()], effect: VetoEffect::Strike }),
        tie: TieBreak::Escalate { to: None },
        ..colours("a b")
    };
    let bytes = RecordCodec::encode(&proposal).unwrap();
    assert_eq!(RecordCodec::decode::<Proposal>(&bytes).unwrap(), proposal);
    let tied = Paper::Ranking(vec![vec!["red".into(), "blue".into()], vec!["green".into()]]);
    let input =
        BallotInput::Vote { voter: "a".into(), ballot: tied.clone(), reason: String::new() };
    let bytes = RecordCodec::encode(&input).unwrap();
    assert_eq!(RecordCodec::decode::<BallotInput>(&bytes).unwrap(), input);
    let mut world = World::open(proposal);
    world.vote("a", tied).unwrap();
    let bytes = RecordCodec::encode(&world.ballot).unwrap();
    assert_eq!(RecordCodec::decode::<BallotProtocol>(&bytes).unwrap(), world.ballot);
    world.pass();
    let bytes = RecordCodec::encode(&world.ballot).unwrap();
    assert_eq!(RecordCodec::decode::<BallotProtocol>(&bytes).unwrap(), world.ballot);
}

#[test]
fn proposals_and_inputs_read_as_users_write_them() {
    let text = r#"{"question": "which?", "options": ["x", "y"], "method": {"score": {"max": 5}},
        "voters": [{"name": "worker-1"}, {"name": "Ann", "weight": 2, "kind": "user"}],
        "quorum": {"voters": 2}, "tie": {"chair": {"name": "Ann"}}, "max_rounds": 2}"#;
    let proposal: Proposal = serde_json::from_str(text).unwrap();
    assert_eq!(proposal.method, Method::Score { max: 5.0 });
    assert_eq!(proposal.voters[0], VoterEntry::agent("worker-1"));
    assert!(proposal.early_close && proposal.independent && !proposal.revote);
    assert!(serde_json::from_str::<Proposal>(r#"{"question": "q", "optoins": []}"#).is_err());
    let text = r#"{"vote": {"voter": "Ann", "ballot": {"ranking": ["x", ["y", "z"]]}}}"#;
    let input: BallotInput = serde_json::from_str(text).unwrap();
    let ranks = vec![vec!["x".to_owned()], vec!["y".to_owned(), "z".to_owned()]];
    let ballot = Paper::Ranking(ranks);
    let expected = BallotInput::Vote { voter: "Ann".into(), ballot, reason: String::new() };
    assert_eq!(input, expected);
    let close: BallotInput = serde_json::from_str(r#"{"close": {}}"#).unwrap();
    assert_eq!(close, BallotInput::Close {});
}

#[test]
fn ten_thousand_voters_are_counted_as_they_come() {
    let names: Vec<String> = (0..10_000).map(|at| format!("voter-{at}")).collect();
    let proposal = Proposal { early_close: false, ..colours(&names.join(" ")) };
    let mut out = Effects::default();
    let mut ballot = BallotProtocol::open(proposal, &opening(), &mut out).unwrap();
    for (at, name) in names.iter().enumerate() {
        let ballot_of = choice(["red", "green", "red"][at % 3]);
        let input =
            BallotInput::Vote { voter: name.clone(), ballot: ballot_of, reason: String::new() };
        ballot.step(Moment(1), &Principal::user(name.as_str()), input, &mut out).unwrap();
    }
    let by = ChosenBy::Votes;
    assert_eq!(ballot.outcome(), Some(&BallotOutcome::Chosen { option: "red".into(), by }));
    assert_eq!(ballot.view().count.unwrap().tally, [6_667.0, 3_333.0, 0.0]);
}
