//! What the default file says about its keys.

use super::DEFAULT_FILE;
use super::path::KeyPath;

/// The range of a key as `config/node.toml` documents it: what stands between the last colon of
/// its comment and the mark behind it. None for a key without a range, or inside a list.
pub(super) fn range_of(key: &KeyPath) -> Option<String> {
    let (mut section, mut comment) = (KeyPath::default(), String::new());
    for line in DEFAULT_FILE.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(' ');
            comment.push_str(text.trim());
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = KeyPath::parse(name);
        } else if let Some((name, _)) = line.split_once(" = ")
            && section.key(name) == *key
        {
            return range_in(&comment);
        }
        comment.clear();
    }
    None
}

fn range_in(comment: &str) -> Option<String> {
    let (told, _) = comment.rsplit_once(". [")?;
    let (_, range) = told.rsplit_once(": ")?;
    // What the value 0 means is told behind the range.
    let range = range.split("; ").next().unwrap_or(range);
    // It begins with a number, with another key, or with `at least`.
    let begins = |word: &str| word == "at" || word.contains('_') || word.parse::<f64>().is_ok();
    range.split(' ').next().is_some_and(begins).then(|| range.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NodeConfig;

    #[test]
    fn every_number_of_the_node_has_a_range() {
        let range = |key: &str| range_of(&KeyPath::parse(key)).unwrap();
        assert_eq!(range("http.max_streams"), "1 to 65536");
        assert_eq!(range("node.shutdown_s"), "0 to 3600");
        assert_eq!(range_of(&KeyPath::parse("http.listen")), None);
        assert_eq!(range_of(&KeyPath::parse("http.nothing")), None);
        let without: Vec<String> = NodeConfig::default()
            .keys()
            .into_iter()
            .filter(|(key, value)| value.is_number() && range_of(key).is_none())
            .map(|(key, _)| key.to_string())
            .collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
