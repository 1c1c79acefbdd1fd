//! All vote, a ballot decides; see [`synod_coordination::ballot`] for the rules.
//!
//! A voter's output is its vote: of a JSON object with a field `vote` that field (`reason` beside
//! it is reported), `null` or `{"abstain": true}` is an abstention, and anything else is the vote
//! as a whole. Votes are equal when their canonical forms are (see [`crate::canonical`]). A voter
//! whose execution fails for good abstains, and so does one that is silent at the deadline. The
//! ballot closes as soon as the outcome is fixed; whoever has not voted then is cancelled.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use synod_agents::Payload;
use synod_coordination::{Ballot, Input, Outcome, Wins};

use super::{Agents, Mode, Next, Unplannable, collected};
use crate::canonical::canonical;
use crate::task::{Failure, FailureKind, Needs, Part, Phase, Task, TaskSpec, Verdict};

pub(super) struct Consensus;

impl Mode for Consensus {
    fn plan(&self, spec: &TaskSpec, agents: &mut Agents<'_>) -> Result<Vec<Needs>, Unplannable> {
        agents.choose(spec, usize::from(spec.replicas))
    }

    fn next(&self, task: &Task, limit: usize) -> Next {
        count(task, limit, false)
    }

    fn at_deadline(&self, task: &Task, limit: usize) -> Next {
        count(task, limit, true)
    }

    fn combines(&self, _: &Task) -> bool {
        true
    }
}

/// What a voter said.
enum Said {
    /// Its choice, in canonical form, and why.
    Chose(String, Option<String>),
    Abstained(Option<String>),
    Failed,
}

/// What came of a ballot, as the result of its task.
#[derive(Serialize)]
struct Decision {
    /// What was decided; `null` when things stay as they are.
    decision: Value,
    /// `votes`, `tie` (the tie rule chose) or `status_quo`.
    decided_by: &'static str,
    electorate: u32,
    turnout: u32,
    abstained: u32,
    /// Voters who failed or were silent.
    failed: u32,
    tally: Vec<Choice>,
    reasons: Vec<Reason>,
}

#[derive(Serialize)]
struct Choice {
    choice: Value,
    votes: u32,
    voters: Vec<String>,
}

#[derive(Serialize)]
struct Reason {
    voter: String,
    reason: String,
}

/// Counts the votes that are there; with `closing`, whoever is silent has failed.
fn count(task: &Task, limit: usize, closing: bool) -> Next {
    let electorate = 0..task.parts.len();
    let rules = task.spec.rules.unwrap_or_default();
    let seed = task.id.as_u64_pair().1;
    let Ok(mut ballot) = Ballot::open(electorate, rules, None, seed) else { return Next::Wait };
    let mut voices: Vec<_> = task.parts.iter().enumerate().collect();
    // In the order in which they came: the tie rule may ask who was first.
    voices.sort_by_key(|(at, part)| (part.ended_at.unwrap_or(i64::MAX), *at));
    let mut said = Vec::new();
    for (voter, part) in voices {
        let heard = match (heard(part), closing) {
            (Some(heard), _) => heard,
            (None, true) => Said::Failed,
            (None, false) => continue,
        };
        let input = match &heard {
            Said::Chose(choice, _) => Input::Vote { voter, choice: choice.clone() },
            Said::Abstained(_) => Input::Abstain { voter },
            Said::Failed => Input::Fail { voter },
        };
        let decided = ballot.step(Duration::ZERO, input).map(|outcome| outcome.cloned());
        said.push((voter, heard));
        if let Ok(Some(outcome)) = decided {
            return Next::End(verdict(task, &ballot, &outcome, &said, limit));
        }
    }
    Next::Wait
}

/// What a voter said, once it has ended.
fn heard(part: &Part) -> Option<Said> {
    match &part.phase {
        Phase::Done(_) => {
            Some(collected::output_of(part).map_or(Said::Failed, |output| vote(&output)))
        }
        Phase::Failed(_) | Phase::Cancelled => Some(Said::Failed),
        Phase::Ready | Phase::Backoff { .. } | Phase::Running { .. } => None,
    }
}

/// Reads a vote out of an output.
fn vote(output: &Payload) -> Said {
    let whole = match output.to_json::<Value>() {
        Ok(value) => value,
        Err(_) => match std::str::from_utf8(&output.bytes) {
            Ok(text) => Value::String(text.trim().to_owned()),
            Err(_) => return Said::Failed,
        },
    };
    let reason = whole.get("reason").and_then(Value::as_str).map(str::to_owned);
    if whole.get("abstain").and_then(Value::as_bool) == Some(true) {
        return Said::Abstained(reason);
    }
    match whole.get("vote").unwrap_or(&whole) {
        Value::Null => Said::Abstained(reason),
        choice => Said::Chose(canonical(choice), reason),
    }
}

fn verdict(
    task: &Task,
    ballot: &Ballot<usize, String>,
    outcome: &Outcome<String>,
    said: &[(usize, Said)],
    limit: usize,
) -> Verdict {
    let (decision, decided_by) = match outcome {
        Outcome::Chosen { choice, by: Wins::Votes } => (value(choice), "votes"),
        Outcome::Chosen { choice, by: Wins::Tie } => (value(choice), "tie"),
        Outcome::Kept => (Value::Null, "status_quo"),
        Outcome::NoQuorum { turnout, needed } => {
            let message = format!("{turnout} voters took part, the quorum is {needed}");
            return Verdict::Failed(Failure::new(FailureKind::NoQuorum, message), None);
        }
        Outcome::BelowThreshold { votes, cast } => {
            let message = format!("no choice got enough: at most {votes} of {cast} votes");
            return Verdict::Failed(Failure::new(FailureKind::NoMajority, message), None);
        }
    };
    let tally = ballot.tally();
    let decision = Decision {
        decision,
        decided_by,
        electorate: tally.electorate(),
        turnout: tally.turnout(),
        abstained: tally.abstained,
        failed: tally.failed,
        tally: choices(task, ballot, said),
        reasons: reasons(task, said),
    };
    collected::sized(&decision, limit)
}

fn choices(task: &Task, ballot: &Ballot<usize, String>, said: &[(usize, Said)]) -> Vec<Choice> {
    let voters_of = |choice: &str| {
        let chose = |said: &Said| matches!(said, Said::Chose(chosen, _) if chosen == choice);
        let voters = said.iter().filter(|(_, said)| chose(said));
        voters.map(|(voter, _)| voter_name(task, *voter)).collect()
    };
    let choice = |(choice, votes): (&String, u32)| Choice {
        choice: value(choice),
        votes,
        voters: voters_of(choice),
    };
    ballot.choices().map(choice).collect()
}

fn reasons(task: &Task, said: &[(usize, Said)]) -> Vec<Reason> {
    let reason = |(voter, said): &(usize, Said)| match said {
        Said::Chose(_, reason) | Said::Abstained(reason) => {
            Some(Reason { voter: voter_name(task, *voter), reason: reason.clone()? })
        }
        Said::Failed => None,
    };
    said.iter().filter_map(reason).collect()
}

/// A choice out of its canonical form.
fn value(canonical: &str) -> Value {
    serde_json::from_str(canonical).unwrap_or_default()
}

fn voter_name(task: &Task, voter: usize) -> String {
    let Some(part) = task.parts.get(voter) else { return String::new() };
    match (&part.agent, &part.needs) {
        (Some(label), _) => label.to_string(),
        (None, Needs::Agent(id)) => id.to_string(),
        (None, _) => format!("voter {voter}"),
    }
}
