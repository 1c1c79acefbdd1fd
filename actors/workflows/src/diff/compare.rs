//! Facts of two runs beside each other.

use std::collections::{HashMap, VecDeque};

use serde_json::{Value, json};

use super::facts::{Fact, Facts, Key};
use crate::json::Json;
use crate::messages::{
    ComparedRun, DiffCounts, DiffPlace, DiffVerdict, Difference, Divergence, RunDiff, StepDiff,
};
use crate::run::Part;

/// Rows that are told.
const ROWS: usize = 1_000;
/// Differences of one step that are told, and of the runs as wholes.
const OF_STEP: usize = 8;
const OF_RUN: usize = 16;
/// Bytes of a value that is told as it is.
const SHOWN: usize = 1 << 10;

/// A difference and where in the order of causes it belongs.
struct Found {
    /// The number of the event in A, or of the event in A that it comes behind; then what B says
    /// beyond A comes after, in B's order.
    rank: (u64, u64),
    event_a: Option<u64>,
    event_b: Option<u64>,
    difference: Difference,
}

/// Compares two runs by their facts.
pub(crate) fn compare(
    (a, facts_a): (ComparedRun, &Facts),
    (b, facts_b): (ComparedRun, &Facts),
) -> RunDiff {
    let behind = behind(facts_a, facts_b);
    let mut diff = RunDiff {
        a,
        b,
        same: true,
        first: None,
        counts: DiffCounts::default(),
        run: Vec::new(),
        steps: Vec::new(),
        more: 0,
    };
    let mut first: Option<((u64, u64), Divergence)> = None;
    for (key, of_a) in &facts_a.pieces {
        let of_b = facts_b.of(key).map(|at| facts_b.pieces[at].1.as_slice());
        let (verdict, found) = match of_b {
            Some(of_b) => both(of_a, of_b, &behind),
            None => (DiffVerdict::OnlyA, vec![only(of_a, true, &behind)]),
        };
        take(&mut diff, &mut first, key, (verdict, found));
    }
    for (key, of_b) in facts_b.pieces.iter().filter(|(key, _)| facts_a.of(key).is_none()) {
        let found = (DiffVerdict::OnlyB, vec![only(of_b, false, &behind)]);
        take(&mut diff, &mut first, key, found);
    }
    diff.same = first.is_none();
    diff.first = first.map(|(_, divergence)| divergence);
    diff
}

/// For each event of B up to which number of A's events all is known that both have.
fn behind(a: &Facts, b: &Facts) -> HashMap<u64, u64> {
    let mut common: Vec<(u64, u64)> = Vec::new();
    for (key, of_b) in &b.pieces {
        let of_a = a.of(key).map(|at| a.pieces[at].1.as_slice()).unwrap_or_default();
        let mut left = by_name(of_a);
        for fact in of_b {
            let same = left.get_mut(fact.what.as_str()).and_then(VecDeque::pop_front);
            common.push((fact.event, same.map_or(0, |at| of_a[at].event)));
        }
    }
    common.sort_unstable();
    let mut most = 0;
    let known = common.into_iter().map(|(event, of_a)| {
        most = most.max(of_a);
        (event, most)
    });
    known.collect()
}

/// Where the facts of each name are, in their order.
fn by_name(facts: &[Fact]) -> HashMap<&str, VecDeque<usize>> {
    let mut names: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for (at, fact) in facts.iter().enumerate() {
        names.entry(&fact.what).or_default().push_back(at);
    }
    names
}

/// A piece that both runs have: the first fact of a name is held against the first, and so on.
fn both(a: &[Fact], b: &[Fact], behind: &HashMap<u64, u64>) -> (DiffVerdict, Vec<Found>) {
    let mut found = Vec::new();
    let mut left = by_name(b);
    for fact in a {
        let other = left.get_mut(fact.what.as_str()).and_then(VecDeque::pop_front);
        let other = other.map(|at| &b[at]);
        if other.is_none_or(|other| !equal(&other.value, &fact.value)) {
            found.push(difference(Some(fact), other, behind));
        }
    }
    let mut more: Vec<usize> = left.into_values().flatten().collect();
    more.sort_unstable();
    found.extend(more.into_iter().map(|at| difference(None, Some(&b[at]), behind)));
    found.sort_by_key(|found| found.rank);
    let verdict = if found.is_empty() { DiffVerdict::Same } else { DiffVerdict::Different };
    (verdict, found)
}

/// The same text is the same value, without a look into it.
fn equal(a: &Json, b: &Json) -> bool {
    a.bytes() == b.bytes() || a.value() == b.value()
}

/// A piece that one run has.
fn only(facts: &[Fact], of_a: bool, behind: &HashMap<u64, u64>) -> Found {
    let begun = Fact {
        what: "begun".to_owned(),
        value: Json::from(json!(true)),
        event: facts.first().map_or(0, |fact| fact.event),
    };
    if of_a {
        difference(Some(&begun), None, behind)
    } else {
        difference(None, Some(&begun), behind)
    }
}

fn difference(a: Option<&Fact>, b: Option<&Fact>, behind: &HashMap<u64, u64>) -> Found {
    let what = a.or(b).map_or_else(String::new, |fact| fact.what.clone());
    let (event_a, event_b) = (a.map(|fact| fact.event), b.map(|fact| fact.event));
    let rank = match (event_a, event_b) {
        (Some(event), _) => (event, 0),
        (None, Some(event)) => (behind.get(&event).copied().unwrap_or(0), event),
        (None, None) => (u64::MAX, 0),
    };
    let values = (a.map(|fact| fact.value.value()), b.map(|fact| fact.value.value()));
    let (at, a, b) = match values {
        (Some(one), Some(other)) => apart(one, other),
        (one, other) => (String::new(), one, other),
    };
    let difference = Difference { what, at, a: a.map(shown), b: b.map(shown) };
    Found { rank, event_a, event_b, difference }
}

/// Where two values differ first, and what each has there.
fn apart<'v>(a: &'v Value, b: &'v Value) -> (String, Option<&'v Value>, Option<&'v Value>) {
    let (mut at, mut one, mut other) = (String::new(), a, b);
    loop {
        let (key, next) = match (one, other) {
            (Value::Object(a), Value::Object(b)) => {
                let keys = a.keys().chain(b.keys());
                let Some(key) = keys.into_iter().find(|key| a.get(*key) != b.get(*key)) else {
                    return (at, Some(one), Some(other));
                };
                (key.replace('~', "~0").replace('/', "~1"), (a.get(key), b.get(key)))
            }
            (Value::Array(a), Value::Array(b)) => {
                let most = a.len().max(b.len());
                let Some(place) = (0..most).find(|at| a.get(*at) != b.get(*at)) else {
                    return (at, Some(one), Some(other));
                };
                (place.to_string(), (a.get(place), b.get(place)))
            }
            _ => return (at, Some(one), Some(other)),
        };
        at = format!("{at}/{key}");
        match next {
            (Some(a), Some(b)) => (one, other) = (a, b),
            (a, b) => return (at, a, b),
        }
    }
}

/// A value as it is told.
fn shown(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= SHOWN {
        return value.clone();
    }
    let end = (0..=SHOWN).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    json!(format!("{}… ({} bytes)", &text[..end], text.len()))
}

/// Takes a piece into the comparison.
fn take(
    diff: &mut RunDiff,
    first: &mut Option<((u64, u64), Divergence)>,
    key: &Key,
    (verdict, found): (DiffVerdict, Vec<Found>),
) {
    let place = place(key);
    if let Some(found) = found.first()
        && first.as_ref().is_none_or(|(rank, _)| found.rank < *rank)
    {
        let (event_a, event_b) = (found.event_a, found.event_b);
        let difference = found.difference.clone();
        *first =
            Some((found.rank, Divergence { place: place.clone(), difference, event_a, event_b }));
    }
    let differences = found.into_iter().map(|found| found.difference);
    let Some(place) = place else {
        diff.run = differences.take(OF_RUN).collect();
        return;
    };
    let counts = &mut diff.counts;
    *match verdict {
        DiffVerdict::Same => &mut counts.same,
        DiffVerdict::Different => &mut counts.different,
        DiffVerdict::OnlyA => &mut counts.only_a,
        DiffVerdict::OnlyB => &mut counts.only_b,
    } += 1;
    if verdict == DiffVerdict::Same && place.item.is_some() {
        return;
    }
    if diff.steps.len() == ROWS {
        diff.more += 1;
        return;
    }
    diff.steps.push(StepDiff { place, verdict, differences: differences.take(OF_STEP).collect() });
}

fn place(key: &Key) -> Option<DiffPlace> {
    let Key::Work { level, step, part, visit } = key else { return None };
    let item = match part {
        Part::Item(item) => Some(*item),
        _ => None,
    };
    let compensation = *part == Part::Compensation;
    Some(DiffPlace { step: step.to_string(), level: *level, visit: *visit, item, compensation })
}
