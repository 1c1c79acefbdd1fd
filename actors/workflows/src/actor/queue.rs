//! Runs that wait for room: the most urgent first, then in order of acceptance. Runs of a
//! definition with a bound of its own wait apart, so that they hold up nobody else.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use synod_runtime::Priority;

use crate::messages::RunId;

type Place = (u8, u64);

/// The name of a definition whose runs are bounded, and the bound.
pub(super) type Group = (Arc<str>, u32);

/// The waiting runs, by the group that bounds them.
#[derive(Default)]
pub(super) struct Queue {
    groups: HashMap<Option<Group>, BTreeMap<Place, RunId>>,
}

impl Queue {
    pub(super) fn add(
        &mut self,
        run: RunId,
        priority: Priority,
        sequence: u64,
        group: Option<Group>,
    ) {
        self.groups.entry(group).or_default().insert((priority as u8, sequence), run);
    }

    /// Takes out the next run of a group that has room within its bound.
    pub(super) fn next(&mut self, has_room: impl Fn(&str, u32) -> bool) -> Option<RunId> {
        let fits = |group: &Option<Group>| match group {
            Some((name, bound)) => has_room(name, *bound),
            None => true,
        };
        let first = self
            .groups
            .iter()
            .filter(|(group, _)| fits(group))
            .filter_map(|(group, runs)| Some((*runs.first_key_value()?.0, group.clone())))
            .min()?;
        let (place, group) = first;
        let runs = self.groups.get_mut(&group)?;
        let run = runs.remove(&place);
        if runs.is_empty() {
            self.groups.remove(&group);
        }
        run
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_most_urgent_comes_first_and_a_full_group_holds_up_nobody() {
        let mut queue = Queue::default();
        let run = Uuid::from_u128;
        let bounded: Arc<str> = Arc::from("nightly");
        queue.add(run(1), Priority::Critical, 1, Some((Arc::clone(&bounded), 2)));
        queue.add(run(2), Priority::Low, 2, None);
        queue.add(run(3), Priority::High, 3, None);
        queue.add(run(4), Priority::High, 4, None);
        let full = |queue: &mut Queue| queue.next(|_, _| false);
        assert_eq!([full(&mut queue), full(&mut queue)], [Some(run(3)), Some(run(4))]);
        assert_eq!(queue.next(|_, bound| bound == 2), Some(run(1)));
        assert_eq!([queue.next(|_, _| true), queue.next(|_, _| true)], [Some(run(2)), None]);
        assert!(queue.is_empty());
    }
}
