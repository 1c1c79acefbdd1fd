//! Why something did not reach another node, or no answer came back.

/// Why a cast or a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nobody has told this node of the other one. Nothing was sent.
    #[error("the node is not known here")]
    Unknown,
    /// There is no connection, and none could be made; the text says why. Nothing was sent.
    #[error("the node can't be reached: {0}")]
    Unreachable(String),
    /// The queue to the node is full. Nothing was sent.
    #[error("the queue to the node is full")]
    Full,
    /// The time given has passed. A cast was not sent; a call may have been.
    #[error("no answer within the time given")]
    Deadline,
    /// The connection broke after the call was sent: it may have been handled or not.
    #[error("the connection broke while the call was on its way")]
    Broken,
    /// The other node refuses; the text says why.
    #[error("refused: {0}")]
    Refused(String),
    /// Who served the call let go of it without an answer.
    #[error("the other node gave no answer")]
    Unanswered,
    /// The body, or its answer, is above the limit of a frame.
    #[error("more bytes than a frame may have")]
    TooLarge,
}

impl LinkError {
    /// Whether the other node certainly never got it, so that sending it again is safe.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::Unknown | Self::Unreachable(_) | Self::Full | Self::TooLarge)
    }
}
