//! How links look from outside.

use serde::{Deserialize, Serialize};

use crate::node::{Incarnation, NodeId, NodeName};

/// Whether a connection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Nobody needs it.
    #[default]
    Idle,
    /// It is being made.
    Connecting,
    /// It stands.
    Up,
    /// The last attempt failed; the next one waits.
    Waiting,
}

/// The link to one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkView {
    /// Which node.
    pub node: NodeId,
    /// What people call it.
    pub name: NodeName,
    /// Where it listens.
    pub address: String,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// The control connection.
    pub control: LinkState,
    /// The data connection.
    pub data: LinkState,
    /// The last round trip of a heartbeat in microseconds, while there is one.
    pub rtt_us: Option<u64>,
    /// How suspicious its silence is (phi), while it is judged.
    pub phi: Option<f64>,
    /// Frames that wait to be written.
    pub queued: u64,
    /// Bytes of bodies that wait to be written.
    pub queued_bytes: u64,
    /// Calls that wait for their answers.
    pub pending: u64,
    /// Frames of services written since the node was learned.
    pub sent: u64,
    /// Frames of services read.
    pub received: u64,
    /// Connections that either side refused.
    pub refused: u64,
    /// One-way messages that were accepted here and lost when a connection broke.
    pub lost: u64,
    /// Connections that broke.
    pub breaks: u64,
    /// Why the last connection or attempt ended, when it didn't end in order.
    pub last_error: Option<String>,
}
