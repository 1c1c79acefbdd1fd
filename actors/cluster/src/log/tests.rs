//! The machine against the journal.
