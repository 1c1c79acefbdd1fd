//! Frames between nodes, and how they become bytes.

mod service;

pub use service::{Service, StreamKind};
