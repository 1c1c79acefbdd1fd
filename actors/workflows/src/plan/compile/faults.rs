//! The faults found so far, each with its place.

use super::super::Plan;
use crate::definition::Fault;
use crate::expression::CompileError;

/// Faults that are kept; one more says how many there are besides.
const KEPT: usize = 100;

/// What was found, and where one is.
#[derive(Default)]
pub(super) struct Faults {
    found: Vec<Fault>,
    besides: usize,
    /// The JSON pointer of the place in hand.
    path: String,
    /// The lengths of the pointer at the places around it.
    outer: Vec<usize>,
}

impl Faults {
    /// Goes to `key`, which may be several with `/` between them, below the place in hand.
    pub(super) fn open(&mut self, key: &str) {
        self.outer.push(self.path.len());
        self.path.push('/');
        self.path.push_str(key);
    }

    /// Goes back.
    pub(super) fn close(&mut self) {
        let length = self.outer.pop().unwrap_or_default();
        self.path.truncate(length);
    }

    /// Goes from a step to its definition; returns the place of the step.
    pub(super) fn leave_step(&mut self) -> String {
        let definition = self.outer.last().copied().unwrap_or_default();
        self.path.split_off(definition)
    }

    /// Goes back to the step.
    pub(super) fn back_to(&mut self, step: &str) {
        self.path.push_str(step);
    }

    /// Does `what` at `key`.
    pub(super) fn enter<T>(&mut self, key: &str, what: impl FnOnce(&mut Self) -> T) -> T {
        self.open(key);
        let done = what(self);
        self.close();
        done
    }

    /// An error at `key` below the place in hand; an empty key is the place itself.
    pub(super) fn error(&mut self, key: &str, message: impl Into<String>) {
        self.push(Fault::error(self.at(key), message));
    }

    /// An error with what is probably meant.
    pub(super) fn unknown(&mut self, key: &str, (message, meant): (String, Option<String>)) {
        self.push(Fault::error(self.at(key), message).suggest(meant));
    }

    /// A bad expression in the template at `key`.
    pub(super) fn expression(&mut self, key: &str, fault: CompileError) {
        let path = format!("{}{}", self.at(key), fault.path);
        let error = Fault::error(path, fault.message).suggest(fault.suggestion);
        self.push(error.at_offset(fault.offset));
    }

    fn at(&self, key: &str) -> String {
        if key.is_empty() { self.path.clone() } else { format!("{}/{key}", self.path) }
    }

    /// The same fault at the same place is told once: a handler of the definition is compiled for
    /// each step.
    fn push(&mut self, fault: Fault) {
        if self.found.contains(&fault) {
            return;
        }
        if self.found.len() < KEPT {
            self.found.push(fault);
        } else {
            self.besides += 1;
        }
    }

    /// The plan, when there are no faults.
    pub(super) fn finish(mut self, plan: Option<Plan>) -> Result<Plan, Vec<Fault>> {
        match plan {
            Some(plan) if self.found.is_empty() => Ok(plan),
            _ => {
                if self.besides > 0 {
                    let message = format!("and {} faults more", self.besides);
                    self.found.push(Fault::error("", message));
                }
                Err(self.found)
            }
        }
    }
}
