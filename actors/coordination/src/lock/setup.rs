//! How a lock space is set up: its semaphores, its limits, what it does about deadlocks.

use serde::{Deserialize, Serialize};

use crate::protocol::Refusal;

/// Permits of a plain lock: a reader takes one of them, a writer all.
pub(super) const LOCK: u32 = 1 << 20;
/// Most owners that a space knows at a time.
pub(super) const MOST_OWNERS: usize = 100_000;
/// Most grants that may stand at a time.
pub(super) const MOST_GRANTS: usize = 100_000;
/// Most resources that one request may name.
pub(super) const MOST_WISHES: usize = 64;
/// Longest name of an owner or a resource, in bytes.
pub(super) const LONGEST_NAME: usize = 256;
/// Longest lease, wait, step of aging or memory that can be configured: 7 days.
const LONGEST_MS: u64 = 7 * 24 * 3_600_000;
/// Most requests that may be configured to wait at a time.
const MOST_WAITING: u32 = 100_000;
/// Most semaphores that a space may declare.
const MOST_SEMAPHORES: usize = 10_000;

/// What a space does so that owners do not wait for each other in a circle.
///
/// Age counts from an owner's first request, and each step of priority makes it as much older as
/// `aging_ms` says. Whoever is wounded, dies or is a victim gives back all it holds, and keeps
/// its age for `remember_ms`: so it is among the oldest some day, and then nobody's victim.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DeadlockPolicy {
    /// The older takes from the younger, the younger waits for the older (Rosenkrantz, Stearns,
    /// Lewis: System level concurrency control for distributed database systems, 1978).
    WoundWait,
    /// The older waits for the younger, the younger dies rather than wait for the older (ibid.).
    /// Queues are in order of arrival alone.
    WaitDie,
    /// Whoever closes a circle has it broken at the owner of the lowest priority, among those the
    /// youngest, among those the one with the fewest locks.
    #[default]
    Detect,
    /// Nothing: waits end at their deadlines, leases at their ends.
    Timeout,
}

/// Whether an owner may ask again for what it holds.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reentrancy {
    /// No: it is refused.
    #[default]
    Refuse,
    /// Yes. Of a lock it then has the strongest mode that any of its grants gives (so a reader
    /// may become the writer, ahead of those who wait), of a semaphore all permits together.
    Allow,
}

/// A resource of which several owners may have a part at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Semaphore {
    /// Its name: 1 to 256 bytes.
    pub name: String,
    /// How many permits there are: 1 to 1,000,000.
    pub permits: u32,
}

/// How a lock space is set up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LockSetup {
    /// A name for people, at most 256 bytes.
    pub name: String,
    /// What is done about deadlocks.
    pub policy: DeadlockPolicy,
    /// Whether an owner may ask again for what it holds.
    pub reentrancy: Reentrancy,
    /// Resources with permits. Every other name is a lock, there as soon as it is asked for.
    pub semaphores: Vec<Semaphore>,
    /// Most requests that wait at a time: 1 to 100,000.
    pub max_waiting: u32,
    /// Longest lease in milliseconds: 1 to 604,800,000.
    pub max_lease_ms: u64,
    /// Longest wait in milliseconds: 1 to 604,800,000.
    pub max_wait_ms: u64,
    /// How many milliseconds of waiting weigh as much as one step of priority: 0 to 604,800,000.
    /// So a request is overtaken only by those that come within (255 - its priority) times this.
    pub aging_ms: u64,
    /// How long an owner that lost its wait keeps its age, in milliseconds: 0 to 604,800,000.
    pub remember_ms: u64,
    /// Whether owners that are agents are sent what came of their waiting.
    pub tell_agents: bool,
}

impl Default for LockSetup {
    fn default() -> Self {
        Self {
            name: String::new(),
            policy: DeadlockPolicy::default(),
            reentrancy: Reentrancy::default(),
            semaphores: Vec::new(),
            max_waiting: 10_000,
            max_lease_ms: 3_600_000,
            max_wait_ms: 600_000,
            aging_ms: 1_000,
            remember_ms: 600_000,
            tell_agents: false,
        }
    }
}

impl LockSetup {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for the first value that is out of range.
    pub fn validate(&self) -> Result<(), Refusal> {
        if self.name.len() > LONGEST_NAME {
            let reason = format!("{} bytes: at most {LONGEST_NAME}", self.name.len());
            return Err(Refusal::invalid("name", reason));
        }
        in_range("max_waiting", u64::from(self.max_waiting), 1, u64::from(MOST_WAITING))?;
        in_range("max_lease_ms", self.max_lease_ms, 1, LONGEST_MS)?;
        in_range("max_wait_ms", self.max_wait_ms, 1, LONGEST_MS)?;
        in_range("aging_ms", self.aging_ms, 0, LONGEST_MS)?;
        in_range("remember_ms", self.remember_ms, 0, LONGEST_MS)?;
        if self.semaphores.len() > MOST_SEMAPHORES {
            let reason = format!("{}: at most {MOST_SEMAPHORES}", self.semaphores.len());
            return Err(Refusal::invalid("semaphores", reason));
        }
        let mut names = std::collections::BTreeSet::new();
        for (at, semaphore) in self.semaphores.iter().enumerate() {
            check_name(&format!("semaphores[{at}].name"), &semaphore.name)?;
            let permits = u64::from(semaphore.permits);
            in_range(&format!("semaphores[{at}].permits"), permits, 1, 1_000_000)?;
            if !names.insert(&semaphore.name) {
                let reason = format!("'{}' is declared twice", semaphore.name);
                return Err(Refusal::invalid(format!("semaphores[{at}].name"), reason));
            }
        }
        Ok(())
    }
}

/// Checks that `value` is `least` to `most`.
pub(super) fn in_range(field: &str, value: u64, least: u64, most: u64) -> Result<(), Refusal> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Refusal::invalid(field, format!("{value}: expected {least} to {most}")))
}

/// Checks that a name is neither empty nor too long.
pub(super) fn check_name(field: &str, name: &str) -> Result<(), Refusal> {
    if (1..=LONGEST_NAME).contains(&name.len()) {
        return Ok(());
    }
    Err(Refusal::invalid(field, format!("{} bytes: expected 1 to {LONGEST_NAME}", name.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_out_of_range_is_refused_by_its_field() {
        let refused = |setup: LockSetup| match setup.validate() {
            Err(Refusal::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert!(LockSetup::default().validate().is_ok());
        assert_eq!(refused(LockSetup { max_waiting: 0, ..LockSetup::default() }), "max_waiting");
        assert_eq!(refused(LockSetup { max_lease_ms: 0, ..LockSetup::default() }), "max_lease_ms");
        let twice = Semaphore { name: "gpu".into(), permits: 2 };
        let semaphores = vec![twice.clone(), twice];
        assert_eq!(refused(LockSetup { semaphores, ..LockSetup::default() }), "semaphores[1].name");
        let semaphores = vec![Semaphore { name: "gpu".into(), permits: 0 }];
        assert_eq!(
            refused(LockSetup { semaphores, ..LockSetup::default() }),
            "semaphores[0].permits"
        );
    }

    #[test]
    fn a_setup_reads_as_users_write_it() {
        let text = r#"{"policy": "wound_wait", "semaphores": [{"name": "gpu", "permits": 4}]}"#;
        let setup: LockSetup = serde_json::from_str(text).unwrap();
        assert_eq!(setup.policy, DeadlockPolicy::WoundWait);
        assert_eq!(setup.max_waiting, 10_000);
        assert!(serde_json::from_str::<LockSetup>(r#"{"polcy": "detect"}"#).is_err());
    }
}
