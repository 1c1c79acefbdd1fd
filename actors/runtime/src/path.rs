//! The path of an actor in its node's tree: `/tasks/engine`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Where an actor stands in the tree; names the role, so it survives every restart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActorPath(Arc<str>);

impl ActorPath {
    /// A path from its text, taken as it is: `/tasks/engine`.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The path of the child `name` below this one.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self(format!("{}/{name}", self.0.trim_end_matches('/')).into())
    }

    /// The path above this one; none above a root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (above, _) = self.0.rsplit_once('/')?;
        (!above.is_empty()).then(|| Self(above.into()))
    }

    /// The last name of the path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The whole path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ActorPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for ActorPath {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl AsRef<str> for ActorPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_grows_and_shrinks_by_names() {
        let engine = ActorPath::new("/").child("tasks").child("engine");
        assert_eq!(engine.as_str(), "/tasks/engine");
        assert_eq!(engine.name(), "engine");
        assert_eq!(engine.parent(), Some(ActorPath::new("/tasks")));
        assert_eq!(ActorPath::new("/tasks").parent(), None);
    }
}
