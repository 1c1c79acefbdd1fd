//! The team's cards, and what its agents do by themselves.

use std::collections::BTreeSet;

use super::*;
use crate::digest::{FileTally, Ranges};
use crate::miner::{DatedLine, Miner};
use crate::reader::{Layout, Parts, WrittenAt};

#[test]
fn every_card_is_valid_and_every_capability_has_a_name_and_schemas() {
    let mut capabilities = BTreeSet::new();
    for factory in team(&TriageConfig::default(), &Readable::below([])) {
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
        GATHER,
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
    let team = team(&TriageConfig::default(), &Readable::below([]));
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

/// A chunk of 12 bytes a line, as [`digest`] makes it.
fn chunk(number: u64, lines: u64) -> serde_json::Value {
    serde_json::json!({
        "number": number, "file": 0, "path": "x.log", "offset": 0, "length": lines * 12,
        "first_line": 1, "continues": false, "layout": Layout::default(),
        "written": WrittenAt::from_ms(0),
    })
}

#[test]
fn digests_of_all_chunks_are_gathered_into_one_that_adds_up() {
    let chunks = [chunk(1, 5), chunk(0, 10)];
    let chunks = chunks.map(|chunk| serde_json::from_value(chunk).unwrap()).to_vec();
    let digests = vec![digest(0, 10), digest(1, 5)];
    let gathering = Gathering { chunks, digests };
    let miner = TriageConfig::default().miner;
    let gathered = gathering.clone().gather(&miner).unwrap();
    assert_eq!(gathered.audit(), Ok(Audit { lines: 15, messages: 15 }));
    let twice = Gathering { digests: vec![digest(0, 10), digest(0, 10)], ..gathering };
    assert!(twice.gather(&miner).unwrap_err().message.contains("the same chunk"));
}

#[test]
fn a_ranking_has_a_case_for_each_finding_that_is_kept() {
    let digest = digest(0, 10);
    let ranked = Ranking { digest, findings: vec![Vec::new(), Vec::new()] }.rank(10);
    assert_eq!((ranked.lines, ranked.templates, ranked.cases.len()), (10, 1, 0));
}
