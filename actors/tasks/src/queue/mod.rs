//! The queue of one requirement class: five lanes, each shared by its tenants.
//!
//! Which lane is served is decided by the classes together (see [`crate::matching`]): the most
//! urgent one, unless another has been overtaken too often. Within a lane tenants share by deficit
//! round robin, and one tenant's work is served in order of acceptance, whatever it went through
//! since: work that comes back from a lost agent takes its old place.

mod lane;

pub(crate) use lane::{Lane, Place, Weights};

use std::sync::Arc;

use synod_runtime::Priority;

use crate::task::TaskId;

/// Five lanes and how often each has been overtaken.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: [Lane; Priority::COUNT],
    overtaken: [u32; Priority::COUNT],
    length: usize,
}

impl Lanes {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn push(
        &mut self,
        priority: Priority,
        tenant: &Arc<str>,
        place: Place,
        task: TaskId,
    ) {
        self.length += usize::from(self.lanes[priority.lane()].push(tenant, place, task));
    }

    /// Takes out one entry; false when it was not queued.
    pub(crate) fn remove(&mut self, priority: Priority, tenant: &str, place: Place) -> bool {
        let lane = &mut self.lanes[priority.lane()];
        let removed = lane.remove(tenant, place);
        self.length -= usize::from(removed);
        if lane.is_empty() {
            self.overtaken[priority.lane()] = 0;
        }
        removed
    }

    /// The lanes that have something, by number, and how often each has been overtaken.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (usize, u32)> {
        let lanes = self.lanes.iter().zip(self.overtaken).enumerate();
        lanes.filter(|(_, (lane, _))| !lane.is_empty()).map(|(at, (_, overtaken))| (at, overtaken))
    }

    /// Notes that other work was served although every lane here but `served` could have been.
    pub(crate) fn overtake(&mut self, served: Option<usize>) {
        for (at, lane) in self.lanes.iter().enumerate() {
            if Some(at) != served && !lane.is_empty() {
                self.overtaken[at] = self.overtaken[at].saturating_add(1);
            }
        }
    }

    /// Everything that is queued, lane by lane, in no particular order within one.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (TaskId, u16)> {
        self.lanes.iter().flat_map(Lane::entries)
    }

    /// Takes the next entry of a lane.
    pub(crate) fn pop(&mut self, lane: usize, weights: &Weights) -> Option<(TaskId, u16)> {
        let next = self.lanes[lane].pop(weights)?;
        self.length -= 1;
        self.overtaken[lane] = 0;
        Some(next)
    }
}
