//! The limits and times of links.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use crate::config::within;

/// What links may use of memory and time. Every field is read at the start alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinksConfig {
    /// Milliseconds for a whole handshake; who takes longer is cut off. 10 to 60,000; default
    /// 5,000.
    pub handshake_ms: u64,
    /// Milliseconds to reach an address. 10 to 60,000; default 3,000.
    pub connect_ms: u64,
    /// Handshakes with callers that run at once; one more cuts the oldest off. 1 to 65,536;
    /// default 256.
    pub max_handshakes: u32,
    /// Bytes of the largest body. 1 KiB to 64 MiB; default 16 MiB.
    pub max_body_bytes: u32,
    /// Frames that may wait for one service of one node. 1 to 1,048,576; default 8,192.
    pub queue_frames: u32,
    /// Bytes that may wait for one service of one node; one frame always fits. 1 KiB to 1 GiB;
    /// default 8 MiB.
    pub queue_bytes: u32,
    /// Frames of one service that this node takes from a connection before it has handled them;
    /// so also the calls of one peer and service that are served at once. 1 to 1,048,576;
    /// default 4,096.
    pub window_frames: u32,
    /// Bytes of one service that this node takes from a connection before it has handled them;
    /// one frame always fits. 1 KiB to 1 GiB; default 8 MiB.
    pub window_bytes: u32,
    /// Milliseconds between two signs of life on a control connection. 10 to 60,000; default
    /// 250.
    pub heartbeat_ms: u64,
    /// Milliseconds of silence after which a peer's connections are closed. At least four times
    /// `heartbeat_ms`, up to 600,000; default 5,000.
    pub silence_ms: u64,
    /// Wait before the second attempt to reach a node, in milliseconds; it doubles up to
    /// `backoff_max_ms`, and chance takes off up to half. 1 to 60,000; default 50.
    pub backoff_ms: u64,
    /// Longest wait between two attempts, in milliseconds. `backoff_ms` to 600,000; default
    /// 5,000.
    pub backoff_max_ms: u64,
    /// Milliseconds after which a data connection that nobody uses is closed. 100 to
    /// 86,400,000; default 300,000.
    pub idle_ms: u64,
    /// The same of a control connection, while more than `mesh` nodes are known. 100 to
    /// 86,400,000; default 10,000.
    pub control_idle_ms: u64,
    /// Up to so many known nodes a control connection is kept to each of them. 0 to 1,024;
    /// default 16.
    pub mesh: u32,
    /// Nodes that may be known; one more is not learned. 1 to 65,536; default 4,096.
    pub max_nodes: u32,
}

impl Default for LinksConfig {
    fn default() -> Self {
        Self {
            handshake_ms: 5_000,
            connect_ms: 3_000,
            max_handshakes: 256,
            max_body_bytes: 16 << 20,
            queue_frames: 8_192,
            queue_bytes: 8 << 20,
            window_frames: 4_096,
            window_bytes: 8 << 20,
            heartbeat_ms: 250,
            silence_ms: 5_000,
            backoff_ms: 50,
            backoff_max_ms: 5_000,
            idle_ms: 300_000,
            control_idle_ms: 10_000,
            mesh: 16,
            max_nodes: 4_096,
        }
    }
}

impl LinksConfig {
    /// Checks every field against its range and its relation to the others.
    ///
    /// # Errors
    /// All faults at once, each with its key.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let least_silence = self.heartbeat_ms.saturating_mul(4);
        within(&[
            ("handshake_ms", self.handshake_ms, 10, 60_000),
            ("connect_ms", self.connect_ms, 10, 60_000),
            ("max_handshakes", self.max_handshakes.into(), 1, 65_536),
            ("max_body_bytes", self.max_body_bytes.into(), 1 << 10, 64 << 20),
            ("queue_frames", self.queue_frames.into(), 1, 1 << 20),
            ("queue_bytes", self.queue_bytes.into(), 1 << 10, 1 << 30),
            ("window_frames", self.window_frames.into(), 1, 1 << 20),
            ("window_bytes", self.window_bytes.into(), 1 << 10, 1 << 30),
            ("heartbeat_ms", self.heartbeat_ms, 10, 60_000),
            ("silence_ms", self.silence_ms, least_silence, 600_000),
            ("backoff_ms", self.backoff_ms, 1, 60_000),
            ("backoff_max_ms", self.backoff_max_ms, self.backoff_ms, 600_000),
            ("idle_ms", self.idle_ms, 100, 86_400_000),
            ("control_idle_ms", self.control_idle_ms, 100, 86_400_000),
            ("mesh", self.mesh.into(), 0, 1_024),
            ("max_nodes", self.max_nodes.into(), 1, 65_536),
        ])
    }

    pub(crate) fn handshake(&self) -> Duration {
        Duration::from_millis(self.handshake_ms)
    }

    pub(crate) fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_ms)
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    pub(crate) fn silence(&self) -> Duration {
        Duration::from_millis(self.silence_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_each_fault_names_its_key() {
        assert_eq!(LinksConfig::default().validate(), Ok(()));
        let config = LinksConfig { silence_ms: 300, mesh: 5_000, ..LinksConfig::default() };
        let faults = config.validate().unwrap_err();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["silence_ms", "mesh"]);
    }
}
