//! JSON-RPC 2.0, one message a line: what is written to a child and read from it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{AgentError, AgentErrorKind};
use crate::usage::Usage;
use crate::wire::WorkProgress;

/// The version of the protocol; `initialize` carries it both ways.
pub(super) const PROTOCOL: u32 = 1;

const INVALID_PARAMS: i64 = -32_602;
const METHOD_NOT_FOUND: i64 = -32_601;

/// One message of a child.
#[derive(Debug, PartialEq)]
pub(super) enum FromChild {
    /// The answer to a request of ours.
    Reply { id: u64, outcome: Result<Value, RpcError> },
    /// How far a request of ours is.
    Progress { id: u64, progress: WorkProgress },
    /// A request, which no child may make; its id goes back with the error.
    Request { id: Value, method: String },
    /// A notification that is not known; ignored, as JSON-RPC wants it.
    Unknown,
}

/// The error object of a reply.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct RpcError {
    #[serde(default)]
    pub(super) code: i64,
    pub(super) message: String,
    #[serde(default)]
    data: Option<RpcErrorDetail>,
}

/// What Synod reads of an error's `data`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct RpcErrorDetail {
    kind: Option<AgentErrorKind>,
    retry_after_ms: Option<u64>,
    usage: Option<Usage>,
}

impl RpcError {
    /// What the work used up all the same.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.data.as_ref()?.usage
    }
}

impl From<RpcError> for AgentError {
    fn from(error: RpcError) -> Self {
        let by_code = match error.code {
            INVALID_PARAMS => AgentErrorKind::InvalidInput,
            METHOD_NOT_FOUND => AgentErrorKind::Refused,
            _ => AgentErrorKind::Failed,
        };
        let detail = error.data.as_ref();
        let kind = detail.and_then(|detail| detail.kind).unwrap_or(by_code);
        let mut made = Self::new(kind, error.message);
        made.retry_after_ms = detail.and_then(|detail| detail.retry_after_ms);
        made
    }
}

/// All fields any message may have.
#[derive(Deserialize)]
struct AnyMessage {
    jsonrpc: String,
    id: Option<Value>,
    method: Option<String>,
    params: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    error: Option<RpcError>,
}

/// Keeps `"result": null` apart from no result.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The parameters of `progress`.
#[derive(Deserialize)]
struct ProgressParams {
    id: u64,
    #[serde(flatten)]
    progress: WorkProgress,
}

/// Reads one line.
///
/// # Errors
/// Why it is no message of the protocol.
pub(super) fn read(line: &str) -> Result<FromChild, String> {
    let message: AnyMessage = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if message.jsonrpc != "2.0" {
        return Err(format!("jsonrpc is '{}', expected '2.0'", message.jsonrpc));
    }
    match (message.method, message.id) {
        (Some(method), Some(id)) => Ok(FromChild::Request { id, method }),
        (Some(method), None) if method == "progress" => {
            let params = message.params.unwrap_or_default();
            let ProgressParams { id, progress } = serde_json::from_value(params)
                .map_err(|error| format!("the parameters of progress: {error}"))?;
            Ok(FromChild::Progress { id, progress })
        }
        (Some(_), None) => Ok(FromChild::Unknown),
        (None, Some(id)) => {
            let id = id.as_u64().ok_or("the id of a reply is not one that was sent")?;
            let outcome = match (message.result, message.error) {
                (Some(result), None) => Ok(result),
                (None, Some(error)) => Err(error),
                _ => return Err("a reply has either a result or an error".into()),
            };
            Ok(FromChild::Reply { id, outcome })
        }
        (None, None) => Err("neither a method nor an id".into()),
    }
}

#[derive(Serialize)]
struct Outgoing<'a, P> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    method: &'a str,
    params: P,
}

/// A request, as one line without its end.
pub(super) fn request(id: u64, method: &str, params: impl Serialize) -> String {
    line(&Outgoing { jsonrpc: "2.0", id: Some(id), method, params })
}

/// A notification, as one line without its end.
pub(super) fn notification(method: &str, params: impl Serialize) -> String {
    line(&Outgoing { jsonrpc: "2.0", id: None, method, params })
}

/// The answer to a request that no child may make.
pub(super) fn not_found(id: &Value, method: &str) -> String {
    let message = format!("no method '{method}'");
    let error = serde_json::json!({"code": METHOD_NOT_FOUND, "message": message});
    line(&serde_json::json!({"jsonrpc": "2.0", "id": id, "error": error}))
}

/// Compact JSON has no line breaks. None of our types can fail to serialize; an empty line would
/// be ignored by the other side.
fn line(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn replies_errors_and_progress_are_told_apart() {
        let reply = read(r#"{"jsonrpc":"2.0","id":7,"result":null}"#);
        assert_eq!(reply, Ok(FromChild::Reply { id: 7, outcome: Ok(Value::Null) }));
        let progress =
            read(r#"{"jsonrpc":"2.0","method":"progress","params":{"id":7,"fraction":1}}"#);
        let said = WorkProgress { fraction: 1.0, note: String::new() };
        assert_eq!(progress, Ok(FromChild::Progress { id: 7, progress: said }));
        let other = read(r#"{"jsonrpc":"2.0","method":"log","params":"x"}"#);
        assert_eq!(other, Ok(FromChild::Unknown));
        let request = read(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#);
        assert_eq!(request, Ok(FromChild::Request { id: json!("a"), method: "ping".into() }));
    }

    #[test]
    fn garbage_is_refused_with_the_reason() {
        for garbage in [
            "hello",
            "{}",
            "[]",
            r#"{"jsonrpc":"1.0","id":1,"result":1}"#,
            r#"{"jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":"x","result":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","method":"progress","params":{"id":"x"}}"#,
        ] {
            assert!(read(garbage).is_err(), "{garbage}");
        }
    }

    #[test]
    fn an_error_says_its_kind_by_code_or_by_name() {
        let kind = |line: &str| match read(line) {
            Ok(FromChild::Reply { outcome: Err(error), .. }) => AgentError::from(error).kind,
            other => panic!("{other:?}"),
        };
        let error = |rest: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{{rest}}}}}"#);
        assert_eq!(kind(&error(r#""code":1,"message":"x""#)), AgentErrorKind::Failed);
        let invalid = error(r#""code":-32602,"message":"x""#);
        assert_eq!(kind(&invalid), AgentErrorKind::InvalidInput);
        let limited = error(r#""code":1,"message":"x","data":{"kind":"rate_limited"}"#);
        assert_eq!(kind(&limited), AgentErrorKind::RateLimited);
        let critical = error(r#""code":1,"message":"x","data":{"kind":"critical_error"}"#);
        assert_eq!(kind(&critical), AgentErrorKind::Critical);
    }

    #[test]
    fn what_is_written_is_one_line() {
        let written = request(1, "perform", json!({"text": "two\nlines"}));
        assert!(!written.contains('\n'), "{written}");
        assert!(notification("cancel", json!({"id": 1})).contains("\"method\":\"cancel\""));
    }
}
