//! The directory: names of one node for addresses, beside their paths. Two nodes in one process
//! have nothing in common.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::address::Address;
use crate::path::ActorPath;

/// Another actor has the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name `{name}` belongs to {owner}")]
pub struct NameTaken {
    /// The name.
    pub name: Arc<str>,
    /// Who has it.
    pub owner: ActorPath,
}

/// Addresses by name. A name goes with the final end of its actor, not with a restart.
#[derive(Default)]
pub struct Directory {
    names: RwLock<BTreeMap<Arc<str>, Entry>>,
}

struct Entry {
    owner: ActorPath,
    /// An `Address<M>`.
    address: Box<dyn Any + Send + Sync>,
    is_closed: fn(&(dyn Any + Send + Sync)) -> bool,
}

impl Entry {
    fn is_closed(&self) -> bool {
        (self.is_closed)(&*self.address)
    }
}

impl Directory {
    /// Gives `address` a name; fails while a living actor has it, the same one included.
    pub fn register<M: Send + 'static>(
        &self,
        name: impl Into<Arc<str>>,
        address: &Address<M>,
    ) -> Result<(), NameTaken> {
        let name = name.into();
        let mut names = self.names.write();
        if let Some(entry) = names.get(&name).filter(|entry| !entry.is_closed()) {
            return Err(NameTaken { name, owner: entry.owner.clone() });
        }
        let entry = Entry {
            owner: address.path(),
            address: Box::new(address.clone()),
            is_closed: |any| any.downcast_ref::<Address<M>>().is_none_or(Address::is_closed),
        };
        names.insert(name, entry);
        Ok(())
    }

    /// The address of that name; none when there is none, when its actor has ended for good, or
    /// when it takes other messages than `M`.
    #[must_use]
    pub fn lookup<M: Send + 'static>(&self, name: &str) -> Option<Address<M>> {
        let names = self.names.read();
        let entry = names.get(name).filter(|entry| !entry.is_closed())?;
        entry.address.downcast_ref::<Address<M>>().cloned()
    }

    /// Takes a name away; false when there was none.
    pub fn unregister(&self, name: &str) -> bool {
        self.names.write().remove(name).is_some()
    }

    /// The names of living actors with their owners, in order.
    #[must_use]
    pub fn names(&self) -> Vec<(Arc<str>, ActorPath)> {
        let names = self.names.read();
        let living = names.iter().filter(|(_, entry)| !entry.is_closed());
        living.map(|(name, entry)| (Arc::clone(name), entry.owner.clone())).collect()
    }

    /// Takes away all names of an actor, and those of others that have ended meanwhile.
    pub(crate) fn forget(&self, owner: &ActorPath) {
        self.names.write().retain(|_, entry| entry.owner != *owner && !entry.is_closed());
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.names()).finish()
    }
}
