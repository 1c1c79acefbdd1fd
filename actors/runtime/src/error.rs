//! What can go wrong between a sender and an inbox, and what state was left.

/// A message was not accepted. Nothing of it is left anywhere: the sender decides what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No room within the bound; under the policy `wait` also none within the longest wait.
    #[error("the mailbox is full")]
    Full,
    /// The receiver has ended for good.
    #[error("the receiver has stopped for good")]
    Closed,
    /// An interceptor did not let the message through; a dead letter tells of it.
    #[error("refused: {0}")]
    Refused(&'static str),
}

/// A message was not accepted and comes back to its sender.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError<M> {
    /// No room within the bound.
    #[error("the mailbox is full")]
    Full(M),
    /// The receiver has ended for good.
    #[error("the receiver has stopped for good")]
    Closed(M),
    /// An interceptor did not let the message through, for this reason.
    #[error("refused: {1}")]
    Refused(M, &'static str),
}

impl<M> TrySendError<M> {
    /// The message that was not accepted.
    pub fn into_message(self) -> M {
        self.split().0
    }

    /// The message, and why it was not accepted.
    pub fn split(self) -> (M, SendError) {
        match self {
            Self::Full(message) => (message, SendError::Full),
            Self::Closed(message) => (message, SendError::Closed),
            Self::Refused(message, reason) => (message, SendError::Refused(reason)),
        }
    }
}

impl<M> std::fmt::Debug for TrySendError<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::Closed(_) => f.write_str("Closed(..)"),
            Self::Refused(_, reason) => write!(f, "Refused(.., {reason:?})"),
        }
    }
}

impl<M> From<TrySendError<M>> for SendError {
    fn from(error: TrySendError<M>) -> Self {
        error.split().1
    }
}

/// A request got no reply. Except for `Deadline` and `Unanswered` it was never accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AskError {
    /// No room within the bound of the receiver's mailbox; the request was not accepted.
    #[error("the mailbox is full")]
    Full,
    /// The receiver has ended for good; the request was not accepted.
    #[error("the receiver has stopped for good")]
    Closed,
    /// An interceptor did not let the request through.
    #[error("refused by an interceptor")]
    Refused,
    /// No reply came in time. The request may have been handled all the same.
    #[error("no reply within the deadline")]
    Deadline,
    /// The receiver crashed while it held the request, or dropped it. It may be half done.
    #[error("the receiver dropped the request without an answer")]
    Unanswered,
    /// An actor asked itself inside a handler: it could never have answered.
    #[error("an actor can't wait for its own answer")]
    SelfAsk,
}

impl From<SendError> for AskError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Full => Self::Full,
            SendError::Closed => Self::Closed,
            SendError::Refused(_) => Self::Refused,
        }
    }
}
