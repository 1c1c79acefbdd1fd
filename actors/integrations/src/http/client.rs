//! The HTTP client of one agent: checked addresses, no proxy, bounded redirects.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, StatusCode};

use super::config::HttpConfig;
use super::endpoint::Endpoint;
use super::resolver::CheckedResolver;

/// Idle connections kept to one endpoint.
const MAX_IDLE: usize = 16;

/// A redirect that is not followed; it ends the request.
#[derive(Debug, thiserror::Error)]
#[error("a redirect to {to} is not followed: {reason}")]
pub(super) struct RedirectRefused {
    to: String,
    reason: &'static str,
}

/// Builds the client. It is cheap to clone and keeps connections open between calls.
pub(super) fn build(endpoint: &Endpoint, config: &HttpConfig) -> reqwest::Result<Client> {
    // The process may have one already; whichever it is serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("synod/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(CheckedResolver)
        // A proxy would connect for us, to addresses that were not checked.
        .no_proxy()
        .connect_timeout(config.connect_timeout())
        .pool_max_idle_per_host(MAX_IDLE)
        .redirect(within(endpoint.clone(), config.max_redirects))
        .build()
}

/// Follows redirects that keep the POST and stay on the endpoint's scheme, host and port.
fn within(endpoint: Endpoint, most: usize) -> Policy {
    Policy::custom(move |attempt: Attempt<'_>| -> Action {
        let keeps = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT];
        let reason = if !keeps.contains(&attempt.status()) {
            "only 307 and 308 keep the request as it is"
        } else if !endpoint.same_origin(attempt.url()) {
            "it leaves the scheme, host and port of the endpoint"
        } else if attempt.previous().len() > most {
            "there were too many before it"
        } else {
            return attempt.follow();
        };
        let to = attempt.url().to_string();
        attempt.error(RedirectRefused { to, reason })
    })
}

/// Headers from a configuration.
///
/// # Errors
/// The first name or value that can't be a header, in words; values are not repeated: they may be
/// secrets.
pub(super) fn headers(given: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let parsed = HeaderName::try_from(name.as_str());
        let key = parsed.map_err(|_| format!("{name:?} is not a header name"))?;
        let mut value = HeaderValue::try_from(value.as_str())
            .map_err(|_| format!("the value of {name:?} is not visible ASCII"))?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}
