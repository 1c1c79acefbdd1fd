//! Who may ask what: a token on every route and stream, and a role that is enough for it.
//!
//! ```text
//! request ─▶ permission of the route ─┬─ open ───────────────────────────────▶ on
//!                                     ├─ no token, or one that is refused ───▶ 401, later 429
//!                                     ├─ a token without the role ───────────▶ 403
//!                                     └─ else: the principal goes along ─────▶ on
//! ```
//!
//! Where `http.auth` is `"none"`, which only loopback may have, everybody passes as nobody in
//! particular. Never: a route without a permission, a refusal that is not counted, a stream that
//! outlives its token, a token in a log.

mod permissions;
mod refusals;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use synod_runtime::{Address, System};
use synod_security::{
    AttemptLimits, Permission, Session, TokenGate, TokenRefusal, TokensMessage, decide,
};

pub(super) use self::permissions::permission;

use self::refusals::{Denied, Refusals};
use super::correlation::Caller;
use super::lifeline::Lifeline;

/// How often a stream looks whether its token was taken back.
const LOOK: Duration = Duration::from_secs(1);

/// How a node tells who asks. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    gate: TokenGate,
    /// The actor that issues tokens.
    pub(super) tokens: Address<TokensMessage>,
    system: System,
    refusals: Arc<Refusals>,
}

impl Access {
    /// Callers bring tokens that `gate` takes.
    #[must_use]
    pub fn new(
        gate: TokenGate,
        tokens: Address<TokensMessage>,
        system: System,
        limits: AttemptLimits,
    ) -> Self {
        Self { gate, tokens, system, refusals: Arc::new(Refusals::new(limits)) }
    }

    /// Who asks, if they may.
    fn judge(&self, headers: &HeaderMap, wanted: Permission) -> Result<Session, Denied> {
        let token = bearer(headers)?;
        let session = self.gate.verify(token, self.system.clock().utc())?;
        match decide(session.roles, wanted) {
            Ok(()) => Ok(session),
            Err(refused) => Err(Denied::Role(session.principal, refused)),
        }
    }

    /// Comes to its end when the session does.
    fn until_over(&self, session: Session) -> impl Future<Output = ()> + Send + use<> {
        let (gate, system) = (self.gate.clone(), self.system.clone());
        async move {
            while !gate.is_revoked(session.token) {
                let left = gate.left(&session, system.clock().utc());
                if left.is_zero() {
                    break;
                }
                tokio::time::sleep(left.min(LOOK)).await;
            }
        }
    }
}

/// The token of a request (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (first, more) = (given.next(), given.next());
    let Some(first) = first else { return Err(Denied::NoToken) };
    let malformed = Denied::Token(TokenRefusal::Malformed);
    let text = first.to_str().ok().filter(|_| more.is_none()).ok_or(malformed)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denied::NoToken);
    }
    Ok(token.trim())
}

/// Where a request comes from: the other end of its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source(pub IpAddr);

/// The names that approvals know as roles, of a caller with a token.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups(pub Arc<[Arc<str>]>);

impl<S: Send + Sync> FromRequestParts<S> for Groups {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// The layer.
pub(super) async fn enforce(
    State(access): State<Option<Access>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(access) = access else { return next.run(request).await };
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let wanted = permission(request.method(), route);
    if wanted == Permission::Open {
        return next.run(request).await;
    }
    match access.judge(request.headers(), wanted) {
        Ok(session) => {
            let streams = route.is_some_and(permissions::is_stream);
            admit(&access, session, streams, &mut request);
            next.run(request).await
        }
        Err(denied) => {
            let unknown = Source(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            let Source(source) = request.extensions().get().copied().unwrap_or(unknown);
            let method = told(request.method());
            access.refusals.answer(&denied, source, (method, route), access.system.clock().now())
        }
    }
}

/// Lets the request on, in the name of its caller; what it leaves open ends with the session.
fn admit(access: &Access, session: Session, streams: bool, request: &mut Request) {
    let extensions = request.extensions_mut();
    if let Some(caller) = extensions.get_mut::<Caller>() {
        caller.principal = session.principal.clone();
    }
    extensions.insert(Groups(Arc::clone(&session.groups)));
    if streams && let Some(lifeline) = extensions.get::<Lifeline>() {
        let limited = lifeline.limited(access.until_over(session));
        extensions.insert(limited);
    }
}

/// A method as it may stand in a log: clients invent them.
fn told(method: &Method) -> &str {
    let text = method.as_str();
    if text.len() <= 16 { text } else { "other" }
}
