//! Tests of the mailbox against the inbox itself.
