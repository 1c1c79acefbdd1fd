//! Where calls of other nodes' groups arrive. Entries wait in a queue of their own, so that a
//! vote never stands behind a disk.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{Future, poll};
use openraft::raft::AppendEntriesRequest;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::actor::ConsensusMessage;
use super::error::GroupError;
use super::group::{GROUP_LIMIT, GroupId};
use super::replica::{Raft, Replica};
use super::site::Site;
use super::transfer;
use super::types::Types;
use super::wire::{
    Answered, AppendAnswer, GroupCall, Target, TransferAnswer, VoteAnswer, encode_answer,
};
use crate::links::{Answer, Port};
use crate::node::NodeId;

/// Calls with entries that may wait for a group, and be under way in it.
pub(super) const APPENDS: usize = 128;

/// Other calls that may.
pub(super) const OTHERS: usize = 64;

/// A call with entries.
pub(super) struct AppendCall {
    append: AppendEntriesRequest<Types>,
    answer: Answer,
}

/// Another call.
pub(super) struct OtherCall {
    call: GroupCall,
    answer: Answer,
}

/// Where votes and entries arrive.
pub(super) struct ConsensusPort(pub(super) Arc<Site>);

/// Where pieces of state are asked for.
pub(super) struct SnapshotPort(pub(super) Arc<Site>);

impl Port for ConsensusPort {
    fn cast(&self, from: NodeId, _body: Bytes) {
        tracing::debug!(%from, "a group is only ever called");
    }

    fn call(&self, _from: NodeId, body: Bytes, answer: Answer) {
        let (to, call) = match GroupCall::decode(&body) {
            Ok(decoded) => decoded,
            Err(error) => return answer.refuse(error.to_string()),
        };
        let replica = self.0.replica(to.group);
        match self.queue(&replica, to, call, answer) {
            Ok(()) => {}
            Err((error, answer)) => refuse(answer, error),
        }
    }
}

impl ConsensusPort {
    fn queue(
        &self,
        replica: &Replica,
        to: Target,
        call: GroupCall,
        answer: Answer,
    ) -> Result<(), (GroupError, Answer)> {
        let running = match replica.running() {
            Ok(running) => running,
            Err(error) => {
                self.open(to.group);
                return Err((error, answer));
            }
        };
        if let Err(error) = replica.check_storage(to.storage) {
            return Err((error, answer));
        }
        let votes = matches!(call, GroupCall::Vote(_) | GroupCall::PreVote(_));
        // Without a log it can't know for whom it voted: it gets its log before its vote.
        if votes && (running.log.is_blank() || Instant::now() < running.votes_from) {
            let reason = "it gives no vote yet".into();
            return Err((GroupError::Stopped { group: to.group, reason }, answer));
        }
        let full = || GroupError::Stopped { group: to.group, reason: "too many calls wait".into() };
        match call {
            GroupCall::Append(append) => {
                let call = running.appends.try_send(AppendCall { append, answer });
                call.map_err(|refused| (full(), refused.into_inner().answer))
            }
            call => {
                let call = running.others.try_send(OtherCall { call, answer });
                call.map_err(|refused| (full(), refused.into_inner().answer))
            }
        }
    }

    /// Another node counts this one among the members of a group: run it, if it can be.
    fn open(&self, group: GroupId) {
        if group.0 <= GROUP_LIMIT {
            // Full or ended: the other node calls again.
            let wanted = ConsensusMessage::Wanted(group);
            let _ = self.0.consensus.get().map(|consensus| consensus.try_send(wanted));
        }
    }
}

impl Port for SnapshotPort {
    fn cast(&self, from: NodeId, _body: Bytes) {
        tracing::debug!(%from, "a state is only ever asked for");
    }

    fn call(&self, from: NodeId, body: Bytes, answer: Answer) {
        transfer::answer(&self.0, from, &body, answer);
    }
}

fn refuse(answer: Answer, error: GroupError) {
    reply::<()>(answer, &Err(error));
}

fn reply<T: Serialize>(answer: Answer, answered: &Answered<T>) {
    match encode_answer(answered) {
        Ok(bytes) => answer.send(bytes),
        Err(error) => answer.refuse(error.to_string()),
    }
}

/// Gives entries to the group in the order in which they came, many at a time.
pub(super) async fn serve_appends(group: GroupId, raft: Raft, calls: mpsc::Receiver<AppendCall>) {
    serve(calls, APPENDS, |AppendCall { append, answer }| {
        let raft = raft.clone();
        async move {
            let answered: AppendAnswer =
                raft.append_entries(append).await.map_err(|error| stopped(group, &error));
            reply(answer, &answered);
        }
    })
    .await;
}

/// Gives votes and transfers to the group.
pub(super) async fn serve_others(group: GroupId, raft: Raft, calls: mpsc::Receiver<OtherCall>) {
    serve(calls, OTHERS, |OtherCall { call, answer }| {
        let raft = raft.clone();
        async move {
            match call {
                GroupCall::Vote(vote) => {
                    let answered: VoteAnswer =
                        raft.vote(vote).await.map_err(|error| stopped(group, &error));
                    reply(answer, &answered);
                }
                GroupCall::PreVote(vote) => {
                    let answered: VoteAnswer =
                        raft.pre_vote(vote).await.map_err(|error| stopped(group, &error));
                    reply(answer, &answered);
                }
                GroupCall::Transfer(transfer) => {
                    let answered: TransferAnswer = raft
                        .handle_transfer_leader(transfer)
                        .await
                        .map_err(|error| stopped(group, &error));
                    reply(answer, &answered);
                }
                GroupCall::Append(_) => answer.refuse("entries have a queue of their own"),
            }
        }
    })
    .await;
}

fn stopped(group: GroupId, error: &impl ToString) -> GroupError {
    GroupError::Stopped { group, reason: error.to_string().into() }
}

/// Works through calls: each is polled once when it is taken, which hands it to the group, so
/// that none overtakes another on the way there.
async fn serve<C, F: Future<Output = ()>>(
    mut calls: mpsc::Receiver<C>,
    most: usize,
    mut work: impl FnMut(C) -> F,
) {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
            call = calls.recv(), if under_way.len() < most => {
                let Some(call) = call else { return };
                let mut worked = Box::pin(work(call));
                if poll!(&mut worked).is_pending() {
                    under_way.push(worked);
                }
            }
        }
    }
}
