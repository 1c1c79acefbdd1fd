//! Which events a reader wants.

use synod_agents::AgentId;
use uuid::Uuid;

use super::event::{Event, Subject};

/// All that is given must match; what is left out matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Event types; one that ends in `*` matches by its beginning. Empty: all.
    types: Vec<String>,
    /// What events must be about.
    about: Vec<About>,
}

/// One thing that events can be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A task.
    Task(Uuid),
    /// A run of a workflow.
    Run(Uuid),
    /// A conversation.
    Conversation(Uuid),
    /// An agent.
    Agent(AgentId),
}

impl Filter {
    /// A filter by types (a list separated by commas), and by what events are about.
    #[must_use]
    pub fn new(types: Option<&str>, about: impl IntoIterator<Item = About>) -> Self {
        let listed = types.unwrap_or_default().split(',').map(str::trim);
        let types = listed.filter(|one| !one.is_empty()).map(str::to_ascii_lowercase).collect();
        Self { types, about: about.into_iter().collect() }
    }

    /// Whether the reader wants this event.
    #[must_use]
    pub fn takes(&self, event: &Event) -> bool {
        (self.types.is_empty() || self.types.iter().any(|want| fits(want, &event.kind)))
            && self.about.iter().all(|about| about.is(&event.subject))
    }
}

impl About {
    fn is(&self, subject: &Subject) -> bool {
        match (self, subject) {
            (Self::Task(id), Subject::Task(it))
            | (Self::Run(id), Subject::Run(it))
            | (Self::Conversation(id), Subject::Conversation(_, it)) => id == it,
            (Self::Agent(id), Subject::Agent(it)) => id == it,
            _ => false,
        }
    }
}

fn fits(want: &str, kind: &str) -> bool {
    match want.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => want == kind,
    }
}
