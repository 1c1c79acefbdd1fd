//! The machine's randomness, replaced in this program by a sequence that is always the same.
//!
//! Nodes draw by seed wherever they have the choice. What is left is below them: the order in
//! which hash maps are walked, which branch of `select!` is looked at first, when openraft's
//! elections begin. All of it comes from `getrandom(2)`, so a run of which every bit is to repeat
//! needs that function to repeat.
#![allow(unsafe_code, reason = "a function of libc is replaced, in this test program alone")]

use std::cell::Cell;
use std::ffi::{c_uint, c_void};

thread_local! {
    /// Every thread has the same sequence: in whatever order they begin, they draw the same.
    static DRAWN: Cell<u64> = const { Cell::new(0) };
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
fn next() -> u64 {
    DRAWN.with(|drawn| {
        let state = drawn.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        drawn.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

/// In place of libc's: the standard library and the crate `getrandom` call it by this name.
///
/// # Safety
/// As of libc's: `buffer` has room for `length` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getrandom(
    buffer: *mut c_void,
    length: usize,
    _flags: c_uint,
) -> isize {
    // SAFETY: the caller says so.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&next().to_le_bytes()[..chunk.len()]);
    }
    length as isize
}
