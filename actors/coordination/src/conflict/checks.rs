//! What is refused of a setup. Nothing here changes anything.

use std::collections::BTreeSet;

use super::setup::{ConflictSetup, HumanFallback, Party, Strategy};
use crate::protocol::Refusal;

/// Longest name of a party, an arbiter or a user, in bytes.
const LONGEST_NAME: u64 = 256;
/// Longest text for people, in bytes.
pub(super) const LONGEST_TEXT: u64 = 4 << 10;
/// Longest claim of one party, in bytes.
pub(super) const LONGEST_CLAIM: u64 = 64 << 10;
/// All claims together, in bytes.
const ALL_CLAIMS: u64 = 1 << 20;
/// Most parties, and most arbiters.
const MOST_PARTIES: u64 = 1_000;
/// Most replicas of a version.
const MOST_REPLICAS: u64 = 1_000;
/// Most strategies.
const MOST_STRATEGIES: u64 = 16;
/// Longest wait: 7 days.
const LONGEST_MS: u64 = 7 * 24 * 3_600_000;

/// Checks that `value` is `least` to `most`.
pub(super) fn in_range(field: &str, value: u64, least: u64, most: u64) -> Result<(), Refusal> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Refusal::invalid(field, format!("{value}: expected {least} to {most}")))
}

/// Checks the length of a text.
pub(super) fn longest(field: &str, text: &str, most: u64) -> Result<(), Refusal> {
    if text.len() as u64 <= most {
        return Ok(());
    }
    Err(Refusal::invalid(field, format!("{} bytes: at most {most}", text.len())))
}

fn name(field: &str, text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::invalid(field, "empty: a name is expected"));
    }
    longest(field, text, LONGEST_NAME)
}

/// Checks every value of a setup.
pub(super) fn check(setup: &ConflictSetup) -> Result<(), Refusal> {
    in_range("subject", setup.subject.len() as u64, 1, LONGEST_TEXT)?;
    in_range("parties", setup.parties.len() as u64, 2, MOST_PARTIES)?;
    in_range("strategies", setup.strategies.len() as u64, 1, MOST_STRATEGIES)?;
    in_range("deadline_ms", setup.deadline_ms, 1, LONGEST_MS)?;
    let mut names = BTreeSet::new();
    let mut claims = 0;
    for (at, party) in setup.parties.iter().enumerate() {
        check_party(at, party)?;
        claims += party.claim.len() as u64;
        if !names.insert(party.name.as_str()) {
            let reason = format!("'{}' is named twice", party.name);
            return Err(Refusal::invalid(format!("parties[{at}].name"), reason));
        }
    }
    in_range("parties", claims, 0, ALL_CLAIMS).map_err(|_| {
        Refusal::invalid("parties", format!("{claims} bytes of claims: at most {ALL_CLAIMS}"))
    })?;
    for (at, strategy) in setup.strategies.iter().enumerate() {
        check_strategy(&format!("strategies[{at}]"), strategy, &names)?;
    }
    Ok(())
}

fn check_party(at: usize, party: &Party) -> Result<(), Refusal> {
    name(&format!("parties[{at}].name"), &party.name)?;
    longest(&format!("parties[{at}].claim"), &party.claim, LONGEST_CLAIM)?;
    let field = format!("parties[{at}].version");
    in_range(&field, party.version.0.len() as u64, 0, MOST_REPLICAS)?;
    party.version.0.keys().try_for_each(|replica| longest(&field, replica, LONGEST_NAME))
}

fn check_strategy(
    field: &str,
    strategy: &Strategy,
    parties: &BTreeSet<&str>,
) -> Result<(), Refusal> {
    match strategy {
        Strategy::Vote { arbiters, quorum, within_ms } => {
            let field = format!("{field}.vote");
            in_range(&format!("{field}.arbiters"), arbiters.len() as u64, 1, MOST_PARTIES)?;
            in_range(&format!("{field}.within_ms"), *within_ms, 1, LONGEST_MS)?;
            let all = arbiters.len() as u64;
            in_range(&format!("{field}.quorum"), u64::from(*quorum), 0, all)?;
            let mut seen = BTreeSet::new();
            for (at, arbiter) in arbiters.iter().enumerate() {
                let field = format!("{field}.arbiters[{at}]");
                check_arbiter(&field, arbiter, parties)?;
                if !seen.insert(arbiter) {
                    return Err(Refusal::invalid(field, format!("'{arbiter}' is named twice")));
                }
            }
            Ok(())
        }
        Strategy::Arbiter { name, within_ms } => {
            check_arbiter(&format!("{field}.arbiter.name"), name, parties)?;
            in_range(&format!("{field}.arbiter.within_ms"), *within_ms, 1, LONGEST_MS)
        }
        Strategy::Human { users, within_ms, fallback } => {
            let field = format!("{field}.human");
            in_range(&format!("{field}.users"), users.len() as u64, 0, MOST_PARTIES)?;
            in_range(&format!("{field}.within_ms"), *within_ms, 1, LONGEST_MS)?;
            users.iter().try_for_each(|user| name(&format!("{field}.users"), user))?;
            match fallback {
                HumanFallback::Party(party) if !parties.contains(party.as_str()) => {
                    let reason = format!("'{party}' is no party");
                    Err(Refusal::invalid(format!("{field}.fallback.party"), reason))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn check_arbiter(field: &str, arbiter: &str, parties: &BTreeSet<&str>) -> Result<(), Refusal> {
    name(field, arbiter)?;
    if parties.contains(arbiter) {
        let reason = format!("'{arbiter}' is a party and can't judge");
        return Err(Refusal::invalid(field, reason));
    }
    Ok(())
}
