//! Steps that are made of several pieces of work: the items of a list, the racers of a race.

use super::event::{Event, Failure};
use super::ticket::Spot;
use super::{Out, Run};
use crate::definition::model::ErrorKind;
use crate::plan::{StepIndex, StepWork};

/// What is next for a group.
enum Next {
    Nothing,
    Begin(u32),
    Join,
    Fail(Failure),
}

impl Run {
    /// Looks after a group that something happened to.
    pub(super) fn tend(&mut self, step: StepIndex, out: &mut Out<'_>) {
        match self.next_of(step) {
            Next::Nothing => {}
            Next::Begin(item) => {
                let spot = Spot::item(step, item);
                if let Some(action) = self.action(spot).cloned() {
                    self.begin(spot, &action, out);
                }
            }
            Next::Join => self.join(step, out),
            Next::Fail(failure) => self.give_up(Spot::whole(step), failure, out),
        }
    }

    fn next_of(&self, step: StepIndex) -> Next {
        let Some(group) = self.level().groups.get(&step) else { return Next::Nothing };
        let (failed, completed) = (group.failed, group.completed);
        let lost = if group.race { failed == group.count } else { failed > 0 };
        if let (true, Some(failure)) = (lost, &group.failure) {
            return Next::Fail(failure.clone());
        }
        if group.winner.is_some() && group.race || completed == group.count {
            return Next::Join;
        }
        let most = match &self.plan().step(step).work {
            StepWork::ForEach { concurrency, .. } => *concurrency,
            _ => group.count as usize,
        };
        let room = (group.running as usize) < most && group.next < group.count;
        if room && self.state.paused.is_none() { Next::Begin(group.next) } else { Next::Nothing }
    }

    /// Takes the outputs together, unless that is more than a value may be.
    fn join(&mut self, step: StepIndex, out: &mut Out<'_>) {
        let Some(group) = self.level().groups.get(&step) else { return };
        // The list's own commas and brackets.
        let outputs = group.outputs.iter().flatten().map(|output| output.size() as u64 + 1);
        let (size, most) = (outputs.sum::<u64>() + 1, self.payload_bytes() as u64);
        if !group.race && size > most {
            let message = format!("the list of outputs has {size} bytes, and {most} are allowed");
            let failure = Failure::new(ErrorKind::Oversize, message);
            return self.give_up(Spot::whole(step), failure, out);
        }
        self.emit(Event::Joined { step }, out);
    }
}
