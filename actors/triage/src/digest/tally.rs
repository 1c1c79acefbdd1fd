//! What is counted of one template, and of one source of failures.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, merge_samples};
use super::series::Series;
use crate::severity::{Severity, wording};

/// The first and the last time of something, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The earliest.
    pub first_ms: i64,
    /// The latest.
    pub last_ms: i64,
}

impl Span {
    /// From one time to another, in either order.
    pub fn of(one: i64, other: i64) -> Self {
        Self { first_ms: one.min(other), last_ms: one.max(other) }
    }

    /// Seconds from the first to the last.
    pub fn seconds(self) -> f64 {
        (self.last_ms - self.first_ms) as f64 / 1000.0
    }
}

/// Widens `span` so that it holds `other`.
pub(crate) fn cover(span: &mut Option<Span>, other: Option<Span>) {
    *span = match (*span, other) {
        (Some(one), Some(other)) => Some(Span {
            first_ms: one.first_ms.min(other.first_ms),
            last_ms: one.last_ms.max(other.last_ms),
        }),
        (one, other) => one.or(other),
    };
}

/// What is counted of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Lines.
    pub count: u64,
    /// The worst level column of its lines, where they have one.
    pub level: Option<Severity>,
    /// First and last time; none where no line is dated.
    pub span: Option<Span>,
    /// Lines over time.
    pub series: Series,
    /// Its first lines.
    pub samples: Vec<Evidence>,
}

impl Tally {
    /// How bad the template is: by the level of its lines, or else by its words.
    pub fn severity(&self, template: &str) -> Severity {
        self.level.unwrap_or_else(|| wording(template).severity)
    }

    pub(crate) fn merge(&mut self, other: Self, limit: usize) {
        self.count += other.count;
        self.level = self.level.max(other.level);
        cover(&mut self.span, other.span);
        self.series.merge(&other.series);
        merge_samples(&mut self.samples, other.samples, limit);
    }
}

/// Who or what a failure came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Source {
    /// What kind of thing it is.
    pub kind: SourceKind,
    /// Its name: `183.62.140.253`, `sshd on combo`.
    pub name: String,
}

/// Kinds of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// An IP address in the message.
    Address,
    /// A remote host named in the message.
    Remote,
    /// The program, class or machine that wrote the line.
    Component,
}

impl SourceKind {
    /// The name in reports and in the text form of a source.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Remote => "remote",
            Self::Component => "component",
        }
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        format!("{} {}", source.kind.name(), source.name)
    }
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let kinds = [SourceKind::Address, SourceKind::Remote, SourceKind::Component];
        let (kind, name) = text.split_once(' ').unwrap_or((&text, ""));
        match kinds.into_iter().find(|known| known.name() == kind) {
            Some(kind) => Ok(Self { kind, name: name.to_owned() }),
            None => Err(format!("'{text}' is no source of failures")),
        }
    }
}

/// Names and messages kept for one source, the first ones by text: so it does not matter in which
/// order they come.
const MAX_USERS: usize = 8;
const MAX_EVENTS: usize = 16;

/// What is counted of a source of failures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureTally {
    /// Failures.
    pub count: u64,
    /// The worst severity.
    pub severity: Severity,
    /// At least one failure is about logins, passwords or permissions.
    pub security: bool,
    /// First and last time.
    pub span: Option<Span>,
    /// Failures over time.
    pub series: Series,
    /// Users that were named, the first eight by name.
    pub users: BTreeSet<String>,
    /// The messages, masked, and how often; the first sixteen by text.
    pub events: BTreeMap<String, u64>,
    /// Its first lines.
    pub samples: Vec<Evidence>,
}

impl FailureTally {
    pub(crate) fn add_user(&mut self, user: &str) {
        if !self.users.contains(user) {
            self.users.insert(user.to_owned());
            if self.users.len() > MAX_USERS {
                self.users.pop_last();
            }
        }
    }

    /// Whether there may have been more users than are kept.
    pub(crate) fn has_more_users(&self) -> bool {
        self.users.len() >= MAX_USERS
    }

    pub(crate) fn add_event(&mut self, message: &str, count: u64) {
        if let Some(known) = self.events.get_mut(message) {
            *known += count;
            return;
        }
        self.events.insert(message.to_owned(), count);
        if self.events.len() > MAX_EVENTS {
            self.events.pop_last();
        }
    }

    pub(crate) fn merge(&mut self, other: Self, limit: usize) {
        self.count += other.count;
        self.severity = self.severity.max(other.severity);
        self.security |= other.security;
        cover(&mut self.span, other.span);
        self.series.merge(&other.series);
        other.users.iter().for_each(|user| self.add_user(user));
        other.events.iter().for_each(|(message, count)| self.add_event(message, *count));
        merge_samples(&mut self.samples, other.samples, limit);
    }
}
