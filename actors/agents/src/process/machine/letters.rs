//! Messages that a program is to read.

use std::time::Instant;

use serde_json::Value;

use super::{Child, Command, Phase};
use crate::envelope::ReceiveAnswer;
use crate::error::{AgentError, AgentErrorKind};
use crate::letters::{LetterNumber, LetterOutcome, unanswered};
use crate::process::codec::{self, RpcError};
use crate::relay::Letter;

type Outcome = Result<Value, RpcError>;

fn answered(number: LetterNumber, outcome: LetterOutcome) -> Command {
    Command::AnswerLetter { number, outcome }
}

impl Child {
    pub(super) fn letter(&mut self, letter: &Letter, out: &mut Vec<Command>) {
        if !matches!(self.phase, Phase::Ready { .. }) {
            let error = AgentError::unavailable("the agent's process is not running");
            return out.push(answered(letter.number, LetterOutcome::Failed(error)));
        }
        if !self.receives {
            return out.push(answered(letter.number, LetterOutcome::NotSpoken));
        }
        let id = self.take_id();
        self.letters.open(id, letter.number, letter.until);
        out.push(self.write(codec::request(id, "receive", &letter.order)));
    }

    /// Takes the answer to a message. Gives back what is the answer to something else.
    pub(super) fn letter_answered(
        &mut self,
        id: u64,
        outcome: Outcome,
        out: &mut Vec<Command>,
    ) -> Option<Outcome> {
        let Some(number) = self.letters.close(id) else { return Some(outcome) };
        self.strays = 0;
        let outcome = match outcome.map(serde_json::from_value::<Option<ReceiveAnswer>>) {
            Ok(Ok(said)) => LetterOutcome::Taken(said.and_then(|said| said.answer).map(Box::new)),
            Ok(Err(why)) => {
                let error = AgentError::failed(format!("what the agent answered: {why}"));
                LetterOutcome::Failed(error)
            }
            Err(error) => LetterOutcome::Failed(error.into()),
        };
        out.push(answered(number, outcome));
        None
    }

    /// A message that is not answered in its time is given up; an answer that comes later is
    /// ignored.
    pub(super) fn give_up_letters(&mut self, now: Instant, out: &mut Vec<Command>) {
        let over = self.letters.overdue(now);
        out.extend(over.into_iter().map(|number| answered(number, unanswered())));
    }

    /// The line about this message can't be taken.
    pub(super) fn unfit_letter(&mut self, id: u64, why: &str, out: &mut Vec<Command>) -> bool {
        let Some(number) = self.letters.close(id) else { return false };
        let error = AgentError::failed(format!("the agent's process: {why}"));
        out.push(answered(number, LetterOutcome::Failed(error)));
        true
    }

    pub(super) fn lose_letters(&mut self, kind: AgentErrorKind, why: &str, out: &mut Vec<Command>) {
        for number in self.letters.take_all() {
            let error = AgentError::new(kind, format!("the agent's process: {why}"));
            out.push(answered(number, LetterOutcome::Failed(error)));
        }
    }
}
