//! Where frames of a service arrive: its port, what it holds while it works, how it answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::LinkError;
use crate::node::NodeId;
use crate::wire::Service;

/// Who serves a service on this node. It is called on the task of the connection, so it must not
/// block: it puts the body into a mailbox and returns.
pub trait Port: Send + Sync + 'static {
    /// A one-way message.
    fn cast(&self, from: NodeId, body: Bytes);

    /// A one-way message that counts against the sender's credit until `credit` is dropped: a
    /// port that keeps it while the message waits in a mailbox slows the sender down instead of
    /// losing what it sends. By default the credit is given back when [`Port::cast`] returns.
    fn cast_held(&self, from: NodeId, body: Bytes, credit: Credit) {
        self.cast(from, body);
        drop(credit);
    }

    /// A request. It counts against the sender's credit until it is answered.
    fn call(&self, from: NodeId, body: Bytes, answer: Answer);
}

/// Room that a frame takes up at its receiver; given back to the sender when dropped.
#[must_use = "dropped, it lets the sender go on"]
pub struct Credit {
    /// None of what was sent on this node itself.
    pub(crate) room: Option<(Arc<dyn Return>, Room)>,
}

/// The room of one frame at its receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) service: Service,
    pub(crate) bytes: u32,
}

/// What a credit or an answer goes back to.
pub(crate) trait Return: Send + Sync {
    /// The room of one frame is free again.
    fn give_back(&self, room: Room);
    /// The call `id` has ended; its room is free once the answer has been written.
    fn answer(&self, id: u64, room: Room, answer: Result<Bytes, LinkError>);
}

impl Drop for Credit {
    fn drop(&mut self) {
        if let Some((giver, room)) = self.room.take() {
            giver.give_back(room);
        }
    }
}

impl std::fmt::Debug for Credit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credit")
            .field("bytes", &self.room.as_ref().map(|(_, room)| room.bytes))
            .finish_non_exhaustive()
    }
}

/// Where the answer to a call goes. Dropped unused, the caller is told so at once.
#[must_use = "dropped, it tells the caller that there is no answer"]
pub struct Answer {
    pub(crate) way: Option<Way>,
    pub(crate) deadline: Instant,
}

pub(crate) enum Way {
    /// Over the connection that the call came by.
    Back { to: Arc<dyn Return>, id: u64, room: Room },
    /// On this node.
    Here(oneshot::Sender<Result<Bytes, LinkError>>),
}

impl Answer {
    /// Answers.
    pub fn send(mut self, body: Bytes) {
        self.end(Ok(body));
    }

    /// Refuses: the caller gets [`LinkError::Refused`] with the reason.
    pub fn refuse(mut self, reason: impl Into<String>) {
        self.end(Err(LinkError::Refused(reason.into())));
    }

    /// Until when the caller waits.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// For how long the caller still waits; zero when it has gone.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// An answer to a call of this same node, and where it arrives: for tests of ports.
    pub fn local(within: Duration) -> (Self, oneshot::Receiver<Result<Bytes, LinkError>>) {
        let (sender, receiver) = oneshot::channel();
        let deadline = synod_runtime::after(Instant::now(), within);
        (Self { way: Some(Way::Here(sender)), deadline }, receiver)
    }

    fn end(&mut self, answer: Result<Bytes, LinkError>) {
        match self.way.take() {
            Some(Way::Back { to, id, room }) => to.answer(id, room, answer),
            // The caller may have gone.
            Some(Way::Here(sender)) => drop(sender.send(answer)),
            None => {}
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.end(Err(LinkError::Unanswered));
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Who judges by heartbeats whether a node is alive: the failure detector. Called on the task of
/// a connection, so it must not block.
pub trait HeartbeatListener: Send + Sync + 'static {
    /// A heartbeat of `from` has arrived, or the answer to one of ours with its round trip.
    fn heard(&self, from: NodeId, at: Instant, round_trip: Option<Duration>);

    /// No heartbeats are to be expected of the node from now on: its link was closed or broke.
    fn silenced(&self, node: NodeId, at: Instant);

    /// How suspicious the node's silence is by now; none when nothing is known of it.
    fn phi(&self, node: NodeId, at: Instant) -> Option<f64>;
}
