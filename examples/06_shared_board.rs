//! A board that two replicas share while the wire between them is cut: both go on writing, and
//! nothing that either wrote is lost when they hear of each other again.
//!
//! ```text
//! cargo run --example 06_shared_board
//! ```
//!
//! Expect each to know only its own count and goal while they are apart (3 and 5), and both to come
//! to 8, with both goals side by side and the same fingerprint, once the wire is whole.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use synod::coordination::sync::{
    Edit, ReadShared, Scalar, SharedConfig, SharedMessage, SharedState, Spread, WriteShared,
};
use synod::journal::{JournalActor, JournalConfig};
use synod::runtime::{Address, Strategy, Supervisor, System};

type Board = Address<SharedMessage>;

const WITHIN: Duration = Duration::from_secs(10);

/// One end of a wire: its number, whether the wire is cut, and what is at both ends.
struct End(u64, Arc<AtomicBool>, Arc<Mutex<Vec<Board>>>);

impl Spread for End {
    fn peers(&self) -> Vec<u64> {
        vec![1 - self.0]
    }

    fn send(&self, to: u64, bytes: bytes::Bytes) {
        let (cut, other) = (self.1.load(Ordering::SeqCst), self.2.lock().get(to as usize).cloned());
        if let Some(other) = other.filter(|_| !cut) {
            // What is lost, a later round makes good for.
            drop(other.try_send(SharedMessage::Heard { from: self.0, bytes }));
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (folder, system) = (tempfile::tempdir()?, System::builder().build());
    let (cut, ends) = (Arc::new(AtomicBool::new(true)), Arc::<Mutex<Vec<Board>>>::default());
    let mut root = Supervisor::new(Strategy::OneForOne);
    for own in 0..2 {
        let place = folder.path().join(own.to_string());
        let journal = JournalActor::spec(JournalConfig::default(), place);
        let end = Arc::new(End(own, Arc::clone(&cut), Arc::clone(&ends)));
        let shared = SharedState::spec(SharedConfig::default(), journal.address(), end);
        ends.lock().push(shared.address());
        let both = Supervisor::new(Strategy::RestForOne).child(journal).child(shared);
        root = root.child(both.into_spec(format!("replica-{own}")));
    }
    system.start(root.into_spec("replicas")).await?;
    let boards = ends.lock().clone();
    for (board, by, goal) in [(&boards[0], 3, "on Monday"), (&boards[1], 5, "on Friday")] {
        let goal = Edit::Put { key: "goal".into(), value: Scalar::text(goal) };
        let edits = vec![goal, Edit::Count { key: "done".into(), by }];
        board.ask(WriteShared { document: "board".into(), edits }, WITHIN).await??;
    }
    for word in ["apart", "together"] {
        for board in &boards {
            let view = board.ask(ReadShared::whole("board"), WITHIN).await??;
            let view = view.ok_or("there is no board")?;
            println!("{word}: {:?}, fingerprint {}", view.values, view.fingerprint);
        }
        cut.store(false, Ordering::SeqCst);
        // A round is a second: after three of them both have heard of all.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    system.stop(WITHIN).await?;
    Ok(())
}
