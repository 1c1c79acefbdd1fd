//! A section on its way to being read: what is faulty is taken out, so that the rest can be judged.

use serde_json::Value;

use super::path::{KeyPath, Step};

/// A section as it was written, less what was taken out of it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    value: Value,
    /// Elements that were taken out of lists, as the file counts them; those behind moved up.
    gone: Vec<KeyPath>,
}

impl Draft {
    pub(super) fn new(value: Value) -> Self {
        Self { value, gone: Vec::new() }
    }

    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// The path in the file of what is at `path` here.
    pub(super) fn written(&self, path: &KeyPath) -> KeyPath {
        path.steps().iter().fold(KeyPath::default(), |at, step| match step {
            Step::Key(key) => at.key(key),
            Step::Index(index) => {
                let is_left = |index: &usize| !self.gone.contains(&at.index(*index));
                at.index((0..).filter(is_left).nth(*index).unwrap_or(*index))
            }
        })
    }

    /// Takes out what is at `path`. False when that is the section itself, or nothing.
    pub(super) fn take_out(&mut self, path: &KeyPath) -> bool {
        let written = self.written(path);
        let Some(holder) = path.parent().find_mut(&mut self.value) else { return false };
        match (holder, path.steps().last()) {
            (Value::Object(table), Some(Step::Key(key))) => table.remove(key).is_some(),
            (Value::Array(items), Some(Step::Index(index))) if *index < items.len() => {
                items.remove(*index);
                self.gone.push(written);
                true
            }
            _ => false,
        }
    }

    /// The innermost element of a list that `path` is in, or else the section itself.
    pub(super) fn element(path: &KeyPath) -> KeyPath {
        let mut path = path.clone();
        while !path.is_root() && !matches!(path.steps().last(), Some(Step::Index(_))) {
            path = path.parent();
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_moved_up_in_a_list_is_still_called_as_it_is_written() {
        let mut draft = Draft::new(json!({"a": [{"x": 0}, {"x": 1}, {"x": 2}, {"x": 3}]}));
        let path = |text: &str| KeyPath::parse(text);
        assert!(draft.take_out(&path("a[1]")));
        assert_eq!(draft.written(&path("a[1].x")), path("a[2].x"));
        assert!(draft.take_out(&path("a[0]")));
        assert_eq!(draft.written(&path("a[0].x")), path("a[2].x"));
        assert!(draft.take_out(&path("a[1].x")));
        assert_eq!(draft.value(), &json!({"a": [{"x": 2}, {}]}));
        assert!(!draft.take_out(&path("a[1].x")) && !draft.take_out(&KeyPath::default()));
    }

    #[test]
    fn a_key_stands_in_an_element_or_in_the_section() {
        assert_eq!(Draft::element(&KeyPath::parse("a[1].b.c")), KeyPath::parse("a[1]"));
        assert!(Draft::element(&KeyPath::parse("a.b")).is_root());
    }
}
