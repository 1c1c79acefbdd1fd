//! What a desk is asked and told: the whole contract of whoever uses a protocol.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use synod_runtime::{Address, Ask, Principal, Priority, Request, SendOptions};

use super::actor::Own;
use super::error::DeskError;
use crate::protocol::{ConversationId, Moment, Note, Protocol};

/// Begin a conversation. Answered when it is durable.
#[derive(Clone)]
pub struct Open<P: Protocol> {
    /// With what.
    pub setup: P::Setup,
    /// Who opens it.
    pub by: Principal,
    /// Its name, when the asker has one: a UUIDv7 in a partition of this desk. Asked again with
    /// the same name and setup, it is the same conversation.
    pub id: Option<ConversationId>,
    /// The asker's own name for it, 1 to 255 bytes: asked again with the same key and setup by the
    /// same principal, it is the same conversation.
    pub key: Option<String>,
}

impl<P: Protocol> Open<P> {
    /// Opens a conversation under a name that the desk gives it.
    #[must_use]
    pub fn new(setup: P::Setup, by: Principal) -> Self {
        Self { setup, by, id: None, key: None }
    }
}

impl<P: Protocol> Ask for Open<P> {
    type Reply = Result<Opened<P::View>, DeskError>;
}

/// A conversation is open and durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opened<V> {
    /// Its name.
    pub id: ConversationId,
    /// What is the same for all protocols.
    pub summary: Summary,
    /// How it stands.
    pub view: V,
    /// Whether it is one that was opened before with the same key or name.
    pub duplicate: bool,
}

/// Tell a conversation something. Answered when what came of it is durable; a refusal, when what
/// it was refused for is.
#[derive(Clone)]
pub struct Step<P: Protocol> {
    /// Which.
    pub id: ConversationId,
    /// Who says it.
    pub by: Principal,
    /// What.
    pub input: P::Input,
}

impl<P: Protocol> Ask for Step<P> {
    type Reply = Result<P::Answer, DeskError>;
}

/// How does this conversation stand? `None`: it is unknown, or ended so long ago that it is
/// forgotten.
#[derive(Debug)]
pub struct Show<P> {
    /// Which.
    pub id: ConversationId,
    protocol: PhantomData<fn() -> P>,
}

impl<P: Protocol> Show<P> {
    /// Of this conversation.
    #[must_use]
    pub fn new(id: ConversationId) -> Self {
        Self { id, protocol: PhantomData }
    }
}

impl<P: Protocol> Ask for Show<P> {
    type Reply = Option<Shown<P::View>>;
}

/// How a conversation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown<V> {
    /// What is the same for all protocols.
    pub summary: Summary,
    /// As its protocol shows it.
    pub view: V,
}

/// A conversation in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Summary {
    /// Its name.
    #[schema(value_type = String, format = "uuid")]
    pub id: ConversationId,
    /// The key it was opened with.
    pub key: Option<String>,
    /// Who opened it: `user:ada`, `agent:a`, `anonymous`.
    pub by: String,
    /// When it was opened.
    #[schema(value_type = String, format = "date-time")]
    pub opened_at: Timestamp,
    /// When it ended; absent while it is open.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub ended_at: Option<Timestamp>,
    /// How many notes it has had.
    pub notes: u64,
}

/// Which conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Something can still come of it.
    Open,
    /// It has ended.
    Ended,
}

/// A page of conversations, the newest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct List {
    /// Only those.
    pub state: Option<Standing>,
    /// `next` of the page before.
    pub after: Option<ConversationId>,
    /// Most conversations to return; at least 1, at most 1,000 are given.
    pub limit: usize,
}

impl Ask for List {
    type Reply = ConversationPage;
}

/// Some conversations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConversationPage {
    /// The newest first.
    pub conversations: Vec<Summary>,
    /// What to ask for next; absent on the last page.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub next: Option<ConversationId>,
}

/// What happened in a conversation, the oldest first.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// Which.
    pub id: ConversationId,
    /// Only notes with a higher number; 0 for all.
    pub after: u64,
    /// Most notes to return; at least 1, at most 1,000 are given.
    pub limit: usize,
}

impl Ask for History {
    type Reply = Result<HistoryPage, DeskError>;
}

/// Answer with the notes after this number as soon as there are any, or the conversation has
/// ended, or the time is over.
#[derive(Debug, Clone, Copy)]
pub struct Follow {
    /// Which.
    pub id: ConversationId,
    /// The last number that the asker knows; 0 for none.
    pub after: u64,
    /// How long to wait at most; the asker itself should wait a little longer.
    pub within: Duration,
}

impl Ask for Follow {
    type Reply = Result<HistoryPage, DeskError>;
}

/// A note and its place in its conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberedNote {
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// When it was made.
    pub at: Moment,
    /// What it says.
    pub note: Note,
}

/// Some notes of a conversation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryPage {
    /// The oldest first. When the first has not the number that was asked for, those between are
    /// no longer kept.
    pub notes: Vec<NumberedNote>,
    /// The number of the last note that the conversation has had.
    pub last: u64,
    /// Whether the conversation has ended.
    pub ended: bool,
}

/// Take no new conversation from now on. Answered when all that was taken is durable.
#[derive(Debug, Clone, Copy, Default)]
pub struct DrainDesk {}

impl Ask for DrainDesk {
    type Reply = DeskDrained;
}

/// The desk is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeskDrained {
    /// Conversations that are open, and go on at the next start.
    pub open: u64,
}

/// Does the desk work? Answered at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeskHealth {}

impl Ask for DeskHealth {
    type Reply = DeskHealthResponse;
}

/// Whether a desk works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeskHealthResponse {
    /// The protocol it carries.
    pub kind: String,
    /// Whether conversations are opened.
    pub accepting: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Conversations that are open.
    pub open: u64,
    /// Conversations that have ended and are kept.
    pub ended: u64,
    /// Envelopes on their way to agents, or waiting for their turn.
    pub deliveries: u64,
}

/// A note that is durable, as listeners hear of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The protocol.
    pub kind: &'static str,
    /// The conversation.
    pub conversation: ConversationId,
    /// What it says, and its number.
    pub note: NumberedNote,
}

/// What hears every note of a desk, over its restarts: called like a [`NoteListener`].
pub type NoteTeller = Arc<dyn Fn(&Told) + Send + Sync>;

/// Where notes go. It is called on the desk's own actor, in the order of the notes and only after
/// they are durable; it must not block. Once it returns false it is dropped.
///
/// After a restart nothing is told again; who has missed notes asks for the [`History`].
pub struct NoteListener(Box<dyn FnMut(&Told) -> bool + Send>);

impl NoteListener {
    /// A listener of one's own making.
    pub fn new(listen: impl FnMut(&Told) -> bool + Send + 'static) -> Self {
        Self(Box::new(listen))
    }

    /// Sends every note to `address`. When its mailbox is full it misses notes, and sees it from
    /// the gap in their numbers; it is dropped when its receiver is gone. All have one priority,
    /// so that none overtakes another.
    pub fn to<M: Send + 'static>(
        address: &Address<M>,
        map: impl Fn(Told) -> M + Send + 'static,
    ) -> Self {
        let address = address.clone();
        Self::new(move |told| {
            use synod_runtime::TrySendError::{Closed, Refused};
            let options = SendOptions::new().priority(Priority::High);
            let sent = address.try_send_with(map(told.clone()), options);
            !matches!(sent, Err(Closed(_) | Refused(..)))
        })
    }

    pub(super) fn hear(&mut self, told: &Told) -> bool {
        (self.0)(told)
    }
}

impl fmt::Debug for NoteListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoteListener")
    }
}

/// All that a desk understands.
pub enum DeskMessage<P: Protocol> {
    /// Begin a conversation.
    Open(Request<Open<P>>),
    /// Tell a conversation something.
    Step(Request<Step<P>>),
    /// How does it stand?
    Show(Request<Show<P>>),
    /// A page of conversations.
    List(Request<List>),
    /// What happened in one.
    History(Request<History>),
    /// Wait for what happens next in one.
    Follow(Request<Follow>),
    /// Does the desk work?
    Health(Request<DeskHealth>),
    /// Open no more.
    Drain(Request<DrainDesk>),
    /// Tell this listener every note from now on.
    Subscribe(NoteListener),
    /// From the desk to itself.
    Own(Own),
}

/// Writes the `From` of each request.
macro_rules! asked {
    ($($variant:ident($request:ty)),+ $(,)?) => {
        $(
            impl<P: Protocol> From<Request<$request>> for DeskMessage<P> {
                fn from(request: Request<$request>) -> Self {
                    Self::$variant(request)
                }
            }
        )+
    };
}

asked! {
    Open(Open<P>),
    Step(Step<P>),
    Show(Show<P>),
    List(List),
    History(History),
    Follow(Follow),
    Health(DeskHealth),
    Drain(DrainDesk),
}
