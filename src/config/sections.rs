//! The sections that belong to the node itself; each family brings its own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

/// `[node]`: who this node is and where it keeps what it has accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSection {
    /// The node's name, in status, logs and records. `[a-z0-9][a-z0-9._-]{0,63}`; default `synod`.
    pub name: String,
    /// The folder of the journal and everything else that outlives the process; one node at a
    /// time may use it. Relative to the working directory. Default `data`.
    pub data_folder: PathBuf,
    /// Seconds a stopping node gives running work to finish before it is handed back to the
    /// queue. 0 to 3,600; default 30.
    pub shutdown_s: u64,
}

impl Default for NodeSection {
    fn default() -> Self {
        Self { name: "synod".to_owned(), data_folder: PathBuf::from("data"), shutdown_s: 30 }
    }
}

impl NodeSection {
    /// Checks every key of the section.
    ///
    /// # Errors
    /// All keys that are out of range.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = Vec::new();
        if !is_name(&self.name) {
            let expected = "expected 1 to 64 of a-z, 0-9, `.`, `_`, `-`, a letter or digit first";
            faults.push(ConfigFault::new("name", format!("{expected}, got {:?}", self.name)));
        }
        if self.data_folder.as_os_str().is_empty() {
            faults.push(ConfigFault::new("data_folder", "expected the path of a folder"));
        }
        if self.shutdown_s > 3_600 {
            let reason = format!("expected 0 to 3600, got {}", self.shutdown_s);
            faults.push(ConfigFault::new("shutdown_s", reason));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    begins_well && name.len() <= 64 && name.chars().all(allowed)
}

/// `[log]`: what the node tells about its work, on standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`, and with commas levels per module:
    /// `info,synod_tasks=debug`. Default `info`.
    pub level: String,
    /// How a line looks. Default `auto`.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

impl LogSection {
    /// Checks every key of the section.
    ///
    /// # Errors
    /// A level that is none.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let parsed = crate::logging::parse_level(&self.level);
        parsed.map(drop).map_err(|reason| vec![ConfigFault::new("level", reason)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert!(NodeSection::default().validate().is_ok());
        assert!(LogSection::default().validate().is_ok());
    }

    #[test]
    fn every_fault_of_a_section_is_named() {
        let section = NodeSection {
            name: "Node 1".to_owned(),
            data_folder: PathBuf::new(),
            shutdown_s: 3_601,
        };
        let faults = section.validate().unwrap_err();
        let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["name", "data_folder", "shutdown_s"]);
    }

    #[test]
    fn a_level_may_differ_per_module() {
        let level = |level: &str| LogSection { level: level.to_owned(), ..LogSection::default() };
        assert!(level("warn,synod_tasks=debug").validate().is_ok());
        assert!(level("loud").validate().is_err());
        assert!(level("").validate().is_err());
    }
}
