//! Combinatorial auctions of 25 items: how long the winners take to be found.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use synod_coordination::Moment;
use synod_coordination::auction::Payment;
use synod_coordination::auction::bundles::{BundleBid, EXACT_ITEMS, allocate, clear};

use crate::figures::{load, percentile, process_cpu, share_of};

const SEEDS: u64 = 20;
const MONEY: u64 = 1_000_000;

/// Bids as the legacy distributions of CATS draw them (Leyton-Brown, Pearson and Shoham 2000), and
/// bidders of whom each bids on many bundles and wins at most one.
const DRAWS: [(&str, u64); 4] =
    [("uniform", 1_000), ("random", 2_000), ("decay", 1_000), ("xor", 2_000)];

pub(crate) fn print() {
    println!("\n## Combinatorial auctions of {EXACT_ITEMS} items: winners found\n");
    println!(
        "| bids | seeds | p50 ms | the hardest ms | its seed | not exact | with VCG prices, the \
         hardest ms | VCG not had | CPU ms each | load |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (kind, count) in DRAWS {
        row(kind, count);
    }
}

fn row(kind: &str, count: u64) {
    let seeds = share_of(SEEDS);
    let (mut times, mut priced) = (Vec::new(), Duration::ZERO);
    let (mut inexact, mut unpriced, mut hardest) = (0, 0, (Duration::ZERO, 0));
    let mut cpu = Duration::ZERO;
    for seed in 0..seeds {
        let bids = draw(kind, count, &mut StdRng::seed_from_u64(seed));
        let (begun, before) = (Instant::now(), process_cpu());
        let found = allocate(&bids, EXACT_ITEMS, seed);
        cpu += process_cpu() - before;
        times.push(begun.elapsed());
        hardest = hardest.max((begun.elapsed(), seed));
        inexact += u64::from(!found.exact);
        let begun = Instant::now();
        let cleared = clear(&bids, EXACT_ITEMS, 0, Payment::Vcg, seed);
        priced = priced.max(begun.elapsed());
        unpriced += u64::from(cleared.payment != Some(Payment::Vcg));
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "| {count} {kind} | {seeds} | {:.1} | {:.1} | {} | {inexact} | {:.1} | {unpriced} | {:.1} \
         | {} |",
        percentile(&times, 0.5) / 1e3,
        ms(hardest.0),
        hardest.1,
        ms(priced),
        ms(cpu) / seeds as f64,
        load(),
    );
}

fn draw(kind: &str, count: u64, chance: &mut StdRng) -> Vec<BundleBid> {
    let bid = |at: u64| {
        let size = match kind {
            "uniform" => 3,
            "random" => chance.random_range(1..=EXACT_ITEMS),
            "xor" => chance.random_range(1..=4),
            // Another item with probability 3/4 (Sandholm 2002).
            _ => (1..EXACT_ITEMS).take_while(|_| chance.random_range(0..4) < 3).count() + 1,
        };
        let mut members = BTreeSet::new();
        while members.len() < size {
            members.insert(chance.random_range(0..EXACT_ITEMS));
        }
        let items = members.into_iter().fold(0, |items, item| items | 1_u128 << item);
        let one = 1 + chance.random_range(0..MONEY);
        let amount = if kind == "uniform" { one } else { one * size as u64 };
        let who = if kind == "xor" { at % 200 } else { at };
        BundleBid { who: u32::try_from(who).unwrap_or(u32::MAX), items, amount, at: Moment(0) }
    };
    (0..count).map(bid).collect()
}
