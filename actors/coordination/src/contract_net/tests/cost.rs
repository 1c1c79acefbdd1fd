//! What a call of many costs: the time is printed, the growth is asserted.

use std::time::{Duration, Instant};

use synod_agents::AgentId;

use super::{opening, quality, setup};
use crate::contract_net::{ContractNet, Measured, Setup};
use crate::protocol::{Effects, Moment, Protocol};

/// From the opening to the award, everybody proposing.
fn whole_call(candidates: usize) -> Duration {
    let agents: Vec<AgentId> =
        (0..candidates).map(|number| super::agent(&format!("agent-{number}"))).collect();
    let measured = agents.iter().enumerate().map(|(at, agent)| Measured {
        participant: agent.clone(),
        success: (at % 100) as f64 / 100.0,
        time_ms: 10.0,
        cost: 1.0,
        samples: 20,
    });
    let setup = Setup { measured: measured.collect(), participants: agents, ..setup(&[]) };
    let proposal = quality(0.5);
    let start = Instant::now();
    let mut out = Effects::default();
    let mut net = ContractNet::open(setup, &opening(1), &mut out).unwrap();
    let mut next = 0;
    while let Some(number) = out.dispatches.get(next).map(|dispatch| dispatch.number) {
        net.heard(Moment(1), number, &proposal, &mut out);
        next += 1;
        if net.live_award().is_some() {
            break;
        }
    }
    assert!(net.live_award().is_some());
    start.elapsed()
}

#[test]
fn the_largest_call_fits_into_one_record() {
    let agents = (0..100_000).map(|number| super::agent(&format!("a{number:063}")));
    let mut setup = Setup { participants: agents.collect(), ..setup(&[]) };
    setup.measured = setup
        .participants
        .iter()
        .map(|agent| Measured {
            participant: agent.clone(),
            success: 0.5,
            time_ms: 1.5,
            cost: 1.5,
            samples: 1_000,
        })
        .collect();
    let asked = synod_journal::RecordCodec::encode(&setup).unwrap().len();
    setup.fan_out = 100_000;
    let mut out = Effects::default();
    let net = ContractNet::open(setup, &opening(1), &mut out).unwrap();
    let kept = synod_journal::RecordCodec::encode(&net).unwrap().len();
    println!("setup {asked} bytes, open call {kept} bytes");
}

#[test]
fn a_call_of_100000_grows_no_faster_than_n_log_n() {
    let best = |candidates| (0..3).map(|_| whole_call(candidates)).min().unwrap();
    let costs = [10, 1_000, 100_000].map(|candidates| (candidates, best(candidates)));
    for (candidates, cost) in costs {
        println!("{candidates} candidates: {cost:?}, {:?} each", cost / candidates as u32);
    }
    // 100 times as many: n log n is 167 times the cost; quadratic would be 10,000 times.
    let (small, large) = (costs[1].1, costs[2].1);
    assert!(large < small * 4_000, "{small:?} {large:?}");
}
