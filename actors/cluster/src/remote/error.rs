//! Why something did not reach an actor of another node, or no answer came back.

use serde::{Deserialize, Serialize};
use synod_runtime::{AskError, SendError};

use crate::links::LinkError;

/// Why a question to another node failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum RemoteError {
    /// Nothing is offered under this name there. The message was not handled.
    #[error("that node offers nothing called `{0}`")]
    UnknownName(String),
    /// What has the name takes other messages. The message was not handled.
    #[error("`{name}` takes no {kind} version {version} there; it takes {takes}")]
    UnknownKind {
        /// The name.
        name: String,
        /// The kind that was sent.
        kind: String,
        /// The version that was sent.
        version: u16,
        /// What it does take: `task.submit version 2, task.submit version 1`.
        takes: String,
    },
    /// That node makes no actors of this kind and version.
    #[error("that node makes no {kind} version {version}")]
    UnknownType {
        /// The kind that was asked for.
        kind: String,
        /// Its version.
        version: u16,
    },
    /// The bytes are no message of the kind that they are said to be.
    #[error("not readable there: {0}")]
    Unreadable(String),
    /// The receiver's mailbox is full, or this node has too much under way. Not accepted.
    #[error("full")]
    Full,
    /// The receiver has ended for good. Not accepted.
    #[error("the receiver has stopped for good")]
    Closed,
    /// An interceptor, or the factory of a type, did not let it through. Not accepted.
    #[error("refused: {0}")]
    Refused(String),
    /// No reply came in time. It may have been handled all the same.
    #[error("no reply within the deadline")]
    Deadline,
    /// The receiver crashed while it held the request, or dropped it. It may be half done.
    #[error("the receiver dropped the request without an answer")]
    Unanswered,
    /// The node can't be reached, or could not be asked. Not accepted.
    #[error("the node can't be asked: {0}")]
    Unreached(String),
    /// The connection broke after the request was sent: it may have been handled or not.
    #[error("the connection broke while the request was on its way")]
    Broken,
}

impl From<AskError> for RemoteError {
    fn from(why: AskError) -> Self {
        match why {
            AskError::Full => Self::Full,
            AskError::Closed => Self::Closed,
            AskError::Deadline => Self::Deadline,
            AskError::Unanswered => Self::Unanswered,
            why @ (AskError::Refused | AskError::SelfAsk) => Self::Refused(why.to_string()),
        }
    }
}

impl From<SendError> for RemoteError {
    fn from(why: SendError) -> Self {
        match why {
            SendError::Full => Self::Full,
            SendError::Closed => Self::Closed,
            SendError::Refused(reason) => Self::Refused(reason.to_owned()),
        }
    }
}

impl From<LinkError> for RemoteError {
    fn from(why: LinkError) -> Self {
        match why {
            LinkError::Full => Self::Full,
            LinkError::Deadline => Self::Deadline,
            LinkError::Broken => Self::Broken,
            LinkError::Unanswered => Self::Unanswered,
            LinkError::Refused(reason) => Self::Refused(reason),
            why => Self::Unreached(why.to_string()),
        }
    }
}

/// A local address, or a type, can't be offered to other nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Another actor that lives has this name for messages of this kind.
    #[error("`{name}` is taken for {kind}")]
    Taken {
        /// The name, or the type.
        name: String,
        /// The kind of messages.
        kind: &'static str,
    },
    /// The node offers as much as it may.
    #[error("more than {0} offers")]
    TooMany(usize),
}
