//! What is answered to callers who may not, and what is written down of it: a few lines for each
//! source and window, and a count of all.

use std::net::IpAddr;

use axum::http::HeaderValue;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use synod_runtime::Principal;
use synod_security::{AttemptLimits, Attempts, TokenRefusal, TooSmall, Verdict};
use tokio::time::Instant;

use super::super::problem::{Problem, ProblemType};

/// Why a caller may not.
#[derive(Debug)]
pub(super) enum Denied {
    /// It brought no token.
    NoToken,
    /// Its token is not taken.
    Token(TokenRefusal),
    /// Its token is good, its roles are not enough.
    Role(Principal, TooSmall),
}

impl From<TokenRefusal> for Denied {
    fn from(refused: TokenRefusal) -> Self {
        Self::Token(refused)
    }
}

/// The refusals of a node.
#[derive(Debug)]
pub(super) struct Refusals {
    /// Callers nobody knows.
    strangers: Mutex<Attempts>,
    /// Callers who are known: only what is written down of them is limited.
    known: Mutex<Attempts>,
}

impl Refusals {
    pub(super) fn new(limits: AttemptLimits) -> Self {
        let attempts = || Mutex::new(Attempts::new(limits));
        Self { strangers: attempts(), known: attempts() }
    }

    /// Notes a refusal, and makes its answer.
    pub(super) fn answer(
        &self,
        denied: &Denied,
        source: IpAddr,
        (method, route): (&str, Option<&str>),
        now: Instant,
    ) -> Response {
        let attempts = match denied {
            Denied::Role(..) => &self.known,
            Denied::NoToken | Denied::Token(_) => &self.strangers,
        };
        let verdict = attempts.lock().failed(source, now);
        metrics::counter!("synod_http_denied_total", "reason" => denied.reason()).increment(1);
        if !matches!(verdict, Verdict::Silenced { .. }) {
            let (who, why, last) = (denied.principal(), denied.told(), verdict == Verdict::Last);
            let route = route.unwrap_or("(none)");
            tracing::warn!(
                target: "synod::audit", %source, method, route, who, why, last, "access refused"
            );
        }
        denied.response(verdict)
    }
}

impl Denied {
    /// A word for metrics.
    fn reason(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::Token(refused) => refused.as_str(),
            Self::Role(..) => "role",
        }
    }

    fn principal(&self) -> String {
        match self {
            Self::Role(principal, _) => principal.to_string(),
            Self::NoToken | Self::Token(_) => Principal::anonymous().to_string(),
        }
    }

    fn told(&self) -> String {
        match self {
            Self::NoToken => "the request has no token".to_owned(),
            Self::Token(refused) => refused.to_string(),
            Self::Role(_, refused) => refused.to_string(),
        }
    }

    fn response(&self, verdict: Verdict) -> Response {
        match (self, verdict) {
            (Self::Role(_, refused), _) => {
                let expected = format!("one of the roles {}", refused.needs);
                Problem::new(ProblemType::RoleTooSmall, self.told())
                    .expected(expected, refused.has.to_string())
                    .into_response()
            }
            (_, Verdict::Silenced { retry_after }) => {
                let detail = "too many requests from this address had no valid token";
                let problem = Problem::new(ProblemType::TooManyFailures, detail);
                challenged(problem.retry_after(retry_after), self)
            }
            _ => {
                let expected = "`Authorization: Bearer TOKEN` with a valid token";
                let problem = Problem::new(ProblemType::Unauthorized, self.told());
                let problem = problem.field("authorization").expected(expected, self.reason());
                challenged(problem, self)
            }
        }
    }
}

/// Says how to do better (RFC 6750, section 3).
fn challenged(problem: Problem, denied: &Denied) -> Response {
    let mut response = problem.into_response();
    let challenge = match denied {
        Denied::NoToken => "Bearer realm=\"synod\"",
        _ => "Bearer realm=\"synod\", error=\"invalid_token\"",
    };
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
