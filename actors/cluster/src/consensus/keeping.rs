//! The actor that keeps one group running on this node, and its log short.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::{Config, SnapshotPolicy};
use parking_lot::RwLock;
use synod_runtime::{Actor, ActorError, Backoff, Context, ExitReason, Shutdown, Spec, TaskFailure};
use tokio::sync::mpsc;

use super::config::ConsensusConfig;
use super::group::GroupId;
use super::machine::Machine;
use super::peer::PeerFactory;
use super::ports::{APPENDS, OTHERS, serve_appends, serve_others};
use super::replica::{Raft, Replica, Running};
use super::site::Site;
use super::state::{Applied, Keeper, StateStore};
use super::store::{LogStore, Recovered, WriterFault, recover};
use super::types::{Runtime, StoredMembership};

/// How often a group looks whether the journal keeps much, perhaps for the sake of a few of its
/// records: then it saves its state anew.
const QUIET: Duration = Duration::from_secs(30);

/// So many times what a group's log may take before it is cut are much.
const MUCH: u64 = 4;

/// How long a saved state may take before another one is asked for.
const SAVING: Duration = Duration::from_secs(60);

/// How long the end of a group may take.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// What the actor of a group tells itself.
#[derive(Debug)]
pub(crate) enum GroupMessage {
    Tick,
    Quiet,
    Saved(Result<(), String>),
    /// A task that must not end has ended.
    Ended(String),
}

/// A group on this node.
pub(crate) struct Group {
    group: GroupId,
    site: Arc<Site>,
    open: Option<Open>,
}

/// While it is open. Dropped, as by a crash, it takes openraft's tasks along.
struct Open {
    raft: Raft,
    keeper: Keeper,
    replica: Arc<Replica>,
    /// When a saved state was last asked for, and at how many applied entries.
    asked: Option<(tokio::time::Instant, u64)>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.replica.stop("it is closed, or being opened again");
        let raft = self.raft.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Nobody waits for it: without its writer it can store nothing any more.
            runtime.spawn(async move { raft.shutdown().await });
        }
    }
}

impl Group {
    pub(super) fn name(group: GroupId) -> String {
        format!("group-{group}")
    }

    pub(super) fn spec(group: GroupId, site: &Arc<Site>) -> Spec<Self> {
        let site = Arc::clone(site);
        let backoff = Backoff { max: Duration::from_secs(5), ..Backoff::default() };
        Spec::new(Self::name(group), move || Self { group, site: Arc::clone(&site), open: None })
            .start_timeout(Duration::from_secs(120))
            .backoff(backoff)
            .shutdown(Shutdown::Within(SHUTDOWN))
    }

    async fn run(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let (group, site) = (self.group, &self.site);
        let config = &site.config;
        let recovered = recover(group, &site.journal, config.max_payload_bytes).await?;
        let Recovered { log, writer, saved } = recovered;
        let applied = match &saved {
            Some(saved) => Applied {
                last: saved.meta.last_log_id,
                membership: saved.meta.last_membership.clone(),
                machine: Machine::decode(group, &saved.state, config)?,
            },
            None => Applied {
                last: None,
                membership: StoredMembership::default(),
                machine: Machine::new(group, config),
            },
        };
        let applied = Arc::new(RwLock::new(applied));
        let keeper = Keeper {
            group,
            config: config.clone(),
            journal: site.journal.clone(),
            log: log.clone(),
            applied: Arc::clone(&applied),
            control: (group == GroupId::CONTROL).then(|| site.control.clone()),
            saved: Arc::new(RwLock::new(saved.map(|saved| saved.meta))),
        };
        keeper.tell();
        let blank = log.is_blank();
        let written = writer.run();
        ctx.attach(written, ended_writer)?;
        let network = PeerFactory { group, site: Arc::clone(site) };
        let state = StateStore { keeper: keeper.clone() };
        let settings = Arc::new(settings(group, config).validate()?);
        let store = LogStore(log.clone());
        let raft = Raft::new(site.own, settings, network, store, state);
        let raft = Runtime::scope(ctx.system().entropy().next_u64(), raft).await?;
        let (appends, append_calls) = mpsc::channel(APPENDS);
        let (others, other_calls) = mpsc::channel(OTHERS);
        ctx.attach(serve_appends(group, raft.clone(), append_calls), |_| ended("entries"))?;
        ctx.attach(serve_others(group, raft.clone(), other_calls), |_| ended("votes"))?;
        let replica = site.replica(group);
        ctx.attach(follow(raft.clone(), Arc::clone(&replica)), |_| ended("its metrics"))?;
        let storage =
            (*site.storage.borrow()).ok_or_else(|| ActorError::new("consensus has not started"))?;
        let lease = if blank { Duration::ZERO } else { config.lease() };
        let votes_from = tokio::time::Instant::now() + lease;
        let running =
            Running { raft: raft.clone(), log, applied, storage, appends, others, votes_from };
        replica.start(running);
        self.elect_alone(&raft).await;
        self.open = Some(Open { raft, keeper, replica, asked: None });
        Ok(())
    }

    /// Who is the only voter needs no time to find out that nobody else leads.
    async fn elect_alone(&self, raft: &Raft) {
        let alone = {
            let metrics = raft.metrics();
            let metrics = metrics.borrow_watched();
            let mut voters = metrics.membership_config.voter_ids();
            voters.next() == Some(self.site.own) && voters.next().is_none()
        };
        if alone && let Err(error) = raft.trigger().elect(false).await {
            tracing::warn!(group = %self.group, %error, "no election could be begun");
        }
    }
}

impl Open {
    fn tick(&mut self) -> Option<Need> {
        self.replica.refresh(&self.raft.metrics().borrow_watched());
        self.replica.expire(tokio::time::Instant::now());
        let (entries, bytes) = self.keeper.log.size();
        let config = &self.replica.config;
        let applied = self.keeper.applied.read();
        let index = applied.last.as_ref().map_or(0, |id| id.index);
        let saved = self.keeper.saved.read().as_ref().and_then(|meta| meta.last_log_id);
        let saved = saved.map_or(0, |id| id.index);
        let much = bytes > config.snapshot_bytes.max(applied.machine.weight())
            || entries > config.snapshot_entries + config.kept_entries;
        if !much {
            return None;
        }
        let asked = self.asked.filter(|(at, _)| at.elapsed() < SAVING);
        if asked.is_some_and(|(_, index)| saved < index) {
            return None;
        }
        if saved > 0
            && asked.is_some_and(|(_, index)| saved >= index)
            && bytes > config.snapshot_bytes
        {
            // What stays for followers that are a little behind is too large to stay.
            self.asked = None;
            return Some(Need::Purge(saved));
        }
        if index <= saved {
            return Some(Need::Purge(saved));
        }
        self.asked = Some((tokio::time::Instant::now(), index));
        Some(Need::Save)
    }
}

enum Need {
    Save,
    Purge(u64),
}

impl Actor for Group {
    type Message = GroupMessage;

    const KIND: &'static str = "group";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        if let Err(error) = self.run(ctx).await {
            self.site.replica(self.group).stop(&error.to_string());
            return Err(error);
        }
        ctx.send_after(self.site.config.heartbeat(), GroupMessage::Tick);
        ctx.send_after(QUIET, GroupMessage::Quiet);
        Ok(())
    }

    async fn handle(
        &mut self,
        message: GroupMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        match message {
            GroupMessage::Tick => {
                ctx.send_after(self.site.config.heartbeat(), GroupMessage::Tick);
                let need = open.tick();
                let fault = open.raft.metrics().borrow_watched().running_state.clone();
                fault?;
                match need {
                    Some(Need::Save) => open.raft.trigger().snapshot().await?,
                    Some(Need::Purge(upto)) => open.raft.trigger().purge_log(upto).await?,
                    None => {}
                }
                Ok(())
            }
            GroupMessage::Quiet => {
                ctx.send_after(QUIET, GroupMessage::Quiet);
                let keeper = open.keeper.clone();
                let saved = |saved: Result<_, TaskFailure>| {
                    let saved: Result<std::io::Result<()>, _> = saved;
                    GroupMessage::Saved(match saved {
                        Ok(saved) => saved.map_err(|error| error.to_string()),
                        Err(error) => Err(error.to_string()),
                    })
                };
                let much = MUCH * self.site.config.snapshot_bytes;
                ctx.attach(async move { keeper.save_if_kept(much).await }, saved)?;
                Ok(())
            }
            GroupMessage::Saved(Ok(())) => Ok(()),
            GroupMessage::Saved(Err(reason)) => {
                tracing::warn!(group = %self.group, reason, "the state of a group was not saved");
                Ok(())
            }
            GroupMessage::Ended(reason) => Err(ActorError::new(reason)),
        }
    }

    async fn stop(&mut self, _reason: &ExitReason, _ctx: &mut Context<Self>) {
        if let Some(open) = self.open.take() {
            // What openraft has not ended by then ends when its writer does.
            let _ = tokio::time::timeout(SHUTDOWN, open.raft.shutdown()).await;
        }
    }
}

fn ended(what: &str) -> GroupMessage {
    GroupMessage::Ended(format!("the task for {what} of the group has ended"))
}

fn ended_writer(result: Result<Result<(), WriterFault>, TaskFailure>) -> GroupMessage {
    GroupMessage::Ended(match result {
        Ok(Ok(())) => "the log of the group was closed".to_owned(),
        Ok(Err(fault)) => fault.to_string(),
        Err(failure) => failure.to_string(),
    })
}

/// Tells how the group looks whenever that changes.
async fn follow(raft: Raft, replica: Arc<Replica>) {
    let mut metrics = raft.metrics();
    while metrics.changed().await.is_ok() {
        let seen = metrics.borrow_watched().clone();
        replica.refresh(&seen);
    }
}

fn settings(group: GroupId, config: &ConsensusConfig) -> Config {
    Config {
        cluster_name: format!("group-{group}"),
        heartbeat_interval: config.heartbeat_ms,
        election_timeout_min: config.election_min_ms,
        election_timeout_max: config.election_max_ms,
        max_payload_entries: 16_384,
        // The state is saved by size, not by count: see `Open::tick`.
        snapshot_policy: SnapshotPolicy::Never,
        replication_lag_threshold: u64::MAX,
        max_in_snapshot_log_to_keep: config.kept_entries,
        purge_batch_size: 1,
        enable_pre_vote: Some(config.pre_vote),
        // A leader that comes back has lost what it had applied: it stands for election again.
        enable_leader_restore: Some(false),
        // Writes are refused by a leader without a majority; heartbeats stop then, so that those
        // it can still reach may elect another one.
        quorum_loss_probe_interval: Some(config.election_max_ms * 3),
        install_snapshot_timeout: 600_000,
        backoff: "50ms 100ms 200ms ..1s".to_owned(),
        ..Config::default()
    }
}
