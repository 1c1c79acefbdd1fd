//! The shell around the book: messages become inputs, inputs become records.

mod own;

pub use own::Own;
