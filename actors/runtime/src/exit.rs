//! Why an incarnation of an actor ended, and the error that ends one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an incarnation of an actor ended. Written by the actor before it goes, read by its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// It asked for its own end ([`Context::stop`](crate::Context::stop)): its work is done.
    Normal,
    /// Its parent, or an operator, asked it to end.
    Shutdown,
    /// Its code returned an [`ActorError`]; the text is the error's.
    Error(String),
    /// Its code panicked; the text is the panic's message.
    Panic(String),
    /// It was dropped without a word: killed after its shutdown time, or with its runtime.
    Killed,
    /// Its `start` returned an error or panicked, or its factory panicked.
    StartFailed(String),
    /// Its `start` took longer than its start timeout and was dropped.
    StartTimedOut,
    /// Its children failed more often than its supervision allows; the text names the last one.
    Escalated(String),
}

impl ExitReason {
    /// Whether the end was orderly: a transient child that ends so is not restarted. A kill is
    /// not (OTP: `killed` is abnormal).
    #[must_use]
    pub fn is_normal(&self) -> bool {
        matches!(self, Self::Normal | Self::Shutdown)
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::Error(text) => write!(f, "error: {text}"),
            Self::Panic(text) => write!(f, "panic: {text}"),
            Self::Killed => f.write_str("killed"),
            Self::StartFailed(text) => write!(f, "start failed: {text}"),
            Self::StartTimedOut => f.write_str("start timed out"),
            Self::Escalated(text) => write!(f, "escalated: {text}"),
        }
    }
}

/// The error with which an actor's code ends its incarnation; the supervisor decides what next.
///
/// It keeps the text of the error and of all its sources, since it outlives the actor. Like
/// `anyhow::Error` it is no `std::error::Error` itself, so that `?` can make one of any error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorError {
    text: String,
}

impl ActorError {
    /// An error that says `text`.
    #[must_use]
    pub fn new(text: impl fmt::Display) -> Self {
        Self { text: text.to_string() }
    }
}

impl fmt::Display for ActorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<E: std::error::Error> From<E> for ActorError {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { text }
    }
}

/// The text of a caught panic.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a text".to_owned()
    }
}
