//! Which proposals a ballot may be opened with.

use synod_agents::AgentId;

use super::super::config::Quorum;
use super::super::methods::{Form, Method};
use super::proposal::{Proposal, TieBreak, VoterEntry, VoterKind};
use crate::protocol::Refusal;

/// The most voters.
pub const MOST_VOTERS: usize = 100_000;
/// The most options.
pub const MOST_OPTIONS: usize = 1_000;
/// The most options that are compared in pairs or rounds: their count takes cubic time.
pub const MOST_COMPARED: usize = 300;
/// The most marks on all ballots together, where a ballot marks several options.
pub const MOST_MARKS: usize = 1_000_000;
/// The most rounds of deliberation.
pub const MOST_ROUNDS: u32 = 10;
/// Bytes of a question, an option or a reason.
pub const MOST_TEXT: usize = 4 << 10;
const MOST_OPTION_TEXT: usize = 256 << 10;
const MOST_NAME: usize = 256;
const MOST_NAMES: usize = 4 << 20;
const MOST_HOLDERS: usize = 1_000;
const MOST_WEIGHT: f64 = 1e6;
const MOST_SCORE: f64 = 1e3;
const MOST_WAIT_MS: u64 = 30 * 86_400_000;

/// Checks every value.
pub(super) fn check(proposal: &Proposal) -> Result<(), Refusal> {
    within("question", proposal.question.len(), 1, MOST_TEXT, "bytes")?;
    check_options(proposal)?;
    check_method(proposal)?;
    check_voters(&proposal.voters)?;
    let marks = proposal.voters.len() * proposal.options.len();
    if proposal.method.form() != Form::Choice && marks > MOST_MARKS {
        return Err(Refusal::invalid(
            "voters",
            format!(
                "{} voters on {} options are up to {marks} marks, at most {MOST_MARKS} with {:?}",
                proposal.voters.len(),
                proposal.options.len(),
                proposal.method,
            ),
        ));
    }
    check_quorum(proposal)?;
    check_faults(proposal)?;
    within("max_rounds", proposal.max_rounds, 1, MOST_ROUNDS, "rounds")?;
    within("round_ms", proposal.round_ms, 1, MOST_WAIT_MS, "milliseconds")?;
    within("decide_ms", proposal.decide_ms, 1, MOST_WAIT_MS, "milliseconds")?;
    match &proposal.tie {
        TieBreak::Chair { name } => within("tie.chair.name", name.len(), 1, MOST_NAME, "bytes")?,
        TieBreak::Escalate { to: Some(to) } => {
            within("tie.escalate.to", to.len(), 1, MOST_NAME, "bytes")?;
        }
        _ => {}
    }
    check_veto(proposal)
}

fn within<N: PartialOrd + std::fmt::Display>(
    field: &str,
    got: N,
    least: N,
    most: N,
    unit: &str,
) -> Result<(), Refusal> {
    if got >= least && got <= most {
        return Ok(());
    }
    Err(Refusal::invalid(field, format!("{got} {unit}: expected {least} to {most}")))
}

fn check_options(proposal: &Proposal) -> Result<(), Refusal> {
    let options = &proposal.options;
    within("options", options.len(), 2, MOST_OPTIONS, "options")?;
    for (at, option) in options.iter().enumerate() {
        within(&format!("options[{at}]"), option.len(), 1, MOST_TEXT, "bytes")?;
    }
    let text = options.iter().map(String::len).sum();
    within("options", text, 0, MOST_OPTION_TEXT, "bytes in all")?;
    let names = options.iter().map(String::as_str);
    if let Some((first, again)) = twice(names) {
        let reason = format!("'{}' is option {first} too: each once", options[again]);
        return Err(Refusal::invalid(format!("options[{again}]"), reason));
    }
    match &proposal.status_quo {
        Some(status_quo) if !options.contains(status_quo) => Err(Refusal::invalid(
            "status_quo",
            format!("'{status_quo}': expected one of the options"),
        )),
        _ => Ok(()),
    }
}

/// The first name that is there before, and where.
fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<(usize, usize)> {
    let mut sorted: Vec<(&str, usize)> = names.enumerate().map(|(at, name)| (name, at)).collect();
    sorted.sort_unstable();
    let mut pairs = sorted.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    pairs.next().map(|pair| (pair[0].1, pair[1].1))
}

fn check_method(proposal: &Proposal) -> Result<(), Refusal> {
    match proposal.method {
        Method::Supermajority { share } if !(share > 0.5 && share <= 1.0) => {
            let reason = format!("{share}: expected above 0.5 and at most 1");
            return Err(Refusal::invalid("method.supermajority.share", reason));
        }
        Method::Score { max } if !(1e-6..=MOST_SCORE).contains(&max) => {
            let reason = format!("{max}: expected above 0 and at most {MOST_SCORE}");
            return Err(Refusal::invalid("method.score.max", reason));
        }
        Method::Irv | Method::Copeland | Method::Schulze | Method::RankedPairs => {
            let unit = "options with this method";
            within("options", proposal.options.len(), 2, MOST_COMPARED, unit)?;
        }
        _ => {}
    }
    let Some(threshold) = proposal.threshold else { return Ok(()) };
    if !matches!(proposal.method, Method::Plurality | Method::Approval) {
        let reason = "expected with plurality or approval only: other methods have their own";
        return Err(Refusal::invalid("threshold", reason));
    }
    check_share("threshold", threshold)
}

fn check_share(field: &str, share: f64) -> Result<(), Refusal> {
    if share > 0.0 && share <= 1.0 {
        return Ok(());
    }
    Err(Refusal::invalid(field, format!("{share}: expected above 0 and at most 1")))
}

fn check_voters(voters: &[VoterEntry]) -> Result<(), Refusal> {
    within("voters", voters.len(), 1, MOST_VOTERS, "voters")?;
    for (at, voter) in voters.iter().enumerate() {
        let field = |name: &str| format!("voters[{at}].{name}");
        within(&field("name"), voter.name.len(), 1, MOST_NAME, "bytes")?;
        if voter.kind == VoterKind::Agent
            && let Err(invalid) = AgentId::new(&voter.name)
        {
            return Err(Refusal::invalid(field("name"), invalid.to_string()));
        }
        if !(1e-6..=MOST_WEIGHT).contains(&voter.weight) {
            let reason = format!("{}: expected 0.000001 to {MOST_WEIGHT}", voter.weight);
            return Err(Refusal::invalid(field("weight"), reason));
        }
    }
    let names = voters.iter().map(|voter| voter.name.len()).sum();
    within("voters", names, 0, MOST_NAMES, "bytes of names")?;
    if let Some((first, again)) = twice(voters.iter().map(|voter| voter.name.as_str())) {
        let reason = format!("'{}' is voter {first} too: each once", voters[again].name);
        return Err(Refusal::invalid(format!("voters[{again}].name"), reason));
    }
    Ok(())
}

fn check_quorum(proposal: &Proposal) -> Result<(), Refusal> {
    match proposal.quorum {
        Quorum::Voters(voters) => {
            within("quorum.voters", voters as usize, 1, proposal.voters.len(), "voters")
        }
        Quorum::Share(share) => check_share("quorum.share", share),
    }
}

/// Sizes a ballot that holds with so many faulty voters (Lamport, Shostak and Pease 1982; quorums
/// of 2f+1 as in Castro and Liskov 1999).
fn check_faults(proposal: &Proposal) -> Result<(), Refusal> {
    let Some(faults) = proposal.tolerate_faults else { return Ok(()) };
    let (voters, faults) = (proposal.voters.len() as u64, u64::from(faults));
    let refuse = |reason| Err(Refusal::invalid("tolerate_faults", reason));
    if voters < 3 * faults + 1 {
        let needed = 3 * faults + 1;
        return refuse(format!(
            "{faults} faulty voters need at least 3f+1 = {needed} voters: there are {voters}"
        ));
    }
    let quorum = u64::from(proposal.quorum.of(voters as u32));
    if quorum < 2 * faults + 1 {
        let needed = 2 * faults + 1;
        return refuse(format!(
            "{faults} faulty voters need a quorum of at least 2f+1 = {needed}: it is {quorum}"
        ));
    }
    let mut weights = proposal.voters.iter().map(|voter| voter.weight);
    let first = weights.next().unwrap_or(1.0);
    if weights.any(|weight| weight != first) {
        return refuse("voters of equal weight expected: a fault weighs as much as it has".into());
    }
    Ok(())
}

fn check_veto(proposal: &Proposal) -> Result<(), Refusal> {
    let Some(rule) = &proposal.veto else { return Ok(()) };
    within("veto.holders", rule.holders.len(), 1, MOST_HOLDERS, "names")?;
    for (at, holder) in rule.holders.iter().enumerate() {
        within(&format!("veto.holders[{at}]"), holder.len(), 1, MOST_NAME, "bytes")?;
    }
    match twice(rule.holders.iter().map(String::as_str)) {
        Some((first, again)) => Err(Refusal::invalid(
            format!("veto.holders[{again}]"),
            format!("'{}' is holder {first} too: each once", rule.holders[again]),
        )),
        None => Ok(()),
    }
}
