//! What one lease is like when one request after the other is served: a register that is set when
//! it is free, cleared by its token, and read.

use std::collections::BTreeMap;

use porcupine_rs::{Model, Operation};

use crate::control::{FencingToken, LeaseName};
use crate::node::NodeId;

/// What a client asked of a lease, and what it learned. Who learned nothing may have had an
/// effect at any later time, or none ever: its operation never returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Taken or renewed for a holder, who was given this token.
    Taken(NodeId, FencingToken),
    /// Wanted for the first, refused because the second has it.
    Held(NodeId, NodeId),
    /// Wanted, and never answered.
    PerhapsTaken(NodeId),
    /// Given back with a token, whether or not that was answered.
    GivenBack(FencingToken),
    /// Read.
    Seen(Option<(NodeId, FencingToken)>),
}

/// One request about one lease.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) name: LeaseName,
    pub(super) asked: Asked,
}

/// A lease; the token is unknown as long as nobody was told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct OneLease {
    held: Option<(NodeId, Option<FencingToken>)>,
    /// The last token that is known to have been given.
    last: FencingToken,
}

impl OneLease {
    /// The holder as somebody saw it: what is known of the token has to agree.
    fn is(&self, holder: NodeId, token: FencingToken) -> bool {
        self.held.is_some_and(|(held_by, known)| {
            held_by == holder && known.map_or(token > self.last, |known| known == token)
        })
    }

    fn of(holder: NodeId, token: FencingToken) -> Self {
        Self { held: Some((holder, Some(token))), last: token }
    }

    fn after(&self, asked: &Asked) -> Option<Self> {
        match *asked {
            Asked::Taken(holder, token) => {
                let fits = self.is(holder, token) || self.held.is_none() && token > self.last;
                fits.then(|| Self::of(holder, token))
            }
            Asked::Held(asker, by) => {
                let fits = asker != by && self.held.is_some_and(|(holder, _)| holder == by);
                fits.then(|| self.clone())
            }
            Asked::PerhapsTaken(holder) => {
                Some(Self { held: self.held.or(Some((holder, None))), last: self.last })
            }
            Asked::GivenBack(token) => {
                let is_this = self.held.is_some_and(|(_, known)| known == Some(token));
                Some(if is_this { Self { held: None, last: self.last } } else { self.clone() })
            }
            Asked::Seen(None) => self.held.is_none().then(|| self.clone()),
            Asked::Seen(Some((holder, token))) => {
                self.is(holder, token).then(|| Self::of(holder, token))
            }
        }
    }
}

impl Model for OneLease {
    type State = Self;
    type Op = Request;
    type Metadata = ();

    fn partition_operations(history: &[Operation<Self>]) -> Vec<Vec<Operation<Self>>> {
        let mut by_name: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for operation in history {
            by_name.entry(operation.op.name.clone()).or_default().push(operation.clone());
        }
        by_name.into_values().collect()
    }

    fn init() -> Self {
        Self::default()
    }

    fn step(state: &Self, request: &Request) -> (bool, Self) {
        match state.after(&request.asked) {
            Some(next) => (true, next),
            None => (false, state.clone()),
        }
    }
}
