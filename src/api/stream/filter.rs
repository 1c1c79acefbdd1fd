//! Which events a reader wants.

use synod_agents::AgentId;
use uuid::Uuid;

use super::event::{Event, Subject};

/// All that is given must match; what is left out matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Event types; one that ends in `*` matches by its beginning. Empty: all.
    types: Vec<String>,
    task: Option<Uuid>,
    run: Option<Uuid>,
    agent: Option<AgentId>,
}

impl Filter {
    /// A filter by types (a list separated by commas), by task, by run and by agent.
    #[must_use]
    pub fn new(
        types: Option<&str>,
        task: Option<Uuid>,
        run: Option<Uuid>,
        agent: Option<AgentId>,
    ) -> Self {
        let listed = types.unwrap_or_default().split(',').map(str::trim);
        let types = listed.filter(|one| !one.is_empty()).map(str::to_ascii_lowercase).collect();
        Self { types, task, run, agent }
    }

    /// Whether the reader wants this event.
    #[must_use]
    pub fn takes(&self, event: &Event) -> bool {
        (self.types.is_empty() || self.types.iter().any(|want| fits(want, &event.kind)))
            && self.task.is_none_or(|task| event.subject == Subject::Task(task))
            && self.run.is_none_or(|run| event.subject == Subject::Run(run))
            && self
                .agent
                .as_ref()
                .is_none_or(|id| matches!(&event.subject, Subject::Agent(it) if it == id))
    }
}

fn fits(want: &str, kind: &str) -> bool {
    match want.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => want == kind,
    }
}
