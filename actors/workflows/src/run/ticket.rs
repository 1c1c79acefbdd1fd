//! Names: of a run, of a piece of work in it, of one attempt at that work.

use std::fmt;

use serde::{Deserialize, Serialize};
use synod_journal::{Partition, PartitionShare};
use synod_tasks::partition_of;
use uuid::Uuid;

use crate::messages::RunId;
use crate::plan::StepIndex;

/// The name of an approval: like that of a run, and of the same partition as its run.
pub type ApprovalId = Uuid;

/// A new id of a run in one of the partitions of `share`: the time in `utc` microseconds, all else
/// from `random`. Its partition is where that of a task is; see [`partition_of`].
#[must_use]
pub fn mint_in(share: PartitionShare, utc: i64, random: u128) -> RunId {
    let free = mint(utc, random);
    in_partition(free, share.pick(partition_of(free)))
}

/// A new id in the partition of `run`, so that what it starts or asks has the same owner.
#[must_use]
pub fn mint_beside(run: RunId, utc: i64, random: u128) -> Uuid {
    in_partition(mint(utc, random), partition_of(run))
}

fn in_partition(id: Uuid, partition: Partition) -> Uuid {
    Uuid::from_u128((id.as_u128() & !0xfff) | u128::from(partition.get()))
}

fn mint(utc: i64, random: u128) -> RunId {
    let millis = u64::try_from(utc / 1_000).unwrap_or(0);
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&random.to_be_bytes()[..10]);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

/// Which work of a step it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Part {
    /// The step itself.
    #[default]
    Whole,
    /// One item of a `for_each`, or one racer of a `race`, from 0.
    Item(u32),
    /// What undoes the step.
    Compensation,
    /// The plan's `on_finish`; its step has no meaning.
    OnFinish,
    /// The plan's `on_cancel`; its step has no meaning.
    OnCancel,
}

/// A piece of work: a step of the level that is being worked on, and which work of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Spot {
    /// The step, as the plan numbers them.
    pub step: StepIndex,
    /// Which work of it.
    pub part: Part,
}

impl Spot {
    /// The step itself.
    #[must_use]
    pub const fn whole(step: StepIndex) -> Self {
        Self { step, part: Part::Whole }
    }

    /// An item or a racer of it.
    #[must_use]
    pub const fn item(step: StepIndex, item: u32) -> Self {
        Self { step, part: Part::Item(item) }
    }

    /// What undoes it.
    #[must_use]
    pub const fn compensation(step: StepIndex) -> Self {
        Self { step, part: Part::Compensation }
    }

    /// The plan's `on_finish` or `on_cancel`.
    pub(crate) const fn closing(part: Part) -> Self {
        Self { step: StepIndex(0), part }
    }
}

/// One attempt at a piece of work. A result is taken once, and only of the attempt that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket {
    /// How often the run had been amended: steps may have other numbers since.
    pub revision: u16,
    /// 0 for the plan itself, 1 for its fallback, and so on.
    pub level: u8,
    /// What is done.
    pub spot: Spot,
    /// How often the step had been begun, from 1.
    pub visit: u32,
    /// The number of this execution, from 1.
    pub attempt: u32,
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, level, spot: Spot { step, part }, visit, attempt } = self;
        write!(f, "{revision}.{level}.{}", step.0)?;
        match part {
            Part::Whole => {}
            Part::Item(item) => write!(f, ".item{item}")?,
            Part::Compensation => f.write_str(".compensation")?,
            Part::OnFinish => f.write_str(".on_finish")?,
            Part::OnCancel => f.write_str(".on_cancel")?,
        }
        write!(f, ".visit{visit}.attempt{attempt}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_belongs_to_the_partition_of_its_run() {
        let run = mint(1_700_000_000_000_000, 0x0123_4567_89ab_cdef_0123_0000_0000_0000);
        let approval = mint_beside(run, 1_800_000_000_000_000, 0xffff_ffff << 64);
        assert_eq!((run.get_version_num(), approval.get_version_num()), (7, 7));
        assert_eq!(partition_of(run), partition_of(approval));
        assert_ne!(run, approval);
    }
}
