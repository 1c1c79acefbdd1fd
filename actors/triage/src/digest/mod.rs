//! What is left of a log when its lines are gone: counts by template and by source of failures,
//! each over time, with a few lines as evidence. Digests of chunks merge into one of the whole.

mod evidence;
mod ranges;
mod series;
mod tally;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use evidence::{Evidence, printable};
pub use ranges::Ranges;
pub use series::Series;
pub use tally::{FailureTally, Source, SourceKind, Span, Tally};

pub(crate) use evidence::{harmless, keep_first};
pub(crate) use tally::cover;

use crate::config::MinerConfig;
use crate::miner::{Matcher, group};
use crate::severity::Severity;

/// The template that stands for the lines of all templates beyond the bound.
pub const OVERFLOW: &str = "(rarest templates beyond the limit)";

/// The digest of some chunks of a log.
///
/// Never holds more than `max_messages` different messages and `max_sources` sources. As long as no
/// bound is met, merging is associative and commutative, and merging the digests of the parts of a
/// log equals the digest of the whole. A chunk that was merged is never merged twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Numbers of the chunks that are in it.
    pub chunks: Ranges,
    /// Totals by file, in the order of reading.
    pub files: BTreeMap<u32, FileTally>,
    /// Lines by severity, the least severe first.
    pub severities: [u64; Severity::ALL.len()],
    /// All dated lines over time.
    pub timeline: Series,
    /// Messages, masked, each with what was counted of it.
    pub templates: BTreeMap<String, Tally>,
    /// Sources of failures.
    pub sources: BTreeMap<Source, FailureTally>,
    /// Failures of sources that were dropped for the bound.
    pub dropped_failures: u64,
}

/// Totals of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTally {
    /// Lines, empty and continued ones included.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
    /// Lines that were empty.
    pub blank: u64,
    /// Lines that belong to the one before: traces and other indented text.
    pub continued: u64,
    /// Lines with a message and without a timestamp.
    pub undated: u64,
    /// Lines of which the end was cut off.
    pub cut: u64,
    /// First and last time.
    pub span: Option<Span>,
}

impl FileTally {
    fn merge(&mut self, other: &Self) {
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.blank += other.blank;
        self.continued += other.continued;
        self.undated += other.undated;
        self.cut += other.cut;
        cover(&mut self.span, other.span);
    }
}

impl Digest {
    /// Adds `other`, unless one of its chunks is in already; then nothing changes and the answer
    /// is false. That makes it safe to merge the result of work that was done twice.
    pub fn merge(&mut self, other: Self, config: &MinerConfig) -> bool {
        if self.chunks.overlaps(&other.chunks) {
            return false;
        }
        self.chunks.join(&other.chunks);
        for (file, tally) in &other.files {
            self.files.entry(*file).or_default().merge(tally);
        }
        for (own, more) in self.severities.iter_mut().zip(other.severities) {
            *own += more;
        }
        self.timeline.merge(&other.timeline);
        self.dropped_failures += other.dropped_failures;
        for (template, tally) in other.templates {
            self.templates.entry(template).or_default().merge(tally, config.samples);
        }
        for (source, tally) in other.sources {
            self.sources.entry(source).or_default().merge(tally, config.samples);
        }
        self.bound(config);
        true
    }

    /// Lines in all.
    pub fn lines(&self) -> u64 {
        self.files.values().map(|file| file.lines).sum()
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }

    /// First and last time of all.
    pub fn span(&self) -> Option<Span> {
        let mut span = None;
        self.files.values().for_each(|file| cover(&mut span, file.span));
        span
    }

    /// The time over which something with these samples could have been written: that of the files
    /// it is in. Logs of different years may lie in one folder.
    pub(crate) fn span_around(&self, own: Option<Span>, samples: &[Evidence]) -> Option<Span> {
        let mut span = own;
        for sample in samples {
            cover(&mut span, self.files.get(&sample.file).and_then(|file| file.span));
        }
        span
    }

    /// Groups the messages into templates: those of one event become one.
    pub fn grouped(mut self, config: &MinerConfig) -> Self {
        let messages = std::mem::take(&mut self.templates);
        let texts: Vec<&str> = messages.keys().map(String::as_str).collect();
        let groups = group(&texts, &config.drain);
        let mut tallies: Vec<Option<Tally>> = messages.into_values().map(Some).collect();
        for group in groups {
            let own = self.templates.entry(group.template).or_default();
            for member in group.members {
                if let Some(tally) = tallies[member].take() {
                    own.merge(tally, config.samples);
                }
            }
        }
        self.name_events_by_template(config);
        self
    }

    /// Failures name their messages; after grouping, the templates that these belong to.
    fn name_events_by_template(&mut self, config: &MinerConfig) {
        let matcher = Matcher::new(self.templates.keys().map(String::as_str), &config.drain);
        let names: Vec<&String> = self.templates.keys().collect();
        for tally in self.sources.values_mut() {
            for (message, count) in std::mem::take(&mut tally.events) {
                let name = matcher.find(&message).map_or(message.as_str(), |at| names[at]);
                tally.add_event(name, count);
            }
        }
    }

    /// Keeps the bounds: groups the messages, then folds the rarest templates into one, and drops
    /// the sources with the fewest failures.
    pub(crate) fn bound(&mut self, config: &MinerConfig) {
        if self.templates.len() > config.max_messages {
            self.make_room(config);
        }
        if self.sources.len() > config.max_sources {
            self.drop_least(config.max_sources * 3 / 4);
        }
    }

    /// Groups the messages; where that is not enough, folds the rarest templates into one.
    pub(crate) fn make_room(&mut self, config: &MinerConfig) {
        *self = std::mem::take(self).grouped(config);
        if self.templates.len() > config.max_templates {
            self.fold_rarest(config.max_templates - 1, config.samples);
        }
    }

    fn fold_rarest(&mut self, keep: usize, samples: usize) {
        if self.templates.len() <= keep {
            return;
        }
        let mut order: Vec<(u64, &String)> =
            self.templates.iter().map(|(text, tally)| (tally.count, text)).collect();
        order.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        let beyond: Vec<String> = order.into_iter().skip(keep).map(|(_, t)| t.clone()).collect();
        for text in beyond {
            if let Some(tally) = self.templates.remove(&text) {
                self.templates.entry(OVERFLOW.into()).or_default().merge(tally, samples);
            }
        }
    }

    pub(crate) fn drop_least(&mut self, keep: usize) {
        let mut counts: Vec<u64> = self.sources.values().map(|tally| tally.count).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let least = counts.get(keep).copied().unwrap_or(0);
        let mut dropped = 0;
        self.sources.retain(|_, tally| {
            let kept = tally.count > least;
            dropped += if kept { 0 } else { tally.count };
            kept
        });
        self.dropped_failures += dropped;
    }

    /// Makes the digest fit into `max_bytes` of JSON, giving up detail in steps: further evidence
    /// lines of sources, then of templates, then the rarest templates and smallest sources. True
    /// where it fits.
    pub fn shrink_to(&mut self, max_bytes: usize, config: &MinerConfig) -> bool {
        let size = |digest: &Self| serde_json::to_vec(digest).map_or(usize::MAX, |json| json.len());
        if size(self) <= max_bytes {
            return true;
        }
        self.sources.values_mut().for_each(|tally| tally.samples.truncate(1));
        if size(self) <= max_bytes {
            return true;
        }
        self.templates.values_mut().for_each(|tally| tally.samples.truncate(1));
        *self = std::mem::take(self).grouped(config);
        while size(self) > max_bytes {
            let (templates, sources) = (self.templates.len(), self.sources.len());
            if templates < 8 && sources < 8 {
                return false;
            }
            self.fold_rarest(templates * 2 / 3, 1);
            self.drop_least(sources * 2 / 3);
        }
        true
    }
}

#[cfg(test)]
mod tests;
