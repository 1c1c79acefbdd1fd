//! Keeps web pages from driving the node.
//!
//! A page in the operator's browser can send requests to loopback. It can't read what comes back,
//! and it can't choose its own Host, Origin or `application/json`. So:
//! - Host must name this machine: a page that had its own name resolve to 127.0.0.1 (DNS rebinding)
//!   still sends its own Host;
//! - an Origin must be the node's own, also for WebSockets, which browsers open across origins;
//! - a body must be `application/json`, which no HTML form and no "simple" request can send;
//! - `Sec-Fetch-Site`, where a browser sends it, must not say that another site asks.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST,
    ORIGIN, REFERRER_POLICY, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::{Problem, ProblemType};

/// Headers each answer carries, unless the handler has set its own.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 6] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Who may ask: names of this node beyond loopback, and origins beyond its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    hosts: Arc<BTreeSet<String>>,
    origins: Arc<BTreeSet<String>>,
}

impl Guard {
    /// A guard that also allows these host names (without port) and origins (`https://host:port`).
    #[must_use]
    pub(super) fn new(hosts: &[String], origins: &[String]) -> Self {
        let lower = |all: &[String]| Arc::new(all.iter().map(|s| s.to_ascii_lowercase()).collect());
        Self { hosts: lower(hosts), origins: lower(origins) }
    }

    /// Judges a request by its head alone.
    ///
    /// # Errors
    /// The problem to answer with: 400 without a Host, 403 for a foreign one, 415 for a form.
    pub(super) fn check(&self, parts: &Parts) -> Result<(), Problem> {
        let host = self.check_host(parts)?;
        self.check_origin(&parts.headers, &host)?;
        check_site(&parts.method, &parts.headers)?;
        check_body_type(&parts.method, &parts.headers)
    }

    fn check_host(&self, parts: &Parts) -> Result<String, Problem> {
        let mut given = parts.headers.get_all(HOST).iter();
        let authority = match (given.next(), given.next()) {
            (Some(one), None) => one.to_str().unwrap_or_default().to_ascii_lowercase(),
            _ => {
                return Err(Problem::new(
                    ProblemType::BadRequest,
                    "a request has exactly one Host header",
                )
                .field("host")
                .expected("one", parts.headers.get_all(HOST).iter().count().to_string()));
            }
        };
        let foreign_target =
            parts.uri.authority().is_some_and(|a| !a.as_str().eq_ignore_ascii_case(&authority));
        let name = host_name(&authority);
        if foreign_target || !(is_loopback_name(name) || self.hosts.contains(name)) {
            return Err(Problem::new(
                ProblemType::Forbidden,
                format!("the host {authority:?} is not this node"),
            )
            .field("host")
            .expected("localhost, a loopback address or a name in http.allowed_hosts", authority)
            .next("ask by http://127.0.0.1:PORT, or add the name to http.allowed_hosts"));
        }
        Ok(authority)
    }

    fn check_origin(&self, headers: &HeaderMap, host: &str) -> Result<(), Problem> {
        let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or("null").to_ascii_lowercase();
        let own = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
            .is_some_and(|authority| authority == host);
        if own || self.origins.contains(&origin) {
            return Ok(());
        }
        Err(Problem::new(
            ProblemType::Forbidden,
            format!("the origin {origin:?} may not use this node"),
        )
        .field("origin")
        .expected("no Origin, the node's own, or one in http.allowed_origins", origin)
        .next("add the origin to http.allowed_origins if that page is yours"))
    }
}

/// The host without its port; the brackets of an IPv6 literal are kept off.
fn host_name(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

fn is_loopback_name(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Fetch metadata: a browser says itself when another site asks. Opening a link is not asking.
fn check_site(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let foreign = matches!(text("sec-fetch-site"), Some("cross-site" | "same-site"));
    let link = method == Method::GET && text("sec-fetch-mode") == Some("navigate");
    // An Origin that got this far is allowed, whatever site it is on.
    if foreign && !link && !headers.contains_key(ORIGIN) {
        return Err(Problem::new(
            ProblemType::Forbidden,
            "a page of another site may not use this node",
        )
        .field("sec-fetch-site")
        .next("ask from a program, or from a page that the node serves"));
    }
    Ok(())
}

/// A request with a body must say that it is JSON: forms and "simple" requests can't.
fn check_body_type(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    check_encoding(headers)?;
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    let has_body = headers.contains_key(TRANSFER_ENCODING) || length.is_some_and(|n| n != "0");
    match headers.get(CONTENT_TYPE) {
        None if !has_body => Ok(()),
        // No form and no "simple" request can send YAML either.
        Some(kind) if is_json(kind) || is_yaml(kind) => Ok(()),
        other => Err(not_json(other)),
    }
}

/// Bodies are read as they are sent (RFC 9110, section 8.4).
fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let coded = |value: &&HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    let Some(coded) = headers.get_all(CONTENT_ENCODING).iter().find(coded) else { return Ok(()) };
    let got = coded.to_str().unwrap_or("unreadable");
    let detail = format!("bodies in the content encoding {got} are not read");
    Err(Problem::new(ProblemType::UnsupportedMediaType, detail)
        .field("content-encoding")
        .expected("identity, or no such header", got)
        .next("send the body as it is, without compression"))
}

/// Whether a Content-Type is `application/json`, or a type built on it (`+json`, RFC 6839).
#[must_use]
pub(super) fn is_json(content_type: &HeaderValue) -> bool {
    let Ok(text) = content_type.to_str() else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Whether a Content-Type is `application/yaml` (RFC 9512), or what it was called before.
#[must_use]
pub(super) fn is_yaml(content_type: &HeaderValue) -> bool {
    let Ok(text) = content_type.to_str() else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "application/yaml" | "application/x-yaml")
}

/// The answer to a body of another type.
#[must_use]
pub(super) fn not_json(content_type: Option<&HeaderValue>) -> Problem {
    let got = content_type.map_or("none", |v| v.to_str().unwrap_or("unreadable"));
    Problem::new(ProblemType::UnsupportedMediaType, format!("the content type {got} is not JSON"))
        .field("content-type")
        .expected("application/json", got)
}

/// The answer to a body that is neither JSON nor YAML.
#[must_use]
pub(super) fn not_a_document(content_type: Option<&HeaderValue>) -> Problem {
    let got = content_type.map_or("none", |v| v.to_str().unwrap_or("unreadable"));
    not_json(content_type)
        .expected("application/yaml or application/json", got)
        .next("send the header `Content-Type: application/yaml`, or `application/json`")
}

/// The layer: refuses, or lets through and marks the answer with the security headers.
pub(super) async fn enforce(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = match guard.check(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => {
            metrics::counter!("synod_http_refused_total").increment(1);
            tracing::warn!(detail = problem.members().detail, "request refused");
            problem.into_response()
        }
    };
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

#[cfg(test)]
mod tests;
