//! Lines that are no message of the protocol: what they cost.

use std::time::Instant;

use super::{Child, Command, Phase};
use crate::error::{AgentError, AgentErrorKind};
use crate::unfit::{MAX_STRAYS, named_in};
use crate::work::WorkId;

impl Child {
    /// Fails the work that a line was about, and no other; a program that writes too much that is
    /// about nothing, or that never spoke the protocol, is started again.
    pub(super) fn unfit(&mut self, now: Instant, line: &str, reason: &str, out: &mut Vec<Command>) {
        let start: String = line.chars().take(80).collect();
        let why = format!("it wrote a line that is not JSON-RPC ({reason}): {start}");
        if matches!(self.phase, Phase::Starting { .. }) {
            return self.fail(now, AgentErrorKind::Failed, &why, out);
        }
        if let Some(id) = named_in::<u64>(line.as_bytes(), "id")
            && self.unfit_letter(id, &why, out)
        {
            self.strays += 1;
            return;
        }
        let meant = self.meant_by(line);
        self.strays += 1;
        if let Some(work) = meant {
            let error = AgentError::failed(format!("the agent's process: {why}"));
            return self.answer(work, Err(error), out);
        }
        if self.strays > MAX_STRAYS {
            let why = format!("after {MAX_STRAYS} lines in a row of no use {why}");
            return self.fail(now, AgentErrorKind::Lost, &why, out);
        }
        out.push(Command::Stray { why });
    }

    /// The work that a line names, or else the only one there is. What follows such a line, as the
    /// rest of a stack trace does, is not about the work that comes next.
    fn meant_by(&self, line: &str) -> Option<WorkId> {
        match named_in::<u64>(line.as_bytes(), "id") {
            Some(id) => self.by_id.get(&id).copied(),
            // With a message at hand as well, nobody knows what it was about.
            None if self.held.len() == 1 && self.strays == 0 && self.letters.is_empty() => {
                self.held.keys().next().copied()
            }
            None => None,
        }
    }
}
