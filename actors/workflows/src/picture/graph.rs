//! What is drawn: boxes and arrows, whatever they come from and whatever they are drawn as.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{describe, dot, mermaid, palette, svg};
use crate::definition::model::{Definition, ErrorHandlers, ErrorKind, HandlerAction, Order, Step};
use crate::messages::{RunStatusResponse, StepState, StepStatus};

/// A definition or a run as boxes and arrows.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub(super) title: String,
    /// The plan, its fallback, the fallback's fallback.
    pub(super) plans: Vec<DrawnPlan>,
}

/// The steps that belong together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DrawnPlan {
    /// Empty for the definition itself.
    pub(super) name: String,
    pub(super) boxes: Vec<DrawnStep>,
    pub(super) arrows: Vec<Arrow>,
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DrawnStep {
    pub(super) id: String,
    /// What it does, in a few words.
    pub(super) what: String,
    /// Its condition, or how it stands; may be empty.
    pub(super) note: String,
    /// Its last error, if any.
    pub(super) error: Option<String>,
    /// How it stands; none in a definition.
    pub(super) state: Option<StepState>,
}

/// From one step to another of the same plan.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    /// For what a jump happens; none for the arrow of a dependency.
    pub(super) on: Option<String>,
}

impl Picture {
    /// The picture of a definition with its fallbacks.
    #[must_use]
    pub fn of_definition(definition: &Definition) -> Self {
        let mut plans = Vec::new();
        let mut next = Some(definition);
        let mut name = String::new();
        while let Some(plan) = next {
            plans.push(defined(&name, plan));
            let of = if name.is_empty() { "" } else { " of the " };
            name = format!("fallback{of}{name}");
            next = plan.fallback.as_deref();
        }
        Self { title: format!("{} {}", definition.name, definition.version), plans }
    }

    /// The picture of a run as it stands; `now` ends what has not ended.
    #[must_use]
    pub fn of_run(run: &RunStatusResponse, now: Timestamp) -> Self {
        let summary = &run.summary;
        let workflow = &summary.workflow;
        let title = format!(
            "{} {} · run {} · {}",
            workflow.name, workflow.version, summary.run_id, summary.state
        );
        let drawn = |(name, steps): (&str, &[StepStatus])| under_way(name, steps, now);
        Self { title, plans: describe::plans(run).into_iter().map(drawn).collect() }
    }

    /// As SVG: boxes in layers, colours by state; without scripts, styles or anything from
    /// elsewhere.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::draw(self)
    }

    /// In the language of Graphviz.
    #[must_use]
    pub fn dot(&self) -> String {
        dot::write(self)
    }

    /// As a flowchart of Mermaid.
    #[must_use]
    pub fn mermaid(&self) -> String {
        mermaid::write(self)
    }
}

/// Steps by id, and the arrows from those that `of` names to the step that names them.
fn dependencies<'a>(steps: impl Iterator<Item = (&'a str, &'a [String])> + Clone) -> Vec<Arrow> {
    let index: HashMap<_, _> = steps.clone().enumerate().map(|(at, (id, _))| (id, at)).collect();
    let mut arrows = Vec::new();
    for (to, (_, before)) in steps.enumerate() {
        for id in before {
            if let Some(from) = index.get(id.as_str()) {
                arrows.push(Arrow { from: *from, to, on: None });
            }
        }
    }
    arrows
}

fn defined(name: &str, plan: &Definition) -> DrawnPlan {
    let ids = plan.steps.iter().map(|step| (step.id.as_str(), step.depends_on.as_slice()));
    let mut arrows = dependencies(ids);
    if plan.order == Order::Sequential {
        arrows.extend((1..plan.steps.len()).map(|to| Arrow { from: to - 1, to, on: None }));
        arrows.sort_by_key(|arrow| (arrow.to, arrow.from));
        arrows.dedup();
    }
    let index: HashMap<_, _> =
        plan.steps.iter().enumerate().map(|(at, step)| (step.id.as_str(), at)).collect();
    for (from, step) in plan.steps.iter().enumerate() {
        for (on, target) in jumps(&step.on_error) {
            let to = index.get(target).copied();
            arrows.extend(to.map(|to| Arrow { from, to, on: Some(on.to_owned()) }));
        }
    }
    let boxes = plan.steps.iter().map(drawn).collect();
    DrawnPlan { name: name.to_owned(), boxes, arrows }
}

fn drawn(step: &Step) -> DrawnStep {
    let note = step.when.as_ref().map_or_else(String::new, |when| format!("when {when}"));
    DrawnStep { id: step.id.clone(), what: describe::doing(step), note, error: None, state: None }
}

/// Where failures go on elsewhere: the kind of error, and the step.
fn jumps(handlers: &ErrorHandlers) -> Vec<(&'static str, &str)> {
    let kinds = ErrorKind::ALL.iter().map(|kind| (kind.as_str(), handlers.of(*kind)));
    let all = kinds.chain([("any", handlers.any.as_ref())]);
    all.filter_map(|(on, handler)| {
        let handler = handler.filter(|handler| handler.action == HandlerAction::GoTo)?;
        Some((on, handler.step.as_deref()?))
    })
    .collect()
}

fn under_way(name: &str, steps: &[StepStatus], now: Timestamp) -> DrawnPlan {
    let ids = steps.iter().map(|step| (step.id.as_str(), step.depends_on.as_slice()));
    let drawn = |step: &StepStatus| DrawnStep {
        id: step.id.clone(),
        what: describe::running(step),
        note: describe::standing(step, now),
        error: step.error.as_ref().map(|error| format!("{}: {}", error.kind, error.message)),
        state: Some(step.state),
    };
    DrawnPlan {
        name: name.to_owned(),
        arrows: dependencies(ids),
        boxes: steps.iter().map(drawn).collect(),
    }
}

impl DrawnStep {
    /// All there is to say about it, in lines.
    pub(super) fn lines(&self) -> Vec<&str> {
        let state = self.state.map(palette::name);
        let lines = [Some(self.id.as_str()), Some(self.what.as_str()), state, Some(&self.note)];
        let lines = lines.into_iter().chain([self.error.as_deref()]).flatten();
        lines.filter(|line| !line.is_empty()).collect()
    }
}

impl DrawnPlan {
    /// The arrows of dependencies, as (from, to).
    pub(super) fn edges(&self) -> Vec<(usize, usize)> {
        let plain = self.arrows.iter().filter(|arrow| arrow.on.is_none());
        plain.map(|arrow| (arrow.from, arrow.to)).collect()
    }
}
