//! A walk through a folder: every log in it once, and all else with the reason why it is left out.

use std::collections::{BinaryHeap, HashSet};
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Looked, Skipped, Sources, has_log_name, look_at, no_file};
use crate::config::TriageConfig;

/// Entries of one folder that are looked at, the first by name.
const ENTRIES: usize = 100_000;

/// Links are looked at last, so that what lies in the folder is read under its own name. Links to
/// folders are not followed: a walk has an end.
pub(super) struct Walk<'a> {
    config: &'a TriageConfig,
    sources: Sources,
    /// Device and inode of the files that are read.
    taken: HashSet<(u64, u64)>,
    links: Vec<PathBuf>,
    /// Beyond what [`Sources::skipped`] names.
    unnamed: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn below(root: &Path, config: &'a TriageConfig) -> Sources {
        let mut walk = Self {
            config,
            sources: Sources::default(),
            taken: HashSet::new(),
            links: Vec::new(),
            unnamed: 0,
        };
        walk.folder(root, 0);
        for link in std::mem::take(&mut walk.links) {
            walk.link(&link);
        }
        if walk.unnamed > 0 {
            let path = root.display().to_string();
            let reason = format!("{} more are left out that are not named", walk.unnamed);
            walk.sources.skipped.push(Skipped { path, reason });
        }
        walk.sources.files.sort_by(|a, b| a.path.cmp(&b.path));
        walk.sources
    }

    fn skip(&mut self, path: &Path, reason: impl fmt::Display) {
        if self.sources.skipped.len() < self.config.max_files {
            let path = path.display().to_string();
            self.sources.skipped.push(Skipped { path, reason: reason.to_string() });
        } else {
            self.unnamed += 1;
        }
    }

    fn folder(&mut self, folder: &Path, depth: usize) {
        for name in self.names(folder) {
            let path = folder.join(name);
            match fs::symlink_metadata(&path) {
                Ok(about) if about.is_dir() && depth < self.config.max_depth => {
                    self.folder(&path, depth + 1);
                }
                Ok(about) if about.is_dir() => self.skip(&path, "deeper than max_depth"),
                Ok(about) if about.is_symlink() => self.links.push(path),
                Ok(about) => self.file(&path, &about),
                Err(error) => self.skip(&path, error),
            }
        }
    }

    /// The names in a folder, in order.
    fn names(&mut self, folder: &Path) -> Vec<OsString> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.skip(folder, error);
                return Vec::new();
            }
        };
        let (mut first, mut beyond) = (BinaryHeap::new(), 0_usize);
        for entry in entries {
            match entry {
                Ok(entry) => first.push(entry.file_name()),
                Err(error) => self.skip(folder, error),
            }
            if first.len() > ENTRIES {
                first.pop();
                beyond += 1;
            }
        }
        if beyond > 0 {
            self.skip(folder, format!("{beyond} of its entries are beyond the first {ENTRIES}"));
        }
        first.into_sorted_vec()
    }

    fn link(&mut self, path: &Path) {
        // What leads in a circle or nowhere is an error here.
        match fs::canonicalize(path).and_then(|real| Ok((fs::metadata(&real)?, real))) {
            Ok((about, _)) if about.is_dir() => self.skip(path, "a link to a folder"),
            Ok((about, real)) => {
                let before = self.sources.files.len();
                self.file(path, &about);
                if self.sources.files.len() > before {
                    self.sources.linked.push(real);
                }
            }
            Err(error) => self.skip(path, format!("a link that can't be followed: {error}")),
        }
    }

    fn file(&mut self, path: &Path, about: &Metadata) {
        if let Some(reason) = no_file(about.file_type()) {
            return self.skip(path, reason);
        }
        let identity = (about.dev(), about.ino());
        if self.taken.contains(&identity) {
            return self.skip(path, "another name of a file that is read");
        }
        if self.sources.files.len() >= self.config.max_files {
            return self.skip(path, "more files than max_files");
        }
        match look_at(path) {
            Ok(Looked::Log(file)) if file.layout.is_dated() || has_log_name(path) => {
                self.sources.files.push(file);
                self.taken.insert(identity);
            }
            Ok(Looked::Log(_)) => self.skip(path, "does not look like a log"),
            Ok(Looked::Other(reason)) => self.skip(path, reason),
            Err(error) => self.skip(path, error),
        }
    }
}
