//! The types of problems, in one table.

use axum::http::StatusCode;

/// What is the same for each problem of a type.
#[derive(Debug, Clone, Copy)]
pub struct ProblemFacts {
    /// The last part of its URN.
    pub slug: &'static str,
    /// The HTTP status.
    pub status: StatusCode,
    /// The type in a sentence.
    pub title: &'static str,
    /// What to do next, where there is nothing more precise to say.
    pub next_step: &'static str,
}

/// Writes the types of problems and their facts from one table.
macro_rules! problem_types {
    (
        $(
            $(#[$doc:meta])*
            $name:ident = $slug:literal, $status:ident, $title:literal, $next:literal;
        )+
    ) => {
        /// The closed set of problems this API answers with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ProblemType {
            $($(#[$doc])* $name,)+
        }

        impl ProblemType {
            /// Every problem, for the document that describes them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What is the same for each problem of this type.
            #[must_use]
            pub const fn facts(self) -> ProblemFacts {
                match self {
                    $(Self::$name => ProblemFacts {
                        slug: $slug,
                        status: StatusCode::$status,
                        title: $title,
                        next_step: $next,
                    },)+
                }
            }
        }
    };
}

problem_types! {
    /// The body is not JSON.
    MalformedJson = "malformed-json", BAD_REQUEST,
        "The body is not valid JSON",
        "correct the JSON at this place and send it again";
    /// The request can't be understood at the HTTP level.
    BadRequest = "bad-request", BAD_REQUEST,
        "The request is malformed",
        "correct the request: GET /openapi.json describes it";
    /// A field, parameter or value is not one that this route takes.
    InvalidField = "invalid-field", UNPROCESSABLE_ENTITY,
        "A field is not valid",
        "correct the field: GET /openapi.json describes each of them";
    /// The node's configuration has faults.
    InvalidConfig = "invalid-config", UNPROCESSABLE_ENTITY,
        "The configuration is not valid",
        "correct the file, check it with `synod config check`, and reload again";
    /// The definition of a workflow has faults.
    InvalidDefinition = "invalid-definition", UNPROCESSABLE_ENTITY,
        "The definition is not valid",
        "mend what `errors` names; `synod workflows check FILE` shows each place";
    /// No agent has what the task requires.
    NoCapableAgent = "no-capable-agent", UNPROCESSABLE_ENTITY,
        "No agent can do this task",
        "GET /api/v1/agents lists who can do what; register an agent that can do this";
    /// The body is not `application/json`.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE,
        "Only JSON is taken",
        "send the header `Content-Type: application/json`";
    /// The body is larger than the limit.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE,
        "The body is too large",
        "send less, or raise http.max_body_bytes";
    /// The body did not arrive in time.
    BodyTooSlow = "body-too-slow", REQUEST_TIMEOUT,
        "The body came too slowly",
        "send the body at once, or raise http.body_timeout_ms";
    /// There is no token, or one that is not taken.
    Unauthorized = "unauthorized", UNAUTHORIZED,
        "A valid token is needed",
        "send `Authorization: Bearer TOKEN`; `synod tokens issue` makes one on the node's machine";
    /// The token is good, its roles are not enough.
    RoleTooSmall = "role-too-small", FORBIDDEN,
        "The token's roles do not allow this",
        "ask an administrator for a token with one of the expected roles";
    /// Too many requests without a valid token came from one address.
    TooManyFailures = "too-many-failures", TOO_MANY_REQUESTS,
        "Too many requests without a valid token",
        "send a valid token, or wait for Retry-After";
    /// Whoever asks may not say this in a conversation.
    NotAllowed = "not-allowed", FORBIDDEN,
        "Whoever asks may not do this",
        "speak for yourself: with a token of the participant that is named";
    /// A foreign Host or Origin.
    Forbidden = "forbidden", FORBIDDEN,
        "The request is refused",
        "ask from a program on this machine, or from a page that the node serves";
    /// Nothing has this id or path.
    NotFound = "not-found", NOT_FOUND,
        "There is nothing here",
        "GET /openapi.json lists every route";
    /// The path exists, the method does not.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED,
        "The method is not supported here",
        "the header `Allow` lists the methods; GET /openapi.json describes them";
    /// What was asked for contradicts the present state.
    Conflict = "conflict", CONFLICT,
        "The present state does not allow this",
        "look at the present state, then decide";
    /// The idempotency key was used with another body.
    IdempotencyConflict = "idempotency-conflict", UNPROCESSABLE_ENTITY,
        "The idempotency key was used with another body",
        "use another key for another request";
    /// The first request with this idempotency key is not yet answered.
    IdempotencyInFlight = "idempotency-in-flight", CONFLICT,
        "The first request with this idempotency key is still in flight",
        "wait for the task of the first request";
    /// The queue is full.
    QueueFull = "queue-full", TOO_MANY_REQUESTS,
        "The queue is full",
        "try again after Retry-After";
    /// As many runs or definitions are kept as the node allows.
    LimitReached = "limit-reached", TOO_MANY_REQUESTS,
        "A limit of the node is reached",
        "try again later, or raise the limit in the node's configuration";
    /// As many streams are open as the node allows.
    TooManyStreams = "too-many-streams", SERVICE_UNAVAILABLE,
        "Too many streams are open",
        "close a stream, or raise http.max_streams";
    /// The node can't take this now: the journal does not accept, or it drains, or a part is
    /// restarting.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE,
        "Not available now",
        "GET /readyz says when the node takes work again";
    /// A part of the node did not answer within its deadline.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE,
        "The node did not answer in time",
        "try again; if it lasts, GET /api/v1/status shows the parts and their last errors";
    /// A fault of the node.
    Internal = "internal", INTERNAL_SERVER_ERROR,
        "The node made a mistake",
        "report this with the trace id: the node's log has the rest";
}
