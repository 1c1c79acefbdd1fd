//! The end of an execution: what it means for the agent, the part and the task.

use bytes::Bytes;
use rand::RngExt;
use synod_agents::{AgentError, AgentErrorKind, WorkId};

use super::{Command, Effects, Event, TaskMachine, find};
use crate::config::TasksConfig;
use crate::matching::{AgentSlot, Showing};
use crate::modes::requirement;
use crate::stats::Ran;
use crate::task::{Body, Failure, FailureKind, Moment, Needs, Phase, TaskId, TaskMode};

/// An execution that is lost sooner than this after it was handed over, in microseconds, was most
/// likely never worked on.
const SOON_US: u64 = 1_000_000;

/// How an execution ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With an output, and perhaps a state that the agent wants kept.
    Done { output: Body, saved: Option<Bytes> },
    /// With an error that the agent gave.
    Error(AgentError),
    /// It was lost: the agent crashed or is gone, or the connection broke.
    Lost(String),
    /// It never began: the agent's mailbox was full.
    Undelivered,
    /// No answer came before its deadline.
    Overdue,
}

/// What becomes of a part.
enum Fate {
    Done {
        output: Body,
        saved: Option<Bytes>,
    },
    /// The agent erred; whether another attempt may help, and not before when (microseconds).
    Erred {
        failure: Failure,
        again: bool,
        not_before: Option<u64>,
    },
    Lost(String),
    /// Undone, and why.
    Returned(Failure),
}

impl TaskMachine {
    pub(super) fn finished(
        &mut self,
        now: Moment,
        work: WorkId,
        agent: AgentSlot,
        outcome: Outcome,
        ran_us: u64,
        out: &mut Effects,
    ) {
        if matches!(outcome, Outcome::Overdue) {
            // It may still be at it.
            out.commands.push(Command::Cancel { agent, work });
        }
        let combines = self.task(work.task).is_some_and(|task| task.combines());
        let (fate, showing) = self.judge(outcome, ran_us, combines);
        self.matching.release(agent, showing, now.mono);
        if !self.active || !self.is_current(&work) {
            self.stats.late += u64::from(!matches!(fate, Fate::Returned(_)));
            return;
        }
        self.count_execution(work, &fate, ran_us);
        let (id, part) = (work.task, work.part);
        match fate {
            Fate::Done { output, saved } => {
                self.emit(now, id, Event::Succeeded { part, output, saved }, out);
                self.part_ended(now, id, part, out);
            }
            Fate::Erred { failure, again, not_before } => {
                self.erred(now, id, part, failure, again, not_before, out);
            }
            Fate::Lost(why) => self.lost(now, work, why, ran_us, out),
            Fate::Returned(why) => {
                let why = self.set_back(id, part, why.kind, &why.message);
                self.emit(now, id, Event::Returned { part, why: Some(why) }, out);
                self.requeue(now, id, part, out);
            }
        }
    }

    /// Whether a result of this name is still waited for.
    fn is_current(&self, work: &WorkId) -> bool {
        let Some(task) = self.task(work.task) else { return false };
        let Some(part) = task.parts.get(usize::from(work.part)) else { return false };
        matches!(part.phase, Phase::Running { .. }) && self.work_of(task, work.part, part) == *work
    }

    fn judge(&self, outcome: Outcome, ran_us: u64, combines: bool) -> (Fate, Showing) {
        let failed = |failure, again, not_before| {
            (Fate::Erred { failure, again, not_before }, Showing::Failed(ran_us))
        };
        match outcome {
            Outcome::Done { output, saved } => {
                match self.oversize(&output, saved.as_ref(), combines) {
                    Some(failure) => failed(failure, false, None),
                    None => (Fate::Done { output, saved }, Showing::Succeeded(ran_us)),
                }
            }
            Outcome::Lost(why) => (Fate::Lost(why), Showing::Lost),
            Outcome::Undelivered => {
                let why = "it could not be handed over: the agent was full or gone";
                let failure = Failure::new(FailureKind::Unavailable, why);
                (Fate::Returned(failure), Showing::Refused(None))
            }
            Outcome::Overdue => {
                let message = "the agent gave no answer in time";
                failed(Failure::new(FailureKind::Timeout, message), true, None)
            }
            Outcome::Error(error) => {
                let wait = error.retry_after_ms.map(|ms| ms.saturating_mul(1_000));
                match error.kind {
                    AgentErrorKind::Unavailable | AgentErrorKind::RateLimited => {
                        (Fate::Returned(error.into()), Showing::Refused(wait))
                    }
                    AgentErrorKind::Cancelled => (Fate::Returned(error.into()), Showing::Nothing),
                    AgentErrorKind::Lost => (Fate::Lost(error.message), Showing::Lost),
                    _ => {
                        let again = error.retryable();
                        failed(error.into(), again, wait)
                    }
                }
            }
        }
    }

    /// Why an output can't be taken, if it can't.
    fn oversize(&self, output: &Body, saved: Option<&Bytes>, combines: bool) -> Option<Failure> {
        let bytes = output.length();
        let saved = saved.map_or(0, |state| state.len() as u64);
        let TasksConfig { max_result_bytes, max_collected_bytes, .. } = self.config;
        let most = if combines { max_collected_bytes } else { max_result_bytes };
        let most_saved = self.config.max_agent_state_bytes;
        let message = if bytes > most {
            format!("the output of {bytes} bytes is over the limit of {most}")
        } else if saved > most_saved {
            format!("the saved state of {saved} bytes is over the limit of {most_saved}")
        } else {
            return None;
        };
        Some(Failure::new(FailureKind::TooLarge, message))
    }

    fn count_execution(&mut self, work: WorkId, fate: &Fate, ran_us: u64) {
        let ran = match fate {
            Fate::Done { .. } => Ran::Completed(ran_us),
            Fate::Erred { .. } => Ran::Failed,
            Fate::Lost(_) => Ran::Lost,
            Fate::Returned(_) => return,
        };
        let Some(task) = find(&self.book, &self.executions, work.task) else { return };
        let Some(part) = task.parts.get(usize::from(work.part)) else { return };
        self.stats.ran(&requirement(&task.spec, &part.needs), ran);
    }

    #[expect(clippy::too_many_arguments, reason = "one execution's end, taken apart")]
    fn erred(
        &mut self,
        now: Moment,
        id: TaskId,
        number: u16,
        failure: Failure,
        again: bool,
        not_before: Option<u64>,
        out: &mut Effects,
    ) {
        self.note_retry(id, not_before);
        let Some(task) = self.task(id) else { return };
        let Some(part) = task.parts.get(usize::from(number)) else { return };
        let (retry, errors) = (task.spec.retry, part.errors + 1);
        if !again || errors >= retry.max_attempts {
            return self.fail_part(now, id, number, failure, out);
        }
        let asked = i64::try_from(not_before.unwrap_or(0)).unwrap_or(i64::MAX);
        let wait = retry.wait_us(errors, self.chance.random::<f64>()).max(asked);
        let until = now.utc.saturating_add(wait);
        self.emit(now, id, Event::Retried { part: number, failure, until }, out);
        self.start_backoff(now, id, number, until);
    }

    /// Queues a lost part again, unless it has been lost too often: at once if that was the first
    /// loss and the execution had gone on for a while, else after the wait of its retry policy.
    /// What breaks at once would else use up all its losses before anybody can mend it.
    fn lost(&mut self, now: Moment, work: WorkId, why: String, ran_us: u64, out: &mut Effects) {
        let (id, number) = (work.task, work.part);
        if !self.survives_loss(now, id, number, why, out) {
            return;
        }
        let losses = self.part(id, number).map_or(0, |part| part.lost);
        let retry = self.task(id).map(|task| task.spec.retry).unwrap_or_default();
        let wait = match losses {
            1 if ran_us >= SOON_US => 0,
            losses => retry.wait_us(losses, self.chance.random::<f64>()),
        };
        if wait == 0 || self.is_stranded(id, number) {
            return self.requeue(now, id, number, out);
        }
        // The part is ready and stays so in the records: a node that starts anew does not wait.
        self.start_backoff(now, id, number, now.utc.saturating_add(wait));
    }

    /// Counts a loss; whether the part may be tried again. If not, it has failed.
    pub(super) fn survives_loss(
        &mut self,
        now: Moment,
        id: TaskId,
        number: u16,
        why: String,
        out: &mut Effects,
    ) -> bool {
        let most = self.task(id).map_or(0, |task| task.spec.retry.max_lost);
        let lost = self.part(id, number).map_or(0, |part| part.lost);
        if lost < most {
            let why = self.set_back(id, number, FailureKind::Lost, &why);
            self.emit(now, id, Event::Lost { part: number, why: Some(why) }, out);
            return true;
        }
        let message = format!("{} executions were lost, the last one because: {why}", lost + 1);
        let failure = Failure::new(FailureKind::Lost, message);
        self.fail_part(now, id, number, failure, out);
        false
    }

    /// Queues a part again at its old place; one that is for an agent which is gone fails.
    pub(super) fn requeue(&mut self, now: Moment, id: TaskId, number: u16, out: &mut Effects) {
        if self.is_stranded(id, number) {
            return self.fail_stranded(now, id, number, out);
        }
        self.enqueue(id, number);
    }

    /// Whether a part can be done by one agent alone, as its voice or its racer, which is gone.
    pub(super) fn is_stranded(&self, id: TaskId, number: u16) -> bool {
        let Some(task) = self.task(id) else { return false };
        let Some(part) = task.parts.get(usize::from(number)) else { return false };
        matches!(task.spec.mode, TaskMode::Consensus | TaskMode::Competitive)
            && matches!(part.needs, Needs::Agent(_))
            && !self.matching.is_served(part.class)
    }

    pub(super) fn fail_stranded(
        &mut self,
        now: Moment,
        id: TaskId,
        number: u16,
        out: &mut Effects,
    ) {
        let failure = Failure::new(FailureKind::Unavailable, "the agent is gone");
        self.fail_part(now, id, number, failure, out);
    }

    /// Fails a part for good, and lets its task go on from there.
    pub(super) fn fail_part(
        &mut self,
        now: Moment,
        id: TaskId,
        number: u16,
        failure: Failure,
        out: &mut Effects,
    ) {
        self.emit(now, id, Event::PartFailed { part: number, failure }, out);
        self.part_ended(now, id, number, out);
    }
}
