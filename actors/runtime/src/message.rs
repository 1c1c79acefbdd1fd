//! What a message is: anything that can be sent. A request is a type with a reply type.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::address::Reply;

/// A question: a type that knows the type of its answer.
///
/// The reply port is never part of it, so a request can be compared, logged and sent over a wire.
pub trait Ask: Send + 'static {
    /// What the receiver answers.
    type Reply: Send + 'static;
}

/// A message that can be addressed on another node.
///
/// `KIND` and `VERSION` are written beside the bytes. A released type is frozen: a change is a
/// new `VERSION`, and the receiver knows how to read the old one.
pub trait WireMessage: Serialize + DeserializeOwned + Send + 'static {
    /// The stable name of the type on the wire, independent of its Rust path: `task.submit`.
    const KIND: &'static str;
    /// The version of its layout, from 1.
    const VERSION: u16;
}

/// A request in the hands of its receiver: the question together with the way to answer it.
///
/// Dropped unanswered, it tells its asker so at once.
#[derive(Debug)]
pub struct Request<Q: Ask> {
    /// The question.
    pub body: Q,
    reply: Reply<Q::Reply>,
}

impl<Q: Ask> Request<Q> {
    /// Pairs a question with its reply port; addresses do this for who asks through them.
    #[must_use]
    pub fn new(body: Q, reply: Reply<Q::Reply>) -> Self {
        Self { body, reply }
    }

    /// Answers. The reply goes straight to the asker, past every mailbox.
    pub fn answer(self, reply: Q::Reply) {
        self.reply.send(reply);
    }

    /// The question and the port apart, to answer later.
    pub fn into_parts(self) -> (Q, Reply<Q::Reply>) {
        (self.body, self.reply)
    }

    /// Until when the asker waits.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.reply.deadline()
    }

    /// Whether nobody waits any more: the deadline has passed or the asker has gone.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.reply.is_closed() || Instant::now() >= self.reply.deadline()
    }
}

/// Writes the `From<Request<..>>` of each request of a message enum.
///
/// ```
/// use synod_runtime::{Ask, Request, requests};
///
/// struct Count;
/// impl Ask for Count {
///     type Reply = u64;
/// }
///
/// enum CounterMessage {
///     Increment,
///     Count(Request<Count>),
/// }
///
/// requests!(CounterMessage { Count(Count) });
/// # let _ = CounterMessage::Increment;
/// ```
#[macro_export]
macro_rules! requests {
    ($message:ty { $($variant:ident($request:ty)),+ $(,)? }) => {
        $(
            impl ::core::convert::From<$crate::Request<$request>> for $message {
                fn from(request: $crate::Request<$request>) -> Self {
                    Self::$variant(request)
                }
            }
        )+
    };
}
