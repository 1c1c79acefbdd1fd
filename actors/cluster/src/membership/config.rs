//! The section `cluster.membership` of the node's configuration.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use foca::PeriodicParams;
use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use crate::config::within;

/// Largest packet of the membership protocol: links carry more than a datagram does.
const PACKET_BYTES: usize = 60_000;

/// How members are watched and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MembershipConfig {
    /// How often some member is asked for a sign of life, in milliseconds; 100 to 60,000,
    /// default 500.
    pub probe_ms: u64,
    /// How long it has to answer before others are asked to try, in milliseconds; 10 to half of
    /// `probe_ms`, default 150.
    pub round_trip_ms: u64,
    /// A suspect is taken for dead after so many probe periods, times the decimal logarithm of
    /// the number of members, if that is more than one; 1 to 100, default 4.
    pub suspicion_periods: u32,
    /// How often what changed is told to three members, in milliseconds; 20 to 10,000, default
    /// 200.
    pub gossip_ms: u64,
    /// How often everything is compared with one member, in milliseconds; 100 to 3,600,000,
    /// default 30,000.
    pub exchange_ms: u64,
    /// How often one member that is down is tried, so that a healed partition is noticed, in
    /// milliseconds; 100 to 3,600,000, default 5,000.
    pub heal_ms: u64,
    /// How often one seed that is no member is tried, in milliseconds; 100 to 3,600,000, default
    /// 10,000.
    pub seed_ms: u64,
    /// A wake-up that is later than this, in milliseconds, is this node's own weakness and no
    /// sign of the others' deaths; 10 to 60,000, default 200.
    pub lag_ms: u64,
    /// How long a member that is down, left or was removed is remembered, in seconds; 1 to
    /// 2,592,000, default 3,600.
    pub forget_s: u64,
    /// Most members, those counted that are down; 2 to 16,384, default 1,024. One more is turned
    /// away.
    pub max_members: usize,
}

impl Default for MembershipConfig {
    fn default() -> Self {
        Self {
            probe_ms: 500,
            round_trip_ms: 150,
            suspicion_periods: 4,
            gossip_ms: 200,
            exchange_ms: 30_000,
            heal_ms: 5000,
            seed_ms: 10_000,
            lag_ms: 200,
            forget_s: 3600,
            max_members: 1024,
        }
    }
}

impl MembershipConfig {
    /// Every value that is out of its range.
    ///
    /// # Errors
    /// The faults, each with its key.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        within(&[
            ("probe_ms", self.probe_ms, 100, 60_000),
            ("round_trip_ms", self.round_trip_ms, 10, self.probe_ms / 2),
            ("suspicion_periods", u64::from(self.suspicion_periods), 1, 100),
            ("gossip_ms", self.gossip_ms, 20, 10_000),
            ("exchange_ms", self.exchange_ms, 100, 3_600_000),
            ("heal_ms", self.heal_ms, 100, 3_600_000),
            ("seed_ms", self.seed_ms, 100, 3_600_000),
            ("lag_ms", self.lag_ms, 10, 60_000),
            ("forget_s", self.forget_s, 1, 2_592_000),
            ("max_members", self.max_members as u64, 2, 16_384),
        ])
    }

    pub(super) fn gossip(&self) -> Duration {
        Duration::from_millis(self.gossip_ms)
    }

    pub(super) fn exchange(&self) -> Duration {
        Duration::from_millis(self.exchange_ms)
    }

    pub(super) fn heal(&self) -> Duration {
        Duration::from_millis(self.heal_ms)
    }

    pub(super) fn seed(&self) -> Duration {
        Duration::from_millis(self.seed_ms)
    }

    pub(super) fn lag(&self) -> Duration {
        Duration::from_millis(self.lag_ms)
    }

    /// How long a suspect has to show that it lives, in a cluster of so many, if this node is
    /// `weakness` times over its limits.
    pub(super) fn suspicion(&self, members: usize, weakness: u32) -> Duration {
        let spread = (members.max(1) as f64).log10().max(1.0);
        let base = Duration::from_millis(self.probe_ms) * self.suspicion_periods;
        base.mul_f64(spread) * (1 + weakness)
    }

    /// The protocol's own settings for so many members.
    pub(super) fn foca(&self, members: usize, weakness: u32) -> foca::Config {
        let size = u32::try_from(members).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        let few = NonZeroUsize::MIN.saturating_add(2);
        foca::Config {
            probe_period: Duration::from_millis(self.probe_ms),
            probe_rtt: Duration::from_millis(self.round_trip_ms),
            suspect_to_down_after: self.suspicion(members, weakness),
            remove_down_after: Some(Duration::from_secs(self.forget_s)),
            max_packet_size: NonZeroUsize::MIN.saturating_add(PACKET_BYTES - 1),
            notify_down_members: true,
            // Exchanges find what gossip missed, and who is back from a partition.
            periodic_announce: None,
            periodic_announce_to_down_members: None,
            periodic_gossip: Some(PeriodicParams { frequency: self.gossip(), num_members: few }),
            ..foca::Config::new_lan(size)
        }
    }
}
