//! The status actor.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use synod_agents::{AwaitAgents, HostMessage};
use synod_journal::{Health, JournalMessage};
use synod_runtime::{
    Actor, ActorError, ActorPath, ActorSnapshot, Address, AskError, Context, Control, DeadReason,
    Priority, Reply, Request, Spec, System,
};
use synod_tasks::{DrainEngine, Drained, EngineHealth, EngineStats};
use synod_workflows::{DrainWorkflows, WorkflowHealth, WorkflowsDrained};
use tokio::time::Instant;

use super::messages::{
    ControlActor, ControlRefused, DrainNode, Draining, ReloadRefused, Reloaded, ShowStatus,
    StatusMessage, UnknownPath,
};
use super::view::{ActorCounts, Answers, EngineAnswers, NodeStatus, StatusReport};
use crate::config::reload::Change;
use crate::node::{Cluster, ClusterView, EngineSet, Engines};

/// Most time a part of the node has to say how it is.
const PART: Duration = Duration::from_millis(500);

/// Time the engine has to say that it is drained, beyond what running work has.
const AFTER_DRAIN: Duration = Duration::from_secs(5);

/// Most actors in one report; what is beyond it is counted, not shown.
const MAX_SHOWN: usize = 250_000;

/// Reads the configuration again and applies it; may block.
pub type Reload = Arc<dyn Fn() -> Result<Vec<Change>, ReloadRefused> + Send + Sync>;

/// What the status actor knows of its node.
#[derive(Clone)]
pub struct StatusParts {
    /// The node's name.
    pub name: String,
    /// Different for each start of the node.
    pub boot: u64,
    /// When the node started.
    pub started_at: Timestamp,
    /// The same moment on the monotonic clock.
    pub started: Instant,
    /// The journal.
    pub journal: Address<JournalMessage>,
    /// The engines at work here.
    pub engines: Engines,
    /// The cluster of the node, unless it is alone.
    pub cluster: Option<Cluster>,
    /// The host of agents.
    pub host: Address<HostMessage>,
    /// How long running work has when the node drains, unless the operator says otherwise.
    pub drain_within: Duration,
    /// Reads the configuration again.
    pub reload: Reload,
}

/// Answers for the node.
pub struct StatusActor {
    parts: StatusParts,
}

impl StatusActor {
    /// The actor, called `status`.
    #[must_use]
    pub fn spec(parts: StatusParts) -> Spec<Self> {
        Spec::new("status", move || Self { parts: parts.clone() })
    }

    /// Lets `work` answer a request beside the actor, which stays free for the next.
    fn beside(&self, ctx: &mut Context<Self>, work: impl Future<Output = ()> + Send + 'static) {
        // Without a free slot the request is dropped, and who asked is told so at once.
        if let Err(why) = ctx.attach(work, StatusMessage::Answered) {
            tracing::warn!(%why, "a request for status was dropped");
        }
    }

    fn node(&self, system: &System) -> NodeStatus {
        let letters = system.dead_letters();
        let count = |reason: DeadReason| (reason.as_str().to_owned(), letters.count(reason));
        let uptime = system.clock().now().saturating_duration_since(self.parts.started);
        NodeStatus {
            name: self.parts.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: format!("{:016x}", self.parts.boot),
            started_at: self.parts.started_at,
            uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
            ready: false,
            not_ready: Vec::new(),
            draining: false,
            engine: None,
            ledger: None,
            queue_depth: None,
            agents: None,
            journal: None,
            cluster: None,
            dead_letters: DeadReason::ALL.into_iter().map(count).collect(),
            abandoned: system.abandoned(),
        }
    }

    /// The node, once its parts have answered or failed to: in time for an asker who waits until
    /// `deadline`, so that one that hangs is named and does not make the whole node seem to.
    fn gather(
        &self,
        system: &System,
        deadline: Instant,
    ) -> impl Future<Output = NodeStatus> + Send + use<> {
        let node = self.node(system);
        let left = deadline.saturating_duration_since(system.clock().now());
        let within = PART.min(left / 2);
        let StatusParts { journal, engines, cluster, host, .. } = self.parts.clone();
        async move {
            let (journal, cluster, engines, agents) = tokio::join!(
                journal.ask(Health {}, within),
                ask_cluster(cluster, within),
                join_all(engines.all().into_iter().map(|set| ask_set(set, within))),
                host.ask(AwaitAgents, within),
            );
            node.judge(Answers { journal, cluster, engines, agents })
        }
    }

    fn show(&self, request: Request<ShowStatus>, ctx: &mut Context<Self>) {
        let gathered = self.gather(ctx.system(), request.deadline());
        let (ShowStatus { path, depth }, reply) = request.into_parts();
        let path = path.unwrap_or_else(|| ActorPath::new("/"));
        let system = ctx.system().clone();
        self.beside(ctx, async move {
            let node = gathered.await;
            let depth = depth.unwrap_or(usize::MAX);
            let seen = off_thread(move || {
                system.observe_under(&path, depth, MAX_SHOWN).ok_or(UnknownPath(path))
            });
            if let Some(tree) = seen.await {
                reply.send(tree.map(|tree| StatusReport { node, tree }));
            }
        });
    }

    fn control(&self, wanted: &ControlActor, ctx: &Context<Self>) -> Result<(), ControlRefused> {
        let ControlActor { path, control } = wanted;
        let harmless = matches!(control, Control::Restart | Control::Resume);
        if !harmless && is_own_voice(path, ctx) {
            return Err(ControlRefused::OwnVoice(path.clone()));
        }
        if !harmless && is_part_of_node(path, ctx) {
            return Err(ControlRefused::PartOfNode(path.clone()));
        }
        Ok(ctx.system().control(path, *control)?)
    }

    /// Tells the engine to drain; a submission that comes after the answer finds it draining.
    fn drain(&self, request: Request<DrainNode>, ctx: &mut Context<Self>) {
        let within = request.body.within.unwrap_or(self.parts.drain_within);
        let me = ctx.address();
        let told = within.saturating_add(AFTER_DRAIN);
        for set in self.parts.engines.all() {
            let runs = DrainWorkflows { within };
            set.workflows.ask_into(runs, told, &me, StatusMessage::RunsDrained);
            set.tasks.ask_into(DrainEngine { within }, told, &me, StatusMessage::Drained);
        }
        ctx.describe("the node drains");
        request.answer(Draining { draining: true, within_s: within.as_secs() });
    }

    fn reload(&self, reply: Reply<Result<Reloaded, ReloadRefused>>, ctx: &mut Context<Self>) {
        let reload = Arc::clone(&self.parts.reload);
        self.beside(ctx, async move {
            if let Some(outcome) = off_thread(move || reload()).await {
                reply.send(outcome.map(|changes| Reloaded { changes }));
            }
        });
    }
}

/// How the cluster is, if there is one.
async fn ask_cluster(
    cluster: Option<Cluster>,
    within: Duration,
) -> Option<Result<ClusterView, String>> {
    let cluster = cluster?;
    let asked = tokio::time::timeout(within, cluster.view()).await;
    Some(match asked {
        Ok(view) => view.map_err(|why| why.to_string()),
        Err(_) => Err("the membership did not answer in time".to_owned()),
    })
}

async fn ask_set(set: EngineSet, within: Duration) -> EngineAnswers {
    let (engine, stats, runs) = tokio::join!(
        set.tasks.ask(EngineHealth {}, within),
        set.tasks.ask(EngineStats {}, within),
        set.workflows.ask(WorkflowHealth {}, within),
    );
    EngineAnswers { engine, stats, runs }
}

/// Tells the log and the observers how a drain ended.
fn drained(outcome: Result<Drained, AskError>, ctx: &Context<StatusActor>) {
    let told = match outcome {
        Ok(drained) => format!("drained; {} tasks go on at the next start", drained.open),
        Err(why) => format!("not drained: the task engine did not answer: {why}"),
    };
    tracing::info!("{told}");
    ctx.describe(told);
}

/// Tells the log how the drain of the runs ended.
fn runs_drained(outcome: Result<WorkflowsDrained, AskError>) {
    match outcome {
        Ok(drained) => tracing::info!(open = drained.open, "runs are drained"),
        Err(why) => tracing::info!(%why, "runs are not drained: no answer"),
    }
}

/// Whether operators would lose their way back: the status actor, what is above it, and the server.
fn is_own_voice(path: &ActorPath, ctx: &Context<StatusActor>) -> bool {
    let mut above = Some(ctx.path().clone());
    while let Some(one) = above {
        if one == *path {
            return true;
        }
        above = one.parent();
    }
    let seen = ctx.system().observe_under(path, 0, 0);
    seen.is_some_and(|actor| actor.kind == crate::api::HttpServer::KIND)
}

/// Whether it is started with the node, beside the status actor: stopped, it is gone for good, and
/// while it is paused whoever asks it waits in vain.
fn is_part_of_node(path: &ActorPath, ctx: &Context<StatusActor>) -> bool {
    path.parent() == ctx.path().parent() && ctx.system().observe_under(path, 0, 0).is_some()
}

/// Runs what may take long on a thread for such; none when it panicked.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// Counts the actors of a tree.
fn count(tree: &ActorSnapshot) -> ActorCounts {
    let mut counts = ActorCounts::default();
    for actor in tree.iter() {
        let state = format!("{:?}", actor.state).to_ascii_lowercase();
        *counts.states.entry(state).or_default() += 1;
        counts.restarts += u64::from(actor.restarts);
        for (priority, depth) in Priority::ALL.iter().zip(actor.lanes) {
            *counts.lanes.entry(priority.as_str()).or_default() += depth as u64;
        }
    }
    counts
}

impl Actor for StatusActor {
    type Message = StatusMessage;
    const KIND: &'static str = "status";

    async fn handle(
        &mut self,
        message: StatusMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            StatusMessage::Check(request) => {
                let gathered = self.gather(ctx.system(), request.deadline());
                let (_, reply) = request.into_parts();
                self.beside(ctx, async move { reply.send(gathered.await) });
            }
            StatusMessage::Count(request) => {
                let (_, reply) = request.into_parts();
                let system = ctx.system().clone();
                self.beside(ctx, async move {
                    if let Some(counts) = off_thread(move || count(&system.observe())).await {
                        reply.send(counts);
                    }
                });
            }
            StatusMessage::Show(request) => self.show(request, ctx),
            StatusMessage::Control(request) => {
                let outcome = self.control(&request.body, ctx);
                request.answer(outcome);
            }
            StatusMessage::Drain(request) => self.drain(request, ctx),
            StatusMessage::Drained(outcome) => drained(outcome, ctx),
            StatusMessage::RunsDrained(outcome) => runs_drained(outcome),
            StatusMessage::Reload(request) => self.reload(request.into_parts().1, ctx),
            StatusMessage::Answered(_) => {}
        }
        Ok(())
    }
}
