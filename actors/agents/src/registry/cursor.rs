//! Cursors of the list of agents: the key of the last entry, made opaque.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::messages::InvalidCursor;
use crate::id::{AgentId, AgentKey};

/// The cursor after `key`.
pub(crate) fn encode(key: &AgentKey) -> String {
    URL_SAFE_NO_PAD.encode(key.to_string())
}

/// The key a cursor stands for.
///
/// # Errors
/// When no page carried it.
pub(crate) fn decode(cursor: &str) -> Result<AgentKey, InvalidCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| InvalidCursor)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| InvalidCursor)?;
    let (id, version) = text.split_once('@').ok_or(InvalidCursor)?;
    let id = AgentId::new(id).map_err(|_| InvalidCursor)?;
    let version = version.parse().map_err(|_| InvalidCursor)?;
    Ok(AgentKey { id, version })
}
