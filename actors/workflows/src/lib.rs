//! Durable workflows: definitions as data, and runs that go on after every crash where they were.
