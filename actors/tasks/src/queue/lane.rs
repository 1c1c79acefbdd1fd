//! One lane: tenants take turns by deficit round robin.
//!
//! Shreedhar and Varghese, "Efficient Fair Queuing using Deficit Round Robin", SIGCOMM 1995. An
//! execution costs one, so a tenant's quantum is the number of executions it gets in a round. Each
//! operation takes time logarithmic in the length of one tenant's queue.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::task::TaskId;

/// A place in a tenant's line: order of acceptance of the task; of the executions between it and
/// the next task, 0 for the task itself; then number of the part.
pub(crate) type Place = (u64, u64, u16);

/// The quanta of the tenants; one that is not named has a quantum of one.
pub(crate) type Weights = BTreeMap<String, u32>;

#[derive(Debug, Default)]
struct Line {
    entries: BTreeMap<Place, TaskId>,
    deficit: u32,
}

/// A lane of one priority.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    lines: HashMap<Arc<str>, Line>,
    /// Every tenant that has a line, each once, in the order of their turns.
    turns: VecDeque<Arc<str>>,
    length: usize,
}

impl Lane {
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds an entry; false when it is there already.
    pub(crate) fn push(&mut self, tenant: &Arc<str>, place: Place, task: TaskId) -> bool {
        let turns = &mut self.turns;
        let line = self.lines.entry(tenant.clone()).or_insert_with(|| {
            turns.push_back(tenant.clone());
            Line::default()
        });
        let added = line.entries.insert(place, task).is_none();
        self.length += usize::from(added);
        added
    }

    /// Takes out an entry. A line that becomes empty goes when its turn comes.
    pub(crate) fn remove(&mut self, tenant: &str, place: Place) -> bool {
        let line = self.lines.get_mut(tenant);
        let removed = line.is_some_and(|line| line.entries.remove(&place).is_some());
        self.length -= usize::from(removed);
        if self.is_empty() {
            self.lines.clear();
            self.turns.clear();
        }
        removed
    }

    /// Takes the next entry: of the tenant whose turn it is, the one accepted first.
    pub(crate) fn pop(&mut self, weights: &Weights) -> Option<(TaskId, u16)> {
        loop {
            let tenant = self.turns.front()?.clone();
            let line = self.lines.get_mut(&tenant)?;
            let Some(((.., part), task)) = line.entries.pop_first() else {
                self.end_of_line(&tenant);
                continue;
            };
            if line.deficit == 0 {
                line.deficit = weights.get(&*tenant).copied().unwrap_or(1).max(1);
            }
            line.deficit -= 1;
            self.length -= 1;
            if line.entries.is_empty() {
                self.end_of_line(&tenant);
            } else if line.deficit == 0 {
                self.turns.rotate_left(1);
            }
            return Some((task, part));
        }
    }

    /// Everything that is queued, in no particular order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (TaskId, u16)> {
        let lines = self.turns.iter().filter_map(|tenant| self.lines.get(tenant));
        lines.flat_map(|line| line.entries.iter().map(|((.., part), task)| (*task, *part)))
    }

    /// Drops the tenant whose turn it is: who has nothing queued keeps no deficit either.
    fn end_of_line(&mut self, tenant: &str) {
        self.lines.remove(tenant);
        self.turns.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn fill(lane: &mut Lane, tenant: &str, places: std::ops::Range<u64>) {
        for place in places {
            lane.push(&Arc::from(tenant), (place, 0, 0), Uuid::from_u128(u128::from(place)));
        }
    }

    fn serve(lane: &mut Lane, weights: &Weights, count: usize) -> Vec<u64> {
        (0..count).filter_map(|_| lane.pop(weights)).map(|(id, _)| id.as_u128() as u64).collect()
    }

    #[test]
    fn tenants_take_turns_whatever_one_of_them_has_queued() {
        let mut lane = Lane::default();
        fill(&mut lane, "flood", 0..1_000);
        fill(&mut lane, "small", 5_000..5_003);
        let served = serve(&mut lane, &Weights::new(), 6);
        assert_eq!(served, [0, 5_000, 1, 5_001, 2, 5_002]);
    }

    #[test]
    fn a_weight_is_the_number_of_executions_in_a_round() {
        let mut lane = Lane::default();
        fill(&mut lane, "gold", 0..100);
        fill(&mut lane, "plain", 1_000..1_100);
        let weights = Weights::from([("gold".to_owned(), 3)]);
        assert_eq!(serve(&mut lane, &weights, 8), [0, 1, 2, 1_000, 3, 4, 5, 1_001]);
    }

    #[test]
    fn work_that_comes_back_takes_its_old_place() {
        let mut lane = Lane::default();
        fill(&mut lane, "a", 1..4);
        assert_eq!(serve(&mut lane, &Weights::new(), 1), [1]);
        fill(&mut lane, "a", 1..2);
        assert_eq!(serve(&mut lane, &Weights::new(), 3), [1, 2, 3]);
    }

    #[test]
    fn an_idle_tenant_saves_up_no_turns() {
        let mut lane = Lane::default();
        let weights = Weights::from([("gold".to_owned(), 100)]);
        fill(&mut lane, "gold", 0..1);
        assert_eq!(serve(&mut lane, &weights, 1), [0]);
        fill(&mut lane, "gold", 1..3);
        fill(&mut lane, "plain", 50..52);
        assert_eq!(serve(&mut lane, &weights, 4), [1, 2, 50, 51]);
        assert!(lane.is_empty() && lane.lines.is_empty() && lane.turns.is_empty());
    }

    proptest! {
        /// Over any stretch in which both have work, two tenants of equal weight are never more
        /// than one execution apart.
        #[test]
        fn equal_tenants_stay_within_one_of_each_other(
            steps in prop::collection::vec((0..3_u8, 0..3_usize), 1..200),
        ) {
            let (mut lane, mut next) = (Lane::default(), 30_000);
            fill(&mut lane, "a", 10_000..11_000);
            fill(&mut lane, "b", 20_000..21_000);
            let is_b = |at: u64| (20_000..30_000).contains(&at) || at > 30_000 && at % 2 == 1;
            let mut served = [0_i64; 2];
            for (kind, count) in steps {
                if kind == 0 {
                    next += 1;
                    fill(&mut lane, ["a", "b"][next as usize % 2], next..next + 1);
                    continue;
                }
                for place in serve(&mut lane, &Weights::new(), count) {
                    served[usize::from(is_b(place))] += 1;
                }
                prop_assert!((served[0] - served[1]).abs() <= 1, "{served:?}");
            }
        }
    }
}
