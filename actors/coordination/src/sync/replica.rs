//! All documents of one node, and how what changes in them spreads. Pure.
//!
//! ```text
//!  change:  A ─ Delta ─▶ some others ─ news to them: the same, once ─▶ some others ...
//!  round:   A ─ Pulse(fingerprints) ─▶ B ─ differs: Digest ─▶ A ─ Delta (and its Digest) ─▶ B ...
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};
use synod_journal::Codec;

use super::clock::HybridClock;
use super::config::SharedConfig;
use super::document::{Delta, DeltaFault, Digest, DocumentLimits, Edit, SharedDocument};
use super::dots::ReplicaId;
use super::error::SharedRefusal;

/// Longest message: a delta or a digest of one document, or the fingerprints of all.
const MESSAGE_LIMIT: usize = 8 << 20;
/// Digests in answer to one pulse; the other documents have their turn later.
const DIGESTS: usize = 16;
/// Longest name of a document in bytes.
const NAME_BYTES: usize = 64;

/// What replicas tell each other. Released shapes are frozen: the first byte is the layout.
#[derive(Debug, Serialize, Deserialize)]
enum Rumor {
    /// This is what my documents amount to.
    Pulse(Vec<(String, u64)>),
    /// This is what I have of it; `wants`: tell me also what you have.
    Digest { document: String, digest: Digest, wants: bool },
    /// This is news; `more`: ask again for the rest; `fresh`: just now, so pass it on.
    Delta { document: String, delta: Delta, more: bool, fresh: bool },
}

/// The layout of what is sent.
const FORMAT: u8 = 1;

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Command {
    /// Send this.
    Send { to: u64, bytes: Bytes },
    /// Tell who listens: what changed under these keys came from another node.
    Changed { document: String, keys: BTreeSet<String>, from: u64 },
}

/// What a replica has counted since it began.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) sent: u64,
    pub(super) sent_bytes: u64,
    pub(super) received: u64,
    pub(super) malformed: u64,
    pub(super) refused: u64,
    pub(super) drifted: u64,
    pub(super) differed: u64,
}

/// Who is there: asked at each step, since it changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) utc_ms: u64,
    pub(super) peers: &'a [u64],
}

/// All documents of one node.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) id: ReplicaId,
    config: SharedConfig,
    limits: DocumentLimits,
    pub(super) documents: BTreeMap<String, SharedDocument>,
    clock: HybridClock,
    rng: ChaCha12Rng,
    /// Where the next answer to a pulse begins, so that every document has its turn.
    turn: usize,
    pub(super) counters: Counters,
}

impl Replica {
    pub(super) fn new(id: ReplicaId, config: SharedConfig, rng: ChaCha12Rng) -> Self {
        Self {
            id,
            config,
            limits: config.limits(),
            documents: BTreeMap::new(),
            clock: HybridClock::new(config.max_drift_ms),
            rng,
            turn: 0,
            counters: Counters::default(),
        }
    }

    /// Bytes of all documents.
    pub(super) fn weight(&self) -> usize {
        self.documents.values().map(SharedDocument::weight).sum()
    }

    // ---- this node's own writes ----

    /// Writes; the delta is for the journal, and for the others once the journal has it.
    pub(super) fn edit(
        &mut self,
        utc_ms: u64,
        document: &str,
        edits: &[Edit],
    ) -> Result<Delta, SharedRefusal> {
        check_name(document)?;
        let known = self.documents.contains_key(document);
        if !known && self.documents.len() >= self.config.max_documents {
            return Err(SharedRefusal::TooManyDocuments { limit: self.config.max_documents });
        }
        let (found, limit) = (edits.iter().map(Edit::weight).sum(), self.config.delta_bytes);
        if found > limit {
            return Err(SharedRefusal::TooLarge { found, limit });
        }
        let removes = edits.iter().all(|edit| matches!(edit, Edit::Remove { .. }));
        let limit = self.config.max_total_bytes;
        if !removes && self.weight() + found > limit {
            return Err(SharedRefusal::Full { limit });
        }
        let mut fresh = SharedDocument::default();
        let target = self.documents.get_mut(document);
        let target = target.unwrap_or(&mut fresh);
        let delta = target.edit(self.id, edits, &mut self.clock, utc_ms, &self.limits)?;
        if !known {
            self.documents.insert(document.to_owned(), fresh);
        }
        Ok(delta)
    }

    /// Takes back what this node once wrote: from its journal.
    pub(super) fn restore(
        &mut self,
        utc_ms: u64,
        document: String,
        delta: &Delta,
    ) -> Result<(), DeltaFault> {
        let target = self.documents.entry(document).or_default();
        let merged = target.merge(delta, &DocumentLimits::NONE)?;
        if let Some(latest) = merged.latest
            && self.clock.observe(latest, utc_ms).is_err()
        {
            self.counters.drifted += 1;
        }
        Ok(())
    }

    /// Tells some others of a write that is in the journal now.
    pub(super) fn push(
        &mut self,
        around: Around<'_>,
        document: String,
        delta: Delta,
        out: &mut Vec<Command>,
    ) {
        self.pass_on(around.peers, None, document, delta, out);
    }

    fn pass_on(
        &mut self,
        peers: &[u64],
        without: Option<u64>,
        document: String,
        delta: Delta,
        out: &mut Vec<Command>,
    ) {
        let Some(bytes) = encode(&Rumor::Delta { document, delta, more: false, fresh: true })
        else {
            return;
        };
        for to in self.choose(peers, without) {
            self.send(to, bytes.clone(), out);
        }
    }

    // ---- rounds ----

    /// Looks for differences with some others.
    pub(super) fn round(&mut self, around: Around<'_>, out: &mut Vec<Command>) {
        let prints = self.documents.iter().map(|(name, of)| (name.clone(), of.fingerprint()));
        let Some(bytes) = encode(&Rumor::Pulse(prints.collect())) else { return };
        for to in self.choose(around.peers, None) {
            self.send(to, bytes.clone(), out);
        }
    }

    /// Some different peers at random.
    fn choose(&mut self, peers: &[u64], without: Option<u64>) -> Vec<u64> {
        let mut left: Vec<_> =
            peers.iter().copied().filter(|peer| Some(*peer) != without).collect();
        let mut chosen = Vec::new();
        while chosen.len() < self.config.fanout && !left.is_empty() {
            chosen.push(left.swap_remove(self.rng.random_range(0..left.len())));
        }
        chosen
    }

    // ---- messages ----

    pub(super) fn heard(
        &mut self,
        around: Around<'_>,
        from: u64,
        bytes: &[u8],
        out: &mut Vec<Command>,
    ) {
        let Some(rumor) = decode(bytes) else {
            self.counters.malformed += 1;
            return tracing::debug!(from, "not a message of shared state");
        };
        self.counters.received += 1;
        let taken = match rumor {
            Rumor::Pulse(prints) => {
                self.compare(from, &prints, out);
                Ok(())
            }
            Rumor::Digest { document, digest, wants } => {
                self.answer(from, document, &digest, wants, out)
            }
            Rumor::Delta { document, delta, more, fresh } => {
                self.learn(around, from, document, delta, fresh, out).map(|(document, is_news)| {
                    if more && is_news {
                        self.tell_digest(from, document, false, out);
                    }
                })
            }
        };
        if let Err(error) = taken {
            self.counters.refused += 1;
            tracing::debug!(from, %error, "not taken over from another replica");
        }
    }

    fn compare(&mut self, from: u64, theirs: &[(String, u64)], out: &mut Vec<Command>) {
        let empty = SharedDocument::default().fingerprint();
        let mut prints: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (name, document) in &self.documents {
            prints.insert(name, (document.fingerprint(), empty));
        }
        for (name, print) in theirs.iter().take(self.config.max_documents) {
            prints.entry(name).or_insert((empty, empty)).1 = *print;
        }
        let differ = prints
            .into_iter()
            .filter(|(name, (ours, theirs))| ours != theirs && check_name(name).is_ok());
        let differ: Vec<_> = differ.map(|(name, _)| name.to_owned()).collect();
        if differ.is_empty() {
            return;
        }
        self.counters.differed += 1;
        let first = self.turn % differ.len();
        self.turn = self.turn.wrapping_add(DIGESTS);
        let count = differ.len().min(DIGESTS);
        for name in differ.into_iter().cycle().skip(first).take(count) {
            self.tell_digest(from, name, true, out);
        }
    }

    fn answer(
        &mut self,
        from: u64,
        document: String,
        digest: &Digest,
        wants: bool,
        out: &mut Vec<Command>,
    ) -> Result<(), DeltaFault> {
        digest.check(&self.limits)?;
        let empty = SharedDocument::default();
        let ours = self.documents.get(&document).unwrap_or(&empty);
        let is_behind = ours.is_behind(digest);
        let (delta, more) = ours.delta_since(digest, self.config.delta_bytes);
        if !delta.is_empty() {
            let rumor = Rumor::Delta { document: document.clone(), delta, more, fresh: false };
            self.tell(from, &rumor, out);
        }
        if wants && is_behind {
            self.tell_digest(from, document, false, out);
        }
        Ok(())
    }

    /// Takes over a delta; gives the document back, and whether there was news.
    fn learn(
        &mut self,
        around: Around<'_>,
        from: u64,
        document: String,
        delta: Delta,
        fresh: bool,
        out: &mut Vec<Command>,
    ) -> Result<(String, bool), DeltaFault> {
        self.may_take(&document, &delta)?;
        let merged = match self.documents.get_mut(&document) {
            Some(target) => target.merge(&delta, &self.limits)?,
            None => {
                let mut new = SharedDocument::default();
                let merged = new.merge(&delta, &self.limits)?;
                self.documents.insert(document.clone(), new);
                merged
            }
        };
        if let Some(latest) = merged.latest
            && let Err(drift) = self.clock.observe(latest, around.utc_ms)
        {
            self.counters.drifted += 1;
            tracing::debug!(from, %drift, "a clock is not followed");
        }
        if !merged.keys.is_empty() {
            let (document, keys) = (document.clone(), merged.keys);
            out.push(Command::Changed { document, keys, from });
        }
        // What one replica catches up on is no news to most.
        if fresh && merged.is_news {
            self.pass_on(around.peers, Some(from), document.clone(), delta, out);
        }
        Ok((document, merged.is_news))
    }

    fn may_take(&self, document: &str, delta: &Delta) -> Result<(), DeltaFault> {
        check_name(document).map_err(|_| DeltaFault::Malformed("the name of a document"))?;
        let known = self.documents.get(document);
        let own = known.map_or(0, |document| document.last_of(self.id));
        if delta.seen.last(self.id) > own {
            return Err(DeltaFault::Forged);
        }
        let too_much = |what, found, limit| Err(DeltaFault::TooMuch { what, found, limit });
        let (count, most) = (self.documents.len(), self.config.max_documents);
        if known.is_none() && count >= most {
            return too_much("documents", count + 1, most);
        }
        // As with a document's own limits, there is slack for what was written at the same time.
        let (weight, most) = (self.weight(), self.config.max_total_bytes.saturating_mul(4));
        if weight > most && !delta.entries.is_empty() {
            return too_much("bytes of documents", weight, most);
        }
        Ok(())
    }

    fn tell_digest(&mut self, to: u64, document: String, wants: bool, out: &mut Vec<Command>) {
        let digest = self.documents.get(&document).map(SharedDocument::digest).unwrap_or_default();
        self.tell(to, &Rumor::Digest { document, digest, wants }, out);
    }

    fn tell(&mut self, to: u64, rumor: &Rumor, out: &mut Vec<Command>) {
        if let Some(bytes) = encode(rumor) {
            self.send(to, bytes, out);
        }
    }

    fn send(&mut self, to: u64, bytes: Bytes, out: &mut Vec<Command>) {
        self.counters.sent += 1;
        self.counters.sent_bytes += bytes.len() as u64;
        out.push(Command::Send { to, bytes });
    }
}

/// Names are 1 to 64 of `A-Z a-z 0-9 . _ : -`, so that they fit into paths and logs.
pub(super) fn check_name(name: &str) -> Result<(), SharedRefusal> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(fits) {
        let found = name.chars().take(NAME_BYTES).collect();
        return Err(SharedRefusal::Name { found });
    }
    Ok(())
}

fn encode(rumor: &Rumor) -> Option<Bytes> {
    let body = Codec::<MESSAGE_LIMIT>::encode(rumor);
    let body = body.inspect_err(|error| tracing::error!(%error, "a rumor is not sent")).ok()?;
    let mut bytes = Vec::with_capacity(body.len() + 1);
    bytes.push(FORMAT);
    bytes.extend_from_slice(&body);
    Some(bytes.into())
}

fn decode(bytes: &[u8]) -> Option<Rumor> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => Codec::<MESSAGE_LIMIT>::decode(rest).ok(),
        _ => None,
    }
}
