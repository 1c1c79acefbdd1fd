//! Actors that other nodes have made here: only of types that this node has registered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use synod_runtime::{Actor, AnySpec, Spec, WireMessage};

use super::desk::RemoteDesk;
use super::error::{OfferError, RemoteError};
use super::letter::BodyCodec;

/// Where an actor that another node wants is to be.
pub struct Seat<'a> {
    /// What it is to be called among the desk's children, and offered as.
    pub name: &'a str,
    /// Through which its addresses are offered.
    pub desk: &'a RemoteDesk,
}

impl fmt::Debug for Seat<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("name", &self.name).finish_non_exhaustive()
    }
}

type Made = Result<AnySpec, String>;
type Make = Box<dyn FnOnce(&RemoteDesk) -> Made + Send>;
type Factory = Arc<dyn Fn(&str, &[u8]) -> Result<Make, RemoteError> + Send + Sync>;

/// One actor to be made.
pub struct Order {
    pub(super) name: String,
    pub(super) make: Make,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The types of actors that a node makes for others.
#[derive(Default)]
pub(super) struct Types(BTreeMap<(String, u16), Factory>);

impl Types {
    /// What is to be made, once the bytes have been read.
    pub(super) fn order(
        &self,
        kind: &str,
        version: u16,
        name: String,
        body: &[u8],
    ) -> Result<Order, RemoteError> {
        let factory = self.0.get(&(kind.to_owned(), version));
        let unknown = || RemoteError::UnknownType { kind: kind.to_owned(), version };
        let make = factory.ok_or_else(unknown)?(&name, body)?;
        Ok(Order { name, make })
    }
}

impl RemoteDesk {
    /// Lets other nodes have actors made here out of a `C`. `make` gives the actor's spec, which
    /// bears the seat's name, and offers its addresses; an error text goes back to who asked. How
    /// it is restarted is the spec's affair; it ends with this node's desk.
    ///
    /// # Errors
    /// [`OfferError::Taken`] when the type is registered.
    pub fn offer_type<C, A, F>(&self, make: F) -> Result<(), OfferError>
    where
        C: WireMessage,
        A: Actor,
        F: Fn(C, &Seat<'_>) -> Result<Spec<A>, String> + Send + Sync + 'static,
    {
        let make = Arc::new(make);
        let factory: Factory = Arc::new(move |name, body| {
            let config: C =
                BodyCodec::decode(body).map_err(|why| RemoteError::Unreadable(why.to_string()))?;
            let (make, name) = (Arc::clone(&make), name.to_owned());
            let made = move |desk: &RemoteDesk| {
                make(config, &Seat { name: &name, desk }).map(AnySpec::from)
            };
            Ok(Box::new(made) as Make)
        });
        let key = (C::KIND.to_owned(), C::VERSION);
        let mut types = self.shared.types.write();
        if types.0.contains_key(&key) {
            return Err(OfferError::Taken { name: key.0, kind: C::KIND });
        }
        types.0.insert(key, factory);
        Ok(())
    }
}
