//! Detectors on invented days of a log.

use super::*;
use crate::config::{DetectorConfig, MinerConfig};
use crate::digest::{Digest, FileTally, Ranges, Span};
use crate::finding::FindingKind;
use crate::miner::{DatedLine, Miner};
use crate::reader::Parts;
use crate::severity::Severity;

/// A log of lines at these seconds.
fn log(lines: &[(i64, String)]) -> Digest {
    let config = MinerConfig::default();
    let mut miner = Miner::new(0, &config);
    let mut tally = FileTally::default();
    for ((second, content), number) in lines.iter().zip(1..) {
        let ms = second * 1000;
        let parts = Parts { time_ms: Some(ms), content, ..Parts::default() };
        miner.add(&DatedLine { file: 0, number, text: content, parts });
        tally.lines += 1;
        crate::digest::cover(&mut tally.span, Some(Span::of(ms, ms)));
    }
    miner.digest_mut().files.insert(0, tally);
    miner.finish().grouped(&config)
}

/// An hour in which a heartbeat is written every five seconds.
fn quiet_hour() -> Vec<(i64, String)> {
    (0..720).map(|i| (i * 5, format!("heartbeat {i} of worker is fine"))).collect()
}

fn with(mut lines: Vec<(i64, String)>, more: impl IntoIterator<Item = (i64, String)>) -> Digest {
    lines.extend(more);
    lines.sort_by_key(|line| line.0);
    log(&lines)
}

#[test]
fn a_quiet_log_has_no_findings() {
    let digest = log(&quiet_hour());
    let config = DetectorConfig::default();
    assert_eq!(detect_rare(&digest, &config), []);
    assert_eq!(detect_spikes(&digest, &config), []);
    assert_eq!(detect_failures(&digest, &config), []);
}

#[test]
fn one_odd_line_is_rare_and_shown() {
    let digest = with(quiet_hour(), [(1801, "disk sda1 is nearly full".to_owned())]);
    let findings = detect_rare(&digest, &DetectorConfig::default());
    assert_eq!(findings.len(), 1);
    let finding = &findings[0];
    assert_eq!((finding.kind, finding.count), (FindingKind::RareTemplate, 1));
    assert_eq!(finding.evidence[0].text, "disk sda1 is nearly full");
    assert!(finding.strength.bits > finding.strength.needed_bits, "{:?}", finding.strength);
}

#[test]
fn rare_lines_that_come_together_are_one_finding() {
    let boot = [
        "kernel version 6.1 is starting",
        "memory 4 GB found",
        "disk sda found",
        "network card found",
        "root mounted readonly",
        "daemon started",
    ];
    let boot = boot.iter().zip(1800..).map(|(text, second)| (second, (*text).to_owned()));
    let findings = detect_rare(&with(quiet_hour(), boot), &DetectorConfig::default());
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].kind, findings[0].count), (FindingKind::RareSequence, 6));
    assert!(findings[0].title.contains("something was started"), "{}", findings[0].title);
}

#[test]
fn a_spike_is_found_where_it_is_and_not_elsewhere() {
    let usual = (0..60).map(|i| (i * 60 + 7, format!("cache miss for key {i}")));
    let spike = (0..200).map(|i| (2400 + i / 10, format!("cache miss for key {i}")));
    let digest = with(quiet_hour(), usual.chain(spike));
    let findings = detect_spikes(&digest, &DetectorConfig::default());
    assert_eq!(findings.len(), 1, "{findings:?}");
    let span = findings[0].span.unwrap();
    assert!(span.first_ms >= 2_398_000 && span.last_ms <= 2_421_000, "{span:?}");
    assert!((180..=200).contains(&findings[0].count), "{}", findings[0].count);
}

#[test]
fn spikes_at_the_same_time_are_one_finding() {
    let burst = (0..150).flat_map(|i| {
        let second = 1200 + i / 10;
        [(second, format!("queue {i} is long")), (second, format!("request {i} is late"))]
    });
    let findings = detect_spikes(&with(quiet_hour(), burst), &DetectorConfig::default());
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].templates.len(), 2);
    assert!(findings[0].title.starts_with("2 kinds of messages at once"), "{}", findings[0].title);
}

#[test]
fn a_steady_rate_is_no_spike_however_high() {
    let steady = (0..7200).map(|i| (i / 2, format!("packet {i} sent")));
    assert_eq!(detect_spikes(&with(quiet_hour(), steady), &DetectorConfig::default()), []);
}

#[test]
fn logs_of_different_years_are_judged_each_by_its_own_time() {
    let config = MinerConfig::default();
    let year = 365 * 86_400;
    let mut whole = Digest::default();
    for (file, start) in [(0_u32, 0), (1, 10 * year)] {
        let steady = (0..2000).map(|i| {
            (start + i * 30, format!("packet {i} sent by {}", ["ann", "bob"][file as usize]))
        });
        let mut digest = log(&steady.collect::<Vec<_>>());
        digest.chunks = Ranges::one(file.into());
        let tally = digest.files.remove(&0).unwrap();
        digest.files.insert(file, tally);
        let samples = digest.templates.values_mut().flat_map(|tally| &mut tally.samples);
        samples.for_each(|sample| sample.file = file);
        assert!(whole.merge(digest, &config));
    }
    assert_eq!(detect_spikes(&whole, &DetectorConfig::default()), []);
}

#[test]
fn refused_logins_from_one_address_are_a_finding_with_its_users() {
    let attack = (0..80).map(|i| {
        let user = ["root", "admin", "test"][i % 3];
        (600 + i as i64, format!("Failed password for {user} from 203.0.113.9 port {i} ssh2"))
    });
    let findings = detect_failures(&with(quiet_hour(), attack), &DetectorConfig::default());
    assert_eq!(findings.len(), 1);
    let finding = &findings[0];
    assert_eq!((finding.count, finding.security), (80, true));
    assert_eq!(finding.severity, Severity::Error);
    assert_eq!(finding.title, "Refused logins from 203.0.113.9: 80 in 1 min 19 s");
    assert!(finding.explanation.contains("Users named: admin, root, test."), "{finding:?}");
}

#[test]
fn a_login_after_many_failures_of_its_source_is_an_error() {
    let from = |user: &str, ip: &str| format!("password for {user} from {ip} port 4 ssh2");
    let attack = (0..80).map(|i| (600 + i, format!("Failed {}", from("root", "203.0.113.9"))));
    let login = |ip: &str| (700, format!("Accepted {}", from("root", ip)));
    let config = DetectorConfig::default();
    let found = |ip: &str| {
        let digest = with(quiet_hour(), attack.clone().chain([login(ip)]));
        let findings = detect_rare(&digest, &config);
        findings.into_iter().find(|finding| finding.subject.contains("Accepted")).unwrap()
    };
    let broken_in = found("203.0.113.9");
    assert_eq!(broken_in.severity, Severity::Error);
    assert_eq!(broken_in.title, "Login from 203.0.113.9 that failed 80 times");
    assert_eq!(found("203.0.113.90").severity, Severity::Notice, "another source");
}

#[test]
fn failures_spread_over_the_day_are_no_burst() {
    let spread = (0..30).map(|i| (i * 120, format!("connect to 203.0.113.9 port {i} refused")));
    assert_eq!(detect_failures(&with(quiet_hour(), spread), &DetectorConfig::default()), []);
}

#[test]
fn each_detector_reports_no_more_than_its_limit() {
    let config = DetectorConfig { max_findings: 3, ..DetectorConfig::default() };
    let attacks = (0..20).flat_map(|source| {
        (0..15).map(move |i| (source * 100 + i, format!("login refused for 10.0.0.{source}")))
    });
    let digest = with(quiet_hour(), attacks);
    assert_eq!(detect_failures(&digest, &config).len(), 3);
}

#[test]
fn durations_and_numbers_are_written_for_people() {
    let cases = [
        (0.0, "less than 1 s"),
        (8.4, "8 s"),
        (60.0, "1 min"),
        (471.0, "7 min 51 s"),
        (12_000.0, "3 h 20 min"),
        (187_200.0, "2 d 4 h"),
        (63_158_400.0, "2 y 1 d"),
    ];
    for (seconds, expected) in cases {
        assert_eq!(human_duration(seconds), expected);
    }
    let numbers = [(7, "7"), (1000, "1,000"), (67_108_864, "67,108,864")];
    for (number, expected) in numbers {
        assert_eq!(grouped_digits(number), expected);
    }
}
