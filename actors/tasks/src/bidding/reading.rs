//! Reading what an agent answered to a call.
//!
//! To a call for proposals: `propose` with a JSON object of `price` (in the unit of the agents'
//! cards), `time_ms` and `quality` (0 to 1), each of which may be left out; in an auction `amount`
//! or `price` is what it asks. To a question who should do it: `inform` with `choice`, the id or
//! `id@version` of one of the candidates, or with a `ranking` of which the first counts. And
//! `refuse` to either. Other fields (a note, a reason) are passed over.

use serde::Deserialize;
use synod_agents::{Envelope, Performative};
use synod_coordination::contract_net::Claim;

use super::{Said, Unfit};
use crate::task::Allocation;

/// Most bytes of an answer that is looked at.
const MAX_ANSWER_BYTES: usize = 16 << 10;

#[derive(Deserialize)]
struct Proposal {
    price: Option<f64>,
    amount: Option<f64>,
    time_ms: Option<f64>,
    quality: Option<f64>,
}

#[derive(Deserialize)]
struct Choice {
    choice: Option<String>,
    #[serde(default)]
    ranking: Vec<String>,
}

/// What this answer to a call of this kind says. Whether its numbers are some that can be bid is
/// for the round to say.
pub(crate) fn read(kind: Allocation, answer: &Envelope) -> Said {
    match answer.performative {
        Performative::Refuse | Performative::RejectProposal => return Said::Refused,
        Performative::NotUnderstood => return Said::Unfit(Unfit::NotUnderstood),
        _ => {}
    }
    let bytes = &answer.content.bytes;
    if bytes.len() > MAX_ANSWER_BYTES {
        return Said::Unfit(Unfit::TooLarge);
    }
    let votes = kind == Allocation::Consensus;
    let said = match answer.performative {
        Performative::Propose if !votes && bytes.is_empty() => Some(Said::Bid(Claim::default())),
        Performative::Propose if !votes => {
            serde_json::from_slice(bytes).ok().map(|proposal| bid(kind, &proposal))
        }
        Performative::Inform | Performative::InformRef if votes => {
            serde_json::from_slice(bytes).ok().and_then(vote)
        }
        _ => None,
    };
    said.unwrap_or(Said::Unfit(Unfit::Malformed))
}

fn bid(kind: Allocation, proposal: &Proposal) -> Said {
    let Proposal { price, amount, time_ms, quality } = *proposal;
    if kind == Allocation::Auction {
        // Nothing but the price decides; an offer without one stands at that of the card.
        return Said::Bid(Claim { price: amount.or(price), ..Claim::default() });
    }
    Said::Bid(Claim { price: price.or(amount), time_ms, quality })
}

fn vote(Choice { choice, ranking }: Choice) -> Option<Said> {
    choice.or_else(|| ranking.into_iter().next()).map(Said::Vote)
}
