//! What the journal tells itself through its own mailbox.

use synod_runtime::Permit;

use crate::commit::WriteFault;
use crate::messages::JournalMessage;
use crate::writer::Written;

/// Work beside the journal has ended, or it is time to look again. Made by the journal alone.
#[derive(Debug)]
pub struct Event {
    /// Which incarnation it is for: the mailbox outlives them.
    pub(super) incarnation: u64,
    pub(super) news: News,
}

#[derive(Debug)]
pub(super) enum News {
    /// The group under way is on the disk, or isn't.
    Written(Result<Written, WriteFault>),
    /// Whether a full disk has room again.
    Probed(Result<(), WriteFault>),
    /// It is time to look at a full disk.
    Recheck,
    /// A job has ended and answered.
    JobEnded,
}

impl News {
    /// The writer is gone, and nobody knows what came of its work.
    pub(super) fn lost() -> Self {
        Self::Written(Err(WriteFault::Failed("the writer has ended".to_owned())))
    }
}

/// The duty to report the end of the writer's work. Dropped unfulfilled, as by a panic, it
/// reports the work as lost.
pub(super) struct Duty {
    permit: Option<Permit<JournalMessage>>,
    incarnation: u64,
}

impl Duty {
    pub(super) fn new(permit: Permit<JournalMessage>, incarnation: u64) -> Self {
        Self { permit: Some(permit), incarnation }
    }

    pub(super) fn report(mut self, news: News) {
        self.send(news);
    }

    fn send(&mut self, news: News) {
        if let Some(permit) = self.permit.take() {
            let incarnation = self.incarnation;
            permit.send(JournalMessage::Event(Event { incarnation, news }));
        }
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        self.send(News::lost());
    }
}
