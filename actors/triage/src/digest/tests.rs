//! Digests merge into the digest of the whole.

use proptest::prelude::*;

use super::*;
use crate::miner::{DatedLine, Miner};
use crate::reader::Parts;

fn config() -> MinerConfig {
    MinerConfig::default()
}

/// The digest of lines with these contents, one a second.
fn digest(chunk: u64, first: u64, contents: &[String]) -> Digest {
    let mut miner = Miner::new(chunk, &config());
    let mut tally = FileTally::default();
    for (content, number) in contents.iter().zip(first..) {
        let ms = number as i64 * 1000;
        let parts = Parts { time_ms: Some(ms), content, ..Parts::default() };
        miner.add(&DatedLine { file: 0, number, text: content, parts });
        tally.lines += 1;
        cover(&mut tally.span, Some(Span::of(ms, ms)));
    }
    miner.digest_mut().files.insert(0, tally);
    miner.finish()
}

fn merged(parts: &[Digest]) -> Digest {
    let mut whole = Digest::default();
    for part in parts {
        assert!(whole.merge(part.clone(), &config()));
    }
    whole
}

fn contents() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        "job [0-9]{1,3} (starts|ends)",
        "Failed password for [a-d]{1,2} from 10\\.0\\.0\\.[0-9]",
        "(disk|net) [a-f]{2} is (up|down)",
    ];
    prop::collection::vec(line, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn merging_is_associative_and_commutative_and_equals_the_whole(
        a in contents(), b in contents(), c in contents(),
    ) {
        let starts = [1, 1 + a.len() as u64, 1 + (a.len() + b.len()) as u64];
        let whole = digest(0, 1, &[a.clone(), b.clone(), c.clone()].concat());
        let parts = [digest(0, starts[0], &a), digest(1, starts[1], &b), digest(2, starts[2], &c)];
        let left = merged(&parts);
        let mut right = parts[2].clone();
        let mut middle = parts[1].clone();
        prop_assert!(middle.merge(parts[0].clone(), &config()));
        prop_assert!(right.merge(middle, &config()));
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(&left.templates, &whole.templates);
        prop_assert_eq!(&left.timeline, &whole.timeline);
        prop_assert_eq!(&left.files, &whole.files);
        prop_assert_eq!(left.severities, whole.severities);
        let counts = |digest: &Digest| {
            let count = |(s, t): (&Source, &FailureTally)| (s.clone(), t.count, t.series.clone());
            digest.sources.iter().map(count).collect::<Vec<_>>()
        };
        prop_assert_eq!(counts(&left), counts(&whole));
    }

    #[test]
    fn grouping_twice_changes_nothing_more(a in contents()) {
        let once = digest(0, 1, &a).grouped(&config());
        prop_assert_eq!(once.clone().grouped(&config()).templates, once.templates);
    }
}

#[test]
fn a_chunk_is_never_counted_twice() {
    let part = digest(7, 1, &["job 1 starts".into(), "job 1 ends".into()]);
    let mut whole = part.clone();
    assert!(!whole.merge(part.clone(), &config()));
    assert_eq!(whole, part);
}

#[test]
fn a_digest_survives_its_json() {
    let lines = ["Failed password for bob from 10.0.0.1".into(), "job 2 ends".into()];
    let digest = digest(3, 1, &lines);
    let json = serde_json::to_string(&digest).unwrap();
    assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
}

#[test]
fn shrinking_gives_up_detail_and_keeps_every_line_counted() {
    let lines: Vec<String> = (0..2000)
        .map(|i| {
            let words = "abcdefghij".repeat(1 + i % 7);
            format!("{words} error {} from 10.1.{}.{}", "x".repeat(i % 50), i / 250, i % 250)
        })
        .collect();
    let mut digest = digest(0, 1, &lines);
    let kept: u64 = digest.sources.values().map(|t| t.count).sum();
    let failures = kept + digest.dropped_failures;
    let full = serde_json::to_vec(&digest).unwrap().len();
    assert!(full > 40_000, "{full}");
    assert!(digest.shrink_to(20_000, &config()));
    assert!(serde_json::to_vec(&digest).unwrap().len() <= 20_000);
    assert_eq!(digest.templates.values().map(|t| t.count).sum::<u64>(), 2000);
    let kept: u64 = digest.sources.values().map(|t| t.count).sum();
    assert_eq!(kept + digest.dropped_failures, failures);
}
