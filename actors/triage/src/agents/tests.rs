//! The team's cards, and what its agents do by themselves.

use std::collections::BTreeSet;

use super::*;
use crate::digest::{FileTally, Ranges};
use crate::miner::{DatedLine, Miner};
use crate::reader::Parts;

fn whole_team() -> Vec<Arc<dyn AgentFactory>> {
    let (config, readable) = (TriageConfig::default(), Readable::below([]));
    Team::new(TeamOptions::new(config, readable, PathBuf::new())).agents
}

#[test]
fn every_card_is_valid_and_every_capability_has_a_name_and_schemas() {
    let mut capabilities = BTreeSet::new();
    for factory in whole_team() {
        let card = factory.card();
        assert_eq!(card.validate(), Ok(()), "{}", card.id);
        for capability in &card.capabilities {
            assert!(capability.input_schema.is_some() && capability.output_schema.is_some());
            capabilities.insert(capability.name.clone());
        }
    }
    let expected = [
        READ,
        MINE,
        CITE,
        DIGEST,
        RANK,
        AUDIT,
        SUMMARISE,
        DETECT_RARE,
        DETECT_RATE,
        DETECT_FAILURES,
        JUDGE,
        REPORT,
    ];
    assert_eq!(capabilities, expected.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn three_judges_and_two_reporters_share_a_capability() {
    let team = whole_team();
    let able = |name: &str| team.iter().filter(|f| f.card().find(name).is_some()).count();
    assert_eq!((able(JUDGE), able(REPORT)), (3, 2));
}

/// A digest of `lines` lines in chunk `chunk`.
fn digest(chunk: u64, lines: u64) -> Digest {
    let mut miner = Miner::new(chunk, &TriageConfig::default().miner);
    for number in 0..lines {
        let parts = Parts { content: "all is well", ..Parts::default() };
        miner.add(&DatedLine { file: 0, number, text: "all is well", parts });
    }
    let tally = FileTally { lines, bytes: lines * 12, ..FileTally::default() };
    miner.digest_mut().files.insert(0, tally);
    miner.finish()
}

#[test]
fn the_auditor_passes_what_adds_up() {
    let audited = AuditedDigest { chunks: Ranges::one(0), bytes: 120, digest: digest(0, 10) };
    assert_eq!(audited.audit(), Ok(Audit { lines: 10, messages: 10 }));
}

#[test]
fn the_auditor_refuses_a_missing_chunk_a_wrong_chunk_and_a_lost_line() {
    let mut two = Ranges::one(0);
    two.join(&Ranges::one(1));
    let missing = AuditedDigest { chunks: two, bytes: 120, digest: digest(0, 10) };
    let wrong = AuditedDigest { chunks: Ranges::one(5), bytes: 120, digest: digest(0, 10) };
    let mut lost = AuditedDigest { chunks: Ranges::one(0), bytes: 120, digest: digest(0, 10) };
    if let Some(tally) = lost.digest.templates.values_mut().next() {
        tally.count -= 1;
    }
    for (audited, expected) in [
        (missing, "chunks: 1 instead of 2"),
        (wrong, "chunks in common: 0 instead of 1"),
        (lost, "messages by template: 9 instead of 10"),
    ] {
        let error = audited.audit().unwrap_err();
        assert_eq!(error.message, expected);
        assert!(!error.retryable(), "another attempt would find the same");
    }
}

#[test]
fn a_ranking_keeps_the_findings_that_matter_and_counts_the_templates() {
    let digest = digest(0, 10);
    let ranked = Ranking { digest, findings: vec![Vec::new(), Vec::new()] }.rank(10);
    assert_eq!((ranked.lines, ranked.templates, ranked.findings.len()), (10, 1, 0));
    assert_eq!((ranked.top[0].count, ranked.top[0].share), (10, 1.0));
}
