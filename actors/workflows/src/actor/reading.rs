//! Reading the histories of runs for others: beside the engine's own work, a few at a time.

use std::future::Future;
use std::sync::Arc;

use synod_journal::BlobId;
use synod_runtime::{Context, Reply, Request};

use super::WorkflowEngine;
use super::run::{Answer, LoadError, Loaded, Order, Surroundings, load, load_records};
use super::step::{Own, Step};
use super::stuck::unreadable;
use crate::diff::{self, Facts};
use crate::error::DecideError;
use crate::history::{RunRecord, Trail, view};
use crate::index::Entry;
use crate::messages::{
    ApprovalPage, ApprovalResponse, ComparedRun, DiffRuns, GetRun, ListApprovals, RunHistory,
    RunId, RunStatusResponse, ShowApproval, UnknownRun, WaitRun, WorkflowRef, WorkflowsMessage,
};
use crate::run::ApprovalId;

/// Most events on a page.
const MAX_EVENTS: usize = 10_000;

/// Bytes of approvals after which a page ends: each has a value of its run in it.
const MAX_PAGE_BYTES: usize = 8 << 20;

/// Where the stored records of a run are.
#[derive(Debug, Clone)]
pub(super) struct StoredTrail {
    pub trail: Trail,
    pub packs: Vec<(u32, BlobId)>,
    trace: Option<synod_runtime::Correlation>,
}

pub(super) async fn records(
    around: &Surroundings,
    stored: StoredTrail,
) -> Result<Vec<RunRecord>, LoadError> {
    load_records(around, &stored.trail, &stored.packs).await
}

/// How a run stands; of one whose history can't be read, what is known without it.
async fn status(
    around: &Surroundings,
    (run, entry): (RunId, &Entry),
    stored: StoredTrail,
) -> RunStatusResponse {
    let StoredTrail { trail, packs, trace } = stored;
    match load(around, &trail, &packs).await {
        Ok(loaded) => view::status(&loaded.run, trace),
        Err(error) => {
            tracing::error!(run_id = %run, %error, "a history can't be read");
            unreadable(run, entry, &error.to_string())
        }
    }
}

async fn approval(
    around: &Surroundings,
    id: ApprovalId,
    stored: StoredTrail,
) -> Option<ApprovalResponse> {
    let StoredTrail { trail, packs, .. } = stored;
    let loaded = load(around, &trail, &packs).await;
    let loaded = loaded.inspect_err(|error| tracing::error!(%error, "a history can't be read"));
    let loaded = loaded.ok()?;
    let plan = |hash: &crate::definition::DefinitionHash| around.library.plan(hash);
    view::approval(id, &loaded.run, &loaded.records, plan)
}

/// A run as one of two that are compared, and the facts about it.
async fn compared(
    around: &Surroundings,
    (run, stored): (RunId, StoredTrail),
) -> Result<(ComparedRun, Facts), LoadError> {
    let Loaded { run: machine, records } = load(around, &stored.trail, &stored.packs).await?;
    let opening = machine.opening();
    let (name, version) = (opening.name.to_string(), opening.version.to_string());
    let compared = ComparedRun {
        run_id: run,
        workflow: WorkflowRef { name, version, hash: machine.definition().to_string() },
        state: machine.run_state(),
        events: machine.events(),
    };
    let library = Arc::clone(&around.library);
    let read = move || diff::facts(&records, |hash| library.plan(hash));
    Ok((compared, synod_runtime::beside(read).await?))
}

impl WorkflowEngine {
    /// Lets work run beside the engine's own.
    pub(super) fn beside(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
        ctx: &mut Context<Self>,
    ) {
        let done = |_| WorkflowsMessage::Own(Step(Own::Answered));
        if let Err(error) = ctx.attach(work, done) {
            tracing::warn!(%error, "too much is under way beside the engine");
        }
    }

    pub(super) fn trail(&self, entry: &Entry) -> StoredTrail {
        let packs = entry.trail.packed.iter().filter_map(|chunk| {
            let pack = self.index.pack(chunk.pack)?;
            Some((chunk.pack, pack.blob))
        });
        StoredTrail { trail: entry.trail.clone(), packs: packs.collect(), trace: entry.trace }
    }

    pub(super) fn on_get(&mut self, request: Request<GetRun>, ctx: &mut Context<Self>) {
        let (GetRun { id }, reply) = request.into_parts();
        self.show(id, reply, ctx);
    }

    /// How a run stands: its actor says it, or it is read from what is stored.
    fn show(
        &mut self,
        run: RunId,
        reply: Reply<Option<RunStatusResponse>>,
        ctx: &mut Context<Self>,
    ) {
        if self.seats.has(run) {
            let order = Order { input: None, defined: None, answer: Answer::Show(reply) };
            if let Err(unsent) = self.order(run, order, ctx)
                && let Answer::Show(reply) = unsent.answer
            {
                self.show_all(run, vec![reply], ctx);
            }
            return;
        }
        self.show_all(run, vec![reply], ctx);
    }

    /// Gives the same answer to all, from what is stored.
    pub(super) fn show_all(
        &mut self,
        run: RunId,
        replies: Vec<Reply<Option<RunStatusResponse>>>,
        ctx: &mut Context<Self>,
    ) {
        if replies.is_empty() {
            return;
        }
        let Some(entry) = self.index.run(run).map(Arc::clone) else {
            return replies.into_iter().for_each(|reply| reply.send(None));
        };
        let (around, trail) = (self.surround(ctx), self.trail(&entry));
        let stuck = self.stuck(run).map(ToString::to_string);
        let work = async move {
            let _permit = around.readers.acquire().await;
            let mut status = status(&around, (run, &entry), trail).await;
            status.summary.stuck = status.summary.stuck.or(stuck);
            replies.into_iter().for_each(|reply| reply.send(Some(status.clone())));
        };
        self.beside(work, ctx);
    }

    pub(super) fn on_wait(&mut self, request: Request<WaitRun>, ctx: &mut Context<Self>) {
        let (WaitRun { id }, reply) = request.into_parts();
        let ended = self.index.run(id).is_some_and(|entry| !entry.is_open());
        if ended || !self.knows(id) || self.stuck(id).is_some() {
            return self.show_all(id, vec![reply], ctx);
        }
        let most = usize::try_from(self.config.max_waiters).unwrap_or(usize::MAX);
        self.waiters.add(id, reply, most);
    }

    pub(super) fn on_history(&mut self, request: Request<RunHistory>, ctx: &mut Context<Self>) {
        let (RunHistory { id, after, limit }, reply) = request.into_parts();
        let Some(entry) = self.index.run(id).map(Arc::clone) else { return reply.send(None) };
        let (around, trail) = (self.surround(ctx), self.trail(&entry));
        let limit = limit.clamp(1, MAX_EVENTS);
        let work = async move {
            let _permit = around.readers.acquire().await;
            match records(&around, trail).await {
                Ok(records) => {
                    let plan = |hash: &crate::definition::DefinitionHash| around.library.plan(hash);
                    reply.send(Some(view::history(&records, plan, after, limit)));
                }
                Err(error) => tracing::error!(run_id = %id, %error, "a history can't be read"),
            }
        };
        self.beside(work, ctx);
    }

    /// Both histories are read, and compared on a thread of its own: they may be long.
    pub(super) fn on_diff(&mut self, request: Request<DiffRuns>, ctx: &mut Context<Self>) {
        let (DiffRuns { a, b }, reply) = request.into_parts();
        let trail = |run: RunId| {
            let entry = self.index.run(run).ok_or(UnknownRun(run))?;
            Ok((run, self.trail(entry)))
        };
        let (a, b) = match (trail(a), trail(b)) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(unknown), _) | (_, Err(unknown)) => return reply.send(Err(unknown)),
        };
        let around = self.surround(ctx);
        let work = async move {
            let _permit = around.readers.acquire().await;
            match (compared(&around, a).await, compared(&around, b).await) {
                (Ok((a, facts_a)), Ok((b, facts_b))) => {
                    let compare = move || diff::compare((a, &facts_a), (b, &facts_b));
                    if let Ok(found) = synod_runtime::beside(compare).await {
                        reply.send(Ok(found));
                    }
                }
                (Err(error), _) | (_, Err(error)) => {
                    tracing::error!(%error, "a history can't be read");
                }
            }
        };
        self.beside(work, ctx);
    }

    pub(super) fn on_approvals(
        &mut self,
        request: Request<ListApprovals>,
        ctx: &mut Context<Self>,
    ) {
        let (question, reply) = request.into_parts();
        let (found, next) = match self.index.list_approvals(&question) {
            Ok(found) => found,
            Err(error) => return reply.send(Err(error)),
        };
        let trails = found.into_iter().filter_map(|(id, run)| {
            let entry = self.index.run(run)?;
            Some((id, self.trail(entry)))
        });
        let trails: Vec<_> = trails.collect();
        let around = self.surround(ctx);
        let work = async move {
            let _permit = around.readers.acquire().await;
            let mut page = ApprovalPage { approvals: Vec::with_capacity(trails.len()), next };
            let mut bytes = 0;
            let mut trails = trails.into_iter().peekable();
            while let Some((id, trail)) = trails.next() {
                let Some(found) = approval(&around, id, trail).await else { continue };
                bytes += serde_json::to_vec(&found).map_or(0, |text| text.len());
                page.approvals.push(found);
                if bytes >= MAX_PAGE_BYTES && trails.peek().is_some() {
                    page.next = Some(id.to_string());
                    break;
                }
            }
            reply.send(Ok(page));
        };
        self.beside(work, ctx);
    }

    pub(super) fn on_approval(&mut self, request: Request<ShowApproval>, ctx: &mut Context<Self>) {
        let (ShowApproval { id }, reply) = request.into_parts();
        let found = uuid::Uuid::try_parse(&id).ok();
        let found = found.and_then(|id| Some((id, self.index.asker(id)?.0)));
        let Some((id, run)) = found else { return reply.send(None) };
        self.read_approval(id, run, ctx, |found| reply.send(found));
    }

    /// A decision was taken: who decided is shown how the approval stands.
    pub(super) fn show_decided(
        &mut self,
        run: RunId,
        id: ApprovalId,
        reply: Reply<Result<ApprovalResponse, DecideError>>,
        ctx: &mut Context<Self>,
    ) {
        self.read_approval(id, run, ctx, |found| reply.send(found.ok_or(DecideError::NotFound)));
    }

    pub(super) fn read_approval(
        &mut self,
        id: ApprovalId,
        run: RunId,
        ctx: &mut Context<Self>,
        answer: impl FnOnce(Option<ApprovalResponse>) + Send + 'static,
    ) {
        let Some(entry) = self.index.run(run).map(Arc::clone) else { return answer(None) };
        let (around, trail) = (self.surround(ctx), self.trail(&entry));
        let work = async move {
            let _permit = around.readers.acquire().await;
            answer(approval(&around, id, trail).await);
        };
        self.beside(work, ctx);
    }
}
