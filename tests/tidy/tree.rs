//! The files of the repository, read once per rule.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::Source;

/// Folders that hold no source of ours, by name at any depth.
const SKIPPED: [&str; 5] = ["target", ".git", "__pycache__", ".venv", "node_modules"];

/// The repository as the rules see it.
pub(crate) struct Tree {
    root: PathBuf,
    files: Vec<String>,
}

impl Tree {
    /// The repository this test was built from.
    pub(crate) fn open() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        walk(&root, &root, &mut files);
        files.sort();
        assert!(files.len() > 20, "the walk found only {} files", files.len());
        Self { root, files }
    }

    /// All files, as paths from the root with `/`.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Whether a file or folder is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// The text of a file, or `None` when it is missing or is not UTF-8.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    /// A TOML file, which must be there and parse.
    pub(crate) fn toml(&self, path: &str) -> toml::Table {
        let text = self.text(path).unwrap_or_else(|| panic!("{path} can't be read"));
        text.parse().unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Names of the folders directly below `path`.
    pub(crate) fn folders(&self, path: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.root.join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
            .filter_map(Result::ok)
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Every Rust file, analysed.
    pub(crate) fn sources(&self) -> Vec<Source> {
        self.files()
            .filter(|path| path.ends_with(".rs"))
            .filter_map(|path| Some(Source::new(path, &self.text(path)?)))
            .collect()
    }

    /// Whether the file may be executed by its owner.
    #[cfg(unix)]
    pub(crate) fn is_executable(&self, path: &str) -> bool {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(self.root.join(path)).is_ok_and(|m| m.permissions().mode() & 0o100 != 0)
    }
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let own_data = folder == root && name == "data" || name.ends_with(".synod-data");
        if SKIPPED.contains(&name.as_str()) || own_data {
            continue;
        }
        // A link is not followed: it may leave the repository.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(root, &path, files),
            Ok(kind) if kind.is_file() => files.extend(relative(root, &path)),
            _ => {}
        }
    }
}

fn relative(root: &Path, path: &Path) -> Option<String> {
    let path = path.strip_prefix(root).ok()?;
    Some(path.to_str()?.replace('\\', "/"))
}
