//! Drawing lots: the same seed gives the same lot, in whatever order the tickets come.

/// The lot that ticket `of` draws (SplitMix64: Steele, Lea and Flood, OOPSLA 2014).
///
/// Distinct tickets of one seed draw distinct lots, so nothing is left to decide between two.
pub(crate) fn lot(seed: u64, of: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut mixed = seed.wrapping_add(of.wrapping_add(1).wrapping_mul(GOLDEN));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_ticket_draws_a_lot_of_its_own_and_the_seed_moves_them() {
        let lots: BTreeSet<u64> = (0..10_000).map(|of| lot(7, of)).collect();
        assert_eq!(lots.len(), 10_000);
        assert_eq!(lot(7, 3), lot(7, 3));
        assert_ne!(lot(7, 3), lot(8, 3));
        // Each of two has its chance.
        let first = (0..10_000).filter(|seed| lot(*seed, 0) < lot(*seed, 1)).count();
        assert!((4_700..5_300).contains(&first), "{first}");
    }
}
