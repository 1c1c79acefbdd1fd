//! The configuration of the task engine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

pub use crate::bidding::BiddingConfig;
use crate::task::RetryPolicy;

/// What a tenant can be called.
pub(crate) const TENANT: &str = "1 to 64 of A-Z, a-z, 0-9, '.', '_', '-'";

/// Whether a tenant can be called so.
pub(crate) fn is_tenant(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

/// What happens to a task that no registered agent can do.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownCapability {
    /// It is refused.
    #[default]
    Refuse,
    /// It is accepted and waits, at most until its deadline, for an agent to appear.
    Wait,
}

/// The configuration of the task engine. All of it but `recovery_timeout_s` can change while the
/// node runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TasksConfig {
    /// Tasks that may be open without an agent having them; more are refused (429). 1 to
    /// 10,000,000, default 100,000.
    pub max_queued: u64,
    /// Bytes of input that open tasks may hold in memory together; more are refused (429). At
    /// least `max_payload_bytes`, default 96 MiB. Inputs in blobs don't count.
    pub max_queued_bytes: u64,
    /// Executions kept by their callers (steps of workflows) that may be open, waiting or with an
    /// agent; more are refused as unavailable. Their inputs count in `max_queued_bytes`. 1 to
    /// 1,000,000, default 200,000.
    pub max_executions: u64,
    /// Largest input, in bytes; 1 to 8 MiB, default 1 MiB.
    pub max_payload_bytes: u64,
    /// Largest output of an agent, in bytes; more fails the part. 1 to 8 MiB, default 4 MiB.
    pub max_result_bytes: u64,
    /// Largest result that is put together from the outputs of several parts, and largest of these
    /// outputs, in bytes; more fails the task, or the part. 1 byte to three quarters of
    /// `journal.max_record_bytes`, as such a result is one record; default 512 KiB.
    pub max_collected_bytes: u64,
    /// Inputs and outputs above this go to blobs of the journal and not into its records, in
    /// bytes; 0 to 1 MiB, default 64 KiB. Outputs that are put together stay in the records.
    pub inline_bytes: u64,
    /// Agents, capabilities or voters that a task may name; 1 to 1,024, default 64.
    pub max_parts: u16,
    /// Required capabilities of a task; 1 to 63, default 16.
    pub max_capabilities: u16,
    /// Labels of a task; 0 to 1,024, default 32. A key has at most 63 bytes, a value 255.
    pub max_labels: u16,
    /// Different requirements (sets of capabilities and named agents) that are kept at a time;
    /// 16 to 1,000,000, default 4,096. When open tasks use as many, new ones are refused (429).
    pub max_requirements: u32,
    /// Longest time from acceptance to end of a task that says nothing, in seconds; 1 to
    /// `max_timeout_s`, default 300.
    pub default_timeout_s: u64,
    /// Longest timeout that a task may ask for, in seconds; 1 to 31,536,000, default 604,800.
    pub max_timeout_s: u64,
    /// Retry policy of a task that says nothing.
    pub retry: RetryPolicy,
    /// What happens to a task that no registered agent can do: `refuse` (default) or `wait`.
    pub unknown_capability: UnknownCapability,
    /// How often a lane of the queue may be overtaken by more urgent work before it is served; 1
    /// to 10,000, default 16. With `n` lanes competing, none is overtaken more than this plus `n`
    /// times in a row.
    pub max_overtaken: u32,
    /// Executions that a tenant gets in each round of its priority, by tenant (1 to 64 of A-Z,
    /// a-z, 0-9, '.', '_', '-'); 1 to 1,000. Default empty: all tenants get one.
    pub tenant_weights: BTreeMap<String, u32>,
    /// Ended tasks that are kept; 0 to 10,000,000, default 20,000.
    pub keep_ended: u64,
    /// Bytes of results in records that ended tasks may hold in memory together; 1 MiB to 1 TiB,
    /// default 64 MiB. When there are more, the tasks that ended first are forgotten.
    pub keep_ended_bytes: u64,
    /// How long ended tasks are kept, in seconds; 1 to 315,360,000, default 86,400.
    pub keep_ended_s: u64,
    /// How long idempotency keys are kept at least, in seconds; 86,400 to 31,536,000, default
    /// 86,400. A key is also kept as long as its task.
    pub keep_keys_s: u64,
    /// Idempotency keys that are kept at most; when there are as many, tasks with a new key are
    /// refused (429). 1 to 100,000,000, default 1,000,000; each takes about 150 bytes of memory.
    pub max_keys: u64,
    /// Bytes of state an agent may save; more fails the part. 0 to 1 MiB, default 64 KiB.
    pub max_agent_state_bytes: u64,
    /// Callers that may wait for the end of a task at a time; 1 to 10,000,000, default 65,536.
    pub max_waiters: u64,
    /// Listeners for changes; 1 to 10,000, default 64.
    pub max_listeners: u32,
    /// Records after which a snapshot is taken, so that a restart reads no more than about twice
    /// as many; 1,000 to 100,000,000, default 500,000.
    pub snapshot_records: u64,
    /// Bytes of records after which a snapshot is taken; 1 MiB to 100 GiB, default 256 MiB.
    pub snapshot_bytes: u64,
    /// Appends that may be under way to the journal; what comes in the meantime is gathered. 1 to
    /// 64, default 4.
    pub appends_in_flight: u32,
    /// How long the journal may take for one answer, in milliseconds; 100 to 600,000, default
    /// 30,000. After that the engine rebuilds itself from the log.
    pub journal_timeout_ms: u64,
    /// How long recovery from the journal may take, in seconds; 1 to 86,400, default 600.
    pub recovery_timeout_s: u64,
    /// How agents are asked who does a part, in the allocations that do.
    pub bidding: BiddingConfig,
}

impl Default for TasksConfig {
    fn default() -> Self {
        Self {
            max_queued: 100_000,
            max_queued_bytes: 96 << 20,
            max_executions: 200_000,
            max_payload_bytes: 1 << 20,
            max_result_bytes: 4 << 20,
            max_collected_bytes: 512 << 10,
            inline_bytes: 64 << 10,
            max_parts: 64,
            max_capabilities: 16,
            max_labels: 32,
            max_requirements: 4_096,
            default_timeout_s: 300,
            max_timeout_s: 604_800,
            retry: RetryPolicy::default(),
            unknown_capability: UnknownCapability::Refuse,
            max_overtaken: 16,
            tenant_weights: BTreeMap::new(),
            keep_ended: 20_000,
            keep_ended_bytes: 64 << 20,
            keep_ended_s: 86_400,
            keep_keys_s: 86_400,
            max_keys: 1_000_000,
            max_agent_state_bytes: 64 << 10,
            max_waiters: 65_536,
            max_listeners: 64,
            snapshot_records: 500_000,
            snapshot_bytes: 256 << 20,
            appends_in_flight: 4,
            journal_timeout_ms: 30_000,
            recovery_timeout_s: 600,
            bidding: BiddingConfig::default(),
        }
    }
}

impl TasksConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// One fault for each value that is out of range.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults: Vec<_> = self.ranges().into_iter().filter_map(Range::fault).collect();
        let unfit = self.tenant_weights.keys().filter(|tenant| !is_tenant(tenant));
        faults.extend(unfit.map(|tenant| {
            let tenant: String = tenant.chars().take(64).collect();
            let key = format!("tenant_weights.\"{}\"", tenant.escape_default());
            ConfigFault::new(key, format!("no tenant can be called so: expected {TENANT}"))
        }));
        let weights = self.tenant_weights.iter().filter(|(tenant, _)| is_tenant(tenant));
        faults.extend(weights.filter(|(_, weight)| !(1..=1_000).contains(*weight)).map(
            |(tenant, weight)| {
                let key = format!("tenant_weights.{tenant}");
                ConfigFault::new(key, format!("{weight}: expected 1 to 1000"))
            },
        ));
        if let Err(retry) = self.retry.validate() {
            faults.extend(retry.into_iter().map(|fault| fault.within("retry")));
        }
        if let Err(bidding) = self.bidding.validate() {
            faults.extend(bidding.into_iter().map(|fault| fault.within("bidding")));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn ranges(&self) -> [Range; 27] {
        const MIB: u64 = 1 << 20;
        let range = |key, value, low, high| Range { key, value, low, high };
        let bytes = self.max_payload_bytes;
        [
            range("max_queued", self.max_queued, 1, 10_000_000),
            range("max_queued_bytes", self.max_queued_bytes, bytes, 1 << 40),
            range("max_executions", self.max_executions, 1, 1_000_000),
            range("max_payload_bytes", bytes, 1, 8 * MIB),
            range("max_result_bytes", self.max_result_bytes, 1, 8 * MIB),
            range("max_collected_bytes", self.max_collected_bytes, 1, 12 * MIB),
            range("inline_bytes", self.inline_bytes, 0, MIB),
            range("max_parts", self.max_parts.into(), 1, 1_024),
            range("max_capabilities", self.max_capabilities.into(), 1, 63),
            range("max_labels", self.max_labels.into(), 0, 1_024),
            range("max_requirements", self.max_requirements.into(), 16, 1_000_000),
            range("default_timeout_s", self.default_timeout_s, 1, self.max_timeout_s),
            range("max_timeout_s", self.max_timeout_s, 1, 31_536_000),
            range("max_overtaken", self.max_overtaken.into(), 1, 10_000),
            range("keep_ended", self.keep_ended, 0, 10_000_000),
            range("keep_ended_bytes", self.keep_ended_bytes, MIB, 1 << 40),
            range("keep_ended_s", self.keep_ended_s, 1, 315_360_000),
            range("keep_keys_s", self.keep_keys_s, 86_400, 31_536_000),
            range("max_keys", self.max_keys, 1, 100_000_000),
            range("max_agent_state_bytes", self.max_agent_state_bytes, 0, MIB),
            range("max_waiters", self.max_waiters, 1, 10_000_000),
            range("max_listeners", self.max_listeners.into(), 1, 10_000),
            range("snapshot_records", self.snapshot_records, 1_000, 100_000_000),
            range("snapshot_bytes", self.snapshot_bytes, MIB, 100 << 30),
            range("appends_in_flight", self.appends_in_flight.into(), 1, 64),
            range("journal_timeout_ms", self.journal_timeout_ms, 100, 600_000),
            range("recovery_timeout_s", self.recovery_timeout_s, 1, 86_400),
        ]
    }
}

/// A value and the range it must be in.
struct Range {
    key: &'static str,
    value: u64,
    low: u64,
    high: u64,
}

impl Range {
    fn fault(self) -> Option<ConfigFault> {
        let Self { key, value, low, high } = self;
        let outside = !(low..=high).contains(&value);
        outside.then(|| ConfigFault::new(key, format!("{value}: expected {low} to {high}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(TasksConfig::default().validate(), Ok(()));
    }

    #[test]
    fn every_value_out_of_range_is_named() {
        let config = TasksConfig {
            max_queued: 0,
            max_capabilities: 64,
            default_timeout_s: 1_000_000,
            tenant_weights: BTreeMap::from([("gold".to_owned(), 0)]),
            retry: RetryPolicy { jitter: 2.0, ..RetryPolicy::default() },
            ..TasksConfig::default()
        };
        let keys: Vec<_> = config.validate().unwrap_err().into_iter().map(|f| f.key).collect();
        assert_eq!(
            keys,
            [
                "max_queued",
                "max_capabilities",
                "default_timeout_s",
                "tenant_weights.gold",
                "retry.jitter"
            ]
        );
    }

    #[test]
    fn a_weight_is_for_what_a_tenant_can_be_called() {
        for wrong in ["", "\u{1b}[2J", "\u{202e}gold", "two words", &"x".repeat(65)] {
            let tenant_weights = BTreeMap::from([(wrong.to_owned(), 2)]);
            let config = TasksConfig { tenant_weights, ..TasksConfig::default() };
            let faults = config.validate().unwrap_err();
            let [fault] = &faults[..] else { panic!("{wrong:?}: {faults:?}") };
            assert!(fault.key.starts_with("tenant_weights."), "{}", fault.key);
            assert!(!fault.key.contains(|c: char| c.is_control() || !c.is_ascii()));
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_str::<TasksConfig>(r#"{"max_queud": 1}"#).is_err());
        let config: TasksConfig =
            serde_json::from_str(r#"{"unknown_capability": "wait"}"#).unwrap();
        assert_eq!(config.unknown_capability, UnknownCapability::Wait);
    }
}
