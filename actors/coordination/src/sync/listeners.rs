//! Who is told of changes. A listener without room is told later which documents changed, so
//! nothing is queued for it here but their names.

use std::collections::BTreeSet;

use super::messages::{SharedChange, SharedDelivery, SharedListener};

/// Most listeners; they are parts of the node, not users.
const MAX_LISTENERS: usize = 256;

/// The listeners of shared state.
#[derive(Debug, Default)]
pub(super) struct Listeners(Vec<Told>);

#[derive(Debug)]
struct Told {
    listener: SharedListener,
    /// Documents of which it misses a change.
    behind: BTreeSet<String>,
}

impl Listeners {
    pub(super) fn add(&mut self, listener: SharedListener) {
        if self.0.len() >= MAX_LISTENERS {
            return tracing::warn!(MAX_LISTENERS, "one more listener of shared state is not told");
        }
        self.0.push(Told { listener, behind: BTreeSet::new() });
    }

    pub(super) fn publish(&mut self, change: &SharedChange) {
        self.0.retain_mut(|told| {
            if !told.behind.is_empty() {
                told.behind.insert(change.document.clone());
                return true;
            }
            match told.listener.deliver(change.clone()) {
                SharedDelivery::Taken => true,
                SharedDelivery::Full => told.behind.insert(change.document.clone()),
                SharedDelivery::Gone => false,
            }
        });
    }

    /// All of these documents may have changed in any way.
    pub(super) fn lost_touch<'a>(&mut self, documents: impl Iterator<Item = &'a String>) {
        let documents: BTreeSet<_> = documents.cloned().collect();
        for told in &mut self.0 {
            told.behind.extend(documents.iter().cloned());
        }
    }

    /// Tells those that miss something in which documents.
    pub(super) fn catch_up(&mut self) {
        self.0.retain_mut(|told| {
            while let Some(document) = told.behind.pop_first() {
                let change = SharedChange { document, keys: Vec::new(), by: String::new() };
                match told.listener.deliver(change.clone()) {
                    SharedDelivery::Taken => {}
                    SharedDelivery::Full => return told.behind.insert(change.document),
                    SharedDelivery::Gone => return false,
                }
            }
            true
        });
    }
}
