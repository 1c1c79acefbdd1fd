//! How bad a line says it is: by its level column, or by the words of its message.

use serde::{Deserialize, Serialize};

/// Severity of a line, a template or a finding; ordered, the worst is the greatest.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For developers: trace, debug, fine.
    Debug,
    /// Normal operation; also what says nothing about itself.
    #[default]
    Info,
    /// Normal but significant.
    Notice,
    /// Something may go wrong.
    Warning,
    /// Something went wrong.
    Error,
    /// The program or the machine can't go on.
    Critical,
}

impl Severity {
    /// All severities, the least first.
    pub const ALL: [Self; 6] =
        [Self::Debug, Self::Info, Self::Notice, Self::Warning, Self::Error, Self::Critical];

    /// The name in reports, lower-case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// Reads a level column: `INFO`, `[notice]`, `level=warn`, `ERROR:`. Case does not matter.
    /// The words are those of syslog (RFC 5424), log4j, java.util.logging and PostgreSQL, the
    /// single letters those of Android and glog.
    pub fn from_level(token: &[u8]) -> Option<Self> {
        let word = bare_level(token);
        if let [letter] = word {
            return Self::from_letter(*letter);
        }
        if !(3..=9).contains(&word.len()) {
            return None;
        }
        let mut lower = [0; 9];
        let lower = &mut lower[..word.len()];
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"trace" | b"debug" | b"fine" | b"finer" | b"finest" | b"verbose" => Self::Debug,
            b"info" | b"information" | b"log" | b"statement" | b"detail" | b"hint" => Self::Info,
            b"notice" => Self::Notice,
            b"warn" | b"warning" => Self::Warning,
            b"error" | b"err" | b"severe" | b"failure" => Self::Error,
            b"crit" | b"critical" | b"alert" | b"emerg" | b"emergency" | b"fatal" | b"panic" => {
                Self::Critical
            }
            _ => return None,
        })
    }

    fn from_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'V' | b'D' => Self::Debug,
            b'I' => Self::Info,
            b'W' => Self::Warning,
            b'E' => Self::Error,
            b'F' => Self::Critical,
            _ => return None,
        })
    }
}

/// `[notice]` and `level=notice,` without what stands around the word.
fn bare_level(token: &[u8]) -> &[u8] {
    let after_key = token.iter().position(|b| *b == b'=').map_or(0, |at| at + 1);
    let mut word = &token[after_key..];
    while let [b'[' | b'(' | b'<' | b'"' | b'|', rest @ ..] = word {
        word = rest;
    }
    while let [rest @ .., b']' | b')' | b'>' | b'"' | b'|' | b':' | b','] = word {
        word = rest;
    }
    word
}

/// What the words of a message tell, judged once per template and not per line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wording {
    /// Severity by the words alone.
    pub severity: Severity,
    /// The message reports that something was refused or did not work.
    pub failure: bool,
    /// The message is about who may do what: logins, passwords, permissions.
    pub security: bool,
}

/// Beginnings of words that make a message critical.
const CRITICAL: [&str; 10] = [
    "panic",
    "fatal",
    "emergency",
    "segfault",
    "corrupt",
    "oom-killer",
    "out of memory",
    "machine check",
    "break-in",
    "data loss",
];

/// Beginnings of words of failure.
const FAILURE: [&str; 24] = [
    "error",
    "fail",
    "denied",
    "refused",
    "invalid user",
    "illegal",
    "unauthorized",
    "forbidden",
    "exception",
    "abort",
    "unreachable",
    "timed out",
    "timeout",
    "time out",
    "not permitted",
    "rejected",
    "severed",
    "broken",
    "died",
    "unable to",
    "cannot ",
    "can't ",
    "can not ",
    "could not",
];

/// Endings of names of failures: `IOException`, `KeeperError`.
const FAILURE_NAMES: [&str; 2] = ["exception", "error"];

/// Words that ask for attention without reporting a failure.
const WARNING: [&str; 8] =
    ["warn", "retry", "degraded", "deprecated", "dropped", "suppress", "alert", "exceeded"];

const SECURITY: [&str; 10] = [
    "password",
    "authentication",
    "login",
    "invalid user",
    "break-in",
    "permission",
    "unauthorized",
    "forbidden",
    "sudo",
    "auth fail",
];

/// Phrases that hold a failure word and report none.
const BENIGN: [&str; 8] = [
    "no error",
    "0 error",
    "error(s) detected and corrected",
    "errors(s) detected and corrected",
    "error corrected",
    "without error",
    "failover complete",
    "errors: 0",
];

/// Judges a masked message by its words.
///
/// ```
/// use synod_triage::{Severity, wording};
/// let told = wording("Failed password for <*> from <*> port <*>");
/// assert!(told.failure && told.security);
/// assert_eq!(told.severity, Severity::Error);
/// ```
pub fn wording(message: &str) -> Wording {
    let lower = message.to_ascii_lowercase();
    let starts: Vec<&str> = word_starts(&lower).collect();
    let holds = |words: &[&str]| {
        let begins = |rest: &str| words.iter().any(|word| begins_with(rest, word));
        starts.iter().any(|rest| begins(rest))
    };
    let benign = holds(&BENIGN);
    let failure = !benign && (holds(&FAILURE) || names_a_failure(message));
    let severity = if !benign && holds(&CRITICAL) {
        Severity::Critical
    } else if failure {
        Severity::Error
    } else if benign || holds(&WARNING) {
        Severity::Warning
    } else {
        Severity::Info
    };
    Wording {
        severity,
        failure: failure || severity == Severity::Critical,
        security: holds(&SECURITY),
    }
}

/// The text from each place at which a word begins that is not within a name: `liberror` and
/// `libgpg-error` are packages.
fn word_starts(text: &str) -> impl Iterator<Item = &str> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || !b.is_ascii() || b"-_./".contains(&b);
    let bytes = text.as_bytes();
    let begins = move |at: &usize| inner(bytes[*at]) && (*at == 0 || !inner(bytes[*at - 1]));
    (0..bytes.len()).filter(begins).map(|at| &text[at..])
}

/// Whether `rest` begins with `word`, and not with a name: `error-log` is a file.
fn begins_with(rest: &str, word: &str) -> bool {
    rest.strip_prefix(word).is_some_and(|after| !after.starts_with(['-', '_', '/']))
}

/// Whether a token is the name of a failure in camel case: `java.io.IOException:`.
fn names_a_failure(message: &str) -> bool {
    message.split_ascii_whitespace().any(|token| {
        let name = token.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let camel = name.bytes().any(|b| b.is_ascii_uppercase())
            && name.bytes().any(|b| b.is_ascii_lowercase());
        let lower = || name.to_ascii_lowercase();
        camel && FAILURE_NAMES.iter().any(|ending| lower().ends_with(ending))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_columns_are_read_in_their_usual_dress() {
        let cases: [(&[u8], Severity); 6] = [
            (b"INFO", Severity::Info),
            (b"[notice]", Severity::Notice),
            (b"level=warn", Severity::Warning),
            (b"SEVERE:", Severity::Error),
            (b"<ERR>", Severity::Error),
            (b"Fatal", Severity::Critical),
        ];
        for (token, expected) in cases {
            assert_eq!(Severity::from_level(token), Some(expected), "{token:?}");
        }
        assert_eq!(Severity::from_level(b"kernel:"), None);
        assert_eq!(Severity::from_level(b""), None);
    }

    #[test]
    fn a_corrected_error_is_a_warning_and_no_failure() {
        let told = wording("total of <*> ddr error(s) detected and corrected");
        assert_eq!(told.severity, Severity::Warning);
        assert!(!told.failure);
    }

    #[test]
    fn a_failure_word_within_a_name_is_no_failure() {
        for message in ["status installed libgpg-error<*>", "rotating error_log", "liberror-perl"] {
            assert_eq!(wording(message).severity, Severity::Info, "{message}");
        }
        assert!(wording("closed due to java.io.IOException: gone").failure);
        assert!(wording("error: no more methods").failure);
    }

    #[test]
    fn plain_words_are_neither_severe_nor_failures() {
        assert_eq!(wording("session opened for user <*>"), Wording::default());
    }
}
