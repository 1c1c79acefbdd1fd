//! Time: what is due when, by recorded UTC times.

use super::begin::after;
use super::effect::Effect;
use super::event::{Ending, Event, Failure};
use super::state::Phase;
use super::ticket::{Part, Spot};
use super::unit::{Hold, Unit};
use super::{Out, Run};
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::plan::Action;

/// What is due for a piece of work.
enum Due {
    /// Its next attempt.
    Again,
    /// Its end: the time that it waited for has come.
    Over,
    /// It was given this time, and did not use it.
    TimedOut(&'static str),
    /// It has used up what all its attempts may take.
    Spent,
    /// The next step of an approval's escalation.
    Escalation,
    /// An approval's deadline.
    Undecided,
}

impl Run {
    /// Watches the time for the work at this spot.
    pub(super) fn arm(&mut self, spot: Spot) {
        if let Some((at, _)) = self.next_due(spot) {
            self.set_timer(Some(spot), at);
        }
    }

    /// Watches the time for the run as a whole.
    pub(super) fn arm_run(&mut self) {
        let deadline = self.level().deadline;
        let last = self.last_moment();
        let at = if self.state.phase == Phase::Working && self.state.paused.is_none() {
            deadline.min(last)
        } else {
            last
        };
        if at < i64::MAX {
            self.set_timer(None, at);
        }
    }

    /// There is one timer for each piece of work, and one for the run as a whole.
    fn set_timer(&mut self, spot: Option<Spot>, at: i64) {
        if let Some(before) = self.alarms.insert(spot, at) {
            self.timers.remove(&(before, spot));
        }
        self.timers.insert((at, spot));
    }

    /// Takes out the next timer.
    fn pop_timer(&mut self) {
        if let Some((_, spot)) = self.timers.pop_first() {
            self.alarms.remove(&spot);
        }
    }

    /// Takes out all timers.
    pub(super) fn clear_timers(&mut self) {
        self.timers.clear();
        self.alarms.clear();
    }

    /// When the run must have ended, whatever it is about.
    fn last_moment(&self) -> i64 {
        let limit = self.plans[0].limits.duration_s;
        match (limit, self.state.began_at) {
            (Some(limit), Some(began_at)) => after(began_at, limit.as_millis()),
            _ => i64::MAX,
        }
    }

    /// Asks to be woken when the next thing is due, if that is another time than before.
    pub(super) fn ask_to_wake(&mut self, out: &mut Out<'_>) {
        if self.state.phase == Phase::Ended {
            self.clear_timers();
        }
        // Work that has ended needs no waking.
        while let Some((_, Some(spot))) = self.timers.first()
            && !self.level().units.contains_key(spot)
        {
            self.pop_timer();
        }
        let next = self.timers.first().map(|(at, _)| *at);
        if next != self.wake {
            self.wake = next;
            out.effects.push(Effect::WakeAt(next));
        }
    }

    /// Does what is due.
    pub(super) fn wake_up(&mut self, out: &mut Out<'_>) {
        self.wake = None;
        while let Some((at, spot)) = self.timers.first().copied() {
            if at > out.now {
                break;
            }
            self.pop_timer();
            match spot {
                Some(spot) => self.come_due(spot, out),
                None => self.run_due(out),
            }
        }
    }

    fn run_due(&mut self, out: &mut Out<'_>) {
        let working = self.state.phase == Phase::Working;
        if out.now >= self.last_moment() && self.state.phase != Phase::Ended {
            let message = "the run has taken as long as its limits allow";
            let failure = Failure::new(ErrorKind::Timeout, message);
            let ending = self.state.ending.clone();
            let ending = ending.unwrap_or(Ending::Failed { failure, step: None });
            return self.emit(Event::Ended { ending }, out);
        }
        if working && self.state.paused.is_none() && out.now >= self.level().deadline {
            let message = match self.state.depth() {
                0 => "the run was not done in its time",
                _ => "the fallback was not done in its time",
            };
            let failure = Failure::new(ErrorKind::Timeout, message);
            self.emit(Event::LevelFailed { failure }, out);
        }
        self.arm_run();
    }

    fn come_due(&mut self, spot: Spot, out: &mut Out<'_>) {
        let Some((at, due)) = self.next_due(spot) else { return };
        if at > out.now {
            return self.set_timer(Some(spot), at);
        }
        match due {
            // A paused run begins nothing; its timers are armed anew when it goes on.
            Due::Again if self.state.paused.is_some() => {}
            Due::Again => self.begin_again(spot, out),
            Due::Over => {
                let event = Event::Succeeded { spot, output: Json::null(), agent: None, ran_us: 0 };
                self.emit(event, out);
            }
            Due::TimedOut(message) => {
                let failure = Failure::new(ErrorKind::Timeout, message);
                self.attempt_failed(spot, failure, None, out);
            }
            Due::Spent => {
                let message = "all its attempts took as long as its budget allows";
                self.give_up(spot, Failure::new(ErrorKind::BudgetExceeded, message), out);
            }
            Due::Escalation => self.escalate(spot, out),
            Due::Undecided => self.undecided(spot, out),
        }
    }

    /// What is due next for the work at this spot, and when.
    fn next_due(&self, spot: Spot) -> Option<(i64, Due)> {
        let unit = self.level().units.get(&spot)?;
        let action = self.action(spot)?;
        let finish = action.timeout.finish_s.map(|span| after(unit.attempt_at, span.as_millis()));
        let in_time = finish.map(|at| (at, Due::TimedOut("it was not done in its time")));
        let own = match &unit.hold {
            Hold::Backoff { until } => Some((*until, Due::Again)),
            Hold::Timer { until } => Some((*until, Due::Over)),
            Hold::Execution => earlier(in_time, self.silence(spot, unit, action)),
            Hold::Child { .. } => in_time,
            Hold::Approval(question) => earlier(in_time, self.approval_due(spot, question)),
            Hold::Message { until, .. } => {
                until.map(|until| (until, Due::TimedOut("no such message came in time")))
            }
            Hold::Emission { .. } => None,
        };
        earlier(own, self.end_of_unit(spot, unit, action))
    }

    /// When the silence of who executes it has lasted too long.
    fn silence(&self, spot: Spot, unit: &Unit, action: &Action) -> Option<(i64, Due)> {
        let span = action.timeout.heartbeat_s?;
        let seen = self.pulses.get(&spot).copied().unwrap_or(unit.attempt_at);
        Some((after(seen, span.as_millis()), Due::TimedOut("it gave no sign of life in time")))
    }

    /// When all its attempts together have lasted too long; what is not a step of its level has
    /// no deadline but this.
    fn end_of_unit(&self, spot: Spot, unit: &Unit, action: &Action) -> Option<(i64, Due)> {
        let budget = action.budget.time_s.map(|time| after(unit.began_at, time.as_millis()));
        let apart = !matches!(spot.part, Part::Whole | Part::Item(_));
        let plan = apart.then(|| unit.began_at.saturating_add(self.timeout_us()));
        budget.into_iter().chain(plan).min().map(|at| (at, Due::Spent))
    }

    fn approval_due(&self, spot: Spot, question: &super::unit::Question) -> Option<(i64, Due)> {
        let deadline = question.asked.deadline.map(|at| (at, Due::Undecided));
        let next = self.approval_plan(spot)?.escalate.get(question.escalated as usize);
        let next = next.map(|step| after(question.asked_at, step.after.as_millis()));
        earlier(deadline, next.map(|at| (at, Due::Escalation)))
    }

    /// When the result of this work is of no more use.
    pub(super) fn deadline(&self, spot: Spot, unit: &Unit, action: &Action) -> i64 {
        let finish = action.timeout.finish_s.map(|span| after(unit.attempt_at, span.as_millis()));
        let whole = match spot.part {
            Part::Whole | Part::Item(_) => self.level().deadline,
            _ => i64::MAX,
        };
        let end = self.end_of_unit(spot, unit, action).map_or(i64::MAX, |(at, _)| at);
        finish.unwrap_or(i64::MAX).min(whole).min(end).min(self.last_moment())
    }
}

fn earlier(one: Option<(i64, Due)>, other: Option<(i64, Due)>) -> Option<(i64, Due)> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.0 < one.0 { other } else { one }),
        (one, other) => one.or(other),
    }
}
