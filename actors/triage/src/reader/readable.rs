//! Which files the team may open: its input, where the links in it lead, and the chunks that the
//! run spools of a stream.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;

use super::input::{Input, machine_logs};
use crate::error::ReadError;

/// Files, and folders with all that lies below them, that a team may read. A task names the file
/// that its text lies in; what is not here is not opened, whoever submitted the task.
#[derive(Clone, Debug)]
pub struct Readable {
    roots: Arc<[PathBuf]>,
    linked: Arc<RwLock<HashSet<PathBuf>>>,
}

impl Readable {
    /// What a run over `input` reads; `spool` is its folder for the chunks of a stream.
    #[must_use]
    pub fn of(input: &Input, spool: &Path) -> Self {
        let given = match input {
            Input::Machine => Some(machine_logs().to_owned()),
            Input::Path(path) => Some(path.clone()),
            Input::Standard => None,
        };
        Self::below(given.into_iter().chain([spool.to_owned()]))
    }

    /// These files, and all below these folders.
    #[must_use]
    pub fn below(roots: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { roots: roots.into_iter().collect(), linked: Arc::default() }
    }

    /// These files as well, to which links in the input lead: real paths, as they were found. A
    /// link that leads elsewhere afterwards leads nowhere.
    pub fn admit(&self, linked: impl IntoIterator<Item = PathBuf>) {
        self.linked.write().extend(linked);
    }

    /// Whether `path` is written as one of these, or as something below one. Of what is not,
    /// nobody is told whether it is there.
    pub(crate) fn names(&self, path: &Path) -> bool {
        let Ok(path) = std::path::absolute(path) else { return false };
        let below = |root: PathBuf| {
            let rest = path.strip_prefix(&root);
            rest.is_ok_and(|rest| rest.components().all(|part| part != Component::ParentDir))
        };
        self.roots.iter().filter_map(|root| std::path::absolute(root).ok()).any(below)
    }

    /// Checks where `path` leads: links and `..` are followed first. Blocking.
    ///
    /// # Errors
    /// [`ReadError::NotGiven`] when that is outside; [`ReadError::Unreadable`] when it is nowhere.
    pub fn check(&self, path: &str) -> Result<(), ReadError> {
        let path = || path.to_owned();
        let real = fs::canonicalize(path())
            .map_err(|source| ReadError::Unreadable { path: path(), source })?;
        // A folder of chunks is made only when there are chunks.
        let mut roots = self.roots.iter().filter_map(|root| fs::canonicalize(root).ok());
        let given = roots.any(|root| real.starts_with(root)) || self.linked.read().contains(&real);
        if given { Ok(()) } else { Err(ReadError::NotGiven { path: path() }) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn refuses(readable: &Readable, path: &Path) -> bool {
        let checked = readable.check(path.to_str().unwrap());
        matches!(checked, Err(ReadError::NotGiven { .. }))
    }

    #[test]
    fn nothing_outside_the_input_and_the_spool_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("logs")).unwrap();
        fs::create_dir(at("logs-of-others")).unwrap();
        for name in ["logs/a.log", "logs-of-others/b.log", "secret"] {
            fs::write(at(name), "x").unwrap();
        }
        symlink(at("secret"), at("logs/link.log")).unwrap();
        let readable = Readable::of(&Input::Path(at("logs")), &at("spool"));
        let check = |path: &Path| readable.check(path.to_str().unwrap());
        assert!(check(&at("logs/a.log")).is_ok());
        assert!(check(&at("logs/../logs/a.log")).is_ok());
        readable.admit([fs::canonicalize(at("logs-of-others/b.log")).unwrap()]);
        symlink(at("logs-of-others/b.log"), at("logs/b.log")).unwrap();
        assert!(check(&at("logs/b.log")).is_ok() && check(&at("logs-of-others/b.log")).is_ok());
        fs::remove_file(at("logs/b.log")).unwrap();
        symlink(at("secret"), at("logs/b.log")).unwrap();
        fs::write(at("logs-of-others/c.log"), "x").unwrap();
        let outside = [
            "logs/b.log",
            "secret",
            "logs/../secret",
            "logs/link.log",
            "logs-of-others/c.log",
            "logs/..",
        ];
        for name in outside {
            assert!(refuses(&readable, &at(name)), "{name}");
        }
        assert!(matches!(check(&at("logs/gone.log")), Err(ReadError::Unreadable { .. })));

        fs::create_dir(at("spool")).unwrap();
        fs::write(at("spool/chunk-0.log"), "x").unwrap();
        assert!(check(&at("spool/chunk-0.log")).is_ok(), "made after the team");
        for (name, named) in [("logs", true), ("logs/no/x.log", true), ("secret", false)] {
            assert_eq!(readable.names(&at(name)), named, "{name}");
        }
        assert!(!readable.names(&at("logs/../secret")));
    }

    #[test]
    fn an_input_that_is_one_file_is_that_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.log"), "x").unwrap();
        fs::write(at("b.log"), "x").unwrap();
        symlink(at("a.log"), at("today.log")).unwrap();
        let readable = Readable::of(&Input::Path(at("today.log")), &at("spool"));
        assert!(!refuses(&readable, &at("today.log")) && !refuses(&readable, &at("a.log")));
        assert!(refuses(&readable, &at("b.log")));
        assert!(refuses(&Readable::of(&Input::Standard, &at("spool")), &at("a.log")));
    }
}
