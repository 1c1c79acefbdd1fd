//! What happens to a piece of work between its begin and its end: attempts, losses, decisions.

use super::Run;
use super::event::Event;
use super::ticket::{Part, Spot, Ticket};
use super::unit::{Hold, Question, Unit};

/// Why an event is no good that is about nothing.
const UNKNOWN: &str = "it is about work that is not under way";

impl Run {
    /// Applies an event about a piece of work under way.
    pub(super) fn change_unit(&mut self, at: i64, event: &Event) -> Result<(), &'static str> {
        match event {
            Event::Retrying { spot, failure, until } => {
                let unit = self.level_mut().units.get_mut(spot).ok_or(UNKNOWN)?;
                unit.errors += 1;
                // What is being executed is told to stop by whoever decided this.
                let dropped = unit.clone();
                self.level_mut().set_hold(*spot, Hold::Backoff { until: *until });
                if spot.part == Part::Whole {
                    self.level_mut().rows[spot.step.at()].failure = Some(Box::new(failure.clone()));
                }
                self.drop_units([(*spot, dropped)]);
            }
            Event::Again { spot, begun } => {
                let hold = Hold::of(begun, at).ok_or("a group has no attempts")?;
                self.next_attempt(at, *spot, hold).ok_or(UNKNOWN)?;
            }
            Event::Lost { spot, .. } => {
                self.next_attempt(at, *spot, Hold::Execution).ok_or(UNKNOWN)?.lost += 1;
            }
            Event::Redispatched { spot } => {
                let (revision, level) = (self.state.revision, self.level_mut());
                let unit = level.units.get_mut(spot).ok_or(UNKNOWN)?;
                // The same attempt; only its step may be called otherwise by now.
                unit.ticket = Ticket { revision, spot: *spot, ..unit.ticket };
                let handed_back = std::mem::take(&mut unit.handed_back);
                unit.lost += u32::from(!handed_back);
                unit.attempt_at = at;
            }
            Event::Decided { spot, decided } => {
                self.question_at(*spot)?.decisions.push((decided.clone(), at));
            }
            Event::Spent { spot, usage } => {
                let level = self.level_mut();
                let unit = level.units.get_mut(spot).ok_or(UNKNOWN)?;
                unit.spent = unit.spent.and(*usage);
                if matches!(spot.part, Part::Whole | Part::Item(_)) {
                    let row = &mut level.rows[spot.step.at()];
                    row.spent = row.spent.and(*usage);
                }
            }
            Event::Escalated { spot, number } => self.question_at(*spot)?.escalated = *number,
            _ => return Err("it has no place here"),
        }
        Ok(())
    }

    /// The approval that waits at this spot.
    fn question_at(&mut self, spot: Spot) -> Result<&mut Question, &'static str> {
        let unit = self.level_mut().units.get_mut(&spot).ok_or(UNKNOWN)?;
        match &mut unit.hold {
            Hold::Approval(question) => Ok(question),
            _ => Err("it is about an approval where there is none"),
        }
    }

    /// Begins the next attempt of a piece of work.
    fn next_attempt(&mut self, at: i64, spot: Spot, hold: Hold) -> Option<&mut Unit> {
        let before = self.level().units.get(&spot)?.ticket;
        let ticket = self.ticket(spot, before.visit, before.attempt + 1);
        let level = self.level_mut();
        level.set_hold(spot, hold);
        if spot.part == Part::Whole {
            level.rows[spot.step.at()].attempts = ticket.attempt;
        }
        let unit = level.units.get_mut(&spot)?;
        unit.ticket = ticket;
        unit.attempt_at = at;
        unit.handed_back = false;
        Some(unit)
    }
}
