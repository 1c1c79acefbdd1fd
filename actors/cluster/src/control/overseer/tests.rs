//! Decisions of the overseer.
