//! Changes of work told on every node: who does the work keeps what it told, the others read it.
//!
//! ```text
//!  engines (of whoever leads) ─▶ hub ─▶ readers here
//!                 └───────────▶ outbox ◀── PullEvents ── EventRelay of each other node ─▶ its hub
//! ```
//!
//! Each node asks every node that may lead, and is answered when there is something: a slow
//! reader is not waited for, and holds no more than a number. Where changes may have been missed
//! (the node that led died, or its outbox has moved on) the hub tells every reader so. Never: what
//! came from another node told on, as outboxes hold what the node's own engines told alone.

mod following;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_cluster::{GroupView, NodeId, RemoteDesk, WireAsk};
use synod_runtime::{
    Actor, ActorError, Ask, Context, Correlation, Reply, Request, Spec, TaskFailure, TaskKey,
    WireMessage, requests,
};
use synod_tasks::TaskChange;
use synod_workflows::RunChange;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use self::following::Following;
use crate::api::EventHub;
use crate::api::stream::{
    Content, Cursor, Event, Filter, Next, Subject, note_event, run_event, task_event,
};

/// What the relay is offered as to other nodes.
const NAME: &str = "events";

/// How long an outbox is waited for that has nothing new.
const HOLD: Duration = Duration::from_secs(10);

/// How long the way there and back may take beyond that.
const WAY: Duration = Duration::from_secs(5);

/// Before a node is asked again that gave no answer.
const PAUSE: Duration = Duration::from_millis(250);

/// Questions of other nodes that wait at once.
const MOST_WAITING: usize = 1_024;

/// What a node's engines told after a place in its outbox, as soon as there is something.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PullEvents {
    /// The boot and the sequence of the last event seen; none: say where the outbox is.
    after: Option<(u64, u64)>,
    /// Milliseconds to wait when there is nothing.
    hold_ms: u64,
}

impl Ask for PullEvents {
    type Reply = PulledEvents;
}

impl WireMessage for PullEvents {
    const KIND: &'static str = "node.pull_events";
    const VERSION: u16 = 1;
}

/// Some events of an outbox.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PulledEvents {
    /// Where the outbox is read on after.
    at: (u64, u64),
    /// Whether events before these are no longer kept.
    missed: bool,
    events: Vec<Carried>,
}

/// A change on its way.
#[derive(Debug, Serialize, Deserialize)]
struct Carried {
    change: Change,
    /// JSON leaves it out.
    correlation: Option<Correlation>,
}

/// A change in JSON: it may hold any value.
#[derive(Debug, Serialize, Deserialize)]
enum Change {
    Task(String),
    Run(String),
    Note { protocol: String, conversation: Uuid, note: String },
}

impl Carried {
    /// What to carry of an event; none of one that is not of work.
    fn of(event: &Event) -> Option<Self> {
        let (change, correlation) = match &event.content {
            Content::Task(change) => {
                (serde_json::to_string(change).map(Change::Task), change.correlation)
            }
            Content::Run(change) => {
                (serde_json::to_string(change).map(Change::Run), change.correlation)
            }
            Content::Note(note) => {
                let Subject::Conversation(protocol, conversation) = &event.subject else {
                    return None;
                };
                let (protocol, conversation) = (protocol.to_string(), *conversation);
                let note = serde_json::to_string(note);
                (note.map(|note| Change::Note { protocol, conversation, note }), None)
            }
            _ => return None,
        };
        Some(Self { change: change.ok()?, correlation })
    }

    fn event(self) -> serde_json::Result<Event> {
        let correlation = self.correlation;
        Ok(match self.change {
            Change::Task(text) => {
                task_event(&TaskChange { correlation, ..serde_json::from_str(&text)? })
            }
            Change::Run(text) => {
                run_event(&RunChange { correlation, ..serde_json::from_str(&text)? })
            }
            Change::Note { protocol, conversation, note } => {
                note_event(protocol.into(), conversation, serde_json::from_str(&note)?)
            }
        })
    }
}

/// What the relay works with.
#[derive(Clone)]
pub(super) struct EventParts {
    pub(super) desk: RemoteDesk,
    pub(super) own: NodeId,
    /// What this node's engines told.
    pub(super) outbox: EventHub,
    /// Where readers of this node are; none when there are none.
    pub(super) hub: Option<EventHub>,
    /// Who may lead the work.
    pub(super) view: watch::Receiver<GroupView>,
}

/// Tells other nodes what happens here, and this one what happens there.
pub(super) struct EventRelay {
    parts: EventParts,
    /// Nodes whose outboxes are read.
    followed: BTreeMap<NodeId, TaskKey>,
    waiting: usize,
}

/// What it is told.
#[derive(Debug)]
pub(super) enum EventRelayMessage {
    /// Another node asks.
    Pull(Request<PullEvents>),
    /// It may be answered.
    Found(Result<(Reply<PulledEvents>, PulledEvents), TaskFailure>),
    /// Who may lead may have changed.
    Changed(Result<(), TaskFailure>),
    /// Reading an outbox ended, which it never does in order.
    Ended(TaskFailure),
}

requests!(EventRelayMessage { Pull(PullEvents) });

impl EventRelay {
    /// The actor, called `event-relay`.
    pub(super) fn spec(parts: EventParts) -> Spec<Self> {
        Spec::new("event-relay", move || Self {
            parts: parts.clone(),
            followed: BTreeMap::new(),
            waiting: 0,
        })
    }

    fn watch(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let mut view = self.parts.view.clone();
        self.parts.view.mark_unchanged();
        view.mark_unchanged();
        let changed = async move { drop(view.changed().await) };
        ctx.attach(changed, EventRelayMessage::Changed)?;
        Ok(())
    }

    /// Reads the outboxes of those that may lead.
    fn look(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let Some(hub) = self.parts.hub.clone() else { return Ok(()) };
        let voters = self.parts.view.borrow().voters.clone();
        let gone = self.followed.extract_if(.., |node, _| !voters.contains(node));
        for (_, task) in gone.collect::<Vec<_>>() {
            ctx.abort(task);
        }
        for node in voters.into_iter().filter(|node| *node != self.parts.own) {
            if !self.followed.contains_key(&node) {
                let parts = self.parts.clone();
                let follow = follow(node, parts, hub.clone());
                let task = ctx.attach(follow, |ended| match ended {
                    Ok(never) => match never {},
                    Err(why) => EventRelayMessage::Ended(why),
                })?;
                self.followed.insert(node, task);
            }
        }
        Ok(())
    }

    fn pull(
        &mut self,
        request: Request<PullEvents>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let (PullEvents { after, hold_ms }, reply) = request.into_parts();
        if self.waiting >= MOST_WAITING {
            // Dropped, it tells who asks, who asks again.
            return Ok(());
        }
        self.waiting += 1;
        let outbox = self.parts.outbox.clone();
        let hold = HOLD.min(Duration::from_millis(hold_ms));
        let found = async move { (reply, read(&outbox, after, hold).await) };
        ctx.attach(found, EventRelayMessage::Found)?;
        Ok(())
    }
}

/// What is in the outbox after a place, once there is something.
async fn read(outbox: &EventHub, after: Option<(u64, u64)>, hold: Duration) -> PulledEvents {
    let place = |cursor: Cursor| (cursor.boot, cursor.sequence);
    let Some((boot, sequence)) = after else {
        return PulledEvents { at: place(outbox.now()), ..PulledEvents::default() };
    };
    let mut reader = outbox.subscribe(Some(Cursor { boot, sequence }), Filter::default());
    match timeout(hold, reader.next()).await {
        Ok(Next::Events(events)) => PulledEvents {
            at: events.last().map_or((boot, sequence), |last| place(last.cursor)),
            missed: false,
            events: events.iter().filter_map(|one| Carried::of(&one.event)).collect(),
        },
        Ok(Next::Reset(notice)) => {
            PulledEvents { at: place(notice.cursor), missed: true, events: Vec::new() }
        }
        Err(_) => PulledEvents { at: (boot, sequence), ..PulledEvents::default() },
    }
}

/// Publishes here what another node's engines tell, as long as it runs.
async fn follow(node: NodeId, parts: EventParts, hub: EventHub) -> Infallible {
    let mut following = Following::new(node);
    loop {
        let after = following.after();
        let pull = PullEvents { after, hold_ms: HOLD.as_millis() as u64 };
        let pulled = ask(&parts.desk, node, pull).await;
        let leader = parts.view.borrow().leader;
        let is_missing = match &pulled {
            Some(pulled) => following.heard(pulled.at, pulled.missed, leader),
            None => following.silent(leader),
        };
        if is_missing {
            hub.miss();
        }
        let Some(pulled) = pulled else {
            sleep(PAUSE).await;
            continue;
        };
        for carried in pulled.events {
            match carried.event() {
                Ok(event) => hub.publish(event),
                Err(why) => {
                    tracing::warn!(%node, %why, "a change of another node can't be read");
                    hub.miss();
                }
            }
        }
    }
}

async fn ask<Q: WireAsk>(desk: &RemoteDesk, node: NodeId, question: Q) -> Option<Q::Reply> {
    let answer = desk.ask(node, NAME, question, HOLD + WAY).await;
    answer.inspect_err(|why| tracing::debug!(%node, %why, "its changes are not known")).ok()
}

impl Actor for EventRelay {
    type Message = EventRelayMessage;
    const KIND: &'static str = "events";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.parts.desk.offer_requests::<PullEvents, _>(NAME, &ctx.address())?;
        self.watch(ctx)?;
        self.look(ctx)
    }

    async fn handle(
        &mut self,
        message: EventRelayMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            EventRelayMessage::Pull(request) => self.pull(request, ctx),
            EventRelayMessage::Found(found) => {
                self.waiting = self.waiting.saturating_sub(1);
                if let Ok((reply, pulled)) = found {
                    reply.send(pulled);
                }
                Ok(())
            }
            EventRelayMessage::Changed(Ok(())) => {
                self.watch(ctx)?;
                self.look(ctx)
            }
            EventRelayMessage::Changed(Err(why)) | EventRelayMessage::Ended(why) => {
                Err(ActorError::new(format!("a task of the relay ended: {why}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use synod_runtime::SeededEntropy;

    use super::*;

    fn task(sequence: u64) -> TaskChange {
        TaskChange {
            sequence,
            task_id: uuid::Uuid::from_u128(7),
            kind: "echo".to_owned(),
            tenant: "default".to_owned(),
            state: synod_tasks::TaskState::Running,
            agent: None,
            at: jiff::Timestamp::UNIX_EPOCH,
            trace_id: None,
            correlation: Some(Correlation::new(&SeededEntropy::new(1))),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outbox_is_read_on_waited_for_and_tells_what_it_lost() {
        let outbox = EventHub::new("outbox", 3, 2);
        let begun = read(&outbox, None, HOLD).await;
        assert_eq!((begun.at, begun.missed, begun.events.len()), ((3, 0), false, 0));
        let idle = read(&outbox, Some(begun.at), HOLD).await;
        assert_eq!((idle.at, idle.events.len()), ((3, 0), 0));

        outbox.publish(task_event(&task(1)));
        let pulled = read(&outbox, Some(idle.at), HOLD).await;
        assert_eq!((pulled.at, pulled.events.len()), ((3, 1), 1));
        let event = pulled.events.into_iter().next().unwrap().event().unwrap();
        assert!(matches!(event.content, Content::Task(change) if change == task(1)));

        (2..6).for_each(|number| outbox.publish(task_event(&task(number))));
        let late = read(&outbox, Some((3, 1)), HOLD).await;
        assert_eq!((late.at, late.missed), ((3, 5), true));
        let other = read(&outbox, Some((2, 5)), HOLD).await;
        assert!(other.missed, "of another start of the node");
    }
}
