//! How a connection of an agent ends: what is said to the program, and what becomes the reason of
//! the work that goes back.

use std::borrow::Cow;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};

/// Most bytes of the reason in a close frame (RFC 6455, section 5.5, less the code).
const MAX_REASON: usize = 123;

/// The end of a connection.
#[derive(Debug)]
pub(super) struct Ending {
    /// The code to close with; none when nobody is there to read it.
    code: Option<u16>,
    reason: Cow<'static, str>,
}

impl Ending {
    /// The node closes, with a code of RFC 6455, section 7.4.1.
    pub(super) fn close(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code: Some(code), reason: reason.into() }
    }

    /// The program is gone.
    pub(super) fn gone(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code: None, reason: reason.into() }
    }

    pub(super) fn link_ended() -> Self {
        Self::close(close_code::NORMAL, "the agent's link has ended")
    }

    /// The program closed.
    pub(super) fn closed_by_program(frame: Option<&CloseFrame>) -> Self {
        Self::gone(match frame {
            Some(CloseFrame { code, reason }) if !reason.is_empty() => {
                format!("the agent closed its connection ({code}): {reason}")
            }
            _ => "the agent closed its connection".to_owned(),
        })
    }

    /// What was sent can't be read, and neither can anything after it.
    pub(super) fn unreadable(error: axum::Error) -> Self {
        let error = error.into_inner();
        match error.downcast_ref::<Error>() {
            Some(Error::Capacity(CapacityError::MessageTooLong { size, max_size })) => {
                let reason = format!(
                    "a frame of {size} bytes; the limit is {max_size}: send less, or put it where \
                     it can be fetched"
                );
                Self::close(close_code::SIZE, reason)
            }
            Some(Error::Utf8(_)) => Self::close(close_code::INVALID, "a text frame is not UTF-8"),
            Some(Error::Protocol(why)) if *why != ProtocolError::ResetWithoutClosingHandshake => {
                Self::close(close_code::PROTOCOL, format!("not the WebSocket protocol: {why}"))
            }
            _ => Self::gone("the connection to the agent dropped"),
        }
    }

    /// Why the work goes back.
    pub(super) fn reason(&self) -> String {
        match self.code {
            Some(code) => {
                format!("the connection to the agent was closed ({code}): {}", self.reason)
            }
            None => self.reason.clone().into_owned(),
        }
    }

    /// Whether more is under way that nobody will read.
    pub(super) fn leaves_unread(&self) -> bool {
        self.code == Some(close_code::SIZE)
    }

    /// Says goodbye; that nobody is there any more is as good.
    pub(super) async fn tell(self, socket: &mut WebSocket) {
        let Self { code: Some(code), reason } = self else { return };
        let mut reason = reason.into_owned();
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
    }
}
