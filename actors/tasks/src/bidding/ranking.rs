//! Deciding a round: who is next, at which price, and why.

use std::cmp::Ordering;
use std::sync::Arc;

use synod_coordination::Outcome;
use synod_coordination::contract_net::{Claim, History, Scoring};

use super::{Round, Said};
use crate::matching::AgentSlot;
use crate::task::Allocation;

/// Longest reason that is kept, in bytes.
const MAX_REASON: usize = 240;

/// Times of which nothing is known are compared on this scale, milliseconds.
const USUAL_MS: f64 = 1_000.0;

/// What was measured of somebody who was asked, when the round is decided; in the order of the
/// round's seats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// Its time with the load that it has now; no samples when it is unknown.
    pub history: History,
    /// What its card asks for an execution, in millionths of the agents' unit.
    pub cost: u64,
}

/// On what terms a round is decided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// The share of what bidders say of themselves, 0 to 1.
    pub bid_weight: f64,
    /// The most that is paid, in millionths.
    pub reserve: Option<u64>,
    /// What equals are told apart by.
    pub seed: u64,
}

/// Somebody's place in what was decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub agent: AgentSlot,
    /// What is paid, in millionths.
    pub cost: u64,
    /// Why it comes when it does.
    pub because: Arc<str>,
}

/// What was decided: the best first.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Ranked {
    pub places: Vec<Place>,
    /// Whether somebody was left out because it asked for more than there is.
    pub too_dear: bool,
}

/// Decides a round by what was said in it and what was measured.
pub(crate) fn rank(round: &Round, candidates: &[Candidate], terms: Terms) -> Ranked {
    match round.kind {
        Allocation::Auction => auction(round, candidates, terms),
        Allocation::Consensus => consensus(round, candidates),
        _ => contract_net(round, candidates, terms),
    }
}

/// Those who did not refuse, by their place among the seats.
fn willing(round: &Round) -> impl Iterator<Item = usize> {
    let seats = round.seats.iter().enumerate();
    seats.filter(|(_, seat)| seat.said != Some(Said::Refused)).map(|(at, _)| at)
}

fn claim_of(round: &Round, at: usize) -> Claim {
    match &round.seats[at].said {
        Some(Said::Bid(claim)) => *claim,
        _ => Claim::default(),
    }
}

/// In which order equals come: by lot, the same for the same seed.
fn lot(seed: u64, at: usize) -> u64 {
    let mixed = seed.wrapping_add((at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// How many said what, for people.
fn summary(round: &Round) -> String {
    let count = |wanted: fn(&Said) -> bool| {
        round.seats.iter().filter(|seat| seat.said.as_ref().is_some_and(wanted)).count()
    };
    let bids = count(|said| matches!(said, Said::Bid(_)));
    let refused = count(|said| *said == Said::Refused);
    let silent = round.seats.len() - bids - refused;
    let mut told = format!("{bids} of {} asked bid", round.seats.len());
    if refused > 0 {
        told.push_str(&format!(", {refused} refused"));
    }
    if silent > 0 {
        told.push_str(&format!(", {silent} judged by history alone"));
    }
    told
}

fn because(text: String) -> Arc<str> {
    let mut text = text;
    text.truncate(text.floor_char_boundary(MAX_REASON));
    Arc::from(text)
}

/// By measured history mixed with the bid; equals by lot. See [`Scoring`] for the mixture: times
/// and costs are compared on the scale of this round's mean.
fn contract_net(round: &Round, candidates: &[Candidate], terms: Terms) -> Ranked {
    let scoring = scoring(round, candidates, terms.bid_weight);
    let mut scored: Vec<(f64, u64, usize)> = willing(round)
        .map(|at| {
            let history = Some(&candidates[at].history).filter(|known| known.samples > 0);
            let score = scoring.score(history, &claim_of(round, at));
            (score, lot(terms.seed, at), at)
        })
        .collect();
    scored
        .sort_unstable_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    let told = summary(round);
    let all = scored.len();
    let place = |(rank, (score, _, at)): (usize, (f64, u64, usize))| {
        let cost = claim_of(round, at).price.map_or(candidates[at].cost, millionths);
        let text = format!("place {} of {all} with {score:.3}: {told}", rank + 1);
        Place { agent: round.seats[at].agent, cost, because: because(text) }
    };
    Ranked { places: scored.into_iter().enumerate().map(place).collect(), too_dear: false }
}

fn scoring(round: &Round, candidates: &[Candidate], bid_weight: f64) -> Scoring {
    let claims = || (0..round.seats.len()).map(|at| claim_of(round, at));
    let measured = || candidates.iter().map(|known| known.history).filter(|h| h.samples > 0);
    let times = measured().map(|history| history.time_ms);
    let prices = measured().map(|history| history.cost);
    let time_ms = mean(times.chain(claims().filter_map(|claim| claim.time_ms)));
    let cost = mean(prices.chain(claims().filter_map(|claim| claim.price)));
    // Whoever is unknown is taken for as good as any, so that it is tried, as in `measured`.
    let prior = History {
        success: 1.0,
        time_ms: time_ms.unwrap_or(USUAL_MS),
        cost: cost.unwrap_or(1.0),
        samples: 2,
    };
    Scoring { bid_weight, prior, ..Scoring::default() }
}

/// The mean of what is above zero; none when nothing is.
fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for number in numbers.filter(|number| *number > 0.0) {
        sum += number;
        count += 1.0;
    }
    (sum > 0.0).then(|| sum / count)
}

/// A price of the agents' unit in its millionths; one that was checked.
fn millionths(price: f64) -> u64 {
    crate::validation::in_millionths(price)
}

/// A sealed second-price auction in reverse (Vickrey 1961): the lowest price wins and is paid the
/// next one, or the reserve where there is no other; with neither, its own. So nobody gains by
/// asking for another price than it needs. Whoever says nothing stands at the price of its card.
fn auction(round: &Round, candidates: &[Candidate], terms: Terms) -> Ranked {
    let ask = |at: usize| claim_of(round, at).price.map_or(candidates[at].cost, millionths);
    let within = |at: &usize| terms.reserve.is_none_or(|reserve| ask(*at) <= reserve);
    let too_dear = willing(round).any(|at| !within(&at));
    let mut asks: Vec<(u64, u64, usize)> =
        willing(round).filter(within).map(|at| (ask(at), lot(terms.seed, at), at)).collect();
    asks.sort_unstable();
    let told = summary(round);
    let all = asks.len();
    let place = |rank: usize| {
        let (own, _, at) = asks[rank];
        let next = asks.get(rank + 1).map(|(next, ..)| *next);
        // More was asked by those above the reserve, so it is what the next one stands at.
        let cost = next.or(terms.reserve).unwrap_or(own);
        let by = match (next, terms.reserve) {
            (Some(_), _) => "the next one",
            (None, Some(_)) => "the reserve, as nobody else is below it",
            (None, None) => "itself, as there is no other",
        };
        let unit = |millionths: u64| millionths as f64 / 1e6;
        let text = format!(
            "place {} of {all}: asked {}, paid {} by {by}; {told}",
            rank + 1,
            unit(own),
            unit(cost)
        );
        Place { agent: round.seats[at].agent, cost, because: because(text) }
    };
    Ranked { places: (0..all).map(place).collect(), too_dear }
}

/// By the votes of the candidates; ties and the places behind by what was measured, which is the
/// order of the seats.
fn consensus(round: &Round, candidates: &[Candidate]) -> Ranked {
    let ballot = round.ballot(true);
    let votes_of = |at: usize| {
        let mut choices = ballot.iter().flat_map(|ballot| ballot.choices());
        choices.find(|(choice, _)| **choice == at).map_or(0, |(_, votes)| votes)
    };
    let by_vote =
        matches!(ballot.as_ref().and_then(|ballot| ballot.outcome()), Some(Outcome::Chosen { .. }));
    let mut order: Vec<(u32, usize)> = willing(round).map(|at| (votes_of(at), at)).collect();
    order.sort_by(|one, other| match other.0.cmp(&one.0) {
        Ordering::Equal => one.1.cmp(&other.1),
        unequal => unequal,
    });
    let cast: u32 = (0..round.seats.len()).map(votes_of).sum();
    let place = |(rank, (votes, at)): (usize, (u32, usize))| {
        let why = match (cast, by_vote, rank) {
            (0, ..) => "nobody voted: by measured history",
            (_, true, 0) => "the most votes",
            (_, false, 0) => "a tie: by measured history",
            _ => "next in votes, then by measured history",
        };
        let text = format!("{votes} of {cast} votes of {} asked: {why}", round.seats.len());
        Place { agent: round.seats[at].agent, cost: candidates[at].cost, because: because(text) }
    };
    Ranked { places: order.into_iter().enumerate().map(place).collect(), too_dear: false }
}
