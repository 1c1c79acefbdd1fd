//! Names of conversations and of the envelopes that they send.

use synod_journal::{Partition, PartitionShare};
use uuid::Uuid;

use crate::protocol::{ConversationId, Moment, Refusal};

/// The low 62 bits, which neither version nor variant of a UUID stand in.
const FREE: u64 = (1 << 62) - 1;

/// The partition a conversation belongs to, fixed when it opens: the last three hexadecimal digits
/// of its id.
#[must_use]
pub const fn partition_of(id: ConversationId) -> Partition {
    Partition::from_low_bits((id.as_u128() & 0xffff) as u16)
}

/// A new id in one of the partitions of `share`: the time of `at`, all else from `random`, so that
/// its partitions are used evenly.
pub(super) fn mint(share: PartitionShare, at: Moment, random: u128) -> ConversationId {
    let millis = u64::try_from(at.0 / 1_000).unwrap_or(0);
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&random.to_be_bytes()[..10]);
    let free = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
    let partition = share.pick(partition_of(free)).get();
    ConversationId::from_u128((free.as_u128() & !0xfff) | u128::from(partition))
}

/// Whether a conversation may be called so here.
pub(super) fn check(share: PartitionShare, id: ConversationId) -> Result<(), Refusal> {
    if id.get_version_num() != 7 || id.get_variant() != uuid::Variant::RFC4122 {
        return Err(Refusal::invalid("id", format!("{id} is no UUID of version 7 (RFC 9562)")));
    }
    let partition = partition_of(id);
    if !share.holds(partition) {
        let reason = format!("{id} is in partition {partition}, which is not in this place");
        return Err(Refusal::invalid("id", reason));
    }
    Ok(())
}

/// The id of the envelope that a dispatch goes out in: the same whenever it is sent again, and
/// another one for each number, as an odd factor maps no two numbers to the same bits.
pub(super) fn envelope_id(id: ConversationId, number: u64) -> Uuid {
    // The odd number is that of the golden ratio, as in Fibonacci hashing.
    let bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) & FREE;
    Uuid::from_u128(id.as_u128() ^ u128::from(bits))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_id_is_minted_in_a_share_of_the_partitions_and_passes_its_check() {
        let share = PartitionShare::new(2, 3).unwrap();
        let at = Moment(1_700_000_000_123_456);
        for low in 0..4_096_u128 {
            let id = mint(share, at, low << 48);
            assert_eq!(id.as_u128() >> 80, 1_700_000_000_123);
            assert_eq!(check(share, id), Ok(()));
        }
    }

    #[test]
    fn a_name_that_is_no_uuid_of_version_7_or_belongs_elsewhere_is_refused() {
        let share = PartitionShare::new(0, 2).unwrap();
        let id = mint(PartitionShare::new(1, 2).unwrap(), Moment(0), 1 << 70);
        for wrong in [Uuid::nil(), Uuid::max(), Uuid::from_u128(7), id] {
            assert!(matches!(check(share, wrong), Err(Refusal::Invalid { .. })), "{wrong}");
        }
    }

    #[test]
    fn envelopes_of_a_conversation_have_different_names() {
        let id = mint(PartitionShare::WHOLE, Moment(1_700_000_000_123_456), 7 << 60);
        let names: BTreeSet<_> = (0..10_000).map(|number| envelope_id(id, number)).collect();
        assert_eq!(names.len(), 10_000);
        assert!(names.iter().all(|name| name.get_version_num() == 7));
    }
}
