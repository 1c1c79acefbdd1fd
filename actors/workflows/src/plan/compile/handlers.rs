//! What is done about failures, by kind: the step's own handlers before the definition's.

use super::super::{Catch, StepIndex};
use super::Compiler;
use crate::definition::model::{ErrorKind, Handler, HandlerAction, Handlers, Step};
use crate::expression::Place;

impl Compiler<'_, '_> {
    /// The handlers of a step, and the kinds that they say to retry.
    pub(super) fn handlers(&mut self, step: &Step) -> (Vec<(ErrorKind, Catch)>, Vec<ErrorKind>) {
        self.check_handlers("on_error", &step.on_error);
        let mut caught = Vec::new();
        let mut retried = Vec::new();
        for kind in ErrorKind::ALL {
            let definition = self.definition;
            let all = &definition.error_handlers;
            let own = step.on_error.get(*kind).map(|handler| ("on_error", handler));
            let handler = own.or_else(|| all.get(*kind).map(|handler| ("", handler)));
            let Some((key, handler)) = handler else { continue };
            match self.catch(key, *kind, handler, step) {
                Some(Catch::Fail) => {}
                Some(catch) => caught.push((*kind, catch)),
                None => retried.push(*kind),
            }
        }
        (caught, retried)
    }

    /// `None` for a retry. Faults of the definition's handlers are told once, not for each step.
    fn catch(&mut self, key: &str, kind: ErrorKind, by: &Handler, step: &Step) -> Option<Catch> {
        let place = Place { error: true, ..self.place() };
        Some(match by.action {
            HandlerAction::Retry => return None,
            HandlerAction::Skip => Catch::Skip,
            HandlerAction::Compensate => Catch::Compensate,
            HandlerAction::Fail => Catch::Fail,
            HandlerAction::GoTo => {
                let target = by.step.as_deref().and_then(|id| self.names.step(id));
                target.map_or(Catch::Fail, Catch::GoTo)
            }
            HandlerAction::Default => {
                let value = by.value.as_ref().or(step.work.default.as_ref());
                let Some(value) = value else {
                    let message = format!(
                        "the handler of {kind} goes on with a default: expected a 'value' in it, \
                         or 'default' in the step"
                    );
                    self.faults.error(key, message);
                    return Some(Catch::Fail);
                };
                let key = if by.value.is_some() {
                    format!("{key}/{kind}/value")
                } else {
                    "default".to_owned()
                };
                Catch::Default(self.template(&key, value, place))
            }
        })
    }

    /// Entries that say too much or too little.
    pub(super) fn check_handlers(&mut self, key: &str, handlers: &Handlers) {
        let named = ErrorKind::ALL.iter().map(|kind| (kind.as_str(), handlers.of(*kind)));
        for (name, handler) in named.chain([("any", handlers.any.as_ref())]) {
            let Some(handler) = handler else { continue };
            self.faults.open(&format!("{key}/{name}"));
            self.check_handler(name, handler);
            self.faults.close();
        }
    }

    fn check_handler(&mut self, name: &str, handler: &Handler) {
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
