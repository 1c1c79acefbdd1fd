//! Who waits for whom: edges both ways, cycles, and what is upstream.

use std::collections::HashSet;

use super::super::{PlanStep, StepIndex};
use super::faults::Faults;
use crate::definition::model::{Definition, Order};
use crate::expression::{Names, Root};

/// Steps of a cycle that a message names.
const NAMED: usize = 50;

/// The edges between the steps of a definition.
pub(super) struct Graph {
    depends_on: Vec<Vec<StepIndex>>,
    dependents: Vec<Vec<StepIndex>>,
    /// Whether there is an order in which the steps can be done.
    pub acyclic: bool,
    /// Such an order.
    pub order: Vec<StepIndex>,
}

impl Graph {
    /// Reads the edges; unknown steps and a cycle are faults.
    pub(super) fn of(definition: &Definition, names: &Names, faults: &mut Faults) -> Self {
        let depends_on = edges(definition, names, faults);
        let mut dependents = vec![Vec::new(); depends_on.len()];
        for (at, wanted) in depends_on.iter().enumerate() {
            for before in wanted {
                dependents[before.at()].push(StepIndex(at as u32));
            }
        }
        let order = order(&depends_on, &dependents);
        let acyclic = order.len() == depends_on.len();
        let graph = Self { depends_on, dependents, acyclic, order };
        if !acyclic {
            graph.tell_cycle(definition, faults);
        }
        graph
    }

    pub(super) fn depends_on(&self, step: StepIndex) -> &[StepIndex] {
        &self.depends_on[step.at()]
    }

    pub(super) fn dependents(&self, step: StepIndex) -> &[StepIndex] {
        &self.dependents[step.at()]
    }

    /// The steps that depend on none.
    pub(super) fn roots(&self) -> Vec<StepIndex> {
        self.none_of(&self.depends_on).collect()
    }

    /// The steps on which none depends.
    pub(super) fn leaves(&self) -> impl Iterator<Item = StepIndex> {
        self.none_of(&self.dependents)
    }

    fn none_of<'a>(&self, edges: &'a [Vec<StepIndex>]) -> impl Iterator<Item = StepIndex> + 'a {
        let steps = (0..).map(StepIndex).zip(edges);
        steps.filter_map(|(step, edges)| edges.is_empty().then_some(step))
    }

    /// Names one cycle in full: `a → b → a`, in the direction of the work.
    fn tell_cycle(&self, definition: &Definition, faults: &mut Faults) {
        let done: HashSet<_> = self.order.iter().copied().collect();
        let left = |step: &StepIndex| !done.contains(step);
        // Whatever is left has a dependency that is left; following it must come back.
        let Some(mut step) = (0..self.depends_on.len() as u32).map(StepIndex).find(left) else {
            return;
        };
        let mut seen = vec![None; self.depends_on.len()];
        let mut walked = Vec::new();
        while seen[step.at()].is_none() {
            seen[step.at()] = Some(walked.len());
            walked.push(step);
            let Some(next) = self.depends_on[step.at()].iter().copied().find(left) else { return };
            step = next;
        }
        let mut cycle = walked.split_off(seen[step.at()].unwrap_or_default());
        cycle.push(step);
        cycle.reverse();
        let id = |step: &StepIndex| definition.steps[step.at()].id.as_str();
        let mut named: Vec<_> = cycle.iter().take(NAMED).map(id).collect();
        if cycle.len() > NAMED {
            named.push("…");
        }
        let path = format!("steps/{}/depends_on", step.0);
        faults.error(&path, format!("the steps wait for each other: {}", named.join(" → ")));
    }

    /// Refuses outputs and states of steps that need not have ended before the step that looks.
    pub(super) fn check_upstream(&self, steps: &[Option<PlanStep>], faults: &mut Faults) {
        if !self.acyclic {
            return;
        }
        let mut upstream = None;
        for (at, step) in steps.iter().enumerate() {
            let Some(step) = step else { continue };
            for (key, root) in step.looks() {
                let (Root::Output(seen) | Root::State(seen)) = root else { continue };
                let own = key == "compensate_with" && seen.at() == at;
                if own || self.depends_on[at].contains(seen) {
                    continue;
                }
                let upstream = upstream.get_or_insert_with(|| Upstream::of(self));
                if !upstream.has(at, seen.at()) {
                    let Some(Some(other)) = steps.get(seen.at()) else { continue };
                    let message =
                        format!("looks at step '{}', which need not have ended before", other.id);
                    let meant = format!("add '{}' to depends_on", other.id);
                    faults.unknown(&format!("steps/{at}/{key}"), (message, Some(meant)));
                }
            }
        }
    }
}

/// The edges as written, each once, ascending.
fn edges(definition: &Definition, names: &Names, faults: &mut Faults) -> Vec<Vec<StepIndex>> {
    let sequential = definition.order == Order::Sequential;
    let steps = definition.steps.iter().enumerate();
    steps
        .map(|(at, step)| {
            let mut wanted = Vec::with_capacity(step.depends_on.len() + 1);
            for (place, id) in step.depends_on.iter().enumerate() {
                match names.step(id) {
                    Some(before) => wanted.push(before),
                    None => {
                        let key = format!("steps/{at}/depends_on/{place}");
                        faults.unknown(&key, names.unknown_step(id));
                    }
                }
            }
            if sequential && at > 0 {
                wanted.push(StepIndex(at as u32 - 1));
            }
            wanted.sort_unstable();
            wanted.dedup();
            wanted
        })
        .collect()
}

/// An order of the steps that no dependency contradicts (Kahn 1962); without those on a cycle and
/// behind one.
fn order(depends_on: &[Vec<StepIndex>], dependents: &[Vec<StepIndex>]) -> Vec<StepIndex> {
    let mut missing: Vec<_> = depends_on.iter().map(Vec::len).collect();
    let all = (0..depends_on.len() as u32).map(StepIndex);
    let mut order: Vec<_> = all.filter(|step| missing[step.at()] == 0).collect();
    let mut next = 0;
    while let Some(step) = order.get(next).copied() {
        next += 1;
        for after in &dependents[step.at()] {
            missing[after.at()] -= 1;
            if missing[after.at()] == 0 {
                order.push(*after);
            }
        }
    }
    order
}

/// Which steps are upstream of which, a bit each: 12.5 MB for 10,000 steps, and only made when an
/// expression looks further than at a direct dependency.
struct Upstream {
    words: usize,
    bits: Vec<u64>,
}

impl Upstream {
    fn of(graph: &Graph) -> Self {
        let steps = graph.depends_on.len();
        let words = steps.div_ceil(64);
        let mut bits = vec![0; steps * words];
        for step in &graph.order {
            for before in &graph.depends_on[step.at()] {
                for word in 0..words {
                    bits[step.at() * words + word] |= bits[before.at() * words + word];
                }
                bits[step.at() * words + before.at() / 64] |= 1 << (before.at() % 64);
            }
        }
        Self { words, bits }
    }

    fn has(&self, step: usize, before: usize) -> bool {
        self.bits[step * self.words + before / 64] & (1 << (before % 64)) != 0
    }
}
