//! Who owns the work of a group: requests go there, and those of other nodes are answered here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use synod_cluster::{Answer, Control, GroupId, GroupView, LinkError, NodeId, Peers, Port, Service};
use synod_journal::{Codec, CodecError};
use synod_runtime::after;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::api::{Owner, OwnerAnswer, OwnerDesk, OwnerError, OwnerRequest};
use crate::node::Engines;

/// Bytes of the largest request or answer between nodes.
const WIRE_LIMIT: usize = 15 << 20;

type Wire = Codec<WIRE_LIMIT>;

/// How long a request waits for an owner when there is none: longer than an election takes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between looks for an owner that says nothing of itself.
const LOOK: Duration = Duration::from_millis(25);

/// Time for other nodes to learn that a group has another leader.
const NEWS: Duration = Duration::from_millis(400);

/// Longest wait for requests that are being answered.
const LAST: Duration = Duration::from_secs(3);

/// How long an owner that refuses may take to learn that it is none.
const MOMENT: Duration = Duration::from_secs(1);

/// What a node says that is not the owner.
const NOT_OWNER: &str = "this node does not own the work";

/// The owner of a group's work, as this node knows it.
#[derive(Clone)]
pub(super) struct GroupOwner {
    pub(super) group: u16,
    pub(super) peers: Peers,
    pub(super) view: watch::Receiver<GroupView>,
    /// Knows who votes in the group, for a node that does not follow it.
    pub(super) control: Control,
    pub(super) engines: Engines,
}

impl GroupOwner {
    fn own(&self) -> bool {
        let at_work = self.engines.all().iter().any(|set| set.group == self.group);
        at_work && self.view.borrow().accepts()
    }

    /// The node to ask now, if one is known that may answer. A node that does not follow the group
    /// asks those who vote in it one after the other.
    fn target(&self, attempt: usize) -> Option<NodeId> {
        let own = self.peers.own().id;
        if self.own() {
            return Some(own);
        }
        let (leader, follows) = {
            let view = self.view.borrow();
            (view.leader.filter(|leader| *leader != own), view.fault.is_none())
        };
        if follows || leader.is_some() {
            return leader;
        }
        let state = self.control.read();
        let seats = state.seats.get(&GroupId(self.group.into()))?;
        let others: Vec<_> = seats.voters.iter().filter(|voter| **voter != own).collect();
        others.get(attempt.checked_rem(others.len())?).map(|voter| **voter)
    }

    async fn pass_on(
        &self,
        request: OwnerRequest,
        within: Duration,
    ) -> Result<OwnerAnswer, OwnerError> {
        // A question can be asked twice; anything else only when it certainly never arrived.
        let repeatable = request.is_question();
        let body = Wire::encode(&request).map_err(|why| OwnerError::Away(why.to_string()))?;
        let patience = after(Instant::now(), PATIENCE.min(within));
        let mut is_last = false;
        for attempt in 0.. {
            let why = match self.target(attempt) {
                None => self.nobody(),
                Some(node) => {
                    match self.peers.call(node, Service::Api, body.clone(), within).await {
                        Ok(answer) => {
                            let answer = decode(&answer)?;
                            let missed = answer.missed.filter(|_| !is_last);
                            if !missed.is_some_and(|missed| missed.may_be_repeated(repeatable)) {
                                return Ok(answer);
                            }
                            // An owner that can't is the owner still after a while: then it is so.
                            is_last = true;
                            self.wait_for(MOMENT, patience).await;
                            continue;
                        }
                        Err(why) if why.is_unsent() || is_refused(&why) || repeatable => {
                            format!("the owner of the work can't be asked: {why}")
                        }
                        Err(why) => return Err(OwnerError::Unknown(why.to_string())),
                    }
                }
            };
            if Instant::now() >= patience {
                return Err(OwnerError::Away(why));
            }
            self.wait_for(LOOK, patience).await;
        }
        Err(OwnerError::Away(self.nobody()))
    }

    fn nobody(&self) -> String {
        let view = self.view.borrow();
        match view.leader {
            _ if self.control.read().cluster.is_none() => {
                "this node is not in its cluster yet".to_owned()
            }
            _ if !view.quorum_ok => "no majority of the nodes can be reached".to_owned(),
            Some(_) => "the new owner of the work is still reading it".to_owned(),
            None => "the nodes are choosing an owner of the work".to_owned(),
        }
    }

    /// Waits for news of the group, for this long at most.
    async fn wait_for(&self, most: Duration, until: Instant) {
        let mut view = self.view.clone();
        view.mark_unchanged();
        let news = async {
            tokio::select! {
                _ = view.changed() => {}
                () = sleep(most) => {}
            }
        };
        // The caller looks again either way.
        let _ = timeout_at(until, news).await;
    }
}

fn is_refused(why: &LinkError) -> bool {
    matches!(why, LinkError::Refused(reason) if reason == NOT_OWNER)
}

fn decode(answer: &[u8]) -> Result<OwnerAnswer, OwnerError> {
    Wire::decode(answer).map_err(|why: CodecError| {
        OwnerError::Unknown(format!("the owner's answer can't be read: {why}"))
    })
}

impl Owner for GroupOwner {
    fn is_here(&self) -> bool {
        self.own()
    }

    fn ask(
        &self,
        request: OwnerRequest,
        within: Duration,
    ) -> BoxFuture<'_, Result<OwnerAnswer, OwnerError>> {
        self.pass_on(request, within).boxed()
    }
}

/// How many requests of other nodes are being answered. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<AtomicUsize>);

/// One of them, until it is dropped.
struct Answering(UnderWay);

impl UnderWay {
    fn begin(&self) -> Answering {
        self.0.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    /// Waits until all are answered and other nodes have had the time to learn of the new owner;
    /// not for ever.
    pub(super) async fn settle(&self) {
        let begun = Instant::now();
        let is_busy = || self.0.load(Ordering::Relaxed) > 0;
        while begun.elapsed() < NEWS || is_busy() && begun.elapsed() < LAST {
            sleep(LOOK).await;
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers what other nodes pass on.
pub(super) struct OwnerPort {
    owner: GroupOwner,
    under_way: UnderWay,
    desk: Arc<OwnerDesk>,
}

impl OwnerPort {
    /// A port over the desk, for as long as `owner` is this node.
    pub(super) fn new(owner: GroupOwner, under_way: UnderWay, state: crate::api::ApiState) -> Self {
        Self { owner, under_way, desk: Arc::new(OwnerDesk::new(state, WIRE_LIMIT - (1 << 20))) }
    }
}

impl Port for OwnerPort {
    fn cast(&self, from: NodeId, _: Bytes) {
        tracing::debug!(%from, "requests are asked, not told");
    }

    fn call(&self, _: NodeId, body: Bytes, answer: Answer) {
        if !self.owner.own() {
            return answer.refuse(NOT_OWNER);
        }
        let request = match Wire::decode::<OwnerRequest>(&body) {
            Ok(request) => request,
            Err(why) => return answer.refuse(format!("not a request: {why}")),
        };
        let (owner, is_question) = (self.owner.clone(), request.is_question());
        let (desk, under_way) = (Arc::clone(&self.desk), self.under_way.begin());
        // As many at once as the link's window allows; each ends by its deadline.
        tokio::spawn(async move {
            let _under_way = under_way;
            let within = answer.within();
            let Ok(answered) = tokio::time::timeout(within, desk.answer(request)).await else {
                return;
            };
            let missed = answered.missed;
            if missed.is_some_and(|missed| missed.may_be_repeated(is_question)) && !owner.own() {
                return answer.refuse(NOT_OWNER);
            }
            match Wire::encode(&answered) {
                Ok(bytes) => answer.send(bytes),
                Err(why) => answer.refuse(format!("the answer: {why}")),
            }
        });
    }
}
