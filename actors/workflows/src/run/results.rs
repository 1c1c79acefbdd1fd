//! What comes back from outside: results, messages, signs of life. It counts only if it is waited
//! for.

use std::sync::Arc;

use super::event::{Event, Failure};
use super::input::Fault;
use super::state::Phase;
use super::ticket::{Spot, Ticket};
use super::unit::Hold;
use super::{Out, Run};
use crate::definition::model::ErrorKind;
use crate::json::Json;
use crate::messages::RunId;

/// Late results that are recorded; more are ignored all the same.
const MAX_LATE: u32 = 100;

impl Run {
    pub(super) fn executed(
        &mut self,
        ticket: Ticket,
        outcome: Result<Json, Fault>,
        agent: Option<Arc<str>>,
        ran_us: u64,
        out: &mut Out<'_>,
    ) {
        let waited = self.waited_for(ticket, |hold| *hold == Hold::Execution);
        let Some(spot) = waited else { return self.late(ticket, outcome.err(), out) };
        out.answered = Some(ticket);
        if let Some(failure) = self.overspent(spot, outcome.as_ref().err()) {
            return self.give_up(spot, Failure { agent, ..failure }, out);
        }
        match outcome {
            Ok(output) => self.succeed(spot, output, agent, ran_us, out),
            Err(fault) if fault.kind == ErrorKind::Lost => self.attempt_lost(spot, &fault, out),
            Err(fault) => {
                let Fault { kind, message, retry_after_ms } = fault;
                self.attempt_failed(spot, Failure { kind, message, agent }, retry_after_ms, out);
            }
        }
    }

    /// Takes a result, unless it is larger than a value may be: that is final.
    pub(super) fn succeed(
        &mut self,
        spot: Spot,
        output: Json,
        agent: Option<Arc<str>>,
        ran_us: u64,
        out: &mut Out<'_>,
    ) {
        let (size, most) = (output.size(), self.payload_bytes());
        if size > most {
            let message = format!("the output has {size} bytes, and {most} are allowed").into();
            let failure = Failure { kind: ErrorKind::Oversize, message, agent };
            return self.give_up(spot, failure, out);
        }
        self.emit(Event::Succeeded { spot, output, agent, ran_us }, out);
    }

    pub(super) fn emitted(&mut self, ticket: Ticket, out: &mut Out<'_>) {
        let waited = self.waited_for(ticket, |hold| matches!(hold, Hold::Emission { .. }));
        if let Some(spot) = waited {
            self.succeed(spot, Json::null(), None, 0, out);
        }
    }

    pub(super) fn child_ended(
        &mut self,
        run: RunId,
        ticket: Ticket,
        outcome: Result<Json, Fault>,
        out: &mut Out<'_>,
    ) {
        if self.state.phase == Phase::Ended {
            return;
        }
        let waited = self.waited_for(ticket, |hold| *hold == Hold::Child { run });
        if let Some(spot) = waited {
            out.answered = Some(ticket);
            match outcome {
                Ok(output) => self.succeed(spot, output, None, 0, out),
                Err(Fault { kind, message, retry_after_ms }) => {
                    let failure = Failure::new(kind, message);
                    self.attempt_failed(spot, failure, retry_after_ms, out);
                }
            }
        }
        // Told to stop before, or just now because its result could not be taken.
        if self.state.stopping.contains_key(&run) {
            self.emit(Event::ChildStopped { run }, out);
        }
    }

    /// Silence counts from the last sign of life on.
    pub(super) fn heartbeat(&mut self, ticket: Ticket, at: i64, now: i64) {
        if let Some(spot) = self.waited_for(ticket, |hold| *hold == Hold::Execution) {
            let pulse = self.pulses.entry(spot).or_insert(at.min(now));
            *pulse = (*pulse).max(at.min(now));
            self.arm(spot);
        }
    }

    /// The executions under way are taken back: that is no loss of theirs.
    pub(super) fn hand_back(&mut self, out: &mut Out<'_>) {
        if self.level().executing > 0 && self.state.phase != Phase::Ended {
            self.emit(Event::HandedBack, out);
        }
    }

    /// Where the attempt of this ticket is under way.
    fn waited_for(&self, ticket: Ticket, fits: impl Fn(&Hold) -> bool) -> Option<Spot> {
        let spot = self.spot_of(&ticket)?;
        let unit = self.level().units.get(&spot)?;
        (unit.ticket == ticket && fits(&unit.hold)).then_some(spot)
    }

    /// Records that something came too late, unless that was recorded often.
    fn late(&mut self, ticket: Ticket, fault: Option<Fault>, out: &mut Out<'_>) {
        if self.state.phase != Phase::Ended && self.state.late < MAX_LATE {
            let error = fault.map(|fault| fault.kind);
            self.emit(Event::Late { ticket, error }, out);
        }
    }
}
