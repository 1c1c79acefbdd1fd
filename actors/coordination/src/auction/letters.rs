//! What bidders are told, and what is read out of their answers.

use serde::{Deserialize, Serialize};
use synod_agents::Payload;

use super::terms::{Bundle, Item, Kind, Setup};
use crate::protocol::Moment;

#[derive(Serialize)]
struct Call<'a> {
    goods: &'a str,
    items: &'a [Item],
    rules: Kind,
    close_by_us: i64,
    answer: &'static str,
}

#[derive(Serialize)]
struct Outbid {
    amount: Option<u64>,
    least: u64,
    close_by_us: i64,
    answer: &'static str,
}

/// What an agent bids.
#[derive(Deserialize)]
pub(super) struct Proposed {
    #[serde(default)]
    pub(super) amount: Option<i64>,
    #[serde(default)]
    pub(super) side: Side,
    #[serde(default)]
    pub(super) bundles: Vec<Bundle>,
}

/// On which side of a double auction.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Side {
    #[default]
    Buy,
    Sell,
}

/// The call that bidders get: the rules, but neither the reserve nor anybody's budget.
pub(super) fn call(setup: &Setup, until: Moment) -> Payload {
    let answer = match setup.kind {
        Kind::Double => "propose {amount, side: buy or sell}, or refuse",
        Kind::Combinatorial { .. } => "propose {bundles: [{items, amount}]}, or refuse",
        _ => "propose {amount}, or refuse",
    };
    let (goods, items, rules) = (setup.goods.as_str(), setup.items.as_slice(), setup.kind);
    json(&Call { goods, items, rules, close_by_us: until.0, answer })
}

/// Tells somebody that another has bid `amount`, and what its own next bid must be at least.
pub(super) fn outbid(amount: Option<u64>, least: u64, until: Moment) -> Payload {
    let answer = "propose {amount}, or refuse: you are out then";
    json(&Outbid { amount, least, close_by_us: until.0, answer })
}

pub(super) fn json(content: &impl Serialize) -> Payload {
    // None of these can fail to be JSON: they have neither maps nor a Serialize of their own.
    Payload::json(content).unwrap_or_default()
}
