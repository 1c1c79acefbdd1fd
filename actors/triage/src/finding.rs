//! A finding: what a detector claims, with the numbers behind it and the lines that show it.

use serde::{Deserialize, Serialize};

use crate::digest::{Evidence, Span};
use crate::severity::Severity;

/// Which detector claims it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Many failures from one source in a short time.
    RepeatedFailure,
    /// A template at many times its usual rate.
    RateSpike,
    /// Many rare templates together: something that hardly ever happens, such as a restart.
    RareSequence,
    /// A template that hardly ever occurs.
    RareTemplate,
}

impl FindingKind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::RepeatedFailure => "repeated failure",
            Self::RateSpike => "rate spike",
            Self::RareSequence => "rare sequence",
            Self::RareTemplate => "rare template",
        }
    }
}

/// A claim about the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable name: the same log gives the same one.
    pub id: String,
    /// Which detector claims it.
    pub kind: FindingKind,
    /// How bad it is.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// The numbers behind it, in a sentence or two.
    pub explanation: String,
    /// What it is about: a source, or a template.
    pub subject: String,
    /// The templates of its lines; at most eight.
    pub templates: Vec<String>,
    /// It concerns logins, passwords or permissions.
    pub security: bool,
    /// Lines that belong to it.
    pub count: u64,
    /// When it happened.
    pub span: Option<Span>,
    /// How unlikely it is.
    pub strength: Strength,
    /// Lines that show it.
    pub evidence: Vec<Evidence>,
}

/// How unlikely a finding is if nothing were wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strength {
    /// Surprise in bits: minus the binary logarithm of the probability under the null model that
    /// the explanation names. At most 1,000.
    pub bits: f64,
    /// Surprise that a finding of this kind needs to be more than chance among all that were
    /// looked at.
    pub needed_bits: f64,
    /// Observations that the judgement rests on.
    pub observations: u64,
}

impl Strength {
    /// The most bits that are told apart.
    pub const MAX_BITS: f64 = 1000.0;

    pub(crate) fn new(bits: f64, needed_bits: f64, observations: u64) -> Self {
        let rounded = |value: f64| (value.clamp(0.0, Self::MAX_BITS) * 10.0).round() / 10.0;
        Self { bits: rounded(bits), needed_bits: rounded(needed_bits), observations }
    }
}

/// Sorts the most important first; stable for equal findings.
pub fn rank(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then(b.security.cmp(&a.security))
            .then(a.kind.cmp(&b.kind))
            .then(b.strength.bits.total_cmp(&a.strength.bits))
            .then(b.count.cmp(&a.count))
            .then(a.id.cmp(&b.id))
    });
}

/// A name for `text` that is the same in every run: `T-` and 8 hexadecimal digits of its FNV-1a
/// hash.
pub fn stable_id(prefix: &str, text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{prefix}-{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff))
}
