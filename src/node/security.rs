//! What tells callers apart: the folder `security` of the node's data, and the actor that keeps it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use synod_runtime::{Spec, System};
use synod_security::{GateSettings, TokenActor, TokenGate, TokenStore};

use super::NodeError;
use crate::api::{Access, AuthMode};
use crate::config::NodeConfig;

/// Where the key and the list of tokens are.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("security")
}

/// Opens the folder and makes the actor, if the configuration asks for tokens.
pub(super) fn open(
    config: &NodeConfig,
    system: &System,
) -> Result<Option<(Spec<TokenActor>, Access)>, NodeError> {
    if config.http.auth == AuthMode::None {
        return Ok(None);
    }
    let section = &config.security;
    let store = store(config).map_err(NodeError::Security)?;
    let skew = Duration::from_secs(section.clock_skew_s);
    let gate = TokenGate::new(&store, GateSettings { node: config.node.name.clone(), skew });
    let actor = TokenActor::spec(store, gate.clone());
    let access = Access::new(gate, actor.address(), system.clone(), section.attempts());
    Ok(Some((actor, access)))
}

/// The key and the list of tokens of a node with this configuration.
///
/// # Errors
/// What is wrong with the folder.
pub(crate) fn store(config: &NodeConfig) -> Result<TokenStore, synod_security::FileError> {
    let folder = folder(&config.node.data_folder);
    TokenStore::open(folder, config.security.audience.as_str(), (&config.security).into())
}
