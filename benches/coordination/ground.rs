//! A node of one desk over a journal on the disk, with agents that answer at once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use synod_agents::{BoxFuture, Envelope, Payload, Performative, Recipient};
use synod_coordination::desk::{Courier, Desk, DeskConfig, DeskMessage, NoteTeller, Open};
use synod_coordination::{ConversationId, Effects, Heard, Moment, Opening, Protocol};
use synod_journal::{JournalActor, JournalConfig, PartitionShare};
use synod_runtime::{Address, Principal, Strategy, Supervisor, System};

use crate::LONG;

/// Agents that take everything, propose, and inform with this.
pub(crate) struct Ready(pub(crate) &'static str);

impl Courier for Ready {
    fn deliver(
        &self,
        envelope: Envelope,
        _within: Duration,
    ) -> BoxFuture<'static, Result<Option<Envelope>, String>> {
        let (performative, said) = match envelope.performative {
            Performative::Cfp => (Performative::Propose, r#"{"quality": 0.5, "time_ms": 10}"#),
            _ => (Performative::Inform, self.0),
        };
        let answer = envelope.answer(performative, Payload::new("application/json", said));
        Box::pin(async move { Ok(envelope.reply_with.is_some().then_some(answer)) })
    }
}

/// When something was told of a conversation.
type Heardings = Arc<Mutex<HashMap<ConversationId, Instant>>>;

/// A node with a desk.
pub(crate) struct Node<P: Protocol> {
    system: System,
    pub(crate) desk: Address<DeskMessage<P>>,
    told: Heardings,
}

impl<P: Protocol> Node<P> {
    /// Starts it in an empty folder. Notes of the kind `watched` are timed.
    pub(crate) async fn start(folder: &Path, answer: &'static str, watched: &'static str) -> Self {
        let folder = folder.join(P::KIND);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let system = System::builder().build();
        let journal = JournalActor::spec(JournalConfig::default(), folder);
        let told = Heardings::default();
        let teller: NoteTeller = {
            let told = Arc::clone(&told);
            Arc::new(move |note| {
                if note.note.note.kind == watched {
                    told.lock().insert(note.conversation, Instant::now());
                }
            })
        };
        let (share, courier) = (PartitionShare::WHOLE, Arc::new(Ready(answer)));
        let desk =
            Desk::<P>::spec(DeskConfig::default(), share, journal.address(), courier, teller);
        let address = desk.address();
        let root = Supervisor::new(Strategy::RestForOne).child(journal).child(desk);
        system.start(root.into_spec("node")).await.expect("a node");
        Self { system, desk: address, told }
    }

    /// Opens a conversation; by nobody in particular, who may speak for all.
    pub(crate) async fn open(&self, setup: P::Setup) -> ConversationId {
        let open = Open::new(setup, Principal::default());
        self.desk.ask(open, LONG).await.expect("an answer").expect("an open conversation").id
    }

    /// When the watched note of this one was told.
    pub(crate) fn told_at(&self, id: ConversationId) -> Option<Instant> {
        self.told.lock().remove(&id)
    }

    pub(crate) async fn stop(self) {
        self.system.stop(LONG).await.expect("an orderly end");
    }
}

/// Opens a machine.
pub(crate) fn opened<P: Protocol>(setup: P::Setup, out: &mut Effects) -> P {
    let (id, by) = (ConversationId::nil(), Principal::default());
    let opening = Opening { id, now: Moment(0), seed: 7, by };
    P::open(setup, &opening, out).expect("an open conversation")
}

/// An agent's answer.
pub(crate) fn heard(performative: Performative, said: &'static str) -> Heard {
    Heard::Reply(Envelope {
        id: ConversationId::nil(),
        sender: "somebody".to_owned(),
        recipient: Recipient::Everyone,
        performative,
        protocol: String::new(),
        conversation: None,
        reply_with: None,
        in_reply_to: None,
        reply_by_us: None,
        sent_at_us: 0,
        trace: String::new(),
        content: Payload::new("application/json", said),
    })
}
