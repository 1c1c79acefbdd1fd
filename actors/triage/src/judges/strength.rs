//! Is it more than chance? Looks at the surprise and at what it rests on, not at words.

use super::{Case, Vote};

/// Observations below which no surprise counts.
const MIN_OBSERVATIONS: u64 = 10;

pub(super) fn judge(case: &Case) -> Vote {
    let strength = case.finding.strength;
    let (bits, needed) = (strength.bits, strength.needed_bits);
    if strength.observations < MIN_OBSERVATIONS {
        return Vote::reject(format!("rests on {} observations only", strength.observations));
    }
    if bits < needed {
        return Vote::reject(format!("{bits:.0} bits, {needed:.0} needed"));
    }
    Vote::confirm(format!("{bits:.0} bits, {needed:.0} needed"))
}
