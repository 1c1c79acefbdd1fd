//! How a node comes into its cluster: it goes back to the one it belongs to, joins the one that
//! its seeds know, or forms one of itself alone.
//!
//! A node forms a cluster only when it belongs to none and either has no seeds, or is the first of
//! them and no other seed answers: so nodes with the same list can be started in any order.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_cluster::{
    ClusterId, Control, ControlError, ControlRefusal, Expulsion, GroupError, Groups, JoinCluster,
    Listener, MemberChange, MembershipMessage, NodeId, NodeRecord, OverseerMessage, Peers,
    Reception,
};
use synod_journal::Stream;
use synod_runtime::{
    Actor, ActorError, Address, Context, Entropy, Priority, SendOptions, Spec, TaskFailure,
    TrySendError,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::WORK;
use super::identity::Identity;
use crate::config::ClusterSection;

/// Work groups of a cluster that is formed here.
pub(super) const GROUPS: u32 = 1;

/// The streams of the engines, also of a node alone.
const WORK_STREAMS: [Stream; 2] = [Stream::new("tasks"), Stream::new("workflows")];

/// How long one step may take.
const STEP: Duration = Duration::from_secs(5);

/// How long the first of the seeds looks for the others before it forms a cluster.
const LOOK_AROUND: Duration = Duration::from_millis(600);

/// Between attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// What the founder works with.
#[derive(Clone)]
pub(super) struct FounderParts {
    pub(super) identity: Arc<Mutex<Identity>>,
    pub(super) peers: Peers,
    pub(super) groups: Groups,
    pub(super) control: Control,
    /// Says that the node is in its cluster.
    pub(super) enters: Arc<watch::Sender<bool>>,
    pub(super) membership: Address<MembershipMessage>,
    pub(super) overseer: Address<OverseerMessage>,
    pub(super) search: Search,
}

/// Where a node looks for its cluster.
#[derive(Clone)]
pub(super) struct Search {
    seeds: Vec<String>,
    /// Whom an operator named after the start.
    invited: Arc<Invited>,
    /// Whether it may form a cluster.
    forms: bool,
    /// How long it tries.
    within: Duration,
}

impl Search {
    pub(super) fn of(section: &ClusterSection, entrance: &Entrance) -> Self {
        Self {
            seeds: section.seeds.clone(),
            invited: Arc::clone(&entrance.invited),
            forms: section.forms,
            within: Duration::from_secs(section.join_timeout_s),
        }
    }
}

/// The way of a node into its cluster, for who wants to help it in.
#[derive(Clone)]
pub(super) struct Entrance {
    pub(super) invited: Arc<Invited>,
    /// Whether this node is in its cluster.
    pub(super) is_in: watch::Receiver<bool>,
}

/// Nodes to join that an operator named after the start, and what kept this node out last.
#[derive(Default)]
pub(super) struct Invited {
    addresses: Mutex<Vec<String>>,
    hindrance: Mutex<String>,
}

impl Invited {
    /// Has the founder try this address as well.
    pub(super) fn add(&self, address: &str) {
        let mut addresses = self.addresses.lock();
        if addresses.iter().all(|known| known != address) {
            addresses.push(address.to_owned());
        }
    }

    /// Has it try this address no longer; why it did not succeed.
    pub(super) fn take_back(&self, address: &str) -> String {
        self.addresses.lock().retain(|known| known != address);
        self.hindrance.lock().clone()
    }
}

/// Whether this node has work from a time alone, which a cluster to join would know nothing of.
///
/// # Errors
/// Its journal did not tell.
pub(super) async fn has_own_work(groups: &Groups) -> Result<bool, GroupError> {
    let local = groups.local_streams().await?;
    Ok(local.iter().any(|(stream, _)| WORK_STREAMS.contains(stream)))
}

/// Brings the node into its cluster, then keeps its place there known.
pub(super) struct Founder(FounderParts);

/// What the founder is told.
#[derive(Debug)]
pub(super) enum FounderMessage {
    /// The node is in its cluster, or could not come in.
    Came(Result<Result<ClusterId, String>, TaskFailure>),
    /// The node was put out.
    Expelled(Expulsion),
}

impl Founder {
    /// The actor, called `founder`.
    pub(super) fn spec(parts: FounderParts) -> Spec<Self> {
        Spec::new("founder", move || Self(parts.clone()))
    }
}

impl Actor for Founder {
    type Message = FounderMessage;
    const KIND: &'static str = "coordinator";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let parts = self.0.clone();
        let seen = MembershipMessage::Subscribe(telling(parts.overseer.clone(), ctx.address()));
        parts.membership.send(seen).await?;
        let system = ctx.system().clone();
        ctx.describe("comes into its cluster");
        let came = async move { parts.come_in(system.entropy()).await };
        ctx.attach(came, FounderMessage::Came)?;
        Ok(())
    }

    async fn handle(
        &mut self,
        message: FounderMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            FounderMessage::Came(Ok(Ok(cluster))) => {
                tracing::info!(%cluster, "this node is a member of its cluster");
                ctx.describe(format!("member of cluster {cluster}"));
                self.0.enters.send_replace(true);
                Ok(())
            }
            FounderMessage::Came(Ok(Err(why))) => Err(ActorError::new(why)),
            FounderMessage::Came(Err(why)) => {
                Err(ActorError::new(format!("coming in ended: {why}")))
            }
            // What belongs to the cluster must not go on beside it: the node ends.
            FounderMessage::Expelled(why) => Err(ActorError::new(why.to_string())),
        }
    }
}

/// Tells the overseer who is up and who is down, and the founder when this node is out.
fn telling(
    overseer: Address<OverseerMessage>,
    founder: Address<FounderMessage>,
) -> Listener<MemberChange> {
    let options = SendOptions::new().priority(Priority::High);
    let tell = move |node, up| {
        let seen = OverseerMessage::Seen { node, up };
        match overseer.try_send_with(seen, options.clone()) {
            Ok(()) => Reception::Taken,
            Err(TrySendError::Full(_) | TrySendError::Refused(..)) => Reception::Full,
            Err(TrySendError::Closed(_)) => Reception::Gone,
        }
    };
    Listener::new(move |change| match change {
        MemberChange::Snapshot(members) => {
            let told = members.iter().map(|member| tell(member.id(), member.is_up()));
            told.fold(Reception::Taken, |all, one| if one == Reception::Taken { all } else { one })
        }
        MemberChange::Up(record) => tell(record.id, true),
        MemberChange::Recovered(node) => tell(node, true),
        MemberChange::Down(node) | MemberChange::Left(node) => tell(node, false),
        MemberChange::Expelled(why) => match founder.try_send(FounderMessage::Expelled(why)) {
            Ok(()) => Reception::Taken,
            Err(_) => Reception::Full,
        },
        MemberChange::Suspect(_) | MemberChange::Forgotten(_) => Reception::Taken,
    })
}

/// What keeps a node out of its cluster.
enum Hindrance {
    /// It may be gone in a moment.
    Passing(String),
    /// No further attempt changes it.
    Lasting(String),
}

type Entered = Result<ClusterId, Hindrance>;

fn passing(why: impl ToString) -> Hindrance {
    Hindrance::Passing(why.to_string())
}

impl From<ControlError> for Hindrance {
    fn from(error: ControlError) -> Self {
        match &error {
            ControlError::Refused(ControlRefusal::NameTaken { .. } | ControlRefusal::Forgetful) => {
                Self::Lasting(error.to_string())
            }
            _ => Self::Passing(error.to_string()),
        }
    }
}

impl FounderParts {
    /// Tries until it is in, or the time is over.
    async fn come_in(&self, entropy: &dyn Entropy) -> Result<ClusterId, String> {
        self.may_join().await?;
        let begun = Instant::now();
        let mut told = String::new();
        loop {
            let forms =
                self.search.forms && self.is_first() && begun.elapsed() >= self.look_around();
            let why = match self.try_once(forms, entropy).await {
                Ok(cluster) => return Ok(cluster),
                Err(Hindrance::Lasting(why)) => return Err(why),
                Err(Hindrance::Passing(why)) => why,
            };
            self.search.invited.hindrance.lock().clone_from(&why);
            if why != told {
                tracing::info!(%why, "not in the cluster yet");
                told = why;
            }
            if begun.elapsed() >= self.search.within {
                return Err(format!(
                    "the node could not come into its cluster within {} s: {told}",
                    self.search.within.as_secs()
                ));
            }
            sleep(PAUSE).await;
        }
    }

    async fn try_once(&self, forms: bool, entropy: &dyn Entropy) -> Entered {
        let known = self.identity.lock().cluster;
        if let Some(cluster) = known {
            return self.go_back(cluster).await;
        }
        match self.join().await {
            Ok(cluster) => Ok(cluster),
            Err(Hindrance::Passing(_)) if forms => self.form(entropy).await,
            Err(why) => Err(why),
        }
    }

    /// A node with work of its own can't join others, who would know nothing of it.
    async fn may_join(&self) -> Result<(), String> {
        let alone = self.others().is_empty();
        if self.identity.lock().cluster.is_some() || alone || self.search.forms && self.is_first() {
            return Ok(());
        }
        if has_own_work(&self.groups).await.map_err(|why| why.to_string())? {
            return Err(
                "this node has work from the time it was alone, which the cluster to join \
                        knows nothing of: let it form the cluster (no seeds, or itself the first) \
                        and the others join it, or start it with an empty data folder"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Whether it is this node that forms a cluster when no other seed answers.
    fn is_first(&self) -> bool {
        self.search.seeds.first().is_none_or(|first| *first == self.own().address)
    }

    fn look_around(&self) -> Duration {
        if self.others().is_empty() { Duration::ZERO } else { LOOK_AROUND }
    }

    /// The nodes to ask, those first that an operator named last.
    fn others(&self) -> Vec<String> {
        let invited = self.search.invited.addresses.lock();
        let known = invited.iter().rev().chain(&self.search.seeds);
        known.filter(|seed| **seed != self.own().address).cloned().collect()
    }

    fn own(&self) -> &NodeRecord {
        self.peers.own()
    }

    /// Makes this start known to the cluster it belongs to: through any member, itself included.
    async fn go_back(&self, cluster: ClusterId) -> Entered {
        let state = self.control.read();
        for member in state.members.values().filter(|member| member.record.id != self.own().id) {
            self.peers.learn(member.record.clone());
        }
        let known: Vec<String> =
            state.members.values().map(|member| member.record.address.clone()).collect();
        let others: Vec<String> = self
            .others()
            .into_iter()
            .chain(known)
            .filter(|one| *one != self.own().address)
            .collect();
        if !others.is_empty() {
            // The membership goes on trying by itself; without any other a majority is not there.
            let join = JoinCluster { seeds: others };
            let joined = self.membership.ask(join, STEP).await;
            tracing::debug!(?joined, "looked for the other members");
        }
        let via = state.members.keys().copied().chain([self.own().id]);
        let mut why = Hindrance::Passing("no member can be asked".to_owned());
        for node in via.collect::<std::collections::BTreeSet<NodeId>>() {
            match self.control.join(node, self.own().clone(), STEP).await {
                Ok(()) => return Ok(cluster),
                Err(error) => why = error.into(),
            }
        }
        Err(why)
    }

    /// Joins the cluster of the first seed that has one.
    async fn join(&self) -> Entered {
        let mut why = Hindrance::Passing("no other node was named to join".to_owned());
        for seed in self.others() {
            match self.join_at(&seed).await {
                Ok(cluster) => return Ok(cluster),
                Err(Hindrance::Passing(error)) => {
                    why = Hindrance::Passing(format!("{seed}: {error}"));
                }
                lasting => return lasting,
            }
        }
        Err(why)
    }

    async fn join_at(&self, seed: &str) -> Entered {
        let via = self.peers.meet(seed, STEP).await.map_err(passing)?;
        let own = self.own().clone();
        self.control.join(via.id, own, STEP).await?;
        let cluster = self.control.read().cluster;
        let cluster = cluster.ok_or_else(|| passing("it belongs to no cluster yet"))?;
        self.adopt(cluster)?;
        let join = JoinCluster { seeds: vec![seed.to_owned()] };
        self.membership.ask(join, STEP).await.map_err(passing)?.map_err(passing)?;
        Ok(cluster)
    }

    async fn form(&self, entropy: &dyn Entropy) -> Entered {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        let cluster = ClusterId(u128::from_be_bytes(bytes));
        let own = self.own().clone();
        self.control.form(cluster, GROUPS, own, STEP).await?;
        // An attempt before this one may have formed it.
        let cluster = self.control.read().cluster.unwrap_or(cluster);
        // What it had alone becomes the group's before its engines go to work.
        let adopted = self.groups.adopt_local(WORK, &WORK_STREAMS).await;
        adopted.map_err(passing)?;
        self.adopt(cluster)?;
        Ok(cluster)
    }

    fn adopt(&self, cluster: ClusterId) -> Result<(), Hindrance> {
        let adopted = self.peers.cluster().adopt(cluster);
        adopted.map_err(|why| Hindrance::Lasting(why.to_string()))?;
        let kept = self.identity.lock().join(cluster);
        kept.map_err(|why| passing(format!("the identity of the cluster can't be written: {why}")))
    }
}
