//! What shared state can be asked and told.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use synod_runtime::{Address, Ask, Priority, Request, SendOptions, TrySendError, requests};

use super::actor::Step;
use super::document::{Edit, SharedValue};
use super::error::{SharedError, SharedRefusal};

/// The protocol of shared state.
#[derive(Debug)]
pub enum SharedMessage {
    /// Change a document.
    Write(Request<WriteShared>),
    /// What is in a document?
    Read(Request<ReadShared>),
    /// Which documents are there?
    List(Request<ListShared>),
    /// How does shared state do?
    Show(Request<ShowShared>),
    /// Tell this listener of every change; at most 256 are told.
    Subscribe(SharedListener),
    /// Another node's shared state said something.
    Heard {
        /// Which node.
        from: u64,
        /// What it said.
        bytes: Bytes,
    },
    /// From itself.
    Own(Step),
}

requests!(SharedMessage {
    Write(WriteShared),
    Read(ReadShared),
    List(ListShared),
    Show(ShowShared),
});

/// Change a document: all of the edits, or none. A document begins with its first write. The
/// answer comes when the journal has it; that needs no other node.
#[derive(Debug, Clone)]
pub struct WriteShared {
    /// Its name.
    pub document: String,
    /// What to change, at most 1,000 edits.
    pub edits: Vec<Edit>,
}

impl Ask for WriteShared {
    type Reply = Result<Written, SharedError>;
}

/// A write is in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Written {
    /// The state of the document on this node right after it: equal on nodes that have the same.
    pub fingerprint: String,
}

/// What is in a document, as this node knows it. A write that is on its way into the journal is
/// seen already.
#[derive(Debug, Clone)]
pub struct ReadShared {
    /// Its name.
    pub document: String,
    /// Only this key.
    pub key: Option<String>,
    /// `next` of the page before.
    pub after: String,
    /// Most keys; at most 1,000 are given, and about 1 MiB.
    pub limit: usize,
}

impl ReadShared {
    /// All of a document that fits into one page.
    #[must_use]
    pub fn whole(document: impl Into<String>) -> Self {
        Self { document: document.into(), key: None, after: String::new(), limit: 1000 }
    }
}

impl Ask for ReadShared {
    type Reply = Result<Option<SharedView>, SharedRefusal>;
}

/// A document, or a page of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SharedView {
    /// Its name.
    pub document: String,
    /// Its state: equal on nodes that have the same.
    pub fingerprint: String,
    /// Keys in all.
    pub keys: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// What is under the keys of this page.
    pub values: BTreeMap<String, SharedValue>,
    /// Where the next page begins; none on the last one.
    pub next: Option<String>,
}

/// Which documents there are, in order of name.
#[derive(Debug, Clone, Default)]
pub struct ListShared {
    /// Those after this name.
    pub after: String,
    /// Most of them; at most 1,000 are given.
    pub limit: usize,
}

impl Ask for ListShared {
    type Reply = Vec<SharedSummary>;
}

/// A document in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SharedSummary {
    /// Its name.
    pub document: String,
    /// Its state: equal on nodes that have the same.
    pub fingerprint: String,
    /// Its keys.
    pub keys: u64,
    /// Bytes of it.
    pub bytes: u64,
}

/// How shared state does.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShowShared;

impl Ask for ShowShared {
    type Reply = SharedHealth;
}

/// How shared state does, and what it has counted since the node started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SharedHealth {
    /// This replica's name among the writes.
    pub replica: String,
    /// Documents.
    pub documents: u64,
    /// Bytes of all documents.
    pub bytes: u64,
    /// Nodes that it can tell.
    pub peers: u64,
    /// Writes of this node that wait for the journal.
    pub waiting: u64,
    /// Messages to other nodes.
    pub sent: u64,
    /// Bytes of them.
    pub sent_bytes: u64,
    /// Messages of other nodes that could be read.
    pub received: u64,
    /// And those that could not.
    pub malformed: u64,
    /// What others said that was not taken over: too much, or not one that a replica makes.
    pub refused: u64,
    /// How often another clock was too far ahead to follow it.
    pub drifted: u64,
    /// How often a round found a difference.
    pub differed: u64,
}

/// Something changed in a document; reading tells what is there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedChange {
    /// Which document.
    pub document: String,
    /// Under which keys; none when the listener had no room for some changes: any may have.
    pub keys: Vec<String>,
    /// By whom: a principal of this node, or `node:` and the number of another; empty when several.
    pub by: String,
}

/// What became of a change that was handed to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedDelivery {
    /// The listener has it.
    Taken,
    /// It had no room; it is told later which documents changed.
    Full,
    /// The listener is gone; it is forgotten.
    Gone,
}

/// Where changes go: a mailbox, seen through a function that never waits.
pub struct SharedListener(Box<dyn Fn(SharedChange) -> SharedDelivery + Send>);

impl SharedListener {
    /// A listener of one's own making; `deliver` must not block.
    pub fn new(deliver: impl Fn(SharedChange) -> SharedDelivery + Send + 'static) -> Self {
        Self(Box::new(deliver))
    }

    /// Sends every change to `address`, as `map` makes it a message of that actor.
    pub fn to<M: Send + 'static>(
        address: &Address<M>,
        map: impl Fn(SharedChange) -> M + Send + 'static,
    ) -> Self {
        let address = address.clone();
        let options = SendOptions::new().priority(Priority::High);
        Self::new(move |change| match address.try_send_with(map(change), options.clone()) {
            Ok(()) => SharedDelivery::Taken,
            Err(TrySendError::Full(_) | TrySendError::Refused(..)) => SharedDelivery::Full,
            Err(TrySendError::Closed(_)) => SharedDelivery::Gone,
        })
    }

    pub(super) fn deliver(&self, change: SharedChange) -> SharedDelivery {
        (self.0)(change)
    }
}

impl fmt::Debug for SharedListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedListener")
    }
}
