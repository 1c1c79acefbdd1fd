//! Chunks of files that are as files are: cut anywhere, torn, mixed and full of noise.

use std::io::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::reader::{Planner, Sources, survey};

fn config(chunk_bytes: usize) -> TriageConfig {
    TriageConfig { chunk_bytes, ..TriageConfig::default() }
}

/// All readings of a file, in chunks of at most `chunk_bytes`.
fn readings(path: &Path, config: &TriageConfig) -> Vec<ChunkReading> {
    let sources: Sources = survey(&path.to_str().unwrap().parse().unwrap(), config).unwrap();
    let mut planner = Planner::new(sources, "unused".into(), config);
    let mut readings = Vec::new();
    while let Some(chunk) = planner.next_chunk().unwrap() {
        readings.push(read_chunk(&chunk, config).unwrap());
    }
    readings
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn whole(readings: &[ChunkReading], config: &TriageConfig) -> Digest {
    let mut whole = Digest::default();
    for reading in readings {
        assert!(whole.merge(digest_chunk(reading, config).unwrap(), &config.miner));
    }
    whole
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn chunking_never_loses_or_duplicates_a_line(
        words in prop::collection::vec("[a-z]{1,12}( [a-z0-9]{1,6}){0,5}", 1..150),
        crlf in any::<bool>(),
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let text: String = words.iter().enumerate()
            .map(|(i, w)| format!("2024-01-31 10:{:02}:{:02} INFO {w}{end}", i / 60 % 60, i % 60))
            .collect();
        let file = file(text.as_bytes());
        let one = readings(file.path(), &config(1 << 20));
        prop_assert_eq!(one.len(), 1);
        let all = whole(&one, &config(1 << 20));
        prop_assert_eq!(all.lines(), words.len() as u64);
        prop_assert_eq!(all.bytes(), text.len() as u64);
        let parts: Vec<ChunkReading> = split(&one[0].chunk, text.as_bytes(), 97);
        let merged = whole(&parts, &config(1 << 20));
        prop_assert_eq!(&merged.templates, &all.templates);
        prop_assert_eq!(merged.files, all.files);
        prop_assert_eq!(merged.timeline, all.timeline);
        prop_assert_eq!(merged.severities, all.severities);
    }
}

/// The chunk cut into chunks of about `size` bytes.
fn split(chunk: &ChunkRef, text: &[u8], size: usize) -> Vec<ChunkReading> {
    let mut chunker = crate::reader::chunker::Chunker::new(text, size);
    let pieces = std::iter::from_fn(|| chunker.next_piece().unwrap());
    pieces
        .zip(0..)
        .map(|(piece, number)| {
            let chunk = ChunkRef {
                number,
                offset: piece.offset,
                length: piece.bytes.len() as u64,
                first_line: piece.first_line,
                continues: piece.continues,
                ..chunk.clone()
            };
            read_chunk(&chunk, &TriageConfig::default()).unwrap()
        })
        .collect()
}

#[test]
fn garbage_bytes_are_read_without_harm() {
    let mut noise = Vec::new();
    let mut state = 0x9e37_79b9_u64;
    for _ in 0..20_000 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.push((state >> 56) as u8);
    }
    noise.retain(|byte| *byte != 0);
    let file = file(&noise);
    let chunk = ChunkRef {
        number: 0,
        file: 0,
        path: file.path().to_str().unwrap().into(),
        offset: 0,
        length: noise.len() as u64,
        first_line: 1,
        continues: false,
        layout: Layout::default(),
        written: WrittenAt::from_ms(0),
    };
    let config = TriageConfig::default();
    let reading = read_chunk(&chunk, &config).unwrap();
    let digest = digest_chunk(&reading, &config).unwrap();
    let newlines = noise.iter().filter(|b| **b == b'\n').count() as u64;
    assert!(digest.lines() == newlines || digest.lines() == newlines + 1);
}

#[test]
fn a_line_of_a_megabyte_is_cut_and_counted_once() {
    let mut text = b"2024-01-31 10:00:00 INFO short\n2024-01-31 10:00:01 INFO ".to_vec();
    text.extend(std::iter::repeat_n(b'x', 1 << 20));
    text.extend_from_slice(b"\n2024-01-31 10:00:02 INFO last\n");
    let file = file(&text);
    let config = config(64 << 10);
    let readings = readings(file.path(), &config);
    assert!(readings.len() > 10);
    let digest = whole(&readings, &config);
    assert_eq!(digest.lines(), 3);
    assert_eq!(digest.files[&0].cut, 1);
    assert_eq!(digest.bytes(), text.len() as u64);
    let last = digest.templates.get("last").map(|tally| tally.samples[0].line);
    assert_eq!(last, Some(3));
}

#[test]
fn traces_belong_to_the_line_before() {
    let text = "2024-01-31 10:00:00 ERROR a.B: failed\njava.io.IOException: gone\n\
                \tat a.B(B.java:1)\n\n2024-01-31 10:00:09 INFO a.B: again\n";
    let file = file(text.as_bytes());
    let config = TriageConfig::default();
    let digest = whole(&readings(file.path(), &config), &config);
    let tally = &digest.files[&0];
    assert_eq!((tally.lines, tally.continued, tally.blank, tally.undated), (5, 1, 1, 1));
    let gone = &digest.templates["java.io.IOException: gone"];
    assert_eq!(gone.span, digest.templates["failed"].span);
}

#[test]
fn a_file_that_was_shortened_is_an_error_and_no_wrong_count() {
    let file = file(b"one\ntwo\nthree\n");
    let config = TriageConfig::default();
    let reading = readings(file.path(), &config).remove(0);
    file.as_file().set_len(4).unwrap();
    let error = read_chunk(&reading.chunk, &config).unwrap_err().to_string();
    assert!(error.contains("4 of 14 bytes are left"), "{error}");
}

#[test]
fn a_quotation_gives_the_lines_of_a_template_at_a_time() {
    let text: String =
        (0..60).map(|s| format!("2024-01-31 10:00:{s:02} INFO job {s} took {s} s\n")).collect();
    let file = file(text.as_bytes());
    let config = TriageConfig::default();
    let chunk = readings(file.path(), &config).remove(0).chunk;
    let at = |second: i64| 1_706_695_200_000 + second * 1000;
    let span = Span { first_ms: at(30), last_ms: at(31) };
    let templates = vec!["job <*> took <*> s".into()];
    let mut citation = Citation { chunk, templates, mention: None, span };
    let numbers = |citation: &Citation| {
        let lines = cite(citation, &config).unwrap();
        lines.iter().map(|line| line.line).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&citation), [31, 32]);
    citation.mention = Some("job 31".into());
    assert_eq!(numbers(&citation), [32]);
}
