//! Conflicts: from the opening to the resolution.

use std::path::Path;

use synod_coordination::Effects;
use synod_coordination::conflict::{Conflict, ConflictOutcome, ConflictSetup, Party, Strategy};
use synod_coordination::desk::ended;

use crate::figures::{Round, each, each_awaited, latencies, latency, rounds, share_of};
use crate::ground::{Node, opened};

pub(crate) async fn print(folder: &Path) {
    latencies("Conflicts of two: from the opening to the resolution");
    let node = Node::start(folder, r#"{"choice": "a", "reason": "it was first"}"#, "").await;
    let (mut ruled, mut judged) = (Vec::new(), Vec::new());
    for _ in 0..rounds() {
        ruled.push(settled(&node, || vec![Strategy::Priority], share_of(2_000)).await);
        judged.push(settled(&node, arbiter, share_of(2_000)).await);
    }
    node.stop().await;
    latency("by priority; desk and disk", "< 1 ms", &ruled);
    latency("by an agent that is asked; desk and disk", "< 1 ms", &judged);
    let pure: Vec<Round> =
        (0..rounds()).map(|_| each(share_of(50_000), |_| by_priority())).collect();
    latency("by priority; pure", "", &pure);
}

fn arbiter() -> Vec<Strategy> {
    vec![Strategy::Arbiter { name: "judge".to_owned(), within_ms: 60_000 }]
}

fn setup(strategies: Vec<Strategy>) -> ConflictSetup {
    let party = |name: &str, priority| Party { priority, ..Party::named(name) };
    let (subject, parties) = ("the printer".to_owned(), vec![party("a", 2), party("b", 1)]);
    ConflictSetup { subject, parties, strategies, ..ConflictSetup::default() }
}

async fn settled(node: &Node<Conflict>, by: fn() -> Vec<Strategy>, count: u64) -> Round {
    each_awaited(count, async |_| {
        let id = node.open(setup(by())).await;
        let shown = ended(&node.desk, id).await.expect("an end");
        assert!(matches!(shown.view.outcome, Some(ConflictOutcome::Resolved(_))));
    })
    .await
}

fn by_priority() {
    let mut out = Effects::default();
    let conflict: Conflict = opened(setup(vec![Strategy::Priority]), &mut out);
    assert!(synod_coordination::Protocol::has_ended(&conflict));
}
