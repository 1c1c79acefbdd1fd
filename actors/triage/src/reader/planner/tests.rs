//! Plans over several files and over streams.

use std::io::Cursor;

use super::*;
use crate::reader::{Input, read_chunk, survey};

fn config() -> TriageConfig {
    TriageConfig { chunk_bytes: 4096, ..TriageConfig::default() }
}

fn text(lines: usize) -> String {
    (0..lines).map(|i| format!("2024-01-31 10:00:{:02} INFO line {i}\n", i % 60)).collect()
}

fn stream(text: &str) -> Sources {
    let reader = Box::new(Cursor::new(text.as_bytes().to_vec()));
    Sources { stream: Some(("<stdin>".into(), reader)), ..Sources::default() }
}

#[test]
fn files_are_planned_one_after_the_other_with_running_numbers() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.log", "b.log"] {
        fs::write(folder.path().join(name), text(400)).unwrap();
    }
    let config = config();
    let sources = survey(&Input::Path(folder.path().to_owned()), &config).unwrap();
    let mut planner = Planner::new(sources, "unused".into(), &config);
    let expected = planner.expected_chunks();
    let mut chunks = Vec::new();
    while let Some(chunk) = planner.next_chunk().unwrap() {
        chunks.push(chunk);
    }
    assert_eq!(chunks.len() as u64, expected);
    assert!(chunks.iter().zip(0..).all(|(chunk, number)| chunk.number == number));
    let lengths: u64 = chunks.iter().map(|chunk| chunk.length).sum();
    assert_eq!(Some(lengths), planner.total_bytes());
    let starts: Vec<_> =
        chunks.iter().filter(|c| c.offset == 0).map(|c| (c.file, c.first_line)).collect();
    assert_eq!(starts, [(0, 1), (1, 1)]);
}

#[test]
fn a_stream_is_spooled_a_chunk_at_a_time_and_released() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let mut planner = Planner::new(stream(&text(1000)), spool.clone(), &config());
    assert_eq!(planner.total_bytes(), None);
    let mut lines = 0;
    while let Some(chunk) = planner.next_chunk().unwrap() {
        assert_eq!(fs::read_dir(&spool).unwrap().count(), 1, "only the chunk in hand");
        assert_eq!(chunk.first_line, lines + 1);
        lines += read_chunk(&chunk, &config()).unwrap().lines.lines;
        Planner::release(&spool, &chunk);
    }
    assert_eq!(lines, 1000);
}

#[test]
fn a_binary_stream_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut planner = Planner::new(stream("\0\0\0binary"), folder.path().join("spool"), &config());
    assert!(matches!(planner.next_chunk(), Err(InputError::NotText { .. })));
}

#[test]
fn a_file_that_vanished_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.log", "b.log"] {
        fs::write(folder.path().join(name), text(10)).unwrap();
    }
    let sources = survey(&Input::Path(folder.path().to_owned()), &config()).unwrap();
    fs::remove_file(folder.path().join("a.log")).unwrap();
    let mut planner = Planner::new(sources, "unused".into(), &config());
    let chunk = planner.next_chunk().unwrap().unwrap();
    assert!(chunk.path.ends_with("b.log") && chunk.file == 1);
    assert_eq!(planner.skipped().len(), 1);
}

#[test]
fn releasing_never_deletes_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, text(10)).unwrap();
    let sources = survey(&Input::Path(path.clone()), &config()).unwrap();
    let mut planner = Planner::new(sources, folder.path().join("spool"), &config());
    let chunk = planner.next_chunk().unwrap().unwrap();
    Planner::release(&folder.path().join("spool"), &chunk);
    assert!(path.exists());
}
