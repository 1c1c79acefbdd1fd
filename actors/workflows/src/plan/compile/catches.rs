//! What is done about failures, by kind: the step's own handlers before the definition's.

use super::super::{Catch, StepIndex};
use super::Compiler;
use crate::definition::model::{ErrorHandler, ErrorHandlers, ErrorKind, HandlerAction, Step};
use crate::expression::Place;

/// Where a handler is written.
#[derive(Clone, Copy)]
struct Entry {
    /// In the step, not in the definition.
    own: bool,
    /// Under which name.
    name: &'static str,
}

impl Compiler<'_, '_> {
    /// The handlers of a step, and the kinds that they say to retry.
    pub(super) fn handlers(&mut self, step: &Step) -> (Vec<(ErrorKind, Catch)>, Vec<ErrorKind>) {
        self.check_handlers("on_error", &step.on_error);
        let mut caught = Vec::new();
        let mut retried = Vec::new();
        for kind in ErrorKind::ALL {
            let definition = self.definition;
            let all = &definition.error_handlers;
            let own = step.on_error.get(*kind).map(|handler| (&step.on_error, handler));
            let handler = own.or_else(|| all.get(*kind).map(|handler| (all, handler)));
            let Some((from, handler)) = handler else { continue };
            let entry = if from.of(*kind).is_some() { kind.as_str() } else { "any" };
            let own = std::ptr::eq(from, &raw const step.on_error);
            match self.catch(Entry { own, name: entry }, handler, step) {
                Some(Catch::Fail) => {}
                Some(catch) => caught.push((*kind, catch)),
                None => retried.push(*kind),
            }
        }
        (caught, retried)
    }

    /// `None` for a retry.
    fn catch(&mut self, entry: Entry, by: &ErrorHandler, step: &Step) -> Option<Catch> {
        Some(match by.action {
            HandlerAction::Retry => return None,
            HandlerAction::Skip => Catch::Skip,
            HandlerAction::Compensate => Catch::Compensate,
            HandlerAction::Fail => Catch::Fail,
            HandlerAction::GoTo => {
                let target = by.step.as_deref().and_then(|id| self.names.step(id));
                target.map_or(Catch::Fail, Catch::GoTo)
            }
            HandlerAction::Default => self.default_of(entry, by, step),
        })
    }

    fn default_of(&mut self, entry: Entry, by: &ErrorHandler, step: &Step) -> Catch {
        let place = Place { error: true, ..self.place() };
        let Entry { own, name } = entry;
        match (&by.value, &step.work.default) {
            (Some(value), _) if own => {
                Catch::Default(self.template(&format!("on_error/{name}/value"), value, place))
            }
            (Some(value), _) => {
                let key = format!("error_handlers/{name}/value");
                Catch::Default(self.outside(|this| this.template(&key, value, place)))
            }
            (None, Some(value)) => Catch::Default(self.template("default", value, place)),
            (None, None) => {
                let message = format!(
                    "the handler of {name} goes on with a default: expected a 'value' in the \
                     handler, or 'default' in the step"
                );
                self.faults.error("", message);
                Catch::Fail
            }
        }
    }

    /// Entries that say too much or too little.
    pub(super) fn check_handlers(&mut self, key: &str, handlers: &ErrorHandlers) {
        let named = ErrorKind::ALL.iter().map(|kind| (kind.as_str(), handlers.of(*kind)));
        for (name, handler) in named.chain([("any", handlers.any.as_ref())]) {
            let Some(handler) = handler else { continue };
            self.faults.open(&format!("{key}/{name}"));
            self.check_handler(name, handler);
            self.faults.close();
        }
    }

    fn check_handler(&mut self, name: &str, handler: &ErrorHandler) {
        let go_to = handler.action == HandlerAction::GoTo;
        if handler.value.is_some() && handler.action != HandlerAction::Default {
            self.faults.error("value", "only the action 'default' has a value");
        }
        match (&handler.step, go_to) {
            (Some(_), false) => self.faults.error("step", "only the action 'go_to' has a step"),
            (None, true) => self.faults.error("", "go_to: expected 'step', the id of a step"),
            (Some(id), true) if self.names.step(id).is_none() => {
                self.faults.unknown("step", self.names.unknown_step(id));
            }
            _ => {}
        }
        let never = name == ErrorKind::CriticalError.as_str();
        if never && handler.action == HandlerAction::Retry {
            self.faults.error("", "a critical_error is never retried");
        }
    }
}

impl Catch {
    /// The step it goes on at.
    #[must_use]
    pub fn target(&self) -> Option<StepIndex> {
        match self {
            Self::GoTo(step) => Some(*step),
            _ => None,
        }
    }
}
