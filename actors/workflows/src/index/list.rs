//! What users see of runs that are not replayed for it.

use std::ops::Bound;

use jiff::Timestamp;

use super::{Entry, Index};
use crate::error::InvalidCursor;
use crate::messages::{Progress, RunFilter, RunId, RunPage, RunSummary, WorkflowRef};
use crate::run::ApprovalId;

/// Most runs on a page.
const MAX_PAGE: usize = 1_000;

/// Most runs that are looked at for a page, so that a rare filter does not hold up everybody.
const MAX_LOOKED_AT: usize = 10_000;

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

    /// Open approvals from a cursor on, in order of their ids, which is that of their requests.
    pub(crate) fn list_approvals(
        &self,
        run: Option<RunId>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Asked, Option<String>), InvalidCursor> {
        let after = cursor.map(uuid::Uuid::try_parse).transpose().map_err(|_| InvalidCursor)?;
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let limit = limit.clamp(1, MAX_PAGE);
        let (mut found, mut next) = (Vec::new(), None);
        for (looked_at, (id, asker)) in self.approvals.range((lower, Bound::Unbounded)).enumerate()
        {
            if found.len() == limit || looked_at == MAX_LOOKED_AT {
                break;
            }
            next = Some(id.to_string());
            if run.is_none_or(|run| run == *asker) {
                found.push((*id, *asker));
            }
        }
        let last = self.approvals.last_key_value().map(|(id, _)| id.to_string());
        Ok((found, next.filter(|next| last.as_ref() != Some(next))))
    }
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
        waiting_for: Vec::new(),
        trace_id: entry.trace.map(|trace| trace.trace_hex()),
    }
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
