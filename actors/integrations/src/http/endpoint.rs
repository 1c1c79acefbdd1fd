//! The address of an agent, checked when it is written down.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

use super::resolver;

/// What is wrong with an endpoint, in terms of what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {got}")]
pub struct EndpointRefused {
    /// What an endpoint must look like.
    pub expected: &'static str,
    /// The part that doesn't.
    pub got: String,
}

/// An `http` or `https` URL with a host that is not forbidden by its literal address.
///
/// A host name is checked again, address by address, each time it is looked up.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// The URL to send to.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether `other` is on the same scheme, host and port (RFC 6454).
    #[must_use]
    pub fn same_origin(&self, other: &Url) -> bool {
        self.0.scheme() == other.scheme()
            && self.0.host_str() == other.host_str()
            && self.0.port_or_known_default() == other.port_or_known_default()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointRefused;

    fn from_str(text: &str) -> Result<Self, EndpointRefused> {
        let refuse = |expected, got: String| Err(EndpointRefused { expected, got });
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(why) => {
                return refuse(
                    "an absolute URL, as in http://127.0.0.1:9000/perform",
                    format!("{text:?} ({why})"),
                );
            }
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("the scheme http or https", format!("{:?}", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse(
                "no user or password in the URL (put them into a header)",
                "one".to_owned(),
            );
        }
        let host = url.host_str().unwrap_or_default();
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>()
            && let Err(refused) = resolver::check(host, ip)
        {
            return refuse(
                "a loopback, private or public host address",
                format!("{ip}, {}", refused.refusal),
            );
        }
        Ok(Self(url))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_names_are_endpoints() {
        for good in
            ["http://127.0.0.1:9000/x", "https://agents.example/perform", "http://[::1]:80/"]
        {
            assert!(good.parse::<Endpoint>().is_ok(), "{good}");
        }
    }

    #[test]
    fn a_link_local_literal_is_refused_in_every_spelling() {
        for bad in [
            "http://169.254.169.254/latest",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
        ] {
            let refused = bad.parse::<Endpoint>().unwrap_err();
            assert!(refused.got.contains("link-local"), "{bad}: {refused}");
        }
    }

    #[test]
    fn other_schemes_and_credentials_are_refused_with_what_was_expected() {
        assert_eq!(
            "file:///etc/passwd".parse::<Endpoint>().unwrap_err().expected,
            "the scheme http or https"
        );
        assert!("http://u:p@host/".parse::<Endpoint>().unwrap_err().expected.contains("header"));
        assert!("agents".parse::<Endpoint>().unwrap_err().expected.contains("absolute URL"));
    }
}
