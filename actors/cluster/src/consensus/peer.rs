//! How a group calls its members on other nodes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::v2::RaftNetworkV2;
use openraft::network::{RPCOption, RPCTypes, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;

use super::error::GroupError;
use super::group::GroupId;
use super::site::Site;
use super::state::Image;
use super::transfer;
use super::types::{Seat, Types, VoteOf};
use super::wire::{Answered, GroupCall, Target, decode_answer};
use crate::links::LinkError;
use crate::node::NodeId;
use crate::wire::Service;

/// Makes peers of a group.
pub(super) struct PeerFactory {
    pub(super) group: GroupId,
    pub(super) site: Arc<Site>,
}

impl RaftNetworkFactory<Types> for PeerFactory {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, seat: &Seat) -> Peer {
        let to = Target { group: self.group, storage: seat.storage };
        Peer { node: target, to, site: Arc::clone(&self.site) }
    }
}

/// A member of a group on another node.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) node: NodeId,
    pub(super) to: Target,
    pub(super) site: Arc<Site>,
}

type Failed = RPCError<Types>;

impl Peer {
    /// Calls it. Polled once, the call is on its way.
    async fn call<T: DeserializeOwned>(
        &self,
        call: GroupCall,
        kind: RPCTypes,
        within: Duration,
    ) -> Result<T, Failed> {
        let unsent = |error| RPCError::Network(NetworkError::new(&error));
        let body = call.encode(self.to).map_err(unsent)?;
        let answer = self.site.network.call(self.node, Service::Consensus, body, within).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(LinkError::Deadline) => {
                return Err(RPCError::Timeout(Timeout {
                    action: kind,
                    id: self.site.own,
                    target: self.node,
                    timeout: within,
                }));
            }
            Err(error @ (LinkError::Full | LinkError::Broken | LinkError::Unanswered)) => {
                return Err(RPCError::Network(NetworkError::new(&error)));
            }
            Err(error) => return Err(unreachable(&error)),
        };
        let answer: Answered<T> = decode_answer(&answer).map_err(unsent)?;
        answer.map_err(|error| {
            if let GroupError::Forgetful { .. } = error {
                let (group, node) = (self.to.group, self.node);
                tracing::warn!(%group, %node, %error, "a member does not count");
            }
            unreachable(&error)
        })
    }

    async fn append(
        &self,
        append: AppendEntriesRequest<Types>,
        within: Duration,
    ) -> Result<AppendEntriesResponse<Types>, Failed> {
        self.call(GroupCall::Append(append), RPCTypes::AppendEntries, within).await
    }
}

fn unreachable<E: std::error::Error + 'static>(error: &E) -> Failed {
    RPCError::Unreachable(Unreachable::new(error))
}

impl RaftNetworkV2<Types> for Peer {
    type SnapshotData = Image;

    async fn append_entries(
        &mut self,
        append: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, Failed> {
        self.append(append, option.hard_ttl()).await
    }

    /// Several calls are under way at once; their answers are given in the order of the calls.
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<Types>, Failed>>, Failed>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let peer = self.clone();
        let most = peer.site.config.max_calls as usize;
        // An append waits at the other side for its disk, and behind those before it.
        let within = option.hard_ttl().max(peer.site.config.lease() * 2);
        let calls = input.map(move |append| {
            let peer = peer.clone();
            let (prev, last) = (append.prev_log_id, last_of(&append));
            async move {
                let answer = peer.append(append, within).await?;
                Ok(answer.into_stream_result(prev, last))
            }
        });
        let answers: BoxStream<'s, _> = Box::pin(calls.buffered(most));
        Box::pin(async move { Ok(answers) })
    }

    async fn vote(
        &mut self,
        vote: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, Failed> {
        self.call(GroupCall::Vote(vote), RPCTypes::Vote, option.hard_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        vote: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, Failed> {
        self.call(GroupCall::PreVote(vote), RPCTypes::Vote, option.hard_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf,
        snapshot: openraft::type_config::alias::SnapshotOf<Types, Image>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = transfer::send(self, vote, snapshot) => sent.map_err(|error| {
                let (group, node) = (self.to.group, self.node);
                tracing::warn!(%group, %node, %error, "a state was not taken");
                StreamingError::Unreachable(Unreachable::new(&error))
            }),
        }
    }

    async fn transfer_leader(
        &mut self,
        transfer: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, Failed> {
        let within = option.hard_ttl();
        self.call(GroupCall::Transfer(transfer), RPCTypes::TransferLeader, within).await
    }
}

fn last_of(append: &AppendEntriesRequest<Types>) -> Option<super::types::LogId> {
    append.entries.last().map(|entry| entry.log_id).or(append.prev_log_id)
}
