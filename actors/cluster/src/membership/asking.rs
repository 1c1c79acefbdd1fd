//! What membership asks of other nodes, and how they reach it.

use std::time::Duration;

use bytes::Bytes;
use synod_runtime::{ActorError, Address, Context, Priority, SendOptions};

use super::actor::Membership;
use super::messages::MembershipMessage;
use crate::links::{Answer, Credit, LinkFeed, Port};
use crate::node::NodeId;
use crate::wire::Service;

/// How long another node has to tell its members, or who it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// Questions to other nodes under way at once; more are not asked, their time comes again.
const MAX_ASKED: usize = 32;

impl Membership {
    pub(super) fn ask(&mut self, ctx: &mut Context<Self>, with: NodeId, body: Bytes) {
        let peers = self.peers.clone();
        let question = async move {
            let answer = peers.call(with, Service::Membership, body, PATIENCE).await;
            answer.map_err(|error| error.to_string())
        };
        self.attach(ctx, question, move |answer| MembershipMessage::Answered { by: with, answer });
    }

    pub(super) fn meet(&mut self, ctx: &mut Context<Self>, address: String) {
        let (peers, seed) = (self.peers.clone(), address.clone());
        let question = async move {
            let met = peers.meet(&seed, PATIENCE).await;
            met.map_err(|error| format!("{seed}: {error}"))
        };
        self.attach(ctx, question, move |answer| MembershipMessage::Met { address, answer });
    }

    fn attach<T: Send + 'static>(
        &mut self,
        ctx: &mut Context<Self>,
        question: impl Future<Output = Result<T, String>> + Send + 'static,
        map: impl FnOnce(Result<T, String>) -> MembershipMessage + Send + 'static,
    ) {
        if self.asked >= MAX_ASKED {
            return tracing::debug!("too many questions to other nodes at once; one is not asked");
        }
        let attached = ctx.attach(question, |result| {
            map(result.unwrap_or_else(|failure| Err(failure.to_string())))
        });
        self.asked += usize::from(attached.is_ok());
    }

    /// Waits for the next news of links.
    pub(super) fn follow(&self, ctx: &mut Context<Self>, feed: LinkFeed) -> Result<(), ActorError> {
        let news = async move {
            let news = feed.next().await;
            (feed, news)
        };
        let attached = ctx.attach(news, |result| match result {
            Ok((feed, news)) => MembershipMessage::Links { feed, news },
            Err(_) => MembershipMessage::Tick,
        });
        attached.map(drop).map_err(|error| ActorError::new(format!("links not followed: {error}")))
    }
}

/// Where other nodes' messages arrive. What finds no room is lost, as a packet may be.
pub(super) struct MembershipPort {
    actor: Address<MembershipMessage>,
}

impl MembershipPort {
    pub(super) fn new(actor: Address<MembershipMessage>) -> Self {
        Self { actor }
    }

    fn send(&self, message: MembershipMessage) {
        let options = SendOptions::new().priority(Priority::High).time_to_live(PATIENCE);
        drop(self.actor.try_send_with(message, options));
    }
}

impl Port for MembershipPort {
    fn cast(&self, from: NodeId, body: Bytes) {
        self.cast_held(from, body, Credit { room: None });
    }

    fn cast_held(&self, from: NodeId, body: Bytes, credit: Credit) {
        self.send(MembershipMessage::Heard { from, body, credit });
    }

    fn call(&self, from: NodeId, body: Bytes, answer: Answer) {
        self.send(MembershipMessage::Asked { from, body, answer });
    }
}
