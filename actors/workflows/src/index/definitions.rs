//! The definitions that are kept: those that a run is pinned to, and those that have a name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use semver::{Version, VersionReq};
use synod_runtime::Principal;

use crate::definition::DefinitionHash;
use crate::history::DefinedAs;

/// A definition and how many hold on to it.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub known: Arc<DefinedAs>,
    /// Runs that are kept and pinned to it.
    pub runs: u64,
    /// Names that mean it.
    pub names: u32,
}

/// What a name and a version mean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Named {
    pub hash: DefinitionHash,
    /// Since when, UTC microseconds.
    pub at: i64,
    pub by: Principal,
}

/// Definitions by hash, and names by version.
#[derive(Debug, Default, Clone)]
pub(crate) struct Definitions {
    by_hash: HashMap<DefinitionHash, Definition>,
    named: BTreeMap<Arc<str>, BTreeMap<Version, Named>>,
    bytes: u64,
}

impl Definitions {
    pub(crate) fn get(&self, hash: &DefinitionHash) -> Option<&Arc<DefinedAs>> {
        self.by_hash.get(hash).map(|definition| &definition.known)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Bytes of their texts.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn insert(&mut self, known: Arc<DefinedAs>) {
        let bytes = known.text.len() as u64;
        let added = Definition { known, runs: 0, names: 0 };
        if let std::collections::hash_map::Entry::Vacant(free) =
            self.by_hash.entry(added.known.hash)
        {
            free.insert(added);
            self.bytes += bytes;
        }
    }

    /// Puts in the text of one that was in a blob.
    pub(crate) fn fill(&mut self, hash: &DefinitionHash, text: bytes::Bytes) {
        if let Some(found) = self.by_hash.get_mut(hash) {
            self.bytes += text.len() as u64;
            let known = (*found.known).clone();
            found.known = Arc::new(DefinedAs { text, ..known });
        }
    }

    /// Forgets one that nobody holds on to.
    pub(crate) fn remove(&mut self, hash: &DefinitionHash) {
        if self.by_hash.get(hash).is_some_and(|known| known.runs == 0 && known.names == 0)
            && let Some(gone) = self.by_hash.remove(hash)
        {
            self.bytes -= gone.known.text.len() as u64;
        }
    }

    /// A run is pinned to it from now on; false when it is not known.
    pub(crate) fn pin(&mut self, hash: &DefinitionHash) -> bool {
        let Some(known) = self.by_hash.get_mut(hash) else { return false };
        known.runs += 1;
        true
    }

    /// A run is no longer pinned to it.
    pub(crate) fn unpin(&mut self, hash: &DefinitionHash) {
        if let Some(known) = self.by_hash.get_mut(hash) {
            known.runs = known.runs.saturating_sub(1);
        }
    }

    pub(crate) fn name(&mut self, name: Arc<str>, version: Version, named: Named) {
        let hash = named.hash;
        if let Some(former) = self.named.entry(name).or_default().insert(version, named) {
            self.unname_hash(&former.hash);
        }
        if let Some(known) = self.by_hash.get_mut(&hash) {
            known.names += 1;
        }
    }

    pub(crate) fn unname(&mut self, name: &str, version: &Version) {
        let Some(versions) = self.named.get_mut(name) else { return };
        let former = versions.remove(version);
        if versions.is_empty() {
            self.named.remove(name);
        }
        if let Some(former) = former {
            self.unname_hash(&former.hash);
        }
    }

    fn unname_hash(&mut self, hash: &DefinitionHash) {
        if let Some(known) = self.by_hash.get_mut(hash) {
            known.names = known.names.saturating_sub(1);
        }
    }

    /// The newest version of this name that fits; pre-releases only when they are asked for.
    pub(crate) fn find(
        &self,
        name: &str,
        wanted: Option<&VersionReq>,
    ) -> Option<(&Version, &Named)> {
        let versions = self.named.get(name)?;
        match wanted {
            Some(wanted) => versions.iter().rev().find(|(version, _)| wanted.matches(version)),
            None => {
                let released = versions.iter().rev().find(|(version, _)| version.pre.is_empty());
                released.or_else(|| versions.last_key_value())
            }
        }
    }

    /// Exactly this version of this name.
    pub(crate) fn exactly(&self, name: &str, version: &Version) -> Option<&Named> {
        self.named.get(name)?.get(version)
    }

    /// All names and versions.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&Arc<str>, &Version, &Named)> {
        let versions = self.named.iter();
        versions.flat_map(|(name, versions)| {
            versions.iter().map(move |(version, named)| (name, version, named))
        })
    }

    /// How many names and versions there are.
    pub(crate) fn count_names(&self) -> usize {
        self.named.values().map(BTreeMap::len).sum()
    }

    /// All that is kept, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Definition> {
        self.by_hash.values()
    }

    /// Those that nobody holds on to.
    pub(crate) fn unused(&self) -> impl Iterator<Item = DefinitionHash> {
        let unused = self.by_hash.values().filter(|known| known.runs == 0 && known.names == 0);
        unused.map(|known| known.known.hash)
    }
}
