//! Why a journal could not be opened, as it is and not as text: for who decides what to do.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::OpenError;

/// Told of each attempt to open: none is a success.
pub(super) type Attempts = watch::Sender<Option<Arc<OpenError>>>;

/// What became of the attempts to open one journal.
#[derive(Clone, Debug)]
pub struct OpenFaults(watch::Receiver<Option<Arc<OpenError>>>);

impl OpenFaults {
    pub(super) fn new() -> (Attempts, Self) {
        let (attempts, seen) = watch::channel(None);
        (attempts, Self(seen))
    }

    /// Why the last attempt failed; none when it did not, or there was none.
    #[must_use]
    pub fn last(&self) -> Option<Arc<OpenError>> {
        self.0.borrow().clone()
    }

    /// Waits for a fault that lasts ([`OpenError::is_lasting`]), for ever if none comes.
    pub async fn lasting(&mut self) -> Arc<OpenError> {
        let lasts =
            |fault: &Option<Arc<OpenError>>| fault.as_ref().is_some_and(|fault| fault.is_lasting());
        let fault = self.0.wait_for(lasts).await.ok().and_then(|fault| fault.clone());
        match fault {
            Some(fault) => fault,
            None => std::future::pending().await, // the journal is gone for good
        }
    }
}
