//! Pictures of definitions and of runs: SVG, DOT and Mermaid graphs, a gantt, and an outline for
//! terminals. Pure: the same input gives the same text, byte for byte.
//!
//! ```text
//! Definition ─┐             ┌─▶ layout ─▶ SVG
//!             ├─▶ Picture ──┼─▶ DOT
//! run status ─┤             └─▶ Mermaid
//!             ├─▶ gantt (SVG)
//!             └─▶ outline
//! ```
//!
//! Never: a name, a condition or an error of others that becomes markup.

mod describe;
mod dot;
mod gantt;
mod graph;
mod layout;
mod mermaid;
mod order;
mod outline;
mod palette;
mod svg;
mod text;

pub use gantt::gantt;
pub use graph::Picture;
pub use outline::{OutlineRow, outline};

#[cfg(test)]
mod tests;
