//! Version 2 of the stored shapes that have one. Frozen like version 1.

use serde::{Deserialize, Serialize};

use super::results::ResultV1;
use super::v1::SnapshotV1;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SnapshotV2 {
    /// All that version 1 has.
    pub first: SnapshotV1,
    pub packs: Vec<PackSizeV2>,
    pub descendants: Vec<DescendantsV2>,
    /// In order of time.
    pub results: Vec<ResultV1>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct PackSizeV2 {
    pub number: u32,
    pub size: u64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct DescendantsV2 {
    pub root: [u8; 16],
    pub count: u64,
}
