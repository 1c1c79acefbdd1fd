//! Tests of addresses, asks, replies and permits.
