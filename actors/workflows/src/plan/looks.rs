//! What the expressions of a plan look at.

use super::doing::{Action, Catch, Doing, StepWork, WaitPlan};
use super::{Plan, PlanStep};
use crate::expression::Root;

/// What an expression looks at, and the key of the step that it stands under.
pub(super) type Look<'a> = (&'static str, &'a Root);

impl Plan {
    /// Calls `see` for everything that an expression looks at, but those of the fallback.
    pub(crate) fn each_root(&self, see: &mut dyn FnMut(&Root)) {
        for step in &self.steps {
            step.looks().into_iter().for_each(|(_, root)| see(root));
        }
        for (_, output) in &self.outputs {
            output.roots().into_iter().for_each(&mut *see);
        }
        for action in self.on_finish.iter().chain(&self.on_cancel) {
            action.looks().into_iter().for_each(|(_, root)| see(root));
        }
    }
}

impl PlanStep {
    /// What the step looks at.
    pub(super) fn looks(&self) -> Vec<Look<'_>> {
        let mut looks = Vec::new();
        looks.extend(self.when.iter().flat_map(|when| under("when", when.roots())));
        match &self.work {
            StepWork::Action(action) => looks.extend(action.looks()),
            StepWork::ForEach { items, each, .. } => {
                looks.extend(under("for_each/items", items.roots()));
                looks.extend(each.looks().into_iter().map(|(_, root)| ("for_each/step", root)));
            }
            StepWork::Race(racers) => {
                let inside = racers.iter().flat_map(|racer| racer.looks());
                looks.extend(inside.map(|(_, root)| ("race", root)));
            }
        }
        if let Some(undo) = &self.compensate_with {
            looks.extend(undo.looks().into_iter().map(|(_, root)| ("compensate_with", root)));
        }
        for (_, catch) in &self.handlers {
            if let Catch::Default(template) = catch {
                looks.extend(under("on_error", template.roots()));
            }
        }
        looks
    }
}

impl Action {
    /// What the action looks at.
    fn looks(&self) -> Vec<Look<'_>> {
        let mut looks = Vec::new();
        match &self.doing {
            Doing::Execute { input, .. } => looks.extend(under("input", input.roots())),
            Doing::Transform(template) => looks.extend(under("transform", template.roots())),
            Doing::Wait(WaitPlan::For(template) | WaitPlan::Until(template)) => {
                looks.extend(under("wait", template.roots()));
            }
            Doing::Approval(approval) => {
                looks.extend(under("approval/ask", approval.ask.roots()));
                looks.extend(under("approval/payload", approval.payload.roots()));
            }
            Doing::Workflow { input, .. } => looks.extend(under("workflow/input", input.roots())),
            Doing::Emit { topic, payload } => {
                looks.extend(under("emit/topic", topic.roots()));
                looks.extend(under("emit/payload", payload.roots()));
            }
            Doing::Await { topic, matches } => {
                looks.extend(under("await/topic", topic.roots()));
                let matches = matches.iter().flat_map(|condition| condition.roots());
                looks.extend(matches.map(|root| ("await/match", root)));
            }
        }
        looks.extend(self.cache_key.iter().flat_map(|key| under("cache_key", key.roots())));
        looks
    }
}

fn under<'a>(key: &'static str, roots: Vec<&'a Root>) -> impl Iterator<Item = Look<'a>> {
    roots.into_iter().map(move |root| (key, root))
}
