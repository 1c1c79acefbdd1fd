//! What work in hand says about itself: written in place, read by whoever asks for health.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::usage::Usage;
use crate::watch::Watch;

/// Longest note in bytes.
const MAX_NOTE: usize = 256;

/// The last report of one assignment. A report replaces the one before it: progress is a state,
/// not a stream, so a talkative agent costs no messages and no memory.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    reported: Arc<Mutex<Reported>>,
    /// Who follows the work from outside.
    watch: Watch,
}

/// One report of progress.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reported {
    /// Done so far, 0 to 1; `None` before the first report.
    pub(crate) fraction: Option<f32>,
    /// In words.
    pub(crate) note: Option<String>,
}

impl Progress {
    /// The progress of an assignment that is followed by `watch`.
    pub(crate) fn followed_by(watch: Watch) -> Self {
        Self { reported: Arc::default(), watch }
    }

    /// Replaces the last report. `fraction` is brought into 0 to 1; what is no number is 0.
    pub fn report(&self, fraction: f32, note: &str) {
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        let note = &note[..note.floor_char_boundary(MAX_NOTE)];
        let note = (!note.is_empty()).then(|| note.to_owned());
        *self.reported.lock() = Reported { fraction: Some(fraction), note };
        self.watch.beat();
    }

    /// The work used up so much more.
    pub fn spend(&self, usage: Usage) {
        self.watch.spend(usage);
    }

    pub(crate) fn last(&self) -> Reported {
        self.reported.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_brought_into_its_bounds() {
        let progress = Progress::default();
        assert_eq!(progress.last().fraction, None);
        progress.report(7.0, &"ä".repeat(500));
        assert_eq!(progress.last().fraction, Some(1.0));
        assert!(progress.last().note.unwrap().len() <= MAX_NOTE);
        progress.report(f32::NAN, "");
        assert_eq!(progress.last(), Reported { fraction: Some(0.0), note: None });
    }
}
