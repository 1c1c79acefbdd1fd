//! Models checked exhaustively with stateright: every order of events of a small conversation, on
//! the machines themselves.
#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised, in its helpers too")]

mod auction;
mod ballot;
mod contract_net;
mod group;
mod lock;
