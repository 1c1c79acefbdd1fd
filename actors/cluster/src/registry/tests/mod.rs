//! Tests of the registry: laws of merging, and whole clusters of replicas in virtual time.

mod laws;
mod replicas;
mod spreading;
