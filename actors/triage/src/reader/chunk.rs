//! A chunk of a log: what names it in a task, and how its lines are read.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

use super::layout::{Layout, Parts};
use super::timestamp::WrittenAt;
use crate::config::TriageConfig;
use crate::digest::{Digest, Evidence, FileTally, Span, cover};
use crate::error::ReadError;
use crate::miner::{DatedLine, Masker, Matcher, Miner};

/// Names a chunk. It travels in tasks instead of the text, so that journals stay small; whoever
/// works on it reads the text where it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRef {
    /// Number of the chunk in the run, from 0, over all files.
    pub number: u64,
    /// Index of the file in the order of reading.
    pub file: u32,
    /// Where the text lies.
    pub path: String,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// Number of the line in which it starts, from 1.
    pub first_line: u64,
    /// It starts within a line of which the chunk before has the start.
    pub continues: bool,
    /// How the file's lines begin.
    pub layout: Layout,
    /// When the file was written; dates stamps without a year.
    pub written: WrittenAt,
}

/// What the reader found in a chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkReading {
    /// The chunk, with the layout that fits its lines.
    pub chunk: ChunkRef,
    /// Its lines, counted.
    pub lines: FileTally,
}

/// Bytes that are reserved before a chunk is read, whatever it says of its length.
const MAX_RESERVED: usize = 16 << 20;

/// Lines by which it is judged whether a layout fits.
const JUDGED_LINES: usize = 200;

/// Splits a chunk into lines and dates them.
///
/// # Errors
/// The file can't be read any more, or is shorter than when the chunk was planned.
pub fn read_chunk(chunk: &ChunkRef, config: &TriageConfig) -> Result<ChunkReading, ReadError> {
    let bytes = load(chunk)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut chunk = chunk.clone();
    chunk.layout = fitting_layout(&text, &chunk);
    let lines = each_line(&text, &chunk, config, |_| {});
    Ok(ChunkReading { chunk, lines })
}

/// Mines a chunk that was read: groups its lines and counts them over time.
///
/// # Errors
/// As [`read_chunk`].
pub fn digest_chunk(reading: &ChunkReading, config: &TriageConfig) -> Result<Digest, ReadError> {
    let chunk = &reading.chunk;
    let bytes = load(chunk)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut miner = Miner::new(chunk.number, &config.miner);
    let tally = each_line(&text, chunk, config, |line| miner.add(line));
    miner.digest_mut().files.insert(chunk.file, tally);
    Ok(miner.finish())
}

/// Lines that are wanted as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// Where to look.
    pub chunk: ChunkRef,
    /// Lines of these templates.
    pub templates: Vec<String>,
    /// Of them, where it is given, those that hold this text: a source's name.
    pub mention: Option<String>,
    /// From this time.
    pub span: Span,
}

/// The first lines that a citation asks for.
///
/// # Errors
/// As [`read_chunk`].
pub fn cite(citation: &Citation, config: &TriageConfig) -> Result<Vec<Evidence>, ReadError> {
    let Citation { chunk, templates, mention, span } = citation;
    let bytes = load(chunk)?;
    let text = String::from_utf8_lossy(&bytes);
    let matcher = Matcher::new(templates.iter().map(String::as_str), &config.miner.drain);
    let mut masker = Masker::new(config.miner.max_message_bytes);
    let mut found = Vec::new();
    each_line(&text, chunk, config, |line| {
        let within = |ms: i64| (span.first_ms..=span.last_ms).contains(&ms);
        let named = mention.as_ref().is_none_or(|name| line.text.contains(name.as_str()));
        let enough = found.len() >= config.miner.samples;
        if enough || !named || !line.parts.time_ms.is_some_and(within) {
            return;
        }
        let masked = masker.mask(line.parts.content.as_bytes());
        if matcher.find(&String::from_utf8_lossy(masked)).is_some() {
            found.push(line.evidence(config.miner.sample_chars));
        }
    });
    Ok(found)
}

fn load(chunk: &ChunkRef) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::Unreadable { path: chunk.path.clone(), source };
    let mut file = File::open(&chunk.path).map_err(failed)?;
    file.seek(SeekFrom::Start(chunk.offset)).map_err(failed)?;
    let length = usize::try_from(chunk.length).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(length.min(MAX_RESERVED));
    file.take(chunk.length).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() < length {
        let path = chunk.path.clone();
        return Err(ReadError::Shortened { path, expected: chunk.length, got: bytes.len() as u64 });
    }
    Ok(bytes)
}

/// The file's layout, or the chunk's own where that dates more lines: files change their form.
fn fitting_layout(text: &str, chunk: &ChunkRef) -> Layout {
    let dated = |layout: &Layout| {
        let times = text.lines().take(JUDGED_LINES).map(|l| layout.apply(l, chunk.written).time_ms);
        times.flatten().count()
    };
    let judged = text.lines().take(JUDGED_LINES).count();
    let fitting = dated(&chunk.layout);
    if fitting * 2 >= judged {
        return chunk.layout.clone();
    }
    let own = Layout::detect(text.lines(), chunk.written);
    if dated(&own) > fitting { own } else { chunk.layout.clone() }
}

/// Calls `visit` for each line that carries a message, and counts all.
fn each_line(
    text: &str,
    chunk: &ChunkRef,
    config: &TriageConfig,
    mut visit: impl FnMut(&DatedLine<'_>),
) -> FileTally {
    let mut tally = FileTally { bytes: chunk.length, ..FileTally::default() };
    let mut rest = text;
    let mut number = chunk.first_line;
    if chunk.continues {
        // The chunk before has counted this line, and noted that it was cut.
        let Some(end) = memchr::memchr(b'\n', rest.as_bytes()) else { return tally };
        rest = &rest[end + 1..];
        number += 1;
    }
    let mut last_ms = None;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest.as_bytes());
        let whole = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or("", |end| &rest[end + 1..]);
        let line = cut_line(whole.trim_end_matches('\r'), config.max_line_bytes);
        tally.cut += u64::from(matches!(line, Cow::Owned(_)));
        if let Some(mut parts) = message(&line, chunk, &mut tally) {
            // An undated line happened when the one before did.
            parts.time_ms = parts.time_ms.or(last_ms);
            last_ms = parts.time_ms;
            cover(&mut tally.span, last_ms.map(|ms| Span::of(ms, ms)));
            visit(&DatedLine { file: chunk.file, number, text: &line, parts });
        }
        number += 1;
    }
    tally
}

/// Counts a line; its parts, unless it is empty or belongs to the line before.
fn message<'a>(line: &'a str, chunk: &ChunkRef, tally: &mut FileTally) -> Option<Parts<'a>> {
    tally.lines += 1;
    if line.trim_ascii().is_empty() {
        tally.blank += 1;
        return None;
    }
    let parts = chunk.layout.apply(line, chunk.written);
    if parts.time_ms.is_none() {
        if chunk.layout.is_dated() && line.starts_with([' ', '\t']) {
            tally.continued += 1;
            return None;
        }
        tally.undated += 1;
    }
    Some(parts)
}

/// The line, or its first `max_bytes`, which is then owned and says that it was cut.
fn cut_line(line: &str, max_bytes: usize) -> Cow<'_, str> {
    if line.len() <= max_bytes {
        return Cow::Borrowed(line);
    }
    let end = line.floor_char_boundary(max_bytes);
    Cow::Owned(format!("{} [{} bytes cut]", &line[..end], line.len() - end))
}

#[cfg(test)]
mod tests;
