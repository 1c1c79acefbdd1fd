//! Which of the partitions one owner has.

use crate::names::Partition;

/// Every `of`-th partition from `index` on: what one of `of` equal owners has. Alone it is all of
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionShare {
    index: u16,
    of: u16,
}

impl PartitionShare {
    /// All partitions.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The share of owner `index` of `of`; `None` unless `index < of <= 4096`.
    #[must_use]
    pub const fn new(index: u16, of: u16) -> Option<Self> {
        if index < of && of <= Partition::COUNT { Some(Self { index, of }) } else { None }
    }

    /// Whether the partition is in it.
    #[must_use]
    pub const fn holds(self, partition: Partition) -> bool {
        partition.get() % self.of == self.index
    }

    /// A partition of it, evenly by `chance`, which any partition may be.
    #[must_use]
    pub const fn pick(self, chance: Partition) -> Partition {
        let number = chance.get() - chance.get() % self.of + self.index;
        let number = if number < Partition::COUNT { number } else { number - self.of };
        Partition::from_low_bits(number)
    }
}

impl Default for PartitionShare {
    fn default() -> Self {
        Self::WHOLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions() -> impl Iterator<Item = Partition> {
        (0..Partition::COUNT).filter_map(Partition::new)
    }

    #[test]
    fn each_partition_is_in_exactly_one_share() {
        for of in [1, 2, 3, 7, 8, 64, 4_095, 4_096] {
            let shares: Vec<_> =
                (0..of).filter_map(|index| PartitionShare::new(index, of)).collect();
            let held = |partition| shares.iter().filter(|share| share.holds(partition)).count();
            let sample = partitions().step_by(if of > 100 { 61 } else { 1 });
            assert!(sample.map(held).all(|holders| holders == 1), "of {of}");
        }
    }

    #[test]
    fn what_is_picked_is_held() {
        for (index, of) in [(0, 1), (0, 3), (2, 3), (7, 8), (4_094, 4_095), (4_095, 4_096)] {
            let share = PartitionShare::new(index, of).unwrap();
            assert!(partitions().all(|chance| share.holds(share.pick(chance))), "{index} of {of}");
        }
    }

    #[test]
    fn there_is_no_share_beyond_the_partitions() {
        assert_eq!(PartitionShare::new(1, 1), None);
        assert_eq!(PartitionShare::new(0, 0), None);
        assert_eq!(PartitionShare::new(0, 4_097), None);
    }
}
