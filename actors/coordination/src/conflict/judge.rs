//! What each strategy makes of the parties, where nobody needs to be asked.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::merge::{Merge, MergeKind};
use super::outcome::Fate;
use super::setup::{Party, Strategy};
use super::version::Order;
use crate::sync::Stamp;

/// What a strategy has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) winner: Option<String>,
    pub(super) fates: BTreeMap<String, Fate>,
    pub(super) value: Option<String>,
    pub(super) why: String,
}

/// What came of a strategy.
pub(super) enum Verdict {
    Decided(Ruling),
    /// It can't decide, and why.
    Passed(String),
    /// Somebody is to be asked.
    Asks,
}

/// Applies `strategy` to those who have not withdrawn: two or more.
pub(super) fn judge(strategy: &Strategy, parties: &[&Party]) -> Verdict {
    match strategy {
        Strategy::Priority => greatest("priority", parties, |it| it.priority),
        Strategy::Authority => greatest("authority", parties, |it| it.authority),
        Strategy::WoundWait => wound_wait(parties),
        Strategy::WaitDie => wait_die(parties),
        Strategy::Victim => victim(parties),
        Strategy::Merge(kind) => merged(*kind, parties),
        Strategy::LastWriter => last_writer(parties),
        Strategy::Vote { .. } | Strategy::Arbiter { .. } | Strategy::Human { .. } => Verdict::Asks,
    }
}

/// `winner` has it, and the others yield.
pub(super) fn won(winner: &Party, parties: &[&Party], why: String) -> Ruling {
    ruling(winner, parties, why, |_| Fate::Yields)
}

fn ruling(
    winner: &Party,
    parties: &[&Party],
    why: String,
    loser: impl Fn(&Party) -> Fate,
) -> Ruling {
    let fate = |it: &Party| if it.name == winner.name { Fate::Wins } else { loser(it) };
    let fates = parties.iter().map(|it| (it.name.clone(), fate(it))).collect();
    let value = Some(winner.claim.clone()).filter(|claim| !claim.is_empty());
    Ruling { winner: Some(winner.name.clone()), fates, value, why }
}

/// The party that is first by `key`; an error names two that are first alike.
fn first<'a, K: Ord>(
    parties: &[&'a Party],
    key: impl Fn(&Party) -> K,
) -> Result<&'a Party, String> {
    let best = parties.iter().map(|it| key(it)).min();
    let mut firsts = parties.iter().filter(|it| Some(key(it)) == best);
    match (firsts.next(), firsts.next()) {
        (Some(first), None) => Ok(first),
        (Some(one), Some(other)) => Err(format!("'{}' and '{}' are equal", one.name, other.name)),
        (None, _) => Err("nobody is left".to_owned()),
    }
}

fn greatest(what: &str, parties: &[&Party], key: impl Fn(&Party) -> u32) -> Verdict {
    match first(parties, |it| Reverse(key(it))) {
        Ok(winner) => {
            let why = format!("'{}' has the highest {what}, {}", winner.name, key(winner));
            Verdict::Decided(won(winner, parties, why))
        }
        Err(equal) => Verdict::Passed(format!("{equal} in {what}")),
    }
}

fn wound_wait(parties: &[&Party]) -> Verdict {
    match first(parties, |it| it.since_us) {
        Ok(oldest) => {
            let why = format!("'{}' is the oldest", oldest.name);
            let loser = |it: &Party| if it.holds { Fate::Yields } else { Fate::Waits };
            Verdict::Decided(ruling(oldest, parties, why, loser))
        }
        Err(equal) => Verdict::Passed(format!("{equal} in age")),
    }
}

fn wait_die(parties: &[&Party]) -> Verdict {
    let mut holders = parties.iter().filter(|it| it.holds);
    let (Some(holder), None) = (holders.next(), holders.next()) else {
        return Verdict::Passed("not exactly one party holds it".to_owned());
    };
    let why = format!("'{}' holds it: older ones wait, younger ones yield", holder.name);
    let loser = |it: &Party| {
        let older = (it.since_us, &it.name) < (holder.since_us, &holder.name);
        if older { Fate::Waits } else { Fate::Yields }
    };
    Verdict::Decided(ruling(holder, parties, why, loser))
}

fn victim(parties: &[&Party]) -> Verdict {
    match first(parties, |it| (it.priority, Reverse(it.since_us), it.locks)) {
        Ok(victim) => {
            let fate = |it: &Party| {
                if it.name == victim.name { Fate::Yields } else { Fate::Keeps }
            };
            let fates = parties.iter().map(|it| (it.name.clone(), fate(it))).collect();
            let why = format!("'{}' is the least urgent, youngest, fewest locks", victim.name);
            Verdict::Decided(Ruling { winner: None, fates, value: None, why })
        }
        Err(equal) => Verdict::Passed(format!("{equal} in priority, age and locks")),
    }
}

fn merged(kind: MergeKind, parties: &[&Party]) -> Verdict {
    let mut claims = parties.iter().map(|it| it.claim.as_bytes().to_vec());
    let Some(mut value) = claims.next() else {
        return Verdict::Passed("nothing to merge".to_owned());
    };
    for claim in claims {
        match kind.merge(&value, &claim) {
            Ok(joined) => value = joined,
            Err(error) => return Verdict::Passed(format!("a claim can't be merged: {error}")),
        }
    }
    let Ok(value) = String::from_utf8(value) else {
        return Verdict::Passed("what was merged is no text".to_owned());
    };
    let fates = parties.iter().map(|it| (it.name.clone(), Fate::Merged)).collect();
    let why = format!("{} claims were merged", parties.len());
    Verdict::Decided(Ruling { winner: None, fates, value: Some(value), why })
}

fn last_writer(parties: &[&Party]) -> Verdict {
    let contains_all = |one: &Party| {
        let others = parties.iter().filter(|it| it.name != one.name);
        others.into_iter().all(|it| one.version.compare(&it.version) == Order::After)
    };
    if let Some(winner) = parties.iter().find(|it| contains_all(it)) {
        let why = format!("what '{}' claims contains all others' changes", winner.name);
        return Verdict::Decided(won(winner, parties, why));
    }
    if let Some(unknown) = parties.iter().find(|it| it.stamp == Stamp::default()) {
        return Verdict::Passed(format!("when '{}' said so is not known", unknown.name));
    }
    match parties.iter().max_by_key(|it| (it.stamp, &it.name)) {
        Some(winner) => {
            let why = format!("'{}' was the last, at {}", winner.name, winner.stamp);
            Verdict::Decided(won(winner, parties, why))
        }
        None => Verdict::Passed("nobody is left".to_owned()),
    }
}
