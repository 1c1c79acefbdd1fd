//! What was probably meant: the known name that is nearest to an unknown one.

use std::cell::Cell;

/// Longest name that is compared, in characters.
const LONGEST: usize = 64;

/// Names that are compared for one text: 10,000 unknown names among 10,000 known ones would take
/// minutes, and nobody reads so many suggestions.
const COMPARED: usize = 200_000;

/// Suggestions for one text, until as many names were compared as are allowed.
#[derive(Debug)]
pub(crate) struct Suggestions {
    left: Cell<usize>,
}

impl Default for Suggestions {
    fn default() -> Self {
        Self { left: Cell::new(COMPARED) }
    }
}

impl Suggestions {
    /// As [`nearest`]; nothing when `known` has more names than may still be compared.
    pub(crate) fn nearest<'a>(
        &self,
        name: &str,
        known: impl ExactSizeIterator<Item = &'a str>,
    ) -> Option<String> {
        let left = self.left.get().checked_sub(known.len())?;
        self.left.set(left);
        nearest(name, known)
    }
}

/// `did you mean 'read'?`, when one of `known` is near to `name`: at most a third of its
/// characters away, by the edit distance with transpositions (Damerau 1964, Levenshtein 1966).
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let wanted: Vec<char> = name.chars().take(LONGEST + 1).collect();
    if wanted.len() > LONGEST {
        return None;
    }
    let allowed = (wanted.len() / 3).max(usize::from(wanted.len() > 2));
    let candidates = known.filter(|candidate| candidate.len().abs_diff(name.len()) <= 4 * allowed);
    let near = candidates.filter_map(|candidate| {
        let letters: Vec<char> = candidate.chars().take(LONGEST).collect();
        let far = distance(&wanted, &letters);
        (far <= allowed).then_some((far, candidate))
    });
    near.min().map(|(_, candidate)| format!("did you mean '{candidate}'?"))
}

/// How many insertions, deletions, substitutions and swaps of neighbours make `b` of `a`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(from != to);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_name_is_offered_and_a_far_one_is_not() {
        let known = ["depends_on", "when", "retry", "timeout"];
        let of = |name| nearest(name, known.iter().copied());
        assert_eq!(of("depend_on").unwrap(), "did you mean 'depends_on'?");
        assert_eq!(of("wehn").unwrap(), "did you mean 'when'?");
        assert_eq!(of("retyr").unwrap(), "did you mean 'retry'?");
        assert_eq!(of("colour"), None);
        assert_eq!(of(&"x".repeat(100_000)), None);
    }

    #[test]
    fn suggestions_end_when_enough_names_were_compared() {
        let known: Vec<_> = (0..COMPARED / 2).map(|at| format!("step{at}")).collect();
        let suggestions = Suggestions::default();
        let of = || suggestions.nearest("stepp1", known.iter().map(String::as_str));
        assert!(of().is_some() && of().is_some());
        assert_eq!(of(), None);
    }
}
