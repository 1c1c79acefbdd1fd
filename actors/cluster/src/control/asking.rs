//! How a request finds the control group's leader, and what is done with it there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use synod_journal::RecordCodec;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::command::{ControlAnswer, ControlCommand};
use super::handle::{Control, ControlError};
use super::state::ControlState;
use crate::consensus::{GroupId, Outcome, ProposeFault, StorageId};
use crate::links::{Answer, Port};
use crate::node::{ClusterId, NodeId, NodeRecord};
use crate::wire::Service;

/// How long to wait before another try, when nothing says that it would go better now.
const RETRY: Duration = Duration::from_millis(50);

/// What nodes ask each other about the control group.
#[derive(Debug, Serialize, Deserialize)]
enum ControlCall {
    /// Of the leader: have this agreed on.
    Propose(ControlCommand),
    /// Of the leader: how many entries hold all that was answered by now?
    ReadIndex,
    /// Of any member: let this node in.
    Join { record: NodeRecord, storage: StorageId },
}

type Answered<T> = Result<T, ControlError>;

/// Where other nodes' requests arrive.
struct ControlPort(Control);

impl Port for ControlPort {
    fn cast(&self, from: NodeId, _body: Bytes) {
        tracing::debug!(%from, "the control group is only ever asked");
    }

    fn call(&self, from: NodeId, body: Bytes, answer: Answer) {
        let control = self.0.clone();
        match RecordCodec::decode(&body) {
            // Ends by itself: the caller's deadline is the work's.
            Ok(call) => drop(tokio::spawn(async move { control.serve_call(call, answer).await })),
            Err(error) => {
                tracing::warn!(%from, %error, "a request to the control group can't be read");
                answer.refuse(error.to_string());
            }
        }
    }
}

impl Control {
    pub(super) fn serve(&self) {
        self.groups.network().serve(Service::Control, Arc::new(ControlPort(self.clone())));
    }

    async fn serve_call(&self, call: ControlCall, answer: Answer) {
        let deadline = answer.deadline();
        let body = match call {
            ControlCall::Propose(command) => encode(&self.propose_here(command, deadline).await),
            ControlCall::ReadIndex => encode(&self.read_index_here(deadline).await),
            ControlCall::Join { .. } if self.read().cluster.is_none() => {
                // Whoever asks may form one instead, or ask elsewhere: nothing to wait for.
                let none = "that node belongs to no cluster".to_owned();
                encode(&Answered::<ControlAnswer>::Err(ControlError::NoLeader(none)))
            }
            ControlCall::Join { record, storage } => {
                let admit = ControlCommand::Admit { record, storage, at_us: 0 };
                encode(&self.propose_until(admit, deadline).await)
            }
        };
        match body {
            Ok(body) => answer.send(body),
            Err(error) => answer.refuse(error),
        }
    }

    pub(super) async fn propose_through_leader(
        &self,
        command: ControlCommand,
        within: Duration,
    ) -> Answered<ControlAnswer> {
        let deadline = synod_runtime::after(Instant::now(), within);
        self.propose_until(command, deadline).await
    }

    async fn propose_until(
        &self,
        command: ControlCommand,
        deadline: Instant,
    ) -> Answered<ControlAnswer> {
        let call = encode(&ControlCall::Propose(command.clone())).map_err(not_sent)?;
        self.through_leader(call, deadline, || self.propose_here(command.clone(), deadline)).await
    }

    /// Asks the leader, here or there, again and again as long as it is sure that nothing came of
    /// it.
    async fn through_leader<T: DeserializeOwned, F: Future<Output = Answered<T>>>(
        &self,
        call: Bytes,
        deadline: Instant,
        here: impl Fn() -> F,
    ) -> Answered<T> {
        let mut views = self.groups.watch(GroupId::CONTROL);
        let mut last = "none is known".to_owned();
        while Instant::now() < deadline {
            let view = views.borrow_and_update().clone();
            let answered = match view.leader {
                Some(leader) if leader == self.groups.own() => here().await,
                Some(leader) => self.ask(leader, call.clone(), deadline).await,
                None => Err(ControlError::NoLeader(last.clone())),
            };
            match answered {
                Err(ControlError::NoLeader(reason)) => last = reason,
                answered => return answered,
            }
            let wake = (Instant::now() + RETRY).min(deadline);
            // Either way it is tried again.
            let _ = timeout_at(wake, views.changed()).await;
        }
        Err(ControlError::NoLeader(last))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        node: NodeId,
        call: Bytes,
        deadline: Instant,
    ) -> Answered<T> {
        let within = deadline.saturating_duration_since(Instant::now());
        let answer = self.groups.network().call(node, Service::Control, call, within).await;
        let answer = answer.map_err(|error| match error.is_unsent() {
            true => ControlError::NoLeader(error.to_string()),
            false => ControlError::OutcomeUnknown(error.to_string()),
        })?;
        RecordCodec::decode::<Answered<T>>(&answer)
            .map_err(|error| ControlError::OutcomeUnknown(error.to_string()))?
    }

    /// Has a command agreed on, if this node leads. Its time is this node's.
    async fn propose_here(
        &self,
        mut command: ControlCommand,
        deadline: Instant,
    ) -> Answered<ControlAnswer> {
        if let Some(at_us) = command.at_us() {
            *at_us = self.groups.site.now_us();
        }
        let command = RecordCodec::encode(&command).map_err(not_sent)?;
        let (done, proposed) = oneshot::channel();
        let replica = self.groups.running(GroupId::CONTROL)?;
        let done = Box::new(move |outcome| drop(done.send(outcome)));
        replica.propose(command, done).await;
        let unknown = |why: &str| Err(ControlError::OutcomeUnknown(why.to_owned()));
        match timeout_at(deadline, proposed).await {
            Err(_) => unknown("no majority has agreed in time"),
            Ok(Err(_)) => unknown("the group was closed"),
            Ok(Ok(Ok(Outcome::Control(ControlAnswer::Refused(refusal))))) => Err(refusal.into()),
            Ok(Ok(Ok(Outcome::Control(answer)))) => Ok(answer),
            Ok(Ok(Ok(_))) => unknown("the answer is another group's"),
            Ok(Ok(Err(ProposeFault::NotLeader(_)))) => {
                Err(ControlError::NoLeader("it has just changed, or has no majority".to_owned()))
            }
            Ok(Ok(Err(ProposeFault::Overloaded))) => {
                Err(ControlError::NoLeader("too many proposals wait".to_owned()))
            }
            Ok(Ok(Err(ProposeFault::Unknown))) => unknown("leadership was lost, or time ran out"),
        }
    }

    async fn read_index_here(&self, deadline: Instant) -> Answered<u64> {
        let within = deadline.saturating_duration_since(Instant::now());
        match self.groups.barrier(GroupId::CONTROL, within).await {
            Ok(()) => Ok(self.applied_here()),
            Err(error) => Err(ControlError::NoLeader(error.to_string())),
        }
    }

    /// How many entries are applied here.
    fn applied_here(&self) -> u64 {
        let applied = self.groups.running(GroupId::CONTROL).and_then(|replica| replica.applied());
        let applied = applied.ok().and_then(|applied| applied.read().last);
        applied.map_or(0, |id| id.index + 1)
    }

    pub(super) async fn read_through_leader(
        &self,
        within: Duration,
    ) -> Answered<Arc<ControlState>> {
        let deadline = synod_runtime::after(Instant::now(), within);
        let call = encode(&ControlCall::ReadIndex).map_err(not_sent)?;
        let here = || self.read_index_here(deadline);
        let index: u64 = self.through_leader(call, deadline, here).await?;
        let mut views = self.groups.watch(GroupId::CONTROL);
        let applied = views.wait_for(|_| self.applied_here() >= index);
        if timeout_at(deadline, applied).await.is_err() {
            return Err(ControlError::NoLeader("this node is behind".to_owned()));
        }
        Ok(self.read())
    }

    pub(super) async fn form_here(
        &self,
        cluster: ClusterId,
        groups: u32,
        founder: NodeRecord,
        within: Duration,
    ) -> Answered<()> {
        let deadline = synod_runtime::after(Instant::now(), within);
        let left = || deadline.saturating_duration_since(Instant::now());
        self.groups.form(GroupId::CONTROL, left()).await?;
        let storage = self.groups.storage(left()).await?;
        let form = ControlCommand::Form { cluster, groups, founder, storage, at_us: 0 };
        match self.propose_until(form, deadline).await {
            Ok(_) | Err(ControlError::Refused(super::ControlRefusal::AlreadyFormed)) => {}
            Err(error) => return Err(error),
        }
        let mut agreed = self.watch();
        let formed = agreed.wait_for(|state| state.cluster.is_some());
        let Ok(Ok(_)) = timeout_at(deadline, formed).await else {
            return Err(crate::consensus::GroupError::Deadline(GroupId::CONTROL).into());
        };
        let state = self.read();
        for group in state.all_groups() {
            self.groups.form(group, left()).await?;
        }
        for group in state.all_groups() {
            let mut view = self.groups.watch(group);
            let led = view.wait_for(|view| view.leader.is_some());
            if timeout_at(deadline, led).await.is_err() {
                return Err(crate::consensus::GroupError::Deadline(group).into());
            }
        }
        Ok(())
    }

    pub(super) async fn join_there(
        &self,
        via: NodeId,
        record: NodeRecord,
        within: Duration,
    ) -> Answered<()> {
        let deadline = synod_runtime::after(Instant::now(), within);
        let left = || deadline.saturating_duration_since(Instant::now());
        let storage = self.groups.storage(left()).await?;
        self.groups.open(GroupId::CONTROL, left()).await?;
        let own = record.id;
        let call = encode(&ControlCall::Join { record, storage }).map_err(not_sent)?;
        let _: ControlAnswer = self.ask(via, call, deadline).await?;
        let mut state = self.watch();
        let known = state.wait_for(|state| state.members.contains_key(&own));
        match timeout_at(deadline, known).await {
            Ok(_) => Ok(()),
            Err(_) => Err(ControlError::OutcomeUnknown(
                "admitted, but nothing was heard from the control group yet".to_owned(),
            )),
        }
    }
}

fn encode<T: Serialize>(value: &T) -> Result<Bytes, String> {
    RecordCodec::encode(value).map_err(|error| error.to_string())
}

fn not_sent(error: impl ToString) -> ControlError {
    ControlError::NoLeader(error.to_string())
}
