//! Which members of a class are free, by level: the best is found and moved in constant time.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::score::LEVELS;

/// Most draws for one choice by weight; as many are needed once in 2^64 times.
const MAX_DRAWS: usize = 64;

/// Free members by level, each a number that the class gives meaning to.
#[derive(Debug, Default)]
pub(crate) struct Free {
    /// Members of each level, in no order.
    levels: Vec<Vec<u32>>,
    /// Bit n is set when level n has members.
    occupied: u64,
    count: usize,
}

impl Free {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Adds a member; says where in its level it is.
    pub(crate) fn add(&mut self, member: u32, level: usize) -> u32 {
        debug_assert!(level < LEVELS);
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        self.occupied |= 1 << level;
        self.count += 1;
        self.levels[level].push(member);
        (self.levels[level].len() - 1) as u32
    }

    /// Takes out the member at `at` of `level`; says who has moved to that place.
    pub(crate) fn take(&mut self, level: usize, at: u32) -> Option<u32> {
        let members = &mut self.levels[level];
        members.swap_remove(at as usize);
        self.count -= 1;
        if members.is_empty() {
            self.occupied &= !(1 << level);
        }
        self.levels[level].get(at as usize).copied()
    }

    /// One of the best, by chance among equals.
    pub(crate) fn best(&self, chance: &mut ChaCha12Rng) -> Option<u32> {
        let level = self.occupied.trailing_zeros() as usize;
        let members = self.levels.get(level)?;
        match members.len() {
            0 => None,
            1 => Some(members[0]),
            several => Some(members[chance.random_range(0..several)]),
        }
    }

    /// One by chance, each as likely as it weighs, where a member of level `n` weighs `2^n` or more
    /// and less than `2^(n + 1)`: composition and rejection (Devroye 1986, II.4), at most two
    /// draws on average.
    pub(crate) fn weighted(
        &self,
        weight: impl Fn(u32) -> u64,
        chance: &mut ChaCha12Rng,
    ) -> Option<u32> {
        let share = |level: usize, members: &Vec<u32>| (members.len() as u64) << (level + 1);
        let all = || self.levels.iter().enumerate().map(|(level, members)| share(level, members));
        let whole: u64 = all().sum();
        let mut drawn = None;
        for _ in 0..if whole == 0 { 0 } else { MAX_DRAWS } {
            let mut ticket = chance.random_range(0..whole);
            for (level, members) in self.levels.iter().enumerate() {
                let here = share(level, members);
                if ticket >= here {
                    ticket -= here;
                    continue;
                }
                let member = members[(ticket >> (level + 1)) as usize];
                drawn = Some(member);
                if ticket & ((2 << level) - 1) < weight(member) {
                    return drawn;
                }
                break;
            }
        }
        drawn
    }

    /// All, the better ones first; equals from a random one on.
    pub(crate) fn in_order(&self, chance: &mut ChaCha12Rng) -> impl Iterator<Item = u32> {
        let turn: usize = chance.random_range(0..1 << 30);
        self.levels.iter().filter(|members| !members.is_empty()).flat_map(move |members| {
            let (front, back) = members.split_at(turn % members.len());
            back.iter().chain(front).copied()
        })
    }
}
