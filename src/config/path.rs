//! The dotted name of a key, such as `agents.process[0].command`.

use std::fmt;

/// Where a key stands in the document.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(Vec<Step>);

/// One step down into the document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A key of a table.
    Key(String),
    /// An element of an array, from 0.
    Index(usize),
}

impl KeyPath {
    /// Reads `a.b[0].c`; also `a.b.0.c`, as a number can't be a key of ours.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let parts = text.split(['.', '[', ']']).filter(|part| !part.is_empty());
        Self(parts.map(Step::parse).collect())
    }

    /// This path with one more key.
    #[must_use]
    pub fn key(&self, name: &str) -> Self {
        self.with(Step::Key(name.to_owned()))
    }

    /// This path with one more element.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// Whether this is the document itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of the table or array this key stands in.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }

    /// The last key, without its table.
    #[must_use]
    pub fn last(&self) -> &str {
        let keys = self.0.iter().rev();
        keys.filter_map(Step::as_key).next().unwrap_or_default()
    }

    /// Whether `self` is `outer` or lies inside it.
    #[must_use]
    pub fn is_within(&self, outer: &Self) -> bool {
        self.0.starts_with(&outer.0)
    }

    /// The path of these steps.
    pub(super) fn of(steps: &[Step]) -> Self {
        Self(steps.to_vec())
    }

    /// This path, and `path` from there.
    pub(super) fn join(&self, path: &Self) -> Self {
        Self([self.steps(), path.steps()].concat())
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The value at this path.
    pub(super) fn find<'v>(&self, root: &'v serde_json::Value) -> Option<&'v serde_json::Value> {
        self.0.iter().try_fold(root, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
    }

    /// The value at this path, to change it.
    pub(super) fn find_mut<'v>(
        &self,
        root: &'v mut serde_json::Value,
    ) -> Option<&'v mut serde_json::Value> {
        self.0.iter().try_fold(root, |value, step| match step {
            Step::Key(key) => value.get_mut(key),
            Step::Index(index) => value.get_mut(index),
        })
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl Step {
    fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Key(text.to_owned()), Self::Index)
    }

    fn as_key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Index(_) => None,
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_an_element_mean_the_same() {
        let path = KeyPath::parse("agents.process[0].command");
        assert_eq!(path, KeyPath::parse("agents.process.0.command"));
        assert_eq!(path.to_string(), "agents.process[0].command");
        assert_eq!(path.last(), "command");
        assert!(path.is_within(&KeyPath::parse("agents.process")));
        assert!(!KeyPath::parse("agents").is_within(&path));
    }
}
