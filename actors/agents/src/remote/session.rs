//! The node's end of a connection, whatever transports it.

use std::borrow::Cow;

use synod_runtime::{Address, Permit};

use super::actor::RemoteMessage;
use super::frames::FromAgent;

/// Where a transport puts the frames that a program sends. Dropping it means that the connection
/// is gone: what the program held goes back.
#[derive(Debug)]
pub struct SessionInlet {
    pub(super) link: Address<RemoteMessage>,
    pub(super) session: u64,
    /// The slot for the last word, which must not fail for room.
    pub(super) farewell: Option<Permit<RemoteMessage>>,
    /// Why the connection ended.
    pub(super) reason: Cow<'static, str>,
}

/// The agent of the connection is gone; close it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent of this connection is gone")]
pub struct SessionClosed;

impl SessionInlet {
    /// Takes in a frame; waits while the agent's link is busy, so that a flood slows its sender
    /// down.
    ///
    /// # Errors
    /// [`SessionClosed`] when the transport should close the connection.
    pub async fn deliver(&self, frame: FromAgent) -> Result<(), SessionClosed> {
        let message = RemoteMessage::Frame { session: self.session, frame: Box::new(frame) };
        self.link.send(message).await.map_err(|_| SessionClosed)
    }

    /// Says that a frame could not be taken: `work` is what it named, if it could be read, and
    /// `why` says what was wrong, where, and what was expected. The work fails for it.
    ///
    /// # Errors
    /// [`SessionClosed`] when the transport should close the connection.
    pub async fn reject(&self, work: Option<String>, why: String) -> Result<(), SessionClosed> {
        let message = RemoteMessage::Unfit { session: self.session, work, why };
        self.link.send(message).await.map_err(|_| SessionClosed)
    }

    /// The connection has ended, and why: what the program held goes back with this reason.
    pub fn close(mut self, reason: impl Into<Cow<'static, str>>) {
        self.reason = reason.into();
    }
}

impl Drop for SessionInlet {
    fn drop(&mut self) {
        if let Some(permit) = self.farewell.take() {
            let reason = std::mem::take(&mut self.reason);
            permit.send(RemoteMessage::Dropped { session: self.session, reason });
        }
    }
}
