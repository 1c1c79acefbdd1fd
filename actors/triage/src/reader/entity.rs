//! Who a message is about: an IP address, a remote host, a user.

use std::net::IpAddr;

use super::layout::Parts;
use crate::digest::{Source, SourceKind};

/// Tokens of a message that are looked at.
const MAX_TOKENS: usize = 64;

/// Longest name of a source or user, in bytes.
const MAX_NAME: usize = 120;

/// Names found in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entities<'a> {
    /// The first IP address, without its port.
    pub address: Option<IpAddr>,
    /// A remote host after `from` or `rhost=`.
    pub remote: Option<&'a str>,
    /// A user after `user` or `user=`, or between `for` and `from`.
    pub user: Option<&'a str>,
}

/// Finds the names in a message.
///
/// ```
/// let found = synod_triage::entities("Failed password for root from 10.0.0.7 port 22 ssh2");
/// assert_eq!(found.user, Some("root"));
/// assert_eq!(found.address, Some([10, 0, 0, 7].into()));
/// ```
pub fn entities(message: &str) -> Entities<'_> {
    let mut found = Entities::default();
    let mut tokens = message.split_ascii_whitespace().take(MAX_TOKENS).peekable();
    let (mut before, mut last) = ("", "");
    while let Some(token) = tokens.next() {
        let (key, value) = match token.rsplit_once('=') {
            Some((key, value)) => (bare(key), bare(value)),
            None => ("", bare(token)),
        };
        if found.address.is_none() {
            found.address = address(value);
        }
        if found.remote.is_none() && is_remote(key, last, value) {
            found.remote = Some(value);
        }
        let next = tokens.peek().copied().unwrap_or_default();
        if found.user.is_none() && is_user(key, [before, last, value, next]) {
            found.user = Some(value);
        }
        before = last;
        last = value;
    }
    found
}

/// What a failure is counted for: the address, else the remote host, else the component and
/// machine that wrote the line.
pub(crate) fn source_of(parts: &Parts<'_>, found: &Entities<'_>) -> Source {
    if let Some(address) = found.address {
        return Source { kind: SourceKind::Address, name: address.to_string() };
    }
    if let Some(remote) = found.remote {
        return Source { kind: SourceKind::Remote, name: cut(remote).to_owned() };
    }
    let name = match (parts.component.map(cut), parts.host.map(cut)) {
        (Some(component), Some(host)) => format!("{component} on {host}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "this log".to_owned(),
    };
    Source { kind: SourceKind::Component, name }
}

/// A name in its longest allowed form.
pub(crate) fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME)]
}

fn bare(token: &str) -> &str {
    token.trim_matches(|c: char| {
        matches!(c, '[' | ']' | '(' | ')' | '<' | '>' | '{' | '}' | '"' | '\'' | ',' | ';' | '/')
            || matches!(c, ':' | '.')
    })
}

fn address(token: &str) -> Option<IpAddr> {
    let first = *token.as_bytes().first()?;
    if !first.is_ascii_hexdigit() || token.len() < 3 {
        return None;
    }
    if let Ok(address) = token.parse() {
        // Eight pairs of digits are some hardware's serial number.
        let pairs = |a: IpAddr| a.is_ipv6() && token.split(':').all(|group| group.len() == 2);
        return (!pairs(address)).then_some(address);
    }
    // `10.0.0.7:22`, `10.0.0.7:22:Got`, `10.0.0.7/24`
    let head = token.split([':', '/']).next()?;
    head.contains('.').then(|| head.parse().ok())?
}

fn is_remote(key: &str, last: &str, value: &str) -> bool {
    let named = matches!(
        key,
        "rhost" | "host" | "client" | "remote" | "peer" | "src" | "source" | "from" | "hostname"
    );
    let dotted = value.contains('.') && value.bytes().any(|b| b.is_ascii_alphabetic());
    !value.is_empty() && (named || (dotted && last == "from"))
}

/// `around`: the two tokens before, the candidate, the token after.
fn is_user(key: &str, around: [&str; 4]) -> bool {
    let [before, last, value, next] = around;
    if value.is_empty() || !value.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return false;
    }
    if !key.is_empty() {
        return matches!(key, "user" | "ruser" | "username" | "login" | "account" | "acct");
    }
    let after_user = last.eq_ignore_ascii_case("user")
        && matches!(before, "for" | "invalid" | "Invalid" | "illegal" | "Illegal" | "by" | "as");
    let between = last == "for" && next == "from";
    after_user || between
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_with_ports_and_brackets() {
        let cases = [
            ("10.251.30.85:50010:Got exception while serving", "10.251.30.85"),
            ("reverse mapping for x [173.234.31.186] failed", "173.234.31.186"),
            ("Received connection request /10.10.34.11:45307", "10.10.34.11"),
            ("rhost=5.36.59.76 user=root", "5.36.59.76"),
            ("refused fe80::1 at once", "fe80::1"),
        ];
        for (message, expected) in cases {
            let found = entities(message).address.map(|a| a.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{message}");
        }
        for message in ["at 07:07:00 2005", "version 1.2.3", "FF:F2:9F:16:E2:23:00:0D", "dead"] {
            assert_eq!(entities(message).address, None, "{message}");
        }
    }

    #[test]
    fn users_are_found_where_the_wording_names_them() {
        let cases = [
            ("Failed password for root from 10.0.0.7 port 22", Some("root")),
            ("Failed password for invalid user admin from 10.0.0.7", Some("admin")),
            ("authentication failure; ruser= rhost=x user=git", Some("git")),
            ("check pass; user unknown", None),
            ("session closed for user cyrus", Some("cyrus")),
        ];
        for (message, expected) in cases {
            assert_eq!(entities(message).user, expected, "{message}");
        }
    }

    #[test]
    fn a_failure_without_address_is_counted_for_what_wrote_it() {
        let parts = Parts { host: Some("combo"), component: Some("ftpd"), ..Parts::default() };
        let source = source_of(&parts, &Entities::default());
        assert_eq!(String::from(source), "component ftpd on combo");
    }
}
