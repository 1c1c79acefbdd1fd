//! How many names a definition may give, and how long labels may be: all of them are told of each
//! run again, and pages of runs have to stay small.

use std::collections::BTreeMap;

use super::known::works;
use crate::definition::fault::Fault;
use crate::definition::model::Definition;
use crate::expression::{pointer_part, shown};

/// Most variables, and most outputs, of a definition.
const MAX_NAMES: usize = 1_000;

/// Most labels of a definition or of a step; as many as a task may have.
pub(crate) const MAX_LABELS: usize = 32;

/// Most bytes of a label's key.
const MAX_KEY: usize = 63;

/// Most bytes of a label's value.
const MAX_VALUE: usize = 255;

/// What is too much in a definition and its fallbacks.
pub(super) fn of(definition: &Definition) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut level = Some(definition);
    let mut prefix = String::new();
    while let Some(definition) = level {
        let names =
            [("variables", definition.variables.len()), ("outputs", definition.outputs.len())];
        for (key, found) in names.into_iter().filter(|(_, found)| *found > MAX_NAMES) {
            let message = format!("found {found} names: expected at most {MAX_NAMES}");
            faults.push(Fault::error(format!("{prefix}/{key}"), message));
        }
        labels(&prefix, &definition.labels, &mut faults);
        for (at, step) in definition.steps.iter().enumerate() {
            for (path, work) in works(step) {
                if !work.labels.is_empty() {
                    labels(&format!("{prefix}/steps/{at}{path}"), &work.labels, &mut faults);
                }
            }
        }
        prefix.push_str("/fallback");
        level = definition.fallback.as_deref();
    }
    faults
}

fn labels(path: &str, labels: &BTreeMap<String, String>, faults: &mut Vec<Fault>) {
    let found = labels.len();
    if found > MAX_LABELS {
        let message = format!("found {found} labels: expected at most {MAX_LABELS}");
        return faults.push(Fault::error(format!("{path}/labels"), message));
    }
    for (key, value) in labels {
        if key.is_empty() || key.len() > MAX_KEY || value.len() > MAX_VALUE {
            let message = format!(
                "the label '{}' has a key of {} and a value of {} bytes: expected 1 to {MAX_KEY} \
                 and at most {MAX_VALUE}",
                shown(key),
                key.len(),
                value.len()
            );
            faults.push(Fault::error(format!("{path}/labels/{}", pointer_part(key)), message));
        }
    }
}
