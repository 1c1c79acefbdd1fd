//! Waiting for the end of a conversation.

use std::time::Duration;

use synod_runtime::{Address, AskError};

use super::error::DeskError;
use super::messages::{DeskMessage, Follow, Show, Shown};
use crate::protocol::{ConversationId, Protocol};

/// How long the desk is asked to wait at a time.
const HOLD: Duration = Duration::from_secs(20);

/// How much longer its answer may take.
const WAY: Duration = Duration::from_secs(10);

/// Why the end of a conversation is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotEnded {
    /// The desk does not follow it: it is unknown, or too many follow.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The desk did not answer.
    #[error("the desk did not answer: {0}")]
    Unanswered(#[from] AskError),
}

/// Waits until a conversation has ended, however long that takes, and gives how it ended. Every
/// conversation ends, by its own deadlines.
///
/// # Errors
/// [`NotEnded`].
pub async fn ended<P: Protocol>(
    desk: &Address<DeskMessage<P>>,
    id: ConversationId,
) -> Result<Shown<P::View>, NotEnded> {
    let mut after = 0;
    loop {
        let page = desk.ask(Follow { id, after, within: HOLD }, HOLD + WAY).await??;
        after = page.notes.last().map_or(after, |note| note.number);
        if page.ended {
            return desk.ask(Show::new(id), WAY).await?.ok_or(NotEnded::Desk(DeskError::Unknown));
        }
    }
}
