//! Going on after a crash: what was begun and has not ended is begun again.

use super::effect::Effect;
use super::event::Event;
use super::input::Fault;
use super::state::Phase;
use super::ticket::Spot;
use super::unit::Hold;
use super::{Out, Run};
use crate::definition::model::ErrorKind;

impl Run {
    /// Goes on with a run that a replay gave: gives the effects of all that was begun and has not
    /// ended, under the same tickets, and does what has become due since.
    ///
    /// An execution that is repeated counts as lost, as nobody knows how far it came; unless it was
    /// taken back in order.
    pub fn resume(&mut self, now: i64, events: &mut Vec<Event>, effects: &mut Vec<Effect>) {
        let mut out = Out { now, events, effects, answered: None };
        if matches!(self.state.phase, Phase::Pending | Phase::Ended) {
            return;
        }
        self.clear_timers();
        self.wake = None;
        self.touched = self.level().groups.keys().copied().collect();
        self.arm_run();
        for (run, ticket) in &self.state.stopping {
            out.effects.push(Effect::CancelChild { run: *run, ticket: *ticket });
        }
        let spots: Vec<Spot> = self.level().units.keys().copied().collect();
        for spot in spots {
            self.relaunch(spot, &mut out);
        }
        self.advance(&mut out);
        self.ask_to_wake(&mut out);
    }

    fn relaunch(&mut self, spot: Spot, out: &mut Out<'_>) {
        // What was found lost too often may have ended the others.
        let Some(unit) = self.level().units.get(&spot) else { return };
        if unit.hold != Hold::Execution {
            return self.launch(spot, out);
        }
        if let Some(failure) = self.used_up(spot) {
            out.answered = Some(unit.ticket);
            return self.give_up(spot, failure, out);
        }
        let most = self.action(spot).map_or(0, |action| action.retry.max_lost);
        if unit.lost >= most && !unit.handed_back {
            let fault = Fault::new(ErrorKind::Lost, "the engine went down during it");
            // Whoever executed it is gone with the engine.
            out.answered = Some(unit.ticket);
            return self.attempt_lost(spot, &fault, out);
        }
        self.emit(Event::Redispatched { spot }, out);
        self.launch(spot, out);
    }
}
