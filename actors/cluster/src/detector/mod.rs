//! How suspicious a silence is: phi accrual (Hayashibara et al., 2004), and what follows from it.
//!
//! ```text
//!  links: heartbeat ──▶ Vitals ──▶ phi per node (routing, views)
//!  membership: verdict ──▶   └───▶ NodeLease per node (what lives there: agents, entries)
//! ```
//!
//! Invariants:
//! - Phi never falls while a node is silent, and an outage never stretches what counts as usual.
//! - Nothing that lives on a node has a heartbeat of its own: it lives as long as the node's lease.

mod config;
mod phi;
#[cfg(test)]
mod tests;
mod vitals;

pub use config::DetectorConfig;
pub use phi::PhiAccrual;
pub use vitals::{NodeLease, NodeVerdict, VitalSigns, Vitals};
