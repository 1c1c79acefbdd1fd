//! What is about to leave over a connection.

use bytes::Bytes;

use crate::links::error::LinkError;
use crate::links::port::Room;
use crate::wire::{Kind, Service};

/// An answer that has not been written yet.
pub(super) struct Reply {
    pub(super) id: u64,
    pub(super) room: Room,
    pub(super) answer: Result<Bytes, LinkError>,
}

/// A frame on its way to the wire.
pub(super) enum Departing {
    Signal(Kind, u64),
    Reply(Reply),
    Cast(Service, u64, Bytes),
    /// With the time that its caller still waits, in milliseconds.
    Call(Service, u64, Bytes, u32),
}
