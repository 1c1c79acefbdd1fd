//! What a command shows a node, and what it wants to be shown.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, ClientBuilder, Url};

use crate::cli::exit::CliError;

/// A token, and the authority that the node must have a certificate of.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    /// Sent with each request.
    pub(crate) token: Option<String>,
    /// A file (PEM); without it the system's authorities are believed.
    pub(crate) ca: Option<PathBuf>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "[redacted]");
        f.debug_struct("Credentials").field("token", &token).field("ca", &self.ca).finish()
    }
}

impl Credentials {
    /// Gives a client to be for the node at `url` what it needs.
    pub(super) fn apply(&self, http: ClientBuilder, url: &Url) -> Result<ClientBuilder, CliError> {
        let http = match &self.ca {
            Some(path) => http.tls_certs_only(authorities(path)?),
            None => http,
        };
        let Some(token) = &self.token else { return Ok(http) };
        if url.scheme() == "http" && !is_loopback(url) {
            return Err(CliError::Usage(format!(
                "--token: {url} is plain HTTP beyond this machine, where the token could be read \
                 on its way: use https"
            )));
        }
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))
            .map_err(|_| CliError::Usage("--token: expected a token, as issued".to_owned()))?;
        value.set_sensitive(true);
        Ok(http.default_headers(HeaderMap::from_iter([(AUTHORIZATION, value)])))
    }
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, CliError> {
    let wrong = |why: &dyn fmt::Display| {
        CliError::Usage(format!("--ca {}: expected certificates (PEM): {why}", path.display()))
    };
    let text = std::fs::read(path).map_err(|why| wrong(&why))?;
    let found = Certificate::from_pem_bundle(&text).map_err(|why| wrong(&why))?;
    if found.is_empty() { Err(wrong(&"there are none")) } else { Ok(found) }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::Client;
    use super::*;

    #[test]
    fn a_token_is_sent_in_the_open_to_this_machine_alone() {
        let credentials = Credentials { token: Some("a.b.c".into()), ca: None };
        for near in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost", "https://far.de"] {
            assert!(Client::new(near, &credentials).is_ok(), "{near}");
        }
        let refused = Client::new("http://far.example:7966", &credentials).unwrap_err();
        assert!(refused.to_string().contains("https"), "{refused}");
        let anonymous = Client::new("http://far.example:7966", &Credentials::default());
        assert!(anonymous.is_ok());
    }

    #[test]
    fn what_is_no_token_and_no_certificate_is_refused_at_once() {
        let token = Credentials { token: Some("a\nb".into()), ca: None };
        assert!(Client::new("https://x", &token).is_err());
        let ca = Credentials { token: None, ca: Some("/nowhere/ca.pem".into()) };
        let refused = Client::new("https://x", &ca).unwrap_err().to_string();
        assert!(refused.contains("/nowhere/ca.pem"), "{refused}");
    }

    #[test]
    fn a_token_is_not_in_what_is_printed_for_debugging() {
        let credentials = Credentials { token: Some("secret".into()), ca: None };
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
