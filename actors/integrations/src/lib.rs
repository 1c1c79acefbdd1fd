//! Adapters to the outside world: one folder and one feature each.
//!
//! ```text
//! http   an agent that is an HTTP endpoint, in any language
//! ```
//!
//! Never: a call without a deadline, an answer without a bound, a request to an address that the
//! policy refuses.

#[cfg(feature = "http")]
pub mod http;
