//! What the disk under the node gives: the floor under every durable figure.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

const WRITES: u64 = 500;
const BYTES: usize = 512;

/// Times of a write of 512 bytes and `fdatasync`, one after the other, in a file that has its
/// room already.
pub(crate) fn sync_times(folder: &Path) -> Vec<Duration> {
    fs::create_dir_all(folder).expect("a folder");
    let path = folder.join("sync");
    let file = File::create(&path).expect("a file");
    file.write_all_at(&vec![0; BYTES * WRITES as usize], 0).expect("room");
    file.sync_all().expect("a sync");
    let times = (0..WRITES).map(|at| {
        let begun = Instant::now();
        file.write_all_at(&[7; BYTES], at * BYTES as u64).expect("a write");
        file.sync_data().expect("a sync");
        begun.elapsed()
    });
    let times = times.collect();
    let _ = fs::remove_file(path);
    times
}
