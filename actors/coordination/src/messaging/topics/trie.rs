//! Filters as a tree by level, so that a topic finds those that match it without trying the others.
//! Pure.

use std::collections::BTreeMap;

use super::filter::TopicFilter;

/// The number of a subscription; later ones are greater.
pub(super) type Number = u64;

/// Subscriptions by their filters. `T` is what is kept of each.
#[derive(Debug)]
pub(super) struct Trie<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    levels: BTreeMap<Box<str>, Node<T>>,
    /// Below `+`.
    any: Option<Box<Node<T>>>,
    /// Whose filter ends here, in order of number.
    here: Vec<(Number, T)>,
    /// Whose filter ends here with `#`.
    rest: Vec<(Number, T)>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { levels: BTreeMap::new(), any: None, here: Vec::new(), rest: Vec::new() }
    }
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T> Node<T> {
    fn is_empty(&self) -> bool {
        let leads_on = !self.levels.is_empty() || self.any.is_some();
        !leads_on && self.here.is_empty() && self.rest.is_empty()
    }

    /// Takes a subscription out; whether it was there.
    fn remove(&mut self, levels: &[&str], number: Number) -> bool {
        let taken = |list: &mut Vec<(Number, T)>| {
            let found = list.binary_search_by_key(&number, |(known, _)| *known);
            found.map(|index| list.remove(index)).is_ok()
        };
        match levels {
            [] => taken(&mut self.here),
            ["#"] => taken(&mut self.rest),
            ["+", below @ ..] => {
                let Some(any) = &mut self.any else { return false };
                let removed = any.remove(below, number);
                if any.is_empty() {
                    self.any = None;
                }
                removed
            }
            [level, below @ ..] => {
                let Some(node) = self.levels.get_mut(*level) else { return false };
                let removed = node.remove(below, number);
                if node.is_empty() {
                    self.levels.remove(*level);
                }
                removed
            }
        }
    }

    /// Visits what matches the levels. As deep as a topic may be.
    fn visit(&self, levels: &[&str], wild: bool, found: &mut impl FnMut(&[(Number, T)])) {
        if wild && !self.rest.is_empty() {
            found(&self.rest);
        }
        let [level, below @ ..] = levels else {
            if !self.here.is_empty() {
                found(&self.here);
            }
            return;
        };
        if let Some(node) = self.levels.get(*level) {
            node.visit(below, true, found);
        }
        if wild && let Some(any) = &self.any {
            any.visit(below, true, found);
        }
    }
}

impl<T> Trie<T> {
    /// Puts a subscription in. Its number is greater than all before it.
    pub(super) fn insert(&mut self, filter: &TopicFilter, number: Number, kept: T) {
        let mut node = &mut self.root;
        for level in filter.levels() {
            node = match level {
                "#" => return node.rest.push((number, kept)),
                "+" => node.any.get_or_insert_default(),
                level => node.levels.entry(level.into()).or_default(),
            };
        }
        node.here.push((number, kept));
    }

    /// Takes a subscription out; whether it was there.
    pub(super) fn remove(&mut self, filter: &TopicFilter, number: Number) -> bool {
        let levels: Vec<&str> = filter.levels().collect();
        self.root.remove(&levels, number)
    }

    /// Gives all whose filter matches the topic, in groups, each once.
    pub(super) fn matching(&self, topic: &str, mut found: impl FnMut(&[(Number, T)])) {
        let levels: Vec<&str> = topic.split('/').collect();
        // Topics of the system are not for who asks for just anything (4.7.2).
        self.root.visit(&levels, !topic.starts_with('$'), &mut found);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::filter::tests::EXAMPLES;
    use super::*;

    fn matching(trie: &Trie<()>, topic: &str) -> Vec<Number> {
        let mut all = Vec::new();
        trie.matching(topic, |some| all.extend(some.iter().map(|(number, ())| *number)));
        all.sort_unstable();
        all
    }

    #[test]
    fn the_tree_matches_as_the_examples_of_mqtt_5_say() {
        for (filter, topic, expected) in EXAMPLES {
            let mut trie = Trie::default();
            trie.insert(&TopicFilter::new(*filter).unwrap(), 1, ());
            assert_eq!(matching(&trie, topic) == [1], *expected, "{filter} and {topic}");
        }
    }

    #[test]
    fn what_is_taken_out_leaves_nothing_behind() {
        let mut trie = Trie::default();
        let filters = ["a/b/c", "a/+/c", "a/#", "#", "+/+/+"].map(|f| TopicFilter::new(f).unwrap());
        for (number, filter) in (1..).zip(&filters) {
            trie.insert(filter, number, ());
        }
        assert_eq!(matching(&trie, "a/b/c"), [1, 2, 3, 4, 5]);
        for (number, filter) in (1..).zip(&filters) {
            assert!(trie.remove(filter, number));
            assert!(!trie.remove(filter, number));
        }
        assert!(trie.root.is_empty());
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_trying_every_filter_finds(
            filters in prop::collection::vec("(a|b|\\+|\\$s)(/(a|b|\\+|)){0,3}(/#)?", 0..20),
            topic in "(a|b|\\$s|)(/(a|b|)){0,4}",
            gone in any::<prop::sample::Index>(),
        ) {
            prop_assume!(!topic.is_empty());
            let filters: Vec<_> =
                filters.into_iter().map(|text| TopicFilter::new(text).unwrap()).collect();
            let mut trie = Trie::default();
            for (number, filter) in (1..).zip(&filters) {
                trie.insert(filter, number, ());
            }
            let gone = (!filters.is_empty()).then(|| gone.index(filters.len()));
            if let Some(index) = gone {
                prop_assert!(trie.remove(&filters[index], index as u64 + 1));
            }
            let tried: Vec<Number> = (0..filters.len())
                .filter(|index| Some(*index) != gone && filters[*index].matches(&topic))
                .map(|index| index as u64 + 1)
                .collect();
            prop_assert_eq!(matching(&trie, &topic), tried);
        }
    }
}
