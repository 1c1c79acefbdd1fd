//! Names of tasks: UUIDv7 (RFC 9562), with the partition in the lowest twelve random bits.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use synod_journal::{Partition, PartitionShare};
use uuid::Uuid;

/// The name of a task. Ids sort by the millisecond of their acceptance.
pub type TaskId = Uuid;

/// The partition a task belongs to, fixed at acceptance: the last three hexadecimal digits of its
/// id.
#[must_use]
pub const fn partition_of(task: TaskId) -> Partition {
    Partition::from_low_bits((task.as_u128() & 0xffff) as u16)
}

/// A new id in one of the partitions of `share`: the time in `utc` microseconds, all else from
/// `random`, so that its partitions are used evenly.
pub(crate) fn mint_in(share: PartitionShare, utc: i64, random: u128) -> TaskId {
    let free = mint(utc, random);
    let partition = share.pick(partition_of(free)).get();
    TaskId::from_u128((free.as_u128() & !0xfff) | u128::from(partition))
}

fn mint(utc: i64, random: u128) -> TaskId {
    let millis = u64::try_from(utc / 1_000).unwrap_or(0);
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&random.to_be_bytes()[..10]);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

/// A map by something that a task id is in.
pub(crate) type IdHashed<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// A map by task id.
pub(crate) type IdMap<V> = IdHashed<TaskId, V>;

/// The bits of the id are the hash: ids are minted in this process alone, and a lookup with an id
/// somebody made up adds nothing to the map. The head is in it for keepers of executions, whose ids
/// may have a tail in common.
#[derive(Debug, Default, Clone)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
            // The odd number is that of the golden ratio, as in Fibonacci hashing.
            let head = u64::from_be_bytes(*head).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = u64::from_be_bytes(*tail) ^ head;
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    /// The attempt in a name of work: nearly always the first.
    fn write_u32(&mut self, attempt: u32) {
        self.0 = self.0.wrapping_add(u64::from(attempt));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_version_7_uuid_of_its_time_and_carries_its_partition() {
        let id = mint(1_700_000_000_123_456, 0x0123_4567_89ab_cdef_0123_0000_0000_0000);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.as_u128() >> 80, 1_700_000_000_123);
        assert_eq!(u128::from(partition_of(id).get()), id.as_u128() & 0xfff);
        assert!(id.to_string().ends_with(&format!("{:03x}", partition_of(id).get())));
    }

    #[test]
    fn ids_reach_every_partition() {
        let mut seen = vec![false; 4_096];
        for low in 0..4_096_u128 {
            seen[usize::from(partition_of(mint(0, low << 48)).get())] = true;
        }
        assert!(seen.into_iter().all(|partition| partition));
    }

    #[test]
    fn an_id_is_minted_in_a_share_of_the_partitions() {
        let share = PartitionShare::new(2, 3).unwrap();
        for low in 0..4_096_u128 {
            let id = mint_in(share, 1_700_000_000_123_456, low << 48);
            assert!(share.holds(partition_of(id)));
            assert_eq!(id.get_version_num(), 7);
        }
    }

    #[test]
    fn ids_that_differ_in_one_half_alone_have_different_hashes() {
        use std::hash::{BuildHasher, BuildHasherDefault};
        let hash =
            |id: u128| BuildHasherDefault::<IdHasher>::default().hash_one(Uuid::from_u128(id));
        for shift in [0, 32, 64, 80, 112] {
            let hashes: std::collections::HashSet<_> =
                (0..1_000).map(|n| hash(n << shift)).collect();
            assert_eq!(hashes.len(), 1_000, "{shift}");
        }
    }
}
