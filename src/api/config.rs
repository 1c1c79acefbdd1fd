//! The section `[http]`: where the node listens, and how much it lets clients take.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_runtime::ConfigFault;

use super::json::BodyLimits;

/// Settings of the HTTP side. All need a restart of the node to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Address and port to listen on; port 0 takes a free one. Beyond loopback only with `auth` and
    /// `tls`. Default 127.0.0.1:7966.
    pub listen: SocketAddr,
    /// What callers must bring. Default nothing, which only loopback may have.
    pub auth: AuthMode,
    /// The certificate that callers see.
    pub tls: TlsSection,
    /// Host names, without port, under which this node may be asked besides `localhost` and
    /// loopback addresses. Default none.
    pub allowed_hosts: Vec<String>,
    /// Origins (`https://host:port`) whose pages may use this node besides its own. Default none.
    pub allowed_origins: Vec<String>,
    /// Most bytes of a request body, and of a message of a connected agent; a message of more than
    /// four times as many closes the agent's connection. 1,024 to 268,435,456; default 4,194,304.
    pub max_body_bytes: usize,
    /// Time for a request's head to arrive, and for an idle connection to say something. 100 to
    /// 600,000; default 30,000.
    pub header_timeout_ms: u64,
    /// Time for a request's body to arrive. 100 to 600,000; default 30,000.
    pub body_timeout_ms: u64,
    /// Time for which a client may refuse to take what it asked for before it is cut off. 100 to
    /// 600,000; default 30,000.
    pub write_timeout_ms: u64,
    /// Time for a part of the node to answer before the client gets 503. 10 to 60,000; default
    /// 5,000.
    pub ask_timeout_ms: u64,
    /// Longest wait for a task's end that a client may ask for with `?wait=`. 0 to 3,600; default
    /// 60.
    pub max_wait_s: u64,
    /// Most connections served at once. Beyond it the one that is longest overdue makes room: it
    /// sent no request, its first or its next, for 250 ms, or less than 4,096 bytes a second of a
    /// body, a second of grace aside (answered 408). When none is, the newcomer is answered 503;
    /// eight more are kept for `/healthz`, `/readyz` and `/api/v1/status`, one request each. 1 to
    /// 65,536; default 1,024.
    pub max_connections: usize,
    /// Most streams (WebSocket and SSE) and connected agents at once. 1 to 65,536; default 1,024.
    pub max_streams: usize,
    /// Events kept for readers that come back with a cursor. 16 to 1,048,576; default 16,384.
    pub stream_buffer: usize,
    /// Time between signs of life on an idle stream; a WebSocket that gives none for twice this
    /// time is cut off. 1 to 300; default 15.
    pub stream_heartbeat_s: u64,
    /// Time that open requests and streams get when the node stops. 0 to 600,000; default 5,000.
    pub shutdown_ms: u64,
}

/// What callers must bring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Nothing: whoever reaches the port may do everything.
    #[default]
    None,
    /// A token with a role that is enough.
    Tokens,
}

/// `[http.tls]`: the certificate that callers see; both keys, or neither.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSection {
    /// A file with the certificate, its chain behind it (PEM). Default none: plain HTTP.
    pub certificate: PathBuf,
    /// A file with its private key (PEM).
    pub key: PathBuf,
}

impl TlsSection {
    /// Whether the API speaks TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.certificate.as_os_str().is_empty() && !self.key.as_os_str().is_empty()
    }

    fn check(&self) -> Option<ConfigFault> {
        let (certificate, key) = (&self.certificate, &self.key);
        let missing = match (certificate.as_os_str().is_empty(), key.as_os_str().is_empty()) {
            (true, false) => "tls.certificate",
            (false, true) => "tls.key",
            _ => return None,
        };
        let reason = "expected the path of a PEM file: `certificate` and `key` go together";
        Some(ConfigFault::new(missing, reason))
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7966)),
            auth: AuthMode::None,
            tls: TlsSection::default(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_body_bytes: 4 << 20,
            header_timeout_ms: 30_000,
            body_timeout_ms: 30_000,
            write_timeout_ms: 30_000,
            ask_timeout_ms: 5_000,
            max_wait_s: 60,
            max_connections: 1_024,
            max_streams: 1_024,
            stream_buffer: 16_384,
            stream_heartbeat_s: 15,
            shutdown_ms: 5_000,
        }
    }
}

impl ApiConfig {
    /// Checks every key.
    ///
    /// # Errors
    /// All faults at once.
    pub fn validate(&self) -> Result<(), Vec<ConfigFault>> {
        let mut faults = Vec::new();
        if let Some(reason) = self.refuse_beyond_loopback() {
            faults.push(ConfigFault::new("listen", reason));
        }
        faults.extend(self.tls.check());
        for (key, value, least, most) in self.ranges() {
            if !(least..=most).contains(&value) {
                let reason = format!("expected {least} to {most}, got {value}");
                faults.push(ConfigFault::new(key, reason));
            }
        }
        for host in &self.allowed_hosts {
            if host.is_empty() || host.contains(['/', '*', ' ']) || has_port(host) {
                let reason = format!("expected a host name without scheme and port, got {host:?}");
                faults.push(ConfigFault::new("allowed_hosts", reason));
            }
        }
        for origin in &self.allowed_origins {
            if !is_origin(origin) {
                let reason =
                    format!("expected an origin such as https://host:port, got {origin:?}");
                faults.push(ConfigFault::new("allowed_origins", reason));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Why the node must not listen there, if so.
    fn refuse_beyond_loopback(&self) -> Option<String> {
        let (listen, tokens) = (self.listen, self.auth == AuthMode::Tokens);
        let missing = match (tokens, self.tls.is_on()) {
            _ if listen.ip().is_loopback() => return None,
            (true, true) => return None,
            (false, false) => "there is no authentication and no TLS",
            (false, true) => "there is no authentication",
            (true, false) => "there is no TLS, so tokens could be read on their way",
        };
        Some(format!(
            "{listen} is beyond loopback, where anyone who reaches the port could drive the node: \
             {missing}. Set auth = \"tokens\", and certificate and key in [http.tls] (`synod \
             cluster certificates` makes them), or use 127.0.0.1:{}",
            listen.port()
        ))
    }

    /// Each number with its range.
    fn ranges(&self) -> [(&'static str, u64, u64, u64); 11] {
        [
            ("max_body_bytes", self.max_body_bytes as u64, 1_024, 256 << 20),
            ("header_timeout_ms", self.header_timeout_ms, 100, 600_000),
            ("body_timeout_ms", self.body_timeout_ms, 100, 600_000),
            ("write_timeout_ms", self.write_timeout_ms, 100, 600_000),
            ("ask_timeout_ms", self.ask_timeout_ms, 10, 60_000),
            ("max_wait_s", self.max_wait_s, 0, 3_600),
            ("max_connections", self.max_connections as u64, 1, 65_536),
            ("max_streams", self.max_streams as u64, 1, 65_536),
            ("stream_buffer", self.stream_buffer as u64, 16, 1 << 20),
            ("stream_heartbeat_s", self.stream_heartbeat_s, 1, 300),
            ("shutdown_ms", self.shutdown_ms, 0, 600_000),
        ]
    }

    /// Limits of a request's body.
    #[must_use]
    pub fn body(&self) -> BodyLimits {
        BodyLimits {
            max_bytes: self.max_body_bytes,
            within: Duration::from_millis(self.body_timeout_ms),
        }
    }

    /// Time for a part of the node to answer.
    #[must_use]
    pub fn ask_timeout(&self) -> Duration {
        Duration::from_millis(self.ask_timeout_ms)
    }

    /// Time a write may stall.
    #[must_use]
    pub fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    /// Time between signs of life on an idle stream.
    #[must_use]
    pub fn stream_heartbeat(&self) -> Duration {
        Duration::from_secs(self.stream_heartbeat_s)
    }

    /// Time that what is open gets when the node stops.
    #[must_use]
    pub fn shutdown(&self) -> Duration {
        Duration::from_millis(self.shutdown_ms)
    }
}

/// `host:port`, as against a bare IPv6 address.
fn has_port(host: &str) -> bool {
    host.matches(':').count() == 1
}

fn is_origin(origin: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '*', ' ', '?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(config: &ApiConfig) -> Vec<String> {
        let faults = config.validate().err().unwrap_or_default();
        faults.into_iter().map(|fault| fault.key).collect()
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(ApiConfig::default().validate(), Ok(()));
    }

    #[test]
    fn a_listener_beyond_loopback_is_refused_with_the_reason() {
        for listen in ["0.0.0.0:7966", "192.168.1.5:7966", "[::]:7966"] {
            let config = ApiConfig { listen: listen.parse().unwrap(), ..Default::default() };
            let faults = config.validate().unwrap_err();
            assert_eq!(faults[0].key, "listen");
            assert!(faults[0].reason.contains("no authentication"), "{}", faults[0]);
        }
        for listen in ["127.0.0.2:0", "[::1]:7966"] {
            let config = ApiConfig { listen: listen.parse().unwrap(), ..Default::default() };
            assert_eq!(config.validate(), Ok(()), "{listen}");
        }
    }

    #[test]
    fn a_listener_beyond_loopback_needs_both_tokens_and_tls() {
        let tls = TlsSection { certificate: "node.pem".into(), key: "node.key".into() };
        let beyond = |auth, tls| ApiConfig {
            listen: ([0, 0, 0, 0], 7966).into(),
            auth,
            tls,
            ..Default::default()
        };
        assert_eq!(beyond(AuthMode::Tokens, tls.clone()).validate(), Ok(()));
        let told = |config: ApiConfig| config.validate().unwrap_err()[0].reason.clone();
        let plain = told(beyond(AuthMode::Tokens, TlsSection::default()));
        assert!(plain.contains("no TLS") && plain.contains("[http.tls]"), "{plain}");
        let open = told(beyond(AuthMode::None, tls));
        assert!(open.contains("auth = \"tokens\""), "{open}");
        let half = TlsSection { certificate: "node.pem".into(), key: PathBuf::new() };
        assert_eq!(keys(&ApiConfig { tls: half, ..Default::default() }), ["tls.key"]);
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let config = ApiConfig {
            max_body_bytes: 0,
            stream_heartbeat_s: 0,
            allowed_hosts: vec!["http://x".into(), "x:80".into(), "::2".into()],
            allowed_origins: vec!["x.example".into(), "https://x.example".into()],
            ..Default::default()
        };
        let expected = [
            "max_body_bytes",
            "stream_heartbeat_s",
            "allowed_hosts",
            "allowed_hosts",
            "allowed_origins",
        ];
        assert_eq!(keys(&config), expected);
    }
}
