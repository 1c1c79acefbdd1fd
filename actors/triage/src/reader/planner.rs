//! Plans the chunks of all sources, one after the other, as they are asked for.

use std::fs::{self, File};
use std::io::{self, Read, Take};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::chunk::ChunkRef;
use super::chunker::{Chunker, Piece};
use super::input::{LogFile, Skipped, Sources};
use super::layout::Layout;
use super::probe::{layout_of, not_text};
use super::timestamp::WrittenAt;
use crate::config::TriageConfig;
use crate::error::InputError;

/// Hands out chunks. Reads ahead no further than the chunk it hands out; a stream is written to
/// the spool folder chunk by chunk, and whoever is done with a chunk [releases](Self::release) it,
/// so that neither memory nor disk grows with the stream.
pub struct Planner {
    files: Vec<LogFile>,
    skipped: Vec<Skipped>,
    current: Option<Current>,
    next_file: usize,
    next_chunk: u64,
    chunk_bytes: usize,
    spool: PathBuf,
}

impl std::fmt::Debug for Planner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Planner {{ next_chunk: {}, files: {} }}", self.next_chunk, self.files.len())
    }
}

enum Current {
    File(Chunker<Take<File>>),
    Stream(Chunker<Box<dyn Read + Send>>),
}

impl Planner {
    /// A planner over `sources`; `spool` is the folder for chunks of a stream.
    pub fn new(sources: Sources, spool: PathBuf, config: &TriageConfig) -> Self {
        let mut files = sources.files;
        let total = files.iter().map(|file| file.bytes).sum();
        let chunk_bytes = chunk_bytes(total, config.chunk_bytes);
        let current = sources.stream.map(|(path, reader)| {
            let written = WrittenAt::from_ms(now_ms());
            files = vec![LogFile { path, bytes: 0, layout: Layout::default(), written }];
            Current::Stream(Chunker::new(reader, chunk_bytes))
        });
        let next_file = files.len().min(usize::from(current.is_some()));
        let skipped = sources.skipped;
        Self { files, skipped, current, next_file, next_chunk: 0, chunk_bytes, spool }
    }

    /// The files, in the order in which chunks name them.
    pub fn files(&self) -> &[LogFile] {
        &self.files
    }

    /// What is left out; grows when a file can't be opened any more.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Bytes of all files; none for a stream.
    pub fn total_bytes(&self) -> Option<u64> {
        let streams = matches!(self.current, Some(Current::Stream(_)));
        (!streams).then(|| self.files.iter().map(|file| file.bytes).sum())
    }

    /// How many chunks there will be, about; 0 for a stream.
    pub fn expected_chunks(&self) -> u64 {
        let size = self.chunk_bytes as u64;
        self.files.iter().map(|file| file.bytes.div_ceil(size)).sum()
    }

    /// The next chunk; none when all is planned. Blocking.
    ///
    /// # Errors
    /// The spool can't be written, or a stream is no text. Files that can't be read any more are
    /// left out.
    pub fn next_chunk(&mut self) -> Result<Option<ChunkRef>, InputError> {
        loop {
            let piece = match &mut self.current {
                Some(Current::File(chunker)) => chunker.next_piece(),
                Some(Current::Stream(chunker)) => {
                    let piece = chunker.next_piece();
                    return self.spool(piece.map_err(|source| self.stream_error(source))?);
                }
                None => Ok(None),
            };
            match piece {
                Ok(Some(piece)) => return Ok(Some(self.name(&piece))),
                Ok(None) => {}
                Err(error) => self.leave_out(self.next_file - 1, &error),
            }
            if !self.open_next() {
                return Ok(None);
            }
        }
    }

    /// Deletes what was spooled for a chunk. Blocking.
    pub fn release(spool: &Path, chunk: &ChunkRef) {
        let path = Path::new(&chunk.path);
        if path.starts_with(spool) {
            // What is left is removed with the folder.
            let _ = fs::remove_file(path);
        }
    }

    fn stream_error(&self, source: io::Error) -> InputError {
        let path = self.files.first().map_or_else(PathBuf::new, |file| PathBuf::from(&file.path));
        InputError::Unreadable { path, source }
    }

    fn leave_out(&mut self, file: usize, error: &io::Error) {
        if let Some(file) = self.files.get(file) {
            self.skipped.push(Skipped { path: file.path.clone(), reason: error.to_string() });
        }
    }

    /// Opens the next file that can be opened; false when there is none.
    fn open_next(&mut self) -> bool {
        self.current = None;
        while let Some(file) = self.files.get(self.next_file) {
            self.next_file += 1;
            // What is written to it from now on is not part of this run.
            match File::open(&file.path) {
                Ok(open) => {
                    let take = open.take(file.bytes);
                    self.current = Some(Current::File(Chunker::new(take, self.chunk_bytes)));
                    return true;
                }
                Err(error) => self.leave_out(self.next_file - 1, &error),
            }
        }
        false
    }

    fn name(&mut self, piece: &Piece) -> ChunkRef {
        let index = self.next_file - 1;
        let file = &self.files[index];
        let number = self.next_chunk;
        self.next_chunk += 1;
        ChunkRef {
            number,
            file: u32::try_from(index).unwrap_or(u32::MAX),
            path: file.path.clone(),
            offset: piece.offset,
            length: piece.bytes.len() as u64,
            first_line: piece.first_line,
            continues: piece.continues,
            layout: file.layout.clone(),
            written: file.written,
        }
    }

    /// Writes a piece of a stream to the spool.
    fn spool(&mut self, piece: Option<Piece>) -> Result<Option<ChunkRef>, InputError> {
        let Some(piece) = piece else { return Ok(None) };
        if piece.offset == 0 {
            if let Some(reason) = not_text(&piece.bytes) {
                let path = PathBuf::from(&self.files[0].path);
                return Err(InputError::NotText { path, reason: reason.into() });
            }
            self.files[0].layout = layout_of(&piece.bytes, self.files[0].written);
        }
        let path = self.spool.join(format!("chunk-{:08}.log", self.next_chunk));
        let failed = |source| InputError::Spool { path: path.clone(), source };
        fs::create_dir_all(&self.spool).map_err(failed)?;
        fs::write(&path, &piece.bytes).map_err(failed)?;
        let mut chunk = self.name(&piece);
        chunk.path = path.to_string_lossy().into_owned();
        chunk.offset = 0;
        Ok(Some(chunk))
    }
}

/// A sixteenth of a small input; a stream, of which nobody knows the size, counts as medium.
fn chunk_bytes(total: u64, most: usize) -> usize {
    const SMALL: usize = 16 << 10;
    const STREAM: usize = 512 << 10;
    match usize::try_from(total / 16).unwrap_or(usize::MAX) {
        0 => STREAM.min(most),
        share => share.max(SMALL).min(most),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
