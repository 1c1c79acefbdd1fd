//! Vickrey auction of GPU minutes: sealed bids, the highest wins and pays the second highest, so to
//! bid what the minutes are worth is the best anybody can do.
//!
//! ```text
//! cargo run --example 03_vickrey_auction
//! ```
//!
//! Three jobs bid 4, 9 and 6 (in units of money; the API counts millionths). Expect the job that
//! bid 9 to win and to pay 6, and a loser who bids again after the end to be refused.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use synod::coordination::auction::{Auction, Bidder, Input, Item, Kind, Outcome, Setup};
use synod::coordination::desk::{Open, Step, ended};
use synod::coordination::resources::ResourceUnits;
use synod::prelude::*;
use synod::runtime::Principal;

/// Millionths in a unit of money.
const UNIT: u64 = 1_000_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let mut config = synod::config::NodeConfig::default();
    config.node.data_folder = folder.path().to_owned();
    let node = NodeBuilder::new().config(config).without_http().start().await?;
    let (desk, within) = (node.desk::<Auction>(), Duration::from_secs(10));

    let bids = [("train", 4), ("render", 9), ("index", 6)];
    let bidder = |(name, _): &(&str, u64)| Bidder { name: (*name).into(), budget: Some(10 * UNIT) };
    let units = ResourceUnits { gpu_millis: 1_000, ..ResourceUnits::default() };
    let setup = Setup {
        goods: "one GPU for ten minutes".into(),
        items: vec![Item { name: "gpu-0".into(), units }],
        kind: Kind::Vickrey,
        bidders: bids.iter().map(bidder).collect(),
        reserve: UNIT,
        ask_agents: false,
        ..Setup::default()
    };
    let id = desk.ask(Open::new(setup, Principal::user("scheduler")), within).await??.id;
    let bid = |name: &str, units: u64| Step::<Auction> {
        id,
        by: Principal::agent(name),
        input: Input::Bid { bidder: name.into(), amount: (units * UNIT) as i64 },
    };
    for (name, units) in bids {
        desk.ask(bid(name, units), within).await??;
        println!("{name} bids in a sealed envelope");
    }
    let Some(Outcome::Sold(sale)) = ended(&desk, id).await?.view.outcome else {
        return Err("nothing was sold".into());
    };
    for winner in sale.winners {
        println!("{} wins and pays {}", winner.who, winner.price / UNIT);
    }
    let late = desk.ask(bid("index", 10), within).await?;
    println!("index bids again: {}", late.err().map(|why| why.to_string()).unwrap_or_default());
    node.stop().await;
    Ok(())
}
