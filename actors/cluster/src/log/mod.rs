//! The journal of a work group, replicated.
