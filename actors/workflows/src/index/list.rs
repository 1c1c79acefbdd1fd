//! What users see of runs that are not replayed for it.

use std::ops::Bound;

use jiff::Timestamp;

use super::{Entry, Index};
use crate::error::InvalidCursor;
use crate::history::Handle;
use crate::messages::{
    ListApprovals, Progress, RunFilter, RunId, RunPage, RunSummary, WaitKind, WaitingFor,
    WorkflowRef,
};
use crate::run::ApprovalId;

/// Most runs on a page.
const MAX_PAGE: usize = 1_000;

/// Most runs that are looked at for a page, so that a rare filter does not hold up everybody.
const MAX_LOOKED_AT: usize = 10_000;

/// Most things named that one run in a list waits for.
const MAX_WAITS: usize = 10;

/// Approvals and the runs that ask for them.
pub(crate) type Asked = Vec<(ApprovalId, RunId)>;

impl Index {
    /// A page of runs, the newest first.
    pub(crate) fn list(
        &self,
        filter: &RunFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<RunPage, InvalidCursor> {
        let before = cursor.map(|text| u64::from_str_radix(text, 16)).transpose();
        let before = before.map_err(|_| InvalidCursor)?;
        let upper = before.map_or(Bound::Unbounded, Bound::Excluded);
        let limit = limit.clamp(1, MAX_PAGE);
        let mut page = RunPage { runs: Vec::new(), next: None };
        let newest_first = self.by_sequence.range((Bound::Unbounded, upper)).rev();
        for (looked_at, (sequence, run)) in newest_first.enumerate() {
            if page.runs.len() == limit || looked_at == MAX_LOOKED_AT {
                page.next = Some(format!("{:x}", sequence + 1));
                break;
            }
            let entry = self.runs.get(run).filter(|entry| satisfies(entry, filter));
            page.runs.extend(entry.map(|entry| summary(*run, entry)));
        }
        Ok(page)
    }

    /// Approvals from a cursor on, in order of their ids, which is that of their requests: open
    /// ones from the first on, others from the last.
    pub(crate) fn list_approvals(
        &self,
        question: &ListApprovals,
    ) -> Result<(Asked, Option<String>), InvalidCursor> {
        let cursor = question.cursor.as_deref();
        let seen = cursor.map(uuid::Uuid::try_parse).transpose().map_err(|_| InvalidCursor)?;
        let seen = seen.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(if question.decided {
            page(self.decided.range((Bound::Unbounded, seen)).rev(), question)
        } else {
            page(self.approvals.range((seen, Bound::Unbounded)), question)
        })
    }
}

/// The approvals that are asked for, and the cursor of those that follow.
fn page<'a>(
    all: impl Iterator<Item = (&'a ApprovalId, &'a RunId)>,
    question: &ListApprovals,
) -> (Asked, Option<String>) {
    let limit = question.limit.clamp(1, MAX_PAGE);
    let (mut found, mut last) = (Vec::new(), None);
    for (looked_at, (id, asker)) in all.enumerate() {
        if found.len() == limit || looked_at == MAX_LOOKED_AT {
            return (found, last);
        }
        last = Some(id.to_string());
        if question.run.is_none_or(|run| run == *asker) {
            found.push((*id, *asker));
        }
    }
    (found, None)
}

fn satisfies(entry: &Entry, filter: &RunFilter) -> bool {
    let RunFilter { state, name, label, priority } = filter;
    state.is_none_or(|state| entry.standing.state == state)
        && name.as_ref().is_none_or(|name| *entry.name == **name)
        && label.as_ref().is_none_or(|(key, value)| entry.labels.get(key) == Some(value))
        && priority.is_none_or(|priority| entry.priority == priority)
}

/// A run in few words.
pub(crate) fn summary(run: RunId, entry: &Entry) -> RunSummary {
    RunSummary {
        run_id: run,
        workflow: WorkflowRef {
            name: entry.name.to_string(),
            version: entry.version.to_string(),
            hash: entry.definition.to_string(),
        },
        state: entry.standing.state,
        priority: entry.priority,
        labels: entry.labels.clone(),
        progress: progress(entry.standing.done, entry.standing.total),
        started_by: entry.principal.to_string(),
        accepted_at: time(entry.accepted_at),
        started_at: entry.started_at.map(time),
        ended_at: entry.ended_at.map(time),
        waiting_for: waits(entry),
        trace_id: entry.trace.map(|trace| trace.trace_hex()),
        stuck: None,
    }
}

/// What it waits for, as far as the outside can bring it.
fn waits(entry: &Entry) -> Vec<WaitingFor> {
    let wait = |handle: &Handle| {
        let (what, until, on) = match handle {
            Handle::Approval { id, deadline } => (WaitKind::Approval, *deadline, id.to_string()),
            Handle::Topic(topic) => (WaitKind::Message, None, topic.to_string()),
            Handle::Child(run) => (WaitKind::Run, None, run.to_string()),
        };
        WaitingFor { step: None, what, until: until.map(time), on: Some(on) }
    };
    entry.handles.iter().take(MAX_WAITS).map(wait).collect()
}

/// How much is done.
pub(crate) fn progress(done: u32, total: u32) -> Progress {
    let percent = f64::from(done) * 100.0 / f64::from(total.max(1));
    Progress { percent, done: done.into(), total: total.into() }
}

/// A recorded time; one that no calendar has is the epoch.
pub(crate) fn time(utc: i64) -> Timestamp {
    Timestamp::from_microsecond(utc).unwrap_or_default()
}
