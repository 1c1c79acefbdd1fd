//! The progress of a demo: a bar on standard error; nothing where that is no terminal.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use synod_triage::Progress;
use synod_workflows::RunChange;

/// Time between two pictures of a bar that only shows that work goes on.
const TICK: Duration = Duration::from_millis(100);

pub(super) struct View {
    bar: ProgressBar,
    /// Findings that are put to the vote, and those that are decided.
    findings: AtomicU64,
    decided: AtomicU64,
}

impl View {
    pub(super) fn new() -> Self {
        let shown = io::stderr().is_terminal();
        let bar = if shown { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.enable_steady_tick(TICK);
        Self { bar, findings: AtomicU64::new(0), decided: AtomicU64::new(0) }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Shows how the reading goes on.
    pub(super) fn show(&self, step: &Progress) {
        match step {
            Progress::Surveyed { files, bytes, .. } => self.begin(*files, *bytes),
            Progress::Chunk { bytes, lines, .. } => {
                self.bar.set_position(*bytes);
                self.bar.set_message(format!("{} lines", HumanCount(*lines)));
            }
            Progress::Recovered { agent, chunk } => self.bar.println(format!(
                "{agent} was crashed on purpose with chunk {chunk} in hand; \
                 it is restarted, and the chunk is done"
            )),
        }
    }

    /// Shows what comes after the reading, step by step.
    pub(super) fn change(&self, change: &RunChange) {
        let step = change.step.as_deref().unwrap_or_default();
        match (change.name.as_str(), step) {
            ("step.started", "check") => self.say("putting the chunks together"),
            ("step.started", "detect") => self.say("three detectors at work"),
            ("step.started", "judge") => {
                if let Some(of) = change.details["items"].as_u64() {
                    self.findings.store(of, Ordering::Relaxed);
                }
            }
            ("step.completed", "judge") => {
                let decided = self.decided.fetch_add(1, Ordering::Relaxed) + 1;
                let of = self.findings.load(Ordering::Relaxed);
                self.say(format!("judges vote: {} of {of} findings", decided.min(of)));
            }
            ("step.started", "report") => self.say("two reporters compete"),
            _ => {}
        }
    }

    fn begin(&self, files: usize, bytes: Option<u64>) {
        let template = match bytes {
            Some(bytes) => {
                self.bar.set_length(bytes);
                "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg}"
            }
            None => "{spinner} {bytes} {binary_bytes_per_sec} {msg}",
        };
        self.bar.set_style(style(template));
        self.bar.set_message(format!("{} files", HumanCount(files as u64)));
    }

    /// What comes after the chunks has no measure.
    fn say(&self, what: impl Into<String>) {
        self.bar.set_style(style("{spinner} {msg}"));
        self.bar.set_message(what.into());
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_step_can_be_shown() {
        let view = View::new();
        let steps = [
            Progress::Surveyed { files: 1, skipped: 0, bytes: Some(10) },
            Progress::Surveyed { files: 1, skipped: 0, bytes: None },
            Progress::Chunk { chunks: 1, bytes: 10, lines: 3 },
            Progress::Recovered { agent: "reader".to_owned(), chunk: 1 },
        ];
        steps.iter().for_each(|step| view.show(step));
        let change = |name: &str, step: &str, details: serde_json::Value| -> RunChange {
            serde_json::from_value(json!({
                "sequence": 1, "name": name, "run_id": uuid::Uuid::nil(), "workflow": "w",
                "step": step, "at": "2026-01-01T00:00:00Z", "details": details,
            }))
            .unwrap()
        };
        view.change(&change("step.started", "judge", json!({"items": 2})));
        view.change(&change("step.completed", "judge", json!({})));
        assert_eq!(view.bar.message(), "judges vote: 1 of 2 findings");
        view.change(&change("step.started", "report", json!({})));
        assert_eq!(view.bar.message(), "two reporters compete");
    }
}
