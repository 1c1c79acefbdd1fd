//! Where the writer sits: on a thread of its own, or in the actor's turn.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::event::{Duty, News};
use crate::commit::GroupWrite;
use crate::writer::Writer;

/// Work that may lie before the thread. The machine has one group or one probe under way.
const WAITING: usize = 4;

/// The writer, and how it is reached.
pub(super) enum Desk {
    /// It works while the actor goes on, and reports through the mailbox.
    Thread(WriterThread),
    /// It works in the actor's turn, and reports at once.
    Inline(Box<Writer>),
}

/// What the writer is asked to do.
pub(super) enum Work {
    Commit(GroupWrite),
    Probe,
}

impl Work {
    fn perform(&self, writer: &mut Writer) -> News {
        match self {
            Self::Commit(group) => News::Written(writer.commit(group)),
            Self::Probe => News::Probed(writer.probe()),
        }
    }
}

enum Task {
    Perform(Work, Duty),
    Close(oneshot::Sender<()>),
}

/// The thread that writes and syncs. Dropping it waits for what it has in hand.
pub(super) struct WriterThread {
    tasks: Option<SyncSender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl WriterThread {
    /// # Errors
    /// When the machine gives no more threads.
    pub(super) fn start(writer: Writer) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name("journal-writer".into());
        let thread = thread.spawn(move || serve(writer, &receiver))?;
        Ok(Self { tasks: Some(sender), thread: Some(thread) })
    }

    /// Hands work over; never waits. What can't be handed over is reported as failed.
    pub(super) fn perform(&self, work: Work, duty: Duty) {
        if let Some(tasks) = &self.tasks {
            // A refused task drops its duty, which reports it.
            let _ = tasks.try_send(Task::Perform(work, duty));
        }
    }

    /// Waits until all work is done and the mark is durable.
    pub(super) async fn close(mut self) {
        let (done, closed) = oneshot::channel();
        if let Some(tasks) = self.tasks.take()
            && tasks.try_send(Task::Close(done)).is_ok()
        {
            // An error means that the thread has ended, which is what is waited for.
            let _ = closed.await;
        }
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer panicked");
        }
    }
}

fn serve(mut writer: Writer, tasks: &Receiver<Task>) {
    while let Ok(task) = tasks.recv() {
        match task {
            Task::Perform(work, duty) => {
                duty.report(work.perform(&mut writer));
                if let Work::Commit(group) = &work {
                    writer.look_ahead(group);
                }
            }
            Task::Close(done) => {
                writer.close();
                let _ = done.send(());
            }
        }
    }
}

impl Desk {
    /// Lets the writer work. `Some` when it has already done so.
    pub(super) fn perform(
        &mut self,
        work: Work,
        duty: impl FnOnce() -> Option<Duty>,
    ) -> Option<News> {
        match self {
            Self::Inline(writer) => Some(work.perform(writer)),
            Self::Thread(thread) => {
                let Some(duty) = duty() else { return Some(News::lost()) };
                thread.perform(work, duty);
                None
            }
        }
    }

    /// Waits until all work is done and the mark is durable.
    pub(super) async fn close(self) {
        match self {
            Self::Inline(mut writer) => writer.close(),
            Self::Thread(thread) => thread.close().await,
        }
    }
}
