//! What there is on the node: agents, capabilities, workflows.

use std::collections::BTreeSet;

use crate::definition::fault::Fault;
use crate::definition::model::{Definition, Step, Work};
use crate::definition::nearest::Suggestions;
use crate::expression::shown;

/// What there is on the node. What is `None` is not checked.
#[derive(Debug, Default, Clone)]
pub struct Known {
    /// Agents by id.
    pub agents: Option<BTreeSet<String>>,
    /// Capabilities by name.
    pub capabilities: Option<BTreeSet<String>>,
    /// Workflows by name.
    pub workflows: Option<BTreeSet<String>>,
}

impl Known {
    /// Warnings for what the node does not have now; it may have it when a run needs it.
    pub(super) fn unknown(&self, definition: &Definition) -> Vec<Fault> {
        let mut faults = Vec::new();
        let meant = Suggestions::default();
        let mut level = Some(definition);
        let mut prefix = String::new();
        while let Some(definition) = level {
            for (at, step) in definition.steps.iter().enumerate() {
                for (path, work) in works(step) {
                    self.work(&format!("{prefix}/steps/{at}{path}"), work, &meant, &mut faults);
                }
            }
            let beside =
                [("on_finish", &definition.on_finish), ("on_cancel", &definition.on_cancel)];
            for (key, work) in beside {
                if let Some(work) = work {
                    self.work(&format!("{prefix}/{key}"), work, &meant, &mut faults);
                }
            }
            prefix.push_str("/fallback");
            level = definition.fallback.as_deref();
        }
        faults
    }

    fn work(&self, path: &str, work: &Work, meant: &Suggestions, faults: &mut Vec<Fault>) {
        let mut look = |key: &str, what: &str, name: &str, known: &Option<BTreeSet<String>>| {
            let Some(known) = known.as_ref().filter(|known| !known.contains(name)) else { return };
            let message = format!("the node has no {what} '{}'", shown(name));
            let fault = Fault::warning(format!("{path}/{key}"), message);
            let meant = meant.nearest(name, known.iter().map(String::as_str));
            faults.push(fault.suggest(meant));
        };
        let agents = work.agent.iter().map(|id| ("agent".to_owned(), id));
        let several = work.agents.iter().enumerate();
        for (key, id) in agents.chain(several.map(|(at, id)| (format!("agents/{at}"), id))) {
            look(&key, "agent", id, &self.agents);
        }
        let one = work.capability.iter().map(|name| ("capability".to_owned(), name));
        let several = work.capabilities.iter().enumerate();
        for (key, name) in one.chain(several.map(|(at, id)| (format!("capabilities/{at}"), id))) {
            let name = name.split('@').next().unwrap_or_default();
            look(&key, "agent with the capability", name, &self.capabilities);
        }
        if let Some(child) = &work.workflow {
            look("workflow/name", "workflow", &child.name, &self.workflows);
        }
    }
}

/// All works of a step, with their places in it.
pub(super) fn works(step: &Step) -> Vec<(String, &Work)> {
    let mut works = vec![(String::new(), &step.work)];
    works.extend(step.for_each.iter().map(|each| ("/for_each/step".to_owned(), &*each.step)));
    works.extend(step.race.iter().enumerate().map(|(at, racer)| (format!("/race/{at}"), racer)));
    works.extend(step.compensate_with.iter().map(|undo| ("/compensate_with".to_owned(), &**undo)));
    works
}
