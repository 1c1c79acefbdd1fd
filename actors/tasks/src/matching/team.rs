//! The smallest set of agents that has all required capabilities between them.
//!
//! Minimum set cover. Exact by breadth-first search over the sets of capabilities that are covered
//! so far, as long as [`EXACT_STEPS`] suffice; that holds for up to 12 capabilities whatever the
//! agents, and for far more where few kinds of agents have them. Above that greedy: at most
//! `ln(capabilities) + 1` times the smallest (Chvátal 1979).

use std::collections::{BTreeSet, HashMap};

/// Capabilities that each member of a team does, by index.
pub(crate) type Team = Vec<Vec<u8>>;

/// Most steps of the exact search; about ten milliseconds.
const EXACT_STEPS: usize = 1 << 20;

/// The smallest team for `count` capabilities (at most 63) out of agents that have the
/// capabilities in `masks`, a bit for each.
///
/// # Errors
/// The capabilities nobody has.
pub(crate) fn smallest(masks: &BTreeSet<u64>, count: usize) -> Result<Team, Vec<usize>> {
    let all = (1 << count) - 1;
    let covered = masks.iter().fold(0, |union, mask| union | mask);
    if covered & all != all {
        return Err((0..count).filter(|at| covered & (1 << at) == 0).collect());
    }
    let useful = undominated(masks);
    let cover = exact(&useful, all).unwrap_or_else(|| greedy(&useful, all));
    Ok(share_out(&cover, count))
}

/// The masks that no other contains.
fn undominated(masks: &BTreeSet<u64>) -> Vec<u64> {
    let contained = |mask: &u64| masks.iter().any(|other| other != mask && mask & other == *mask);
    masks.iter().copied().filter(|mask| !contained(mask)).collect()
}

/// A smallest cover, or `None` when it takes too many steps to find.
fn exact(masks: &[u64], all: u64) -> Option<Vec<u64>> {
    let mut reached: HashMap<u64, (u64, u64)> = HashMap::from([(0, (0, 0))]);
    let mut front = vec![0_u64];
    let mut steps = 0;
    while !front.is_empty() {
        let mut next = Vec::new();
        for covered in front {
            // Some member must have the first capability that is still missing.
            let missing = 1 << covered.trailing_ones();
            for mask in masks.iter().filter(|mask| *mask & missing != 0) {
                steps += 1;
                let union = covered | mask;
                if steps > EXACT_STEPS {
                    return None;
                }
                if reached.contains_key(&union) {
                    continue;
                }
                reached.insert(union, (covered, *mask));
                if union & all == all {
                    return Some(path(&reached, union));
                }
                next.push(union);
            }
        }
        front = next;
    }
    None
}

/// The masks on the way to `covered`, first one first.
fn path(reached: &HashMap<u64, (u64, u64)>, mut covered: u64) -> Vec<u64> {
    let mut masks = Vec::new();
    while let Some((before, mask)) = reached.get(&covered).filter(|_| covered != 0) {
        masks.push(*mask);
        covered = *before;
    }
    masks.reverse();
    masks
}

fn greedy(masks: &[u64], all: u64) -> Vec<u64> {
    let (mut covered, mut cover) = (0, Vec::new());
    while covered & all != all {
        let gain = |mask: &&u64| (*mask & all & !covered).count_ones();
        let Some(best) = masks.iter().max_by_key(gain).filter(|mask| gain(mask) > 0) else { break };
        covered |= best;
        cover.push(*best);
    }
    cover
}

/// Gives each capability to the first member that has it.
fn share_out(cover: &[u64], count: usize) -> Team {
    let mut team: Team = vec![Vec::new(); cover.len()];
    for capability in 0..count {
        if let Some(member) = cover.iter().position(|mask| mask & (1 << capability) != 0) {
            team[member].push(capability as u8);
        }
    }
    team.retain(|capabilities| !capabilities.is_empty());
    team
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn team(masks: &[u64], count: usize) -> Result<Team, Vec<usize>> {
        smallest(&masks.iter().copied().collect(), count)
    }

    #[test]
    fn the_smallest_team_is_found_where_greed_misses_it() {
        // Greed takes the largest first (bits 0 to 3) and then needs two more.
        let masks = [0b001111, 0b010101, 0b101010];
        assert_eq!(team(&masks, 6).unwrap(), [vec![0, 2, 4], vec![1, 3, 5]]);
        assert_eq!(greedy(&masks, 0b111111).len(), 3);
    }

    #[test]
    fn each_capability_has_one_member_and_the_missing_ones_are_named() {
        assert_eq!(team(&[0b011, 0b110], 3).unwrap(), [vec![0, 1], vec![2]]);
        assert_eq!(team(&[0b0010, 0b1000], 4), Err(vec![0, 2]));
    }

    #[test]
    fn many_capabilities_are_covered_in_bounded_time() {
        // 32 capabilities, agents with two neighbours each: 16 members, far too many ways to try.
        let ring: Vec<u64> = (0..32_u32).map(|at| (1 << at) | (1 << ((at + 1) % 32))).collect();
        let team = team(&ring, 32).unwrap();
        assert!((16..=23).contains(&team.len()), "{}", team.len());
        let mut done: Vec<u8> = team.concat();
        done.sort_unstable();
        assert_eq!(done, (0..32).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn no_smaller_team_covers(masks in prop::collection::btree_set(1..64_u64, 1..7)) {
            let masks: Vec<u64> = masks.into_iter().collect();
            let smallest_by_trying = (1..1_u64 << masks.len())
                .filter(|chosen| {
                    let members = (0..masks.len()).filter(|at| chosen & (1 << at) != 0);
                    members.fold(0, |union, at| union | masks[at]) == 63
                })
                .map(u64::count_ones)
                .min();
            let found = team(&masks, 6).ok().map(|team| team.len() as u32);
            prop_assert_eq!(found, smallest_by_trying);
        }
    }
}
