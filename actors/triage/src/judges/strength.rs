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
        return Vote::reject(format!("surprise {bits:.0} of {needed:.0} bits needed"));
    }
    Vote::confirm(format!("surprise {bits:.0}, {needed:.0} bits needed"))
}
