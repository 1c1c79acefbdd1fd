//! The way to conversations and messages: on this node, or where the work is.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use synod_agents::AgentError;
use synod_runtime::Principal;

use crate::api::{Owner, OwnerRequest};
use crate::node::Engines;

/// Where the routes are.
const COORDINATION: &str = "/api/v1/coordination";

/// The header of a body that is JSON.
pub(super) const JSON: (&str, &str) = ("content-type", "application/json");

/// How long the owner may take beside what it waits for itself.
const SLACK: Duration = Duration::from_secs(10);

/// Where conversations are found: on this node, or where the work is.
#[derive(Clone)]
pub(in crate::node) struct Conversations {
    pub(in crate::node) engines: Engines,
    /// Who owns the work; none when this node owns it all.
    pub(in crate::node) owner: Option<Arc<dyn Owner>>,
}

/// What the node is asked that does the work.
pub(super) struct Question {
    pub(super) method: &'static str,
    /// Below [`COORDINATION`], with its query.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) by: Principal,
    pub(super) body: Vec<u8>,
}

impl Conversations {
    /// Has the node answer that does the work; it may wait for `hold` itself. What it refuses is
    /// told by status and words.
    pub(super) async fn ask_owner<T: DeserializeOwned>(
        &self,
        question: Question,
        hold: Duration,
        refused: fn(u16, String) -> AgentError,
    ) -> Result<T, AgentError> {
        let lost = |why: &dyn std::fmt::Display| {
            AgentError::unavailable(format!("the node that does the work: {why}"))
        };
        let owner = self.owner.as_ref().ok_or_else(|| lost(&"there is none"))?;
        let Question { method, path, headers, by, body } = question;
        let request = OwnerRequest {
            method: method.to_owned(),
            uri: format!("{COORDINATION}{path}"),
            headers,
            principal: by,
            groups: Vec::new(),
            body,
        };
        let answer = owner.ask(request, hold + SLACK).await.map_err(|why| lost(&why))?;
        if !(200..300).contains(&answer.status) {
            return Err(refused(answer.status, words(&answer.body)));
        }
        serde_json::from_slice(&answer.body).map_err(|why| lost(&why))
    }
}

/// What a problem says, or all of an answer that is none.
fn words(body: &[u8]) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
    detail.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

/// What is wrong with the request stays wrong; all else may pass.
pub(super) fn by_status(status: u16, why: String) -> AgentError {
    match status {
        400 | 404 | 409 | 413 | 415 | 422 => AgentError::invalid_input(why),
        403 => AgentError::refused(why),
        429 => AgentError::rate_limited(why),
        _ => AgentError::unavailable(why),
    }
}
