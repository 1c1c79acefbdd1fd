//! Contract nets: from the call to the award and to the result.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use synod_agents::{AgentId, Performative};
use synod_coordination::contract_net::{ContractNet, Measured, Setup};
use synod_coordination::desk::ended;
use synod_coordination::{Effects, Moment, Protocol as _};

use crate::figures::{Round, Stopwatch, each_awaited, latencies, latency, rounds, share_of};
use crate::ground::{Node, heard, opened};

pub(crate) async fn print(folder: &Path) {
    latencies("Contract nets: everybody proposes");
    let node = Node::start(folder, r#"{"done": true}"#, "contract_net.awarded").await;
    let (mut awards, mut results) = (Vec::new(), Vec::new());
    for _ in 0..rounds() {
        let (award, result) = through_a_desk(&node, share_of(1_000)).await;
        awards.push(award);
        results.push(result);
    }
    node.stop().await;
    latency("10 agents, call to award told; desk and disk", "< 1 ms", &awards);
    latency("10 agents, call to result; desk and disk", "", &results);
    for (candidates, count) in [(10, 10_000), (1_000, 100), (100_000, 3)] {
        let taken: Vec<Round> = (0..rounds()).map(|_| pure(candidates, share_of(count))).collect();
        latency(&format!("{candidates} candidates, call to award; pure"), "", &taken);
    }
}

fn setup(candidates: usize) -> Setup {
    let names = (0..candidates).map(|at| AgentId::new(format!("agent-{at}")).expect("a name"));
    let participants: Vec<AgentId> = names.collect();
    let measured = participants.iter().enumerate().map(|(at, agent)| {
        let success = (at % 100) as f64 / 100.0;
        Measured::new(agent.clone(), success, 10.0)
    });
    let measured = measured.collect();
    Setup { task: "count the words".to_owned(), measured, participants, ..Setup::default() }
}

async fn through_a_desk(node: &Node<ContractNet>, count: u64) -> (Round, Round) {
    let mut until_award = Vec::new();
    let until_result = each_awaited(count, async |_| {
        let begun = Instant::now();
        let id = node.open(setup(10)).await;
        let shown = ended(&node.desk, id).await.expect("an end");
        assert_eq!(shown.view.phase, "done");
        until_award.push(node.told_at(id).expect("an award") - begun);
    })
    .await;
    let Round { wall, cpu, pieces, .. } = until_result;
    (Round { times: until_award, wall, cpu, pieces }, until_result)
}

/// The setup is made before the clock starts.
fn pure(candidates: usize, count: u64) -> Round {
    let proposal = heard(Performative::Propose, r#"{"quality": 0.5}"#);
    let mut setups: VecDeque<Setup> = (0..count).map(|_| setup(candidates)).collect();
    let watch = Stopwatch::start();
    let mut times = Vec::new();
    while let Some(setup) = setups.pop_front() {
        let begun = Instant::now();
        let mut out = Effects::default();
        let mut net: ContractNet = opened(setup, &mut out);
        let mut next = 0;
        while net.live_award().is_none() {
            let number = out.dispatches[next].number;
            net.heard(Moment(1), number, &proposal, &mut out);
            next += 1;
        }
        times.push(begun.elapsed());
    }
    watch.stop(times, count)
}
