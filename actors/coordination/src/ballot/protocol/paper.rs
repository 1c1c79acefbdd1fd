//! Filled-in ballots by name become ballots by number, and back.

use serde::{Deserialize, Serialize};

use super::super::methods::{Form, Live, Marks, Method};
use super::input::Paper;
use crate::protocol::Refusal;

/// The options of a ballot, found by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Options {
    names: Vec<String>,
    by_name: Vec<u16>,
}

impl Options {
    /// These, each named once and at most 65,536.
    pub(super) fn of(names: Vec<String>) -> Self {
        let mut by_name: Vec<u16> = (0..names.len() as u16).collect();
        by_name.sort_by_key(|option| &names[usize::from(*option)]);
        Self { names, by_name }
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn name(&self, option: u16) -> String {
        self.names.get(usize::from(option)).cloned().unwrap_or_default()
    }

    pub(super) fn named(&self, options: &[u16]) -> Vec<String> {
        options.iter().map(|option| self.name(*option)).collect()
    }

    /// The option that `field` names.
    pub(super) fn find(&self, field: &str, name: &str) -> Result<u16, Refusal> {
        let at = |option: &u16| self.names[usize::from(*option)].as_str();
        match self.by_name.binary_search_by(|option| at(option).cmp(name)) {
            Ok(at) => Ok(self.by_name[at]),
            Err(_) => {
                let short: String = name.chars().take(64).collect();
                Err(Refusal::invalid(field, format!("'{short}': expected one of the options")))
            }
        }
    }
}

/// Reads a filled-in ballot.
pub(super) fn read(
    paper: &Paper,
    method: Method,
    options: &Options,
    live: &Live,
) -> Result<Marks, Refusal> {
    match (paper, method.form()) {
        (Paper::Choice(name), Form::Choice) => {
            let option = options.find("ballot.choice", name)?;
            if !live.has(option) {
                return Err(Refusal::Conflict(format!("'{name}' has been struck by a veto")));
            }
            Ok(Marks::Choice(option))
        }
        (Paper::Approve(names), Form::Approve) => {
            let mut seen = Seen::of(options);
            let find = |name: &String| seen.once("ballot.approve", name);
            Ok(Marks::Approvals(names.iter().map(find).collect::<Result<_, _>>()?))
        }
        (Paper::Scores(scores), Form::Scores) => {
            let Method::Score { max } = method else { return Err(other_form(method)) };
            let read = |(name, score): (&String, &f64)| {
                let option = options.find("ballot.scores", name)?;
                Ok((option, points(name, *score, max)?))
            };
            Ok(Marks::Scores(scores.iter().map(read).collect::<Result<_, Refusal>>()?))
        }
        (Paper::Ranking(ranks), Form::Ranking) => ranking(ranks, options),
        _ => Err(other_form(method)),
    }
}

fn other_form(method: Method) -> Refusal {
    let expected = match method.form() {
        Form::Choice => "choice",
        Form::Approve => "approve",
        Form::Scores => "scores",
        Form::Ranking => "ranking",
    };
    Refusal::invalid("ballot", format!("expected the form '{expected}', as {method:?} counts it"))
}

fn points(name: &str, score: f64, max: f64) -> Result<u32, Refusal> {
    if !(0.0..=max).contains(&score) {
        let reason = format!("{score}: expected 0 to {max}");
        return Err(Refusal::invalid(format!("ballot.scores.{name}"), reason));
    }
    Ok((score * 1e6).round() as u32)
}

fn ranking(ranks: &[Vec<String>], options: &Options) -> Result<Marks, Refusal> {
    let mut seen = Seen::of(options);
    let mut places = Vec::new();
    for (at, rank) in ranks.iter().enumerate() {
        let field = format!("ballot.ranking[{at}]");
        if rank.is_empty() {
            return Err(Refusal::invalid(field, "no option in this place: expected one or more"));
        }
        let find = |name: &String| seen.once(&field, name);
        places.push(rank.iter().map(find).collect::<Result<Vec<_>, _>>()?);
    }
    if places.is_empty() {
        let reason = "no option: expected one or more; to be for none, abstain";
        return Err(Refusal::invalid("ballot.ranking", reason));
    }
    Ok(Marks::Ranking(places))
}

/// Options that a ballot has named already.
struct Seen<'a> {
    options: &'a Options,
    left: Live,
}

impl<'a> Seen<'a> {
    fn of(options: &'a Options) -> Self {
        Self { options, left: Live::all(options.names.len()) }
    }

    fn once(&mut self, field: &str, name: &str) -> Result<u16, Refusal> {
        let option = self.options.find(field, name)?;
        if !self.left.has(option) {
            return Err(Refusal::invalid(field, format!("'{name}' is named twice")));
        }
        self.left.strike(option);
        Ok(option)
    }
}

/// Writes a ballot out by name.
pub(super) fn write(marks: &Marks, options: &Options) -> Paper {
    match marks {
        Marks::Choice(option) => Paper::Choice(options.name(*option)),
        Marks::Approvals(all) => Paper::Approve(options.named(all)),
        Marks::Scores(scores) => {
            let score =
                |(option, points): &(u16, u32)| (options.name(*option), f64::from(*points) / 1e6);
            Paper::Scores(scores.iter().map(score).collect())
        }
        Marks::Ranking(ranks) => {
            Paper::Ranking(ranks.iter().map(|rank| options.named(rank)).collect())
        }
    }
}

/// The one of `tied` that this ballot likes best, if it likes one best.
pub(super) fn favourite(marks: &Marks, tied: &[u16]) -> Option<u16> {
    let only = |found: Vec<u16>| if let [only] = found[..] { Some(only) } else { None };
    let of_tied = |options: &[u16]| -> Vec<u16> {
        options.iter().copied().filter(|option| tied.contains(option)).collect()
    };
    match marks {
        Marks::Choice(option) => only(of_tied(&[*option])),
        Marks::Approvals(options) => only(of_tied(options)),
        Marks::Scores(scores) => {
            let of = |option: u16| scores.iter().find(|(scored, _)| *scored == option);
            let points = |option: u16| of(option).map_or(0, |(_, points)| *points);
            let most = tied.iter().map(|option| points(*option)).max()?;
            only(tied.iter().copied().filter(|option| points(*option) == most).collect())
        }
        Marks::Ranking(ranks) => {
            only(ranks.iter().map(|rank| of_tied(rank)).find(|found| !found.is_empty())?)
        }
    }
}
