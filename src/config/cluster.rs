//! `[cluster]`: whether the node is one of several, where its links listen, whom it joins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use synod_cluster::{
    ConsensusConfig, DetectorConfig, LinksConfig, MembershipConfig, NodeRole, OverseerConfig,
    PlacingConfig, RegistryConfig, RemoteConfig,
};
use synod_runtime::ConfigFault;

/// Most seeds, and most labels of a node.
const MOST_SEEDS: usize = 64;
const MOST_LABELS: usize = 64;

/// `[cluster]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterSection {
    /// Whether the node belongs to a cluster, be it a cluster of one. Default false: alone.
    pub enabled: bool,
    /// Where links of other nodes arrive, `address:port`; port 0 takes a free one. Default
    /// `127.0.0.1:7967`.
    pub listen: SocketAddr,
    /// Where other nodes reach this one, `host:port`; empty for what `listen` says. Default empty.
    pub advertise: String,
    /// Nodes that know the cluster, `host:port`: one that answers is enough. Without any, or when
    /// this node is the first of them and no other answers, it forms a cluster. Default none.
    pub seeds: Vec<String>,
    /// Whether the node forms a cluster when it may. Without, it waits until its seeds have one, or
    /// `synod cluster join` names one, for at most `join_timeout_s`. Default true.
    pub forms: bool,
    /// The folder with `authority.pem`, `node.pem` and `node.key` for mutual TLS between nodes;
    /// empty for none, which is allowed on loopback alone. Default empty.
    pub certificates: PathBuf,
    /// What the node is there for: `control`, `api`, `executor`, `model` or `any`. Default `any`.
    pub roles: Vec<NodeRole>,
    /// Its weight when work is placed, 1 to 1,000. Default 100.
    pub capacity: u32,
    /// Labels for placement, at most 64. Default none.
    pub labels: BTreeMap<String, String>,
    /// Seconds that a node tries to join before it gives up, 1 to 86,400. Default 60.
    pub join_timeout_s: u64,
    /// Connections between nodes.
    pub links: LinksConfig,
    /// How members are watched.
    pub membership: MembershipConfig,
    /// When silence becomes suspicious.
    pub detector: DetectorConfig,
    /// How what nodes tell of themselves spreads.
    pub registry: RegistryConfig,
    /// Addresses of actors on other nodes.
    pub remote: RemoteConfig,
    /// The replicated logs.
    pub consensus: ConsensusConfig,
    /// Who votes and who leads.
    pub overseer: OverseerConfig,
    /// Agents that a few nodes host.
    pub placing: PlacingConfig,
}

impl Default for ClusterSection {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 7_967)),
            advertise: String::new(),
            seeds: Vec::new(),
            forms: true,
            certificates: PathBuf::new(),
            roles: vec![NodeRole::Any],
            capacity: 100,
            labels: BTreeMap::new(),
            join_timeout_s: 60,
            links: LinksConfig::default(),
            membership: MembershipConfig::default(),
            detector: DetectorConfig::default(),
            registry: RegistryConfig::default(),
            remote: RemoteConfig::default(),
            consensus: ConsensusConfig::default(),
            overseer: OverseerConfig::default(),
            placing: PlacingConfig::default(),
        }
    }
}

impl ClusterSection {
    /// Checks every key of the section.
    ///
    /// # Errors
    /// All that is wrong, with keys relative to this section.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = self.own_faults();
        let parts = [
            ("links", self.links.validate()),
            ("membership", self.membership.validate()),
            ("detector", self.detector.validate()),
            ("registry", self.registry.validate()),
            ("remote", self.remote.validate()),
            ("consensus", self.consensus.validate()),
            ("overseer", self.overseer.validate()),
            ("placing", self.placing.validate()),
        ];
        for (name, found) in parts {
            let found = found.err().unwrap_or_default();
            faults.extend(found.into_iter().map(|fault| fault.within(name)));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn own_faults(&self) -> Vec<ConfigFault> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, reason: String| faults.push(ConfigFault::new(key, reason));
        if !self.listen.ip().is_loopback() && self.certificates.as_os_str().is_empty() {
            fault(
                "listen",
                format!(
                    "expected a loopback address, as `cluster.certificates` names no folder, got \
                     {}: make certificates with `synod cluster certificates init` and `issue`",
                    self.listen
                ),
            );
        }
        if !self.advertise.is_empty() && !is_address(&self.advertise) {
            fault("advertise", format!("expected host:port, got {:?}", self.advertise));
        }
        if self.seeds.len() > MOST_SEEDS {
            fault("seeds", format!("expected at most {MOST_SEEDS}, got {}", self.seeds.len()));
        }
        for (index, seed) in self.seeds.iter().enumerate().filter(|(_, seed)| !is_address(seed)) {
            fault(&format!("seeds[{index}]"), format!("expected host:port, got {seed:?}"));
        }
        if self.roles.is_empty() {
            fault("roles", "expected at least one, got none".to_owned());
        }
        if !(1..=1_000).contains(&self.capacity) {
            fault("capacity", format!("expected 1 to 1000, got {}", self.capacity));
        }
        if self.labels.len() > MOST_LABELS {
            fault("labels", format!("expected at most {MOST_LABELS}, got {}", self.labels.len()));
        }
        if !(1..=86_400).contains(&self.join_timeout_s) {
            fault("join_timeout_s", format!("expected 1 to 86400, got {}", self.join_timeout_s));
        }
        faults
    }
}

/// Whether it is `host:port`, with a port that can be connected to.
pub(crate) fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(ClusterSection::default().validate(), Ok(()));
    }

    #[test]
    fn every_fault_is_named() {
        let section = ClusterSection {
            listen: SocketAddr::from(([0, 0, 0, 0], 1)),
            advertise: "here".to_owned(),
            seeds: vec!["a:1".to_owned(), "b".to_owned(), "c:0".to_owned()],
            roles: Vec::new(),
            capacity: 0,
            join_timeout_s: 0,
            consensus: ConsensusConfig { max_calls: 0, ..ConsensusConfig::default() },
            ..ClusterSection::default()
        };
        let faults = section.validate().unwrap_err();
        let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
        let expected = [
            "listen",
            "advertise",
            "seeds[1]",
            "seeds[2]",
            "roles",
            "capacity",
            "join_timeout_s",
            "consensus.max_calls",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn beyond_loopback_links_need_certificates() {
        let open = ClusterSection {
            listen: SocketAddr::from(([0, 0, 0, 0], 7_967)),
            ..ClusterSection::default()
        };
        let faults = open.validate().unwrap_err();
        assert!(faults[0].reason.contains("synod cluster certificates"), "{faults:?}");
        let secured = ClusterSection { certificates: "certificates".into(), ..open };
        assert_eq!(secured.validate(), Ok(()));
    }
}
