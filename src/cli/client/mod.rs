//! The commands' way to a node: HTTP and JSON, each call with a deadline.

mod credentials;
mod events;
mod problem;

use std::time::Duration;

use futures::StreamExt;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use credentials::Credentials;
pub(crate) use events::{EventReader, ServerEvent};
pub(crate) use problem::Problem;

use super::exit::CliError;

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// How long to wait for an answer, unless a call says otherwise.
const ANSWER: Duration = Duration::from_secs(30);

/// Talks to one node.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: Url,
}

impl Client {
    /// A client for the node at `url`, such as `http://127.0.0.1:7966`.
    ///
    /// # Errors
    /// [`CliError::Usage`] when the address is none, or a credential can't be used there.
    pub(crate) fn new(url: &str, credentials: &Credentials) -> Result<Self, CliError> {
        let wrong = || CliError::Usage(format!("--url {url:?}: expected http://HOST:PORT"));
        let parsed: Url = url.parse().map_err(|_| wrong())?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(wrong());
        }
        // Another part of the process may have installed one: any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            // A node listens on loopback or in its own network, where no proxy can reach it.
            .no_proxy()
            .user_agent(concat!("synod/", env!("CARGO_PKG_VERSION")));
        let http = credentials
            .apply(http, &parsed)?
            .build()
            .map_err(|error| CliError::Failed(format!("the HTTP client can't start: {error}")))?;
        Ok(Self { http, url: parsed })
    }

    /// Where the node is.
    #[must_use]
    pub(crate) fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Asks for `path` with a query.
    ///
    /// # Errors
    /// No node, a problem, or an answer that is no JSON.
    pub(crate) async fn get(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Value, CliError> {
        self.call(self.request(Method::GET, path, query).timeout(ANSWER)).await
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Value, CliError> {
        self.call(self.request(method, path, &[]).json(body).timeout(ANSWER)).await
    }

    /// Sends `body` to `path` with a query; the node may take `within` longer than usual.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn send_within(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: &impl Serialize,
        within: Duration,
    ) -> Result<Value, CliError> {
        let request = self.request(Method::POST, path, query).json(body);
        self.call(request.timeout(ANSWER.saturating_add(within))).await
    }

    /// Sends `body` to `path`, under a key that makes it safe to repeat, if there is one.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn send_once(
        &self,
        path: &str,
        body: &impl Serialize,
        key: Option<&str>,
    ) -> Result<Value, CliError> {
        let mut request = self.request(Method::POST, path, &[]).json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.call(request.timeout(ANSWER)).await
    }

    /// Sends `body` to `path`; also tells from where the stream has all that follows.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn begin(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(Value, Option<String>), CliError> {
        let request = self.request(Method::POST, path, &[]).json(body).timeout(ANSWER);
        let response = self.answer(request).await?;
        let cursor = response.headers().get("synod-stream-cursor");
        let cursor = cursor.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = response.bytes().await.map_err(|error| self.lost(&error))?;
        Ok((serde_json::from_slice(&body).map_err(|error| misunderstood(&error))?, cursor))
    }

    /// Sends a definition, in YAML or JSON, to `path`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn send_text(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        text: &str,
    ) -> Result<Value, CliError> {
        let request = self.request(method, path, query);
        // JSON is YAML, too (YAML 1.2, section 1.3).
        let request = request.header("content-type", "application/yaml").body(text.to_owned());
        self.call(request.timeout(ANSWER)).await
    }

    /// Asks for a text that is no JSON.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn text(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<String, CliError> {
        let request = self.request(Method::GET, path, query).timeout(ANSWER);
        let response = self.answer(request).await?;
        response.text().await.map_err(|error| self.lost(&error))
    }

    /// Calls `path` without a body.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn act(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Value, CliError> {
        self.call(self.request(method, path, query).timeout(ANSWER)).await
    }

    /// Opens a stream of events; it has no deadline, as it lasts as long as there are events.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn stream(
        &self,
        path: &str,
        query: &[(&str, String)],
        after: Option<&str>,
    ) -> Result<EventStream, CliError> {
        let mut request = self.request(Method::GET, path, query);
        request = request.header("accept", "text/event-stream");
        if let Some(id) = after {
            request = request.header("last-event-id", id);
        }
        let response = self.answer(request).await?;
        let chunks = response.bytes_stream().boxed();
        Ok(EventStream { chunks, reader: EventReader::default(), ready: Vec::new().into_iter() })
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, String)]) -> RequestBuilder {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.http.request(method, url)
    }

    async fn call(&self, request: RequestBuilder) -> Result<Value, CliError> {
        let response = self.answer(request).await?;
        let body = response.bytes().await.map_err(|error| self.lost(&error))?;
        // 204 and an empty 202 are answers too.
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(body).map_err(|error| misunderstood(&error))
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|error| self.lost(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        Err(CliError::Problem(Box::new(Problem::read(status.as_u16(), &body))))
    }

    fn lost(&self, error: &reqwest::Error) -> CliError {
        let reason = if error.is_connect() {
            "the connection is refused".to_owned()
        } else if error.is_timeout() {
            format!("no answer within {} s", ANSWER.as_secs())
        } else {
            cause(error)
        };
        CliError::Unreachable { url: self.url().to_owned(), reason }
    }
}

/// Decodes an answer for people; programs get it as it came.
///
/// # Errors
/// It is not what this version expects.
pub(crate) fn decode<T: DeserializeOwned>(answer: Value) -> Result<T, CliError> {
    serde_json::from_value(answer).map_err(|error| misunderstood(&error))
}

fn misunderstood(error: &serde_json::Error) -> CliError {
    let told = "the node's answer is not understood; is it another version?";
    CliError::Failed(format!("{told} ({error})"))
}

/// The innermost reason, which says most.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Events as they come.
pub(crate) struct EventStream {
    chunks: futures::stream::BoxStream<'static, Result<bytes::Bytes, reqwest::Error>>,
    reader: EventReader,
    ready: std::vec::IntoIter<ServerEvent>,
}

impl EventStream {
    /// The next event; none when the node has closed the stream or is gone.
    pub(crate) async fn next(&mut self) -> Option<ServerEvent> {
        loop {
            if let Some(event) = self.ready.next() {
                return Some(event);
            }
            let chunk = self.chunks.next().await?.ok()?;
            self.ready = self.reader.push(&chunk).ok()?.into_iter();
        }
    }
}

/// A part of a path, escaped so that it stays one part.
#[must_use]
pub(crate) fn segment(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_refused_at_once() {
        for wrong in ["localhost:7966", "ftp://localhost", "http://", ""] {
            let error = Client::new(wrong, &Credentials::default()).unwrap_err();
            assert!(matches!(error, CliError::Usage(_)), "{wrong:?} was taken");
        }
        assert!(Client::new("http://127.0.0.1:7966/", &Credentials::default()).is_ok());
    }

    #[test]
    fn an_id_can_not_leave_its_place_in_a_path() {
        assert_eq!(segment("a-b.c_1"), "a-b.c_1");
        assert_eq!(segment("../x?y"), "..%2Fx%3Fy");
        assert_eq!(segment("é"), "%C3%A9");
    }

    #[tokio::test]
    async fn a_node_that_is_not_there_is_unreachable() {
        let client = Client::new("http://127.0.0.1:1", &Credentials::default()).unwrap();
        let error = client.get("/healthz", &[]).await.unwrap_err();
        assert!(matches!(error, CliError::Unreachable { .. }), "{error}");
        assert!(error.next_step().unwrap().contains("synod node"));
    }
}
