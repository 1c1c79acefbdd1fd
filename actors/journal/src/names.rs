//! The names and numbers of the log: partition, epoch, position, stream and record kind.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// Bytes in the longest stream name.
pub const STREAM_NAME_LIMIT: usize = 64;

/// Bytes in the longest record kind.
pub const RECORD_KIND_LIMIT: usize = 32;

/// One of the 4,096 shares of ownership; every task, run, timer and approval belongs to one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u16", into = "u16")]
pub struct Partition(u16);

impl Partition {
    /// How many partitions there are.
    pub const COUNT: u16 = 4_096;

    /// The partition of that number; `None` from [`Partition::COUNT`] on.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// The partition in the low twelve bits, as an id carries it; the other bits are ignored.
    #[must_use]
    pub const fn from_low_bits(bits: u16) -> Self {
        Self(bits & (Self::COUNT - 1))
    }

    /// Its number, `0..4096`.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for Partition {
    type Error = InvalidName;

    fn try_from(number: u16) -> Result<Self, InvalidName> {
        Self::new(number).ok_or(InvalidName { what: "partition", expected: "a number below 4096" })
    }
}

impl From<Partition> for u16 {
    fn from(partition: Partition) -> u16 {
        partition.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who owns a partition: it rises with every change of owner, and a lower one is fenced off.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of a record in the node's log: contiguous, from 1. Position 0 is before the first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before the first record: what a reader of a whole stream starts after.
    pub const START: Self = Self(0);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The position before this one; [`Position::START`] has none before it.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The position `count` records further on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of one sequence of records: 1 to 64 bytes of `[a-z0-9._-]`, not `.` or `..`, held
/// inline.
#[derive(Clone, Copy)]
pub struct Stream {
    length: u8,
    bytes: [u8; STREAM_NAME_LIMIT],
}

impl Stream {
    /// The stream of that name, for names that are written in the source.
    ///
    /// # Panics
    /// When the name is empty, longer than 64 bytes, has another character than `[a-z0-9._-]` or
    /// is `.` or `..`. In a `const` that is a compile error; names from outside go through
    /// [`Stream::parse`].
    #[must_use]
    pub const fn new(name: &str) -> Self {
        assert!(is_stream_name(name.as_bytes()), "a stream name is [a-z0-9._-]{{1,64}}");
        Self::copied(name.as_bytes())
    }

    /// The stream of that name.
    ///
    /// # Errors
    /// [`InvalidName`] when it isn't 1 to 64 bytes of `[a-z0-9._-]`, or is `.` or `..`.
    pub fn parse(name: &str) -> Result<Self, InvalidName> {
        if is_stream_name(name.as_bytes()) {
            return Ok(Self::copied(name.as_bytes()));
        }
        Err(InvalidName { what: "stream", expected: "1 to 64 bytes of [a-z0-9._-]" })
    }

    const fn copied(name: &[u8]) -> Self {
        let mut bytes = [0; STREAM_NAME_LIMIT];
        let mut at = 0;
        while at < name.len() {
            bytes[at] = name[at];
            at += 1;
        }
        Self { length: name.len() as u8, bytes }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Both constructors admit ASCII only, so the fall-back is never taken.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Its name as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl PartialEq for Stream {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Stream {}

impl PartialOrd for Stream {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Stream {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Stream {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({})", self.as_str())
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a record tells, such as `task.accepted`: 1 to 32 bytes of `[a-z0-9._-]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordKind(&'static str);

impl RecordKind {
    /// The kind of that name.
    ///
    /// # Panics
    /// When the name is empty, longer than 32 bytes or has another character than `[a-z0-9._-]`.
    /// In a `const` that is a compile error.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        assert!(
            is_name(name.as_bytes(), RECORD_KIND_LIMIT),
            "a record kind is [a-z0-9._-]{{1,32}}"
        );
        Self(name)
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// A name or number from outside that the log has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what}: expected {expected}")]
pub struct InvalidName {
    /// Which name it was.
    pub what: &'static str,
    /// What is allowed.
    pub expected: &'static str,
}

/// Whether a stream may have this name, which is a folder's as well.
const fn is_stream_name(name: &[u8]) -> bool {
    is_name(name, STREAM_NAME_LIMIT) && !matches!(name, b"." | b"..")
}

/// Whether these bytes are 1 to `limit` characters of `[a-z0-9._-]`.
pub(crate) const fn is_name(name: &[u8], limit: usize) -> bool {
    if name.is_empty() || name.len() > limit {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        if !matches!(name[at], b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-') {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: Stream = Stream::new("tasks");

    #[test]
    fn a_stream_is_its_name() {
        assert_eq!(TASKS.as_str(), "tasks");
        assert_eq!(Stream::parse("tasks"), Ok(TASKS));
        assert_ne!(Stream::parse("task"), Ok(TASKS));
        assert_eq!(format!("{TASKS:>7}"), "  tasks");
    }

    #[test]
    fn names_that_could_leave_their_folder_are_refused() {
        for name in ["", "a/b", "A", "ä", " ", ".", "..", &"x".repeat(65)] {
            assert!(Stream::parse(name).is_err(), "{name:?}");
        }
        assert!(Stream::parse(&"x".repeat(64)).is_ok());
    }

    #[test]
    fn there_are_4096_partitions() {
        assert_eq!(Partition::new(4_095).map(Partition::get), Some(4_095));
        assert_eq!(Partition::new(4_096), None);
        assert_eq!(Partition::from_low_bits(0xf001).get(), 1);
    }
}
