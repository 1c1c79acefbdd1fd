//! The known name that was probably meant by an unknown one.

/// The candidate closest to `name`, when it is close enough to be a slip.
///
/// Closeness is the optimal string alignment distance (insert, delete, replace, swap two
/// neighbours), and at most a third of the longer name may differ.
#[must_use]
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let scored = candidates.into_iter().map(|candidate| (distance(name, candidate), candidate));
    let (distance, candidate) = scored.min()?;
    let longer = name.chars().count().max(candidate.chars().count());
    (distance * 3 <= longer).then_some(candidate)
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        (before, last) = (last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant() {
        let known = ["listen", "max_body_bytes", "data_folder"];
        assert_eq!(nearest("lisetn", known), Some("listen"));
        assert_eq!(nearest("max_body_byte", known), Some("max_body_bytes"));
        assert_eq!(nearest("datafolder", known), Some("data_folder"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("x", []), None);
    }
}
