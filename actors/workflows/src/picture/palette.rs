//! Colours by state, the same in every form of a picture.

use crate::messages::StepState;

/// Colours of a box: inside and border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colours {
    pub(super) fill: &'static str,
    pub(super) stroke: &'static str,
}

/// Of a step that only stands in a definition.
pub(super) const DEFINED: Colours = Colours { fill: "#ffffff", stroke: "#57606a" };
/// Of text.
pub(super) const INK: &str = "#1f2328";
/// Of text that is said for completeness, and of lines.
pub(super) const FAINT: &str = "#57606a";

/// Every state, for the forms that declare their colours once.
pub(super) const STATES: [StepState; 8] = [
    StepState::Pending,
    StepState::Waiting,
    StepState::Running,
    StepState::Completed,
    StepState::Failed,
    StepState::Skipped,
    StepState::Cancelled,
    StepState::Compensated,
];

/// The name of a state, as in the API.
pub(super) fn name(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "pending",
        StepState::Waiting => "waiting",
        StepState::Running => "running",
        StepState::Completed => "completed",
        StepState::Failed => "failed",
        StepState::Skipped => "skipped",
        StepState::Cancelled => "cancelled",
        StepState::Compensated => "compensated",
    }
}

/// The colours of a state.
pub(super) fn of(state: StepState) -> Colours {
    let (fill, stroke) = match state {
        StepState::Pending => ("#f6f8fa", "#8c959f"),
        StepState::Waiting => ("#fff8c5", "#bf8700"),
        StepState::Running => ("#ddf4ff", "#0969da"),
        StepState::Completed => ("#dafbe1", "#1a7f37"),
        StepState::Failed => ("#ffebe9", "#cf222e"),
        StepState::Skipped => ("#f6f8fa", "#afb8c1"),
        StepState::Cancelled => ("#eaeef2", "#57606a"),
        StepState::Compensated => ("#fbefff", "#8250df"),
    };
    Colours { fill, stroke }
}
