//! The tree of any node, asked for at any other.
//!
//! ```text
//!  API ─▶ Cluster::status_of ─ ShowTree ─▶ StatusDesk of the named node ─▶ its status actor
//! ```

use std::time::Duration;

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use synod_cluster::{NodeId, RemoteDesk};
use synod_runtime::{
    Actor, ActorError, ActorPath, Address, Ask, AskError, Context, Reply, Request, Spec,
    WireMessage, requests,
};

use super::{Cluster, ClusterError};
use crate::status::{ShowStatus, StatusMessage, StatusReport, UnknownPath};

/// What the desk is offered as to other nodes.
const NAME: &str = "status";

/// How long the status actor of a node may take.
const LOOK: Duration = Duration::from_secs(4);

/// The same with the way there and back.
const WITHIN: Duration = Duration::from_secs(5);

/// Nodes that are asked at once.
const AT_ONCE: usize = 16;

/// Show your tree.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ShowTree {
    path: Option<String>,
    depth: Option<u64>,
}

/// A tree in JSON, or why there is none.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ShownTree {
    Report(String),
    /// No actor has this path.
    Unknown(String),
    /// The status actor did not answer.
    Unanswered(String),
}

impl Ask for ShowTree {
    type Reply = ShownTree;
}

impl WireMessage for ShowTree {
    const KIND: &'static str = "node.show_tree";
    const VERSION: u16 = 1;
}

type Seen = Result<Result<StatusReport, UnknownPath>, AskError>;

/// Answers for this node's status actor.
pub(super) struct StatusDesk {
    desk: RemoteDesk,
    status: Address<StatusMessage>,
}

/// What it is told.
#[derive(Debug)]
pub(super) enum StatusDeskMessage {
    /// Another node asks.
    Show(Request<ShowTree>),
    /// The status actor answered, or not.
    Seen(Reply<ShownTree>, Box<Seen>),
}

requests!(StatusDeskMessage { Show(ShowTree) });

impl StatusDesk {
    /// The actor, called `status-desk`.
    pub(super) fn spec(desk: RemoteDesk, status: Address<StatusMessage>) -> Spec<Self> {
        Spec::new("status-desk", move || Self { desk: desk.clone(), status: status.clone() })
    }
}

fn shown(seen: Seen) -> ShownTree {
    match seen {
        Ok(Ok(report)) => match serde_json::to_string(&report) {
            Ok(text) => ShownTree::Report(text),
            Err(why) => ShownTree::Unanswered(why.to_string()),
        },
        Ok(Err(UnknownPath(path))) => ShownTree::Unknown(path.to_string()),
        Err(why) => ShownTree::Unanswered(why.to_string()),
    }
}

impl Actor for StatusDesk {
    type Message = StatusDeskMessage;
    const KIND: &'static str = "status";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        self.desk.offer_requests::<ShowTree, _>(NAME, &ctx.address())?;
        Ok(())
    }

    async fn handle(
        &mut self,
        message: StatusDeskMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            StatusDeskMessage::Show(request) => {
                let (ShowTree { path, depth }, reply) = request.into_parts();
                let path = path.map(|path| ActorPath::new(path.as_str()));
                let depth = depth.map(|depth| usize::try_from(depth).unwrap_or(usize::MAX));
                let seen = |seen| StatusDeskMessage::Seen(reply, Box::new(seen));
                self.status.ask_into(ShowStatus { path, depth }, LOOK, &ctx.address(), seen);
            }
            StatusDeskMessage::Seen(reply, seen) => reply.send(shown(*seen)),
        }
        Ok(())
    }
}

impl Cluster {
    /// The tree of another node, or of this one.
    ///
    /// # Errors
    /// [`ClusterError::Unreachable`]; the inner error names a path at which there is no actor.
    pub async fn status_of(
        &self,
        node: NodeId,
        question: &ShowStatus,
    ) -> Result<Result<StatusReport, UnknownPath>, ClusterError> {
        let unreachable = |reason: String| ClusterError::Unreachable {
            node: self
                .peers
                .record(node)
                .map_or_else(|| node.to_string(), |one| one.name.to_string()),
            reason,
        };
        let tree = ShowTree {
            path: question.path.as_ref().map(ToString::to_string),
            depth: question.depth.map(|depth| depth as u64),
        };
        let shown = self.desk.ask(node, NAME, tree, WITHIN).await;
        match shown.map_err(|why| unreachable(why.to_string()))? {
            ShownTree::Report(text) => {
                let report = serde_json::from_str(&text);
                Ok(Ok(report.map_err(|why| unreachable(format!("its answer: {why}")))?))
            }
            ShownTree::Unknown(path) => Ok(Err(UnknownPath(ActorPath::new(path.as_str())))),
            ShownTree::Unanswered(why) => Err(unreachable(why)),
        }
    }

    /// The trees of all members, by name; each with its node's name, and the reason where one
    /// could not be had.
    pub async fn statuses(
        &self,
        question: &ShowStatus,
    ) -> Vec<(String, Result<StatusReport, String>)> {
        let members: Vec<_> = {
            let state = self.control.read();
            let records = state.members.values().map(|member| &member.record);
            records.map(|record| (record.name.to_string(), record.id)).collect()
        };
        let asked = stream::iter(members).map(|(name, node)| async move {
            let seen = self.status_of(node, question).await;
            let seen = seen.map_err(|why| why.to_string());
            (name, seen.and_then(|seen| seen.map_err(|why| why.to_string())))
        });
        let mut all: Vec<_> = asked.buffered(AT_ONCE).collect().await;
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}
