//! The template miner: turns the lines of a chunk into a digest, in one pass and bounded memory.
//!
//! ```text
//! line ── mask ──► known text? ──yes──► count
//!                      │no
//!                      ├─ covered by a template ──► count, remember the text
//!                      └─ new: a template of its own; too many: group them (Drain)
//! ```

mod drain;
mod mask;
mod token;
mod tree;

use std::collections::HashMap;

pub use drain::{Group, group};
pub use mask::{Masker, WILDCARD};
pub(crate) use tree::Matcher;

use crate::config::MinerConfig;
use crate::digest::{Digest, Evidence, FailureTally, Ranges, Source, Span, Tally};
use crate::digest::{cover, keep_first, printable};
use crate::reader::{Parts, entities, source_of};
use crate::severity::{Severity, Wording, wording};

/// A line as the reader gives it.
#[derive(Clone, Copy, Debug)]
pub struct DatedLine<'a> {
    /// Index of the file in the order of reading.
    pub file: u32,
    /// Number of the line in the file, from 1.
    pub number: u64,
    /// The whole line, as evidence.
    pub text: &'a str,
    /// The line taken apart.
    pub parts: Parts<'a>,
}

/// Digests lines. Holds at most `max_messages` messages and `max_sources` sources.
#[derive(Debug)]
pub struct Miner {
    config: MinerConfig,
    masker: Masker,
    /// Template of each masked text that was seen.
    known: HashMap<Box<[u8]>, u32>,
    templates: Vec<Template>,
    /// Present once messages were grouped: only then templates cover more than their own text.
    matcher: Option<Matcher>,
    sources: HashMap<Source, FailureTally>,
    digest: Digest,
}

#[derive(Debug)]
struct Template {
    text: String,
    /// Judged when the first line is counted.
    wording: Option<Wording>,
    tally: Tally,
}

impl Template {
    fn new(text: String, tally: Tally) -> Self {
        Self { text, wording: None, tally }
    }

    fn wording(&mut self) -> Wording {
        *self.wording.get_or_insert_with(|| wording(&self.text))
    }
}

impl Miner {
    /// A miner for one chunk, of which the number is recorded in the digest.
    pub fn new(chunk: u64, config: &MinerConfig) -> Self {
        Self {
            config: config.clone(),
            masker: Masker::new(config.max_message_bytes),
            known: HashMap::new(),
            templates: Vec::new(),
            matcher: None,
            sources: HashMap::new(),
            digest: Digest { chunks: Ranges::one(chunk), ..Digest::default() },
        }
    }

    /// Counts a line under its template and, where it reports a failure, its source.
    pub fn add(&mut self, line: &DatedLine<'_>) {
        let masked = self.masker.mask(line.parts.content.as_bytes());
        let index = match self.known.get(masked) {
            Some(index) => *index,
            None => {
                let text = String::from_utf8_lossy(masked).into_owned();
                self.learn(text)
            }
        };
        let template = &mut self.templates[index as usize];
        let wording = template.wording();
        let severity = line.parts.severity.unwrap_or(wording.severity);
        let limit = self.config.samples;
        template.tally.count(line, limit, self.config.sample_chars);
        self.digest.severities[severity as usize] += 1;
        if let Some(ms) = line.parts.time_ms {
            self.digest.timeline.add(ms);
        }
        if is_failure(line.parts.severity, wording) {
            self.count_failure(line, index, severity);
        }
    }

    /// The totals of the lines' file; the reader fills them.
    pub(crate) fn digest_mut(&mut self) -> &mut Digest {
        &mut self.digest
    }

    /// The digest of all lines so far.
    pub fn finish(mut self) -> Digest {
        for template in self.templates {
            let own = self.digest.templates.entry(template.text).or_default();
            own.merge(template.tally, self.config.samples);
        }
        self.digest.sources.extend(self.sources);
        self.digest.bound(&self.config);
        self.digest
    }

    /// The template of a text that was not seen before.
    fn learn(&mut self, text: String) -> u32 {
        if self.known.len() >= self.config.max_messages * 2 {
            self.remember_templates_only();
        }
        let covered = self.matcher.as_ref().and_then(|matcher| matcher.find(&text));
        let index = match covered {
            Some(index) => index,
            None => {
                if self.templates.len() >= self.config.max_messages {
                    self.group_templates();
                }
                self.templates.push(Template::new(text.clone(), Tally::default()));
                self.templates.len() - 1
            }
        };
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.known.insert(text.into_bytes().into(), index);
        index
    }

    /// Groups all templates, and folds the rarest into one if there are still too many.
    fn group_templates(&mut self) {
        let mut digest = Digest::default();
        for template in self.templates.drain(..) {
            let own = digest.templates.entry(template.text).or_default();
            own.merge(template.tally, self.config.samples);
        }
        digest.make_room(&self.config);
        let grouped = digest.templates.into_iter();
        self.templates = grouped.map(|(text, tally)| Template::new(text, tally)).collect();
        let texts = self.templates.iter().map(|template| template.text.as_str());
        self.matcher = Some(Matcher::new(texts, &self.config.drain));
        self.remember_templates_only();
    }

    fn remember_templates_only(&mut self) {
        self.known.clear();
        for (index, template) in (0..).zip(&self.templates) {
            self.known.insert(template.text.as_bytes().into(), index);
        }
    }

    fn count_failure(&mut self, line: &DatedLine<'_>, template: u32, severity: Severity) {
        let found = entities(line.parts.content);
        let source = source_of(&line.parts, &found);
        if self.sources.len() >= self.config.max_sources && !self.sources.contains_key(&source) {
            self.drop_sources();
        }
        let template = &mut self.templates[template as usize];
        let tally = self.sources.entry(source).or_default();
        tally.count += 1;
        tally.severity = tally.severity.max(severity);
        tally.security |= template.wording().security;
        cover(&mut tally.span, line.parts.time_ms.map(|ms| Span::of(ms, ms)));
        if let Some(ms) = line.parts.time_ms {
            tally.series.add(ms);
        }
        if let Some(user) = found.user {
            tally.add_user(crate::reader::cut(user));
        }
        tally.add_event(&template.text, 1);
        let (limit, chars) = (self.config.samples, self.config.sample_chars);
        keep_first(&mut tally.samples, limit, line.place(), || line.evidence(chars));
    }

    fn drop_sources(&mut self) {
        let mut digest = Digest::default();
        digest.sources.extend(self.sources.drain());
        digest.drop_least(self.config.max_sources * 3 / 4);
        self.digest.dropped_failures += digest.dropped_failures;
        self.sources.extend(digest.sources);
    }
}

impl DatedLine<'_> {
    fn place(&self) -> (u32, u64) {
        (self.file, self.number)
    }

    /// The line as evidence, cut to `max_chars`.
    pub(crate) fn evidence(&self, max_chars: usize) -> Evidence {
        Evidence {
            file: self.file,
            line: self.number,
            time_ms: self.parts.time_ms,
            text: printable(self.text, max_chars),
        }
    }
}

impl Tally {
    fn count(&mut self, line: &DatedLine<'_>, limit: usize, chars: usize) {
        self.count += 1;
        self.level = self.level.max(line.parts.severity);
        if let Some(ms) = line.parts.time_ms {
            cover(&mut self.span, Some(Span::of(ms, ms)));
            self.series.add(ms);
        }
        keep_first(&mut self.samples, limit, line.place(), || line.evidence(chars));
    }
}

/// Whether a line counts as a failure of its source. A level says so by itself; without one, and
/// for warnings, the words do; what is about logins counts at any level, since programs write
/// "login failed" as information.
fn is_failure(level: Option<Severity>, wording: Wording) -> bool {
    match level {
        None => wording.failure,
        Some(level) if level >= Severity::Error => true,
        Some(level) => wording.failure && (wording.security || level >= Severity::Warning),
    }
}

#[cfg(test)]
mod tests;
