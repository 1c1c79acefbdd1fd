//! What the actor of tokens is asked.

use std::time::SystemTime;

use synod_runtime::{Ask, Request, TaskFailure, requests};
use uuid::Uuid;

use crate::tokens::{IssuedToken, TokenBook, TokenError, TokenRecord, TokenRequest};

/// Make a token.
#[derive(Debug, Clone)]
pub struct IssueToken(pub TokenRequest);

impl Ask for IssueToken {
    type Reply = Result<IssuedToken, TokenError>;
}

/// Take a token back.
#[derive(Debug, Clone, Copy)]
pub struct RevokeToken(pub Uuid);

impl Ask for RevokeToken {
    type Reply = Result<TokenRecord, TokenError>;
}

/// Which tokens are there?
#[derive(Debug, Clone, Copy)]
pub struct ListTokens;

impl Ask for ListTokens {
    type Reply = Result<Vec<TokenRecord>, TokenError>;
}

/// What the list looked like from outside when it was read, and what was in it; none when it had
/// not changed.
pub type Reread = Option<(Option<(SystemTime, u64)>, Result<TokenBook, TokenError>)>;

/// Everything the actor of tokens takes.
#[derive(Debug)]
pub enum TokensMessage {
    /// Make a token.
    Issue(Request<IssueToken>),
    /// Take one back.
    Revoke(Request<RevokeToken>),
    /// List them.
    List(Request<ListTokens>),
    /// From the actor to itself: look whether the list has changed.
    Look,
    /// From the actor to itself: what was found.
    Looked(Result<Reread, TaskFailure>),
    /// From the actor to itself: a request was answered.
    Answered(Result<(), TaskFailure>),
}

requests!(TokensMessage { Issue(IssueToken), Revoke(RevokeToken), List(ListTokens) });
