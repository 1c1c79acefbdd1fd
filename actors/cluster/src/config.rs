//! What values of the configuration may be.

use synod_runtime::ConfigFault;

/// A key, its value, and the least and the most that it may be.
pub(crate) type Range<'a> = (&'a str, u64, u64, u64);

/// Checks values against their ranges, ends included.
///
/// # Errors
/// A fault for each value outside of its range.
pub(crate) fn within(ranges: &[Range<'_>]) -> Result<(), Vec<ConfigFault>> {
    let faults = outside(ranges);
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// The faults of values outside of their ranges.
pub(crate) fn outside(ranges: &[Range<'_>]) -> Vec<ConfigFault> {
    let faulty = ranges.iter().filter(|(_, value, least, most)| !(least..=most).contains(&value));
    let fault = |(key, value, least, most): &Range<'_>| {
        ConfigFault::new(*key, format!("{value} is not between {least} and {most}"))
    };
    faulty.map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_range_are_within_it() {
        assert_eq!(within(&[("a", 1, 1, 2), ("b", 2, 1, 2)]), Ok(()));
        let faults = within(&[("a", 0, 1, 2), ("b", 1, 1, 1), ("c", 3, 1, 2)]).unwrap_err();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["a", "c"]);
        assert_eq!(faults[1].reason, "3 is not between 1 and 2");
    }
}
