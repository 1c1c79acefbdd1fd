//! Ballots: from the opening to the outcome.

use std::path::Path;

use futures::{StreamExt as _, stream};
use synod_coordination::ballot::{BallotInput, BallotProtocol, Paper, Proposal, VoterEntry};
use synod_coordination::desk::{Step, ended};
use synod_coordination::{ConversationId, Effects, Moment, Protocol as _};
use synod_runtime::Principal;

use crate::LONG;
use crate::figures::{Round, each, each_awaited, latencies, latency, rounds, share_of};
use crate::ground::{Node, opened};

/// Votes that are on their way to the desk at once.
const AT_ONCE: usize = 512;

pub(crate) async fn print(folder: &Path) {
    latencies("Ballots: from the opening to the outcome, all votes counted");
    let node = Node::start(folder, r#"{"choice": "yes", "reason": "so"}"#, "").await;
    let (mut people, mut agents) = (Vec::new(), Vec::new());
    for _ in 0..rounds() {
        people.push(by_people(&node, 5, share_of(2_000)).await);
        agents.push(by_agents(&node, share_of(2_000)).await);
    }
    latency("5 people, each says so; desk and disk", "< 1 ms", &people);
    latency("5 agents, asked and answering at once; desk and disk", "< 1 ms", &agents);
    for (voters, count) in [(3, 2_000), (100, 200), (10_000, 3)] {
        let mut taken = Vec::new();
        for _ in 0..rounds() {
            taken.push(by_people(&node, voters, share_of(count)).await);
        }
        latency(&format!("{voters} people; desk and disk"), "", &taken);
    }
    node.stop().await;
    for (voters, count) in [(3, 20_000), (100, 2_000), (10_000, 20)] {
        let taken: Vec<Round> =
            (0..rounds()).map(|_| each(share_of(count), |_| pure(voters))).collect();
        latency(&format!("{voters} people; pure"), "", &taken);
    }
}

/// No early end: so every vote has to be counted.
fn proposal(voters: Vec<VoterEntry>) -> Proposal {
    let proposal = Proposal::new("shall we?", &["yes", "no"], voters);
    Proposal { early_close: false, ..proposal }
}

fn people(voters: usize) -> Vec<VoterEntry> {
    (0..voters).map(|voter| VoterEntry::user(format!("voter-{voter}"))).collect()
}

fn vote(voter: usize) -> BallotInput {
    let (voter, ballot) = (format!("voter-{voter}"), Paper::Choice("yes".to_owned()));
    BallotInput::Vote { voter, ballot, reason: String::new() }
}

async fn by_people(node: &Node<BallotProtocol>, voters: usize, count: u64) -> Round {
    each_awaited(count, async |_| {
        let id = node.open(proposal(people(voters))).await;
        let votes = stream::iter(0..voters).map(|voter| say(node, id, voter));
        let decided = votes.buffer_unordered(AT_ONCE).filter(|decided| {
            let decided = *decided;
            async move { decided }
        });
        assert_eq!(decided.count().await, 1, "one vote is the last");
    })
    .await
}

/// Whether this vote decided it.
async fn say(node: &Node<BallotProtocol>, id: ConversationId, voter: usize) -> bool {
    let step = Step { id, by: Principal::default(), input: vote(voter) };
    let answer = node.desk.ask(step, LONG).await.expect("an answer").expect("a vote");
    answer.outcome.is_some()
}

async fn by_agents(node: &Node<BallotProtocol>, count: u64) -> Round {
    each_awaited(count, async |_| {
        let voters = (0..5).map(|voter| VoterEntry::agent(format!("voter-{voter}"))).collect();
        let id = node.open(proposal(voters)).await;
        let shown = ended(&node.desk, id).await.expect("an end");
        assert!(shown.view.outcome.is_some());
    })
    .await
}

fn pure(voters: usize) {
    let mut out = Effects::default();
    let mut ballot: BallotProtocol = opened(proposal(people(voters)), &mut out);
    for voter in 0..voters {
        let said = ballot.step(Moment(1), Principal::anonymous(), vote(voter), &mut out);
        said.expect("a vote");
    }
    assert!(ballot.outcome().is_some());
}
