//! Waking conversations whose time has come, and forgetting those that ended long ago.

use std::time::Duration;

use synod_runtime::{Context, TimerKey};

use super::Desk;
use super::own::{Event, Own};
use crate::desk::messages::DeskMessage;
use crate::desk::records::EntryV1;
use crate::protocol::{Moment, Protocol};

/// Conversations that are woken, or forgotten, in one turn.
const TURN: usize = 256;

/// The least time between two turns of waking: a protocol that wants to be woken at once, again and
/// again, gets no more.
const LEAST: Duration = Duration::from_millis(1);

/// The same while as many inputs wait for the journal as may.
const PATIENCE: Duration = Duration::from_millis(100);

/// The least time until conversations are forgotten because nothing else happens.
const FORGET: Duration = Duration::from_secs(1);

/// The timer that is set, and for when.
pub(super) struct Alarm {
    at: Moment,
    timer: TimerKey,
}

impl<P: Protocol> Desk<P> {
    /// Sets the timer for what wants to happen next.
    pub(super) fn arm(&mut self, ctx: &mut Context<Self>) {
        if self.refusal.is_some() {
            return;
        }
        let kept = Duration::from_secs(self.config.keep_ended_s);
        let now = self.now(ctx);
        // Not at once where one has to wait until its agents are told.
        let soonest = now.after(FORGET);
        let forget = self.book.first_end().map(|ended| ended.after(kept).max(soonest));
        let Some(at) = self.book.next_wake().into_iter().chain(forget).min() else { return };
        if let Some(alarm) = &self.alarm {
            if alarm.at <= at {
                return;
            }
            ctx.cancel_timer(alarm.timer);
        }
        let least = if self.is_full() { PATIENCE } else { LEAST };
        let delay = now.until(at).max(least);
        let timer = ctx.send_after(delay, DeskMessage::Own(Own(Event::Wake)));
        self.alarm = Some(Alarm { at, timer });
    }

    pub(super) fn on_wake(&mut self, ctx: &mut Context<Self>) {
        self.alarm = None;
        if self.refusal.is_some() || self.is_full() {
            return;
        }
        let now = self.now(ctx);
        for id in self.book.due(now, TURN) {
            if let Some(change) = self.book.wake(id, now, None) {
                self.gather(id, EntryV1::Woken { id, at: now, told: None }, change, None);
            }
        }
    }

    /// Forgets conversations that ended long ago, or that are more than are kept.
    pub(super) fn forget(&mut self, ctx: &Context<Self>) {
        let Some(first) = self.book.first_end() else { return };
        if self.refusal.is_some() {
            return;
        }
        let now = self.now(ctx);
        let kept = Duration::from_secs(self.config.keep_ended_s);
        let over = self.book.ended_count() > self.config.keep_ended;
        if !over && first.after(kept) > now {
            return;
        }
        let micros = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
        let before = Moment(now.0.saturating_sub(micros));
        let ids = self.book.forgettable(before, self.config.keep_ended, TURN);
        if ids.is_empty() {
            return;
        }
        ids.iter().for_each(|id| self.book.forget(*id, now));
        self.gather_entry(EntryV1::Forgotten { at: now, ids }, Vec::new());
    }
}
