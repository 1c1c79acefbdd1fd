//! By what the outside finds a run: followed event by event, so that the engine's index knows it
//! without the run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::history::Handle;
use crate::run::{Begun, Event, Spot};

/// What changed in the handles of a run.
#[derive(Debug, Default)]
pub(super) struct HandleChanges {
    pub opened: Vec<Handle>,
    pub closed: Vec<Handle>,
}

impl HandleChanges {
    fn open(&mut self, handle: Handle) {
        self.opened.push(handle);
    }

    /// One that was opened just now was never there.
    fn close(&mut self, handle: Handle) {
        match self.opened.iter().position(|opened| *opened == handle) {
            Some(at) => _ = self.opened.swap_remove(at),
            None => self.closed.push(handle),
        }
    }
}

/// The handles of a run, by the work that waits.
#[derive(Debug, Default)]
pub(super) struct Handles {
    open: BTreeMap<Spot, Handle>,
    /// Topics of messages that are kept for work which is still to wait.
    topics: BTreeSet<Arc<str>>,
}

impl Handles {
    /// Follows an event.
    pub(super) fn follow(&mut self, event: &Event, changes: &mut HandleChanges) {
        match event {
            Event::Started { spot, begun, .. } | Event::Again { spot, begun } => {
                self.end(*spot, changes);
                if let Some(handle) = handle(begun) {
                    changes.open(handle.clone());
                    self.open.insert(*spot, handle);
                }
            }
            Event::Succeeded { spot, .. }
            | Event::MessageTaken { spot, .. }
            | Event::Failed { spot, .. }
            | Event::Retrying { spot, .. }
            | Event::Lost { spot, .. } => self.end(*spot, changes),
            Event::Joined { step } => {
                let items = Spot::item(*step, 0)..=Spot::item(*step, u32::MAX);
                let items: Vec<_> = self.open.range(items).map(|(spot, _)| *spot).collect();
                items.into_iter().for_each(|spot| self.end(spot, changes));
            }
            Event::LevelFailed { .. }
            | Event::FellBack { .. }
            | Event::CancelRequested { .. }
            | Event::RollbackBegan { .. }
            | Event::RolledBack { .. }
            | Event::Concluded { .. } => self.end_all(|handle| !handle.is_child(), changes),
            Event::ChildStopped { run } => self.end_all(|h| *h == Handle::Child(*run), changes),
            Event::Ended { .. } => self.end_all(|_| true, changes),
            _ => {}
        }
    }

    /// Is open to messages on these topics, before anything waits for them.
    pub(super) fn listen(&mut self, topics: BTreeSet<Arc<str>>, changes: &mut HandleChanges) {
        let gone = self.topics.difference(&topics).cloned();
        gone.for_each(|topic| changes.close(Handle::Topic(topic)));
        let new = topics.difference(&self.topics).cloned();
        new.for_each(|topic| changes.open(Handle::Topic(topic)));
        self.topics = topics;
    }

    /// Takes over from stored records what they opened and closed, beside what is open by the
    /// events in them.
    pub(super) fn recall<'a>(
        &mut self,
        records: impl IntoIterator<Item = (&'a [Handle], &'a [Handle])>,
    ) {
        let mut open: BTreeMap<Arc<str>, i64> = BTreeMap::new();
        let mut count = |handles: &[Handle], by: i64| {
            for handle in handles {
                if let Handle::Topic(topic) = handle {
                    *open.entry(Arc::clone(topic)).or_default() += by;
                }
            }
        };
        for (opened, closed) in records {
            count(opened, 1);
            count(closed, -1);
        }
        let waiting: Vec<_> = self.open.values().cloned().collect();
        count(&waiting, -1);
        let listened = open.into_iter().filter(|(_, count)| *count > 0);
        self.topics = listened.map(|(topic, _)| topic).collect();
    }

    fn end(&mut self, spot: Spot, changes: &mut HandleChanges) {
        if let Some(handle) = self.open.remove(&spot) {
            changes.close(handle);
        }
    }

    fn end_all(&mut self, which: impl Fn(&Handle) -> bool, changes: &mut HandleChanges) {
        let gone: Vec<_> =
            self.open.iter().filter(|(_, handle)| which(handle)).map(|(spot, _)| *spot).collect();
        gone.into_iter().for_each(|spot| self.end(spot, changes));
    }
}

/// By what the outside finds work of this kind.
fn handle(begun: &Begun) -> Option<Handle> {
    match begun {
        Begun::Approval(asked) => Some(Handle::Approval { id: asked.id, deadline: asked.deadline }),
        Begun::Message { topic, .. } => Some(Handle::Topic(Arc::clone(topic))),
        Begun::Child { run } => Some(Handle::Child(*run)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::json::Json;
    use crate::plan::StepIndex;

    fn started(spot: Spot, begun: Begun) -> Event {
        Event::Started { spot, input: None, begun }
    }

    fn follow(handles: &mut Handles, events: &[Event]) -> HandleChanges {
        let mut changes = HandleChanges::default();
        events.iter().for_each(|event| handles.follow(event, &mut changes));
        changes
    }

    #[test]
    fn what_is_opened_and_closed_in_one_decision_was_never_there() {
        let spot = Spot::whole(StepIndex(1));
        let message = Begun::Message { topic: Arc::from("paid"), until: None };
        let done = Event::Succeeded { spot, output: Json::null(), agent: None, ran_us: 0 };
        let changes = follow(&mut Handles::default(), &[started(spot, message), done]);
        assert!(changes.opened.is_empty() && changes.closed.is_empty());
    }

    #[test]
    fn a_join_closes_the_items_of_its_step_alone() {
        let mut handles = Handles::default();
        let child = |n| Begun::Child { run: Uuid::from_u128(n) };
        let (item, other) = (Spot::item(StepIndex(1), 3), Spot::item(StepIndex(2), 0));
        follow(&mut handles, &[started(item, child(1)), started(other, child(2))]);
        let changes = follow(&mut handles, &[Event::Joined { step: StepIndex(1) }]);
        assert_eq!(changes.closed, [Handle::Child(Uuid::from_u128(1))]);
    }

    #[test]
    fn a_failed_level_lets_go_of_all_but_children_that_are_to_stop() {
        let mut handles = Handles::default();
        let (one, two) = (Spot::whole(StepIndex(0)), Spot::whole(StepIndex(1)));
        let topic = Begun::Message { topic: Arc::from("paid"), until: None };
        let child = Uuid::from_u128(7);
        follow(&mut handles, &[started(one, topic), started(two, Begun::Child { run: child })]);
        let failure = crate::run::Failure::new(crate::definition::ErrorKind::Timeout, "late");
        let changes = follow(&mut handles, &[Event::LevelFailed { failure }]);
        assert_eq!(changes.closed, [Handle::Topic(Arc::from("paid"))]);
        let changes = follow(&mut handles, &[Event::ChildStopped { run: child }]);
        assert_eq!(changes.closed, [Handle::Child(child)]);
        assert!(handles.open.is_empty());
    }
}
