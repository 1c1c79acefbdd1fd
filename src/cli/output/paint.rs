//! Colours by meaning, never by name.

/// What a piece of text means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Text as any other.
    #[default]
    Plain,
    /// A heading or a name.
    Strong,
    /// Said for completeness.
    Faint,
    /// It went well.
    Good,
    /// It is at work.
    Busy,
    /// It waits, or was held back on purpose.
    Waiting,
    /// It went wrong.
    Bad,
}

impl Paint {
    /// The colour of the state of a task, a run, a step, an approval, an agent or an actor.
    #[must_use]
    pub(crate) fn of_state(state: &str) -> Self {
        match state {
            "completed" | "active" | "running" | "approved" => Self::Good,
            "starting" | "restarting" | "recovering" | "queued" | "started" | "compensating" => {
                Self::Busy
            }
            "pending" | "paused" | "draining" | "drained" | "stopping" | "waiting" | "open"
            | "retrying" | "requested" => Self::Waiting,
            "failed" | "disconnected" | "refusing" | "rejected" | "expired" => Self::Bad,
            "stopped" | "cancelled" | "skipped" | "withdrawn" | "compensated" => Self::Faint,
            _ => Self::Plain,
        }
    }

    /// The text with the terminal's codes around it (ECMA-48, section 8.3.117).
    #[must_use]
    pub(crate) fn apply(self, text: &str) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Busy => "36",
            Self::Waiting => "33",
            Self::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_the_colour_of_its_meaning() {
        assert_eq!(Paint::of_state("completed"), Paint::Good);
        assert_eq!(Paint::of_state("failed"), Paint::Bad);
        assert_eq!(Paint::Bad.apply("x"), "\x1b[31mx\x1b[0m");
        assert_eq!(Paint::Plain.apply("x"), "x");
    }
}
