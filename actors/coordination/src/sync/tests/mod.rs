//! Replicas among each other.
