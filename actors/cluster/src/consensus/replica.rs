//! A group on this node: what of it is told, and what it can be asked while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{
    ChangeMembershipError, ClientWriteError, InitializeError, LinearizableReadError, RaftError,
};
use openraft::raft::ReadPolicy;
use openraft::{ChangeMembers, Instant as _, ServerState};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::config::ConsensusConfig;
use super::error::GroupError;
use super::group::{GroupId, GroupView, StorageId};
use super::ports::{AppendCall, OtherCall};
use super::state::{Applied, StateStore};
use super::store::{SharedLog, plain};
use super::tickets::Tickets;
use super::transfer::Incoming;
use super::types::{Proposal, Seat, Ticket, Types};
use crate::node::NodeId;

pub(super) type Raft = openraft::Raft<Types, StateStore>;
pub(super) type Metrics = openraft::RaftMetrics<Types>;

pub(crate) use super::tickets::{ProposeFault, Proposed};

/// A group on this node, running or not.
pub(crate) struct Replica {
    pub(super) group: GroupId,
    pub(super) own: NodeId,
    pub(super) config: ConsensusConfig,
    pub(super) incoming: Mutex<Option<Incoming>>,
    tickets: Arc<Mutex<Tickets>>,
    view: watch::Sender<GroupView>,
    running: RwLock<Option<Running>>,
}

/// What there is while it runs.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) raft: Raft,
    pub(super) log: SharedLog,
    pub(super) applied: Arc<RwLock<Applied>>,
    pub(super) storage: StorageId,
    pub(super) appends: mpsc::Sender<AppendCall>,
    pub(super) others: mpsc::Sender<OtherCall>,
    /// Before that no vote is given: a leader's lease from before the start may still hold.
    pub(super) votes_from: Instant,
}

impl Replica {
    pub(super) fn new(group: GroupId, own: NodeId, config: ConsensusConfig) -> Self {
        let fault = Some("it was not opened".into());
        let view = GroupView { group, fault, ..GroupView::default() };
        Self {
            group,
            own,
            incoming: Mutex::new(None),
            tickets: Arc::new(Mutex::new(Tickets::new(&config))),
            config,
            view: watch::Sender::new(view),
            running: RwLock::new(None),
        }
    }

    pub(crate) fn view(&self) -> GroupView {
        self.view.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<GroupView> {
        self.view.subscribe()
    }

    pub(crate) fn accepts(&self) -> bool {
        self.view.borrow().accepts()
    }

    pub(crate) fn check_running(&self) -> Result<(), GroupError> {
        self.running().map(drop)
    }

    pub(super) fn running(&self) -> Result<Running, GroupError> {
        if let Some(running) = &*self.running.read() {
            return Ok(running.clone());
        }
        let reason = self.view.borrow().fault.clone();
        let reason = reason.unwrap_or_else(|| "it is being opened".into());
        Err(GroupError::Stopped { group: self.group, reason })
    }

    pub(super) fn raft(&self) -> Result<Raft, GroupError> {
        self.running().map(|running| running.raft)
    }

    /// The state as it is applied here.
    pub(crate) fn applied(&self) -> Result<Arc<RwLock<Applied>>, GroupError> {
        self.running().map(|running| running.applied)
    }

    /// Why the log is not written at the moment.
    pub(crate) fn stalled(&self) -> Option<String> {
        self.running().ok().and_then(|running| running.log.stalled())
    }

    /// Proposals that wait for a majority.
    pub(crate) fn pending(&self) -> usize {
        self.tickets.lock().count()
    }

    /// Refuses a caller that believes this node to have another disk.
    pub(super) fn check_storage(&self, expected: StorageId) -> Result<(), GroupError> {
        let found = self.running()?.storage;
        if expected == found {
            return Ok(());
        }
        Err(GroupError::Forgetful { expected, found })
    }

    pub(super) fn start(&self, running: Running) {
        let metrics = running.raft.metrics();
        *self.running.write() = Some(running);
        self.refresh(&metrics.borrow_watched());
    }

    /// It runs no longer. Who waits learns that the outcome is unknown.
    pub(super) fn stop(&self, reason: &str) {
        *self.running.write() = None;
        *self.incoming.lock() = None;
        self.view.send_modify(|view| {
            (view.fault, view.leader) = (Some(reason.into()), None);
            (view.is_leader_here, view.quorum_ok) = (false, false);
        });
        let waiting = self.tickets.lock().take_all();
        waiting.into_iter().for_each(|done| done(Err(ProposeFault::Unknown)));
    }

    pub(super) async fn started(&self, within: Duration) -> Result<(), GroupError> {
        let mut view = self.watch();
        let running = timeout(within, view.wait_for(|view| view.fault.is_none())).await;
        match running {
            Ok(Ok(_)) => Ok(()),
            _ => self.check_running().and(Err(GroupError::Deadline(self.group))),
        }
    }

    /// Tells how it looks, if that has changed.
    pub(super) fn refresh(&self, metrics: &Metrics) {
        if self.running.read().is_none() {
            return;
        }
        let seen = self.seen(metrics);
        self.view.send_if_modified(|view| {
            let changed = *view != seen;
            *view = seen;
            changed
        });
    }

    fn seen(&self, metrics: &Metrics) -> GroupView {
        let membership = metrics.membership_config.membership();
        let voters: BTreeSet<_> = membership.voter_ids().collect();
        let leads = metrics.state == ServerState::Leader;
        let applied_term = metrics.last_applied.as_ref().map(|id| plain(id).0);
        let next = |index: Option<u64>| index.map_or(0, |index| index + 1);
        let heard = metrics.last_quorum_acked.as_ref().map(|at| at.elapsed());
        let alone = voters.len() == 1 && voters.contains(&self.own);
        let recent = heard.is_some_and(|since| since < self.config.lease());
        let committed = metrics.local_committed.as_ref().map(|id| id.index);
        GroupView {
            group: self.group,
            term: metrics.current_term,
            leader: metrics.current_leader,
            is_leader_here: leads && applied_term == Some(metrics.current_term),
            learners: membership.learner_ids().collect(),
            last: next(metrics.last_log_index),
            committed: next(committed),
            applied: next(metrics.last_applied.as_ref().map(|id| id.index)),
            quorum_ok: if leads { alone || recent } else { metrics.current_leader.is_some() },
            voters,
            fault: metrics.running_state.as_ref().err().map(|fault| fault.to_string().into()),
        }
    }

    /// The members that have all but `nearly` entries of the log, if it is led here.
    pub(crate) fn caught_up(&self, nearly: u64) -> BTreeSet<NodeId> {
        let Ok(raft) = self.raft() else { return BTreeSet::new() };
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let last = metrics.last_log_index.unwrap_or(0);
        let term = metrics.current_term;
        let members = metrics.replication.iter().flatten();
        // With an entry of this term: who can't write any more has none.
        let near = members.filter(|(_, matched)| {
            let matched = matched.as_ref();
            matched.is_some_and(|id| id.index + nearly >= last && plain(id).0 == term)
        });
        near.map(|(node, _)| *node).collect()
    }

    /// Proposes a command. `done` is called once: when it was applied here, refused, or after the
    /// time it may take. Proposals are taken in the order of these calls.
    pub(crate) async fn propose(&self, command: Bytes, done: Proposed) {
        let bytes = command.len() as u64;
        let raft = match self.running() {
            Ok(running) => running.raft,
            Err(_) => return done(Err(ProposeFault::NotLeader(None))),
        };
        let deadline = Instant::now() + self.config.append_timeout();
        let number = match self.tickets.lock().add(bytes, deadline, done) {
            Ok(number) => number,
            Err(done) => return done(Err(ProposeFault::Overloaded)),
        };
        let tickets = Arc::clone(&self.tickets);
        let ticket = Ticket::new(move |result: openraft::raft::ClientWriteResult<Types>| {
            let Some(done) = tickets.lock().take(number) else { return };
            done(match result {
                Ok(response) => Ok(response.data),
                Err(ClientWriteError::ForwardToLeader(forward)) => {
                    Err(ProposeFault::NotLeader(forward.leader_id))
                }
                Err(_) => Err(ProposeFault::Unknown),
            });
        });
        if raft.client_write_ff(Proposal(command), Some(ticket)).await.is_err()
            && let Some(done) = self.tickets.lock().take(number)
        {
            done(Err(ProposeFault::NotLeader(None)));
        }
    }

    /// Ends what has waited too long.
    pub(super) fn expire(&self, now: Instant) {
        let overdue = self.tickets.lock().overdue(now);
        overdue.into_iter().for_each(|done| done(Err(ProposeFault::Unknown)));
    }

    pub(super) async fn form(&self, within: Duration) -> Result<(), GroupError> {
        let running = self.running()?;
        let seats = BTreeMap::from([(self.own, Seat { storage: running.storage })]);
        let formed = timeout(within, running.raft.initialize(seats)).await;
        match formed.map_err(|_| GroupError::Deadline(self.group))? {
            // It has begun before.
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(self.invalid(error)),
        }
    }

    pub(super) async fn add_learner(
        &self,
        node: NodeId,
        storage: StorageId,
        within: Duration,
    ) -> Result<(), GroupError> {
        let seats = BTreeMap::from([(node, Seat { storage })]);
        self.change(ChangeMembers::AddNodes(seats), within).await
    }

    pub(super) async fn change_voters(
        &self,
        voters: BTreeSet<NodeId>,
        within: Duration,
    ) -> Result<(), GroupError> {
        self.change(ChangeMembers::ReplaceAllVoters(voters), within).await
    }

    pub(super) async fn remove_learners(
        &self,
        nodes: BTreeSet<NodeId>,
        within: Duration,
    ) -> Result<(), GroupError> {
        self.change(ChangeMembers::RemoveNodes(nodes), within).await
    }

    async fn change(
        &self,
        change: ChangeMembers<NodeId, Seat>,
        within: Duration,
    ) -> Result<(), GroupError> {
        let raft = self.raft()?;
        let changed = timeout(within, raft.change_membership(change, false)).await;
        match changed.map_err(|_| GroupError::NoQuorum(self.group))? {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(GroupError::NotLeader { group: self.group, leader: forward.leader_id })
            }
            Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(
                ChangeMembershipError::InProgress(_),
            ))) => Err(GroupError::Changing(self.group)),
            Err(RaftError::APIError(ClientWriteError::LogEntryDiscarded(_))) => {
                Err(GroupError::NoQuorum(self.group))
            }
            Err(error) => Err(self.invalid(error)),
        }
    }

    pub(super) async fn transfer_leader(
        &self,
        to: NodeId,
        within: Duration,
    ) -> Result<(), GroupError> {
        let raft = self.raft()?;
        let view = self.view();
        if !view.is_leader_here {
            return Err(GroupError::NotLeader { group: self.group, leader: view.leader });
        }
        if !view.voters.contains(&to) {
            return Err(self.invalid(format!("node {to} does not vote")));
        }
        raft.trigger().transfer_leader(to).await.map_err(|error| self.invalid(error))?;
        let mut view = self.watch();
        let moved = timeout(within, view.wait_for(|view| view.leader == Some(to))).await;
        match moved {
            Ok(Ok(_)) => Ok(()),
            _ => Err(GroupError::Deadline(self.group)),
        }
    }

    pub(super) async fn barrier(&self, within: Duration) -> Result<(), GroupError> {
        self.read(ReadPolicy::ReadIndex, within).await
    }

    pub(super) async fn lease(&self, within: Duration) -> Result<(), GroupError> {
        self.read(ReadPolicy::LeaseRead, within).await
    }

    async fn read(&self, policy: ReadPolicy, within: Duration) -> Result<(), GroupError> {
        let raft = self.raft()?;
        let group = self.group;
        let read = timeout(within, raft.ensure_linearizable(policy)).await;
        match read.map_err(|_| GroupError::NoQuorum(group))? {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(GroupError::NotLeader { group, leader: forward.leader_id })
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                Err(GroupError::NoQuorum(group))
            }
            Err(RaftError::Fatal(fatal)) => {
                Err(GroupError::Stopped { group, reason: fatal.to_string().into() })
            }
        }
    }

    fn invalid(&self, reason: impl ToString) -> GroupError {
        GroupError::Invalid { group: self.group, reason: reason.to_string() }
    }
}
