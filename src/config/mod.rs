//! The configuration of a node: one file, the environment on top, all of it checked before any
//! of it is used.
//!
//! ```text
//! defaults < config/node.toml < SYNOD_SECTION__KEY      -> NodeConfig | every fault with its place
//! ```
//!
//! Invariants: an unknown key is never ignored; a configuration with a fault is never applied in
//! part; a key that needs a restart never changes in a running node ([`reload`]).

mod agents;
mod agreement;
mod cluster;
mod document;
mod documented;
mod draft;
mod env;
mod error;
mod explain;
mod load;
mod nearest;
mod path;
pub mod reload;
mod report;
mod sections;

use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use synod_coordination::desk::DeskConfig;
use synod_coordination::messaging::router::RouterConfig;
use synod_coordination::messaging::topics::TopicsConfig;
use synod_coordination::sync::SharedConfig;
use synod_journal::JournalConfig;
use synod_runtime::{ConfigFault, SystemConfig};
use synod_security::SecurityConfig;
use synod_tasks::TasksConfig;
use synod_triage::TriageConfig;
use synod_workflows::WorkflowsConfig;

use crate::api::ApiConfig;

pub use agents::AgentsSection;
pub use cluster::ClusterSection;
pub(crate) use cluster::is_address;
pub use env::environment;
pub use error::{ConfigError, KeyFault, Origin, Place, SyntaxFault};
pub use explain::toml_text;
pub use load::Loaded;
pub use nearest::nearest;
pub use path::KeyPath;
pub use report::FaultReport;
pub use sections::{LogFormat, LogSection, NodeSection};

use load::Reader;

/// The default configuration as a file: every key with its meaning, range and default.
pub const DEFAULT_FILE: &str = include_str!("../../config/node.toml");

/// Declares the sections once: their fields, their names, and how each is read and checked.
macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident: $section:ty,)*) => {
        /// Everything that can be set about a node; a field is a section of the file.
        #[derive(Debug, Clone, Default, PartialEq, Serialize)]
        pub struct NodeConfig {
            $($(#[$doc])* pub $name: $section,)*
        }

        /// The names of all sections.
        pub(crate) const SECTIONS: [&str; [$(stringify!($name)),*].len()] =
            [$(stringify!($name)),*];

        impl NodeConfig {
            fn read(reader: &mut Reader<'_>) -> Self {
                Self { $($name: reader.section(stringify!($name)),)* }
            }

            /// Checks every section, and what they must agree on.
            ///
            /// # Errors
            /// All faults, each with its key's full name.
            pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
                let mut faults = Vec::new();
                $(
                    let found = self.$name.validate().err().unwrap_or_default();
                    faults.extend(found.into_iter().map(|f| f.within(stringify!($name))));
                )*
                faults.extend(agreement::disagreements(
                    &self.tasks,
                    &self.workflows,
                    &self.journal,
                ));
                if faults.is_empty() { Ok(()) } else { Err(faults) }
            }
        }
    };
}

sections! {
    /// Who this node is and where it keeps its data.
    node: NodeSection,
    /// What it tells about its work.
    log: LogSection,
    /// Where it listens, and how much it lets clients take.
    http: ApiConfig,
    /// Whose tokens it takes, and how it limits those who fail.
    security: SecurityConfig,
    /// The limits and times of its log of records.
    journal: JournalConfig,
    /// How agents are hosted, and those that need no code.
    agents: AgentsSection,
    /// How tasks are accepted, tried and kept.
    tasks: TasksConfig,
    /// How runs of workflows are accepted, carried out and kept.
    workflows: WorkflowsConfig,
    /// The limits of conversations: ballots, auctions, locks and the others, of each protocol.
    coordination: DeskConfig,
    /// How the state that agents share spreads, and how large it may become.
    shared: SharedConfig,
    /// How much is sent between agents at a time, and remembered of it.
    messaging: RouterConfig,
    /// What topics, and those who subscribe to them, may take.
    topics: TopicsConfig,
    /// Whether it is one of several nodes, and whom it joins.
    cluster: ClusterSection,
    /// The limits of the kernel.
    system: SystemConfig,
    /// The log-triage team.
    triage: TriageConfig,
}

impl NodeConfig {
    /// Every key with its value. A list is one value: its elements have no names of their own.
    #[must_use]
    pub fn keys(&self) -> Vec<(KeyPath, Value)> {
        let mut found = Vec::new();
        let tree = serde_json::to_value(self).unwrap_or_default();
        leaves(&KeyPath::default(), tree, &mut found);
        found
    }

    /// Reads a file (none: the defaults), lays the environment over it, and checks the result.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, and every key at fault with its line, what was found and
    /// what was expected.
    pub fn load(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, ConfigError> {
        load::load(path, env)
    }
}

fn leaves(at: &KeyPath, value: Value, found: &mut Vec<(KeyPath, Value)>) {
    match value {
        Value::Object(table) if !table.is_empty() => {
            for (name, value) in table {
                leaves(&at.key(&name), value, found);
            }
        }
        value => found.push((at.clone(), value)),
    }
}

#[cfg(test)]
mod tests;
