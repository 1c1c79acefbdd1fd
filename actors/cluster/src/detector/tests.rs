//! Tests of the detector.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{DetectorConfig, NodeLease, NodeVerdict, PhiAccrual, Vitals};
use crate::links::HeartbeatListener;
use crate::node::NodeId;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A detector that has seen `beats` heartbeats, one each 250 ms, and the time of the last.
fn regular(beats: u64) -> (PhiAccrual, Duration) {
    let mut detector = PhiAccrual::new(DetectorConfig::default(), ms(0));
    (1..=beats).for_each(|beat| detector.heartbeat(ms(250 * beat)));
    (detector, ms(250 * beats))
}

#[test]
fn a_node_that_beats_in_time_is_not_suspicious() {
    let (detector, last) = regular(50);
    assert!(detector.phi(last + ms(250), ms(0)) < 0.01);
    assert!(!detector.is_suspicious(last + ms(1250), ms(0)), "a pause that is acceptable");
}

#[test]
fn a_frozen_node_is_suspicious_within_two_seconds() {
    let (detector, last) = regular(200);
    assert!(detector.is_suspicious(last + ms(2000), ms(0)));
}

#[test]
fn what_is_our_own_fault_is_forgiven() {
    let (detector, last) = regular(200);
    assert!(!detector.is_suspicious(last + ms(2000), ms(1000)));
}

#[test]
fn phi_is_what_the_paper_says_it_is() {
    let config = DetectorConfig { acceptable_pause_ms: 0, ..DetectorConfig::default() };
    let detector = PhiAccrual::new(config, ms(0));
    // At the mean half of the heartbeats are yet to come: -log10(0.5).
    assert!((detector.phi(ms(250), ms(0)) - std::f64::consts::LOG10_2).abs() < 1e-4);
    // Two deviations of the floor later 2.275 % are: -log10(0.02275).
    assert!((detector.phi(ms(450), ms(0)) - 1.643).abs() < 0.01);
}

#[test]
fn an_outage_does_not_stretch_what_is_usual() {
    let (mut detector, last) = regular(100);
    detector.heartbeat(last + ms(60_000));
    assert!(detector.is_suspicious(last + ms(62_000), ms(0)));
}

#[test]
fn silence_longer_than_any_clock_is_a_number() {
    let (detector, _) = regular(3);
    assert!(detector.phi(Duration::MAX, ms(0)).is_finite());
}

proptest! {
    #[test]
    fn phi_never_falls_while_a_node_is_silent(
        beats in prop::collection::vec(1u64..2000, 0..300),
        silence in prop::collection::vec(0u64..5000, 1..50),
    ) {
        let mut detector = PhiAccrual::new(DetectorConfig::default(), ms(0));
        let mut now = 0;
        for beat in beats {
            now += beat;
            detector.heartbeat(ms(now));
        }
        let mut before = detector.phi(ms(now), ms(0));
        for step in silence {
            now += step;
            let phi = detector.phi(ms(now), ms(0));
            prop_assert!(phi >= before && phi.is_finite(), "{before} then {phi}");
            before = phi;
        }
    }

    #[test]
    fn sooner_or_later_every_silent_node_is_suspicious(
        beats in prop::collection::vec(1u64..2000, 0..300),
    ) {
        let mut detector = PhiAccrual::new(DetectorConfig::default(), ms(0));
        let mut now = 0;
        for beat in beats {
            now += beat;
            detector.heartbeat(ms(now));
        }
        prop_assert!(detector.is_suspicious(ms(now + 20_000), ms(0)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_held_while_a_node_is_up_and_beats() {
    let (vitals, node, start) = watched();
    for beat in 0..20 {
        vitals.heard(node, start + ms(250 * beat), None);
    }
    let last = start + ms(250 * 19);
    assert_eq!(vitals.lease(node, last + ms(300)), NodeLease::Held);
    assert_eq!(vitals.lease(node, last + ms(10_000)), NodeLease::Doubtful, "silent");
    vitals.judge(node, NodeVerdict::Suspect);
    assert_eq!(vitals.lease(node, last + ms(300)), NodeLease::Doubtful, "suspected");
    vitals.judge(node, NodeVerdict::Down);
    assert_eq!(vitals.lease(node, last + ms(300)), NodeLease::Ended);
    vitals.judge(node, NodeVerdict::Up);
    assert_eq!(vitals.lease(node, last + ms(60_000)), NodeLease::Held, "it begins anew");
}

#[tokio::test(start_paused = true)]
async fn a_link_closed_because_it_was_idle_raises_no_doubt() {
    let (vitals, node, start) = watched();
    vitals.heard(node, start, None);
    vitals.silenced(node, start);
    assert_eq!(vitals.lease(node, start + ms(60_000)), NodeLease::Held);
    assert_eq!(vitals.of(node, start).phi, None);
}

#[tokio::test(start_paused = true)]
async fn the_watched_are_bounded() {
    let (vitals, _, start) = watched();
    for id in 0..20_000 {
        vitals.heard(NodeId(id), start, None);
    }
    assert_eq!(vitals.shared_len(), 16_384);
}

#[test]
fn a_threshold_out_of_range_is_named() {
    let config = DetectorConfig { threshold: f64::NAN, samples: 1, ..DetectorConfig::default() };
    let faults = config.validate().unwrap_err();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["threshold", "samples"]);
}

fn watched() -> (Vitals, NodeId, Instant) {
    let (start, node) = (Instant::now(), NodeId(7));
    let vitals = Vitals::new(DetectorConfig::default(), start);
    vitals.judge(node, NodeVerdict::Up);
    (vitals, node, start)
}
