//! Frames between nodes, and how they become bytes.
//!
//! ```text
//!  u32 length of what follows │ u8 version │ u8 kind │ u64 id │ u8 service │ body
//! ```
//!
//! All numbers are little-endian. The id of a cast or a call rises by one with each of a
//! connection; an answer bears the id of its call. A `Hello`, a `Welcome` and a `Refusal` begin
//! with bytes that no version changes, so that any two nodes understand why they can't talk.
//!
//! Invariants:
//! - No byte that arrives can make the decoder panic, or keep more than the limit of a frame.
//! - A frame is judged by its head before its body is waited for.

mod frame;
mod greeting;
mod service;

pub(crate) use frame::{Frame, Kind, decode, head};
pub(crate) use greeting::{
    FORMAT, GREETING_LIMIT, Greeting, GreetingFault, Ready, Refusal, RefusalCode,
};
pub use service::{Service, StreamKind};
