//! Durable subscriptions: order, acknowledgement, redelivery, dead letters, bounds, snapshots.

use synod_agents::Payload;

use super::*;
use crate::messaging::topics::records::{read_snapshot, snapshot};

const SECOND: i64 = 1_000_000;

/// A state with its time in seconds.
struct World {
    state: Durable,
    now: Moment,
}

impl World {
    fn new(config: TopicsConfig) -> Self {
        Self { state: Durable::new(config), now: Moment(0) }
    }

    fn with(terms: Terms) -> Self {
        let mut world = Self::new(TopicsConfig::default());
        world.keep("s", "a/#", terms).unwrap();
        world
    }

    fn at(&mut self, seconds: i64) {
        self.now = Moment(seconds * SECOND);
    }

    fn keep(&mut self, name: &str, filter: &str, terms: Terms) -> Result<bool, TopicError> {
        let (name, filter) = (name.to_owned(), filter.to_owned());
        let event = self.state.keep(KeepSubscription { name, filter, agent: None, terms })?;
        let new = event.is_some();
        event.into_iter().for_each(|event| self.state.apply(event));
        Ok(new)
    }

    fn publish(&mut self, topic: &str, text: &str, retain: bool) -> Result<u64, TopicError> {
        let content = if text.is_empty() { Payload::empty() } else { Payload::text(text) };
        let asked = Publish { topic: topic.into(), sender: "p".into(), content, retain };
        let number = self.state.last() + 1;
        let events = self.state.publish(self.now, number, &asked)?;
        events.into_iter().for_each(|event| self.state.apply(event));
        Ok(number)
    }

    fn give(&mut self, most: usize) -> Vec<(u64, u32)> {
        let given = self.state.give(self.now, "s", most, u64::MAX).unwrap();
        given.into_iter().map(|given| (given.number, given.attempt)).collect()
    }

    fn acknowledge(&mut self, up_to: u64) -> Result<(), TopicError> {
        let event = self.state.acknowledge("s", up_to)?;
        event.into_iter().for_each(|event| self.state.apply(event));
        Ok(())
    }

    fn reject(&mut self) -> Result<(), TopicError> {
        let event = self.state.reject(self.now, "s", "no")?;
        event.into_iter().for_each(|event| self.state.apply(event));
        Ok(())
    }

    fn wake(&mut self) -> Vec<String> {
        let (events, ready) = self.state.wake(self.now, 64);
        events.into_iter().for_each(|event| self.state.apply(event));
        ready
    }

    fn view(&self) -> SubscriptionView {
        self.state.show("s").unwrap()
    }
}

#[test]
fn messages_are_given_in_order_and_go_when_they_are_acknowledged() {
    let mut world = World::with(Terms::default());
    for text in ["1", "2", "3"] {
        world.publish("a/b", text, false).unwrap();
    }
    assert_eq!(world.give(2), [(1, 1), (2, 1)]);
    assert_eq!(world.give(2), [], "what is in hand is not given twice");
    assert!(matches!(world.acknowledge(3), Err(TopicError::Conflict(_))), "3 was not given");
    world.acknowledge(1).unwrap();
    assert_eq!(world.give(9), [], "2 is in hand still");
    world.acknowledge(2).unwrap();
    world.acknowledge(2).unwrap();
    assert_eq!(world.give(9), [(3, 1)]);
    world.acknowledge(3).unwrap();
    assert_eq!((world.view().backlog, world.view().acknowledged), (0, 3));
    assert_eq!(world.state.room(), TopicsConfig::default().max_backlog_bytes);
}

#[test]
fn what_is_not_acknowledged_is_given_again_later_each_time_and_then_given_up() {
    let terms = Terms { max_attempts: 3, ..Terms::default() };
    let mut world = World::with(terms);
    world.publish("a", "poison", false).unwrap();
    world.publish("a", "good", false).unwrap();
    assert_eq!(world.give(1), [(1, 1)]);
    world.at(29);
    assert_eq!(world.wake(), [""; 0]);
    world.at(30);
    assert_eq!(world.wake(), ["s"]);
    assert_eq!(world.give(1), [], "it waits a second");
    assert_eq!(world.state.next_wake(), Some(Moment(31 * SECOND)));
    world.at(31);
    world.wake();
    assert_eq!(world.give(1), [(1, 2)]);
    world.reject().unwrap();
    assert!(matches!(world.reject(), Err(TopicError::Conflict(_))), "nothing is in hand");
    assert_eq!(world.state.next_wake(), Some(Moment(33 * SECOND)));
    world.at(33);
    world.wake();
    assert_eq!(world.give(2), [(1, 3), (2, 1)]);
    world.reject().unwrap();
    let letters = world.state.letters(0).cloned().collect::<Vec<_>>();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].message, letters[0].subscription.as_str()), (1, "s"));
    assert_eq!(letters[0].reason, "given 3 times; at last: no");
    assert_eq!(world.give(2), [(2, 1)], "the next one has its own attempts");
}

#[test]
fn a_retry_without_a_wait_is_not_forgotten() {
    let mut world = World::with(Terms { retry_ms: 0, ..Terms::default() });
    world.publish("a", "1", false).unwrap();
    world.give(1);
    world.at(30);
    world.wake();
    assert_eq!(world.give(1), [(1, 2)]);
    world.reject().unwrap();
    world.wake();
    assert_eq!(world.give(1), [(1, 3)]);
}

#[test]
fn a_full_backlog_refuses_or_gives_up_its_oldest_as_its_terms_say() {
    let mut world = World::with(Terms { max_backlog: 2, ..Terms::default() });
    world.keep("all", "#", Terms::default()).unwrap();
    world.publish("a", "1", false).unwrap();
    world.publish("a", "2", false).unwrap();
    let error = world.publish("a", "3", false).unwrap_err();
    assert!(matches!(&error, TopicError::Full(why) if why.contains("'s' has 2 messages")));
    assert_eq!(world.state.show("all").unwrap().backlog, 2, "nobody was told");

    let overflow = Overflow::DeadLetter;
    let mut world = World::with(Terms { max_backlog: 2, overflow, ..Terms::default() });
    for text in ["1", "2", "3"] {
        world.publish("a", text, false).unwrap();
    }
    assert_eq!(world.give(9), [(2, 1), (3, 1)]);
    assert_eq!(world.state.letters(0).next().unwrap().message, 1);
    world.publish("a", "4", false).unwrap();
    world.acknowledge(3).unwrap();
    assert_eq!(world.give(9), [(4, 1)]);
}

#[test]
fn all_backlogs_together_and_all_last_values_are_bounded_in_bytes() {
    let config =
        TopicsConfig { max_backlog_bytes: 64, max_retained_bytes: 64, ..TopicsConfig::default() };
    let mut world = World::new(config);
    world.keep("s", "a", Terms::default()).unwrap();
    world.keep("t", "a", Terms::default()).unwrap();
    world.publish("a", &"x".repeat(60), false).unwrap();
    assert!(matches!(world.publish("a", "12345", false), Err(TopicError::Full(_))));
    world.publish("a", "1234", false).unwrap();
    world.publish("r", &"x".repeat(60), true).unwrap();
    assert!(matches!(world.publish("q", "12345", true), Err(TopicError::Full(_))));
    world.publish("r", "less", true).unwrap();
    world.publish("q", "12345", true).unwrap();
}

#[test]
fn the_last_value_of_a_topic_is_replaced_and_removed() {
    let mut world = World::new(TopicsConfig::default());
    world.publish("a/b", "1", true).unwrap();
    world.publish("a/b", "2", true).unwrap();
    world.publish("a/c", "3", true).unwrap();
    let filter = TopicFilter::new("a/+").unwrap();
    let last = |world: &World| -> Vec<String> {
        world.state.retained_by(&filter).map(|last| last.content.to_text().unwrap()).collect()
    };
    assert_eq!(last(&world), ["2", "3"]);
    world.publish("a/b", "", true).unwrap();
    assert_eq!(last(&world), ["3"]);
}

#[test]
fn a_subscription_kept_again_changes_nothing_and_with_other_terms_is_refused() {
    let mut world = World::with(Terms::default());
    assert_eq!(world.keep("s", "a/#", Terms::default()), Ok(false));
    let other = Terms { max_attempts: 1, ..Terms::default() };
    assert!(matches!(world.keep("s", "a/#", other), Err(TopicError::Conflict(_))));
    for (name, filter, terms, field) in [
        ("", "a", Terms::default(), "name"),
        ("Big Name", "a", Terms::default(), "name"),
        ("x", "a/#/b", Terms::default(), "filter"),
        ("x", "a", Terms { max_attempts: 0, ..Terms::default() }, "terms.max_attempts"),
        ("x", "a", Terms { max_backlog: 0, ..Terms::default() }, "terms.max_backlog"),
    ] {
        let error = world.keep(name, filter, terms).unwrap_err();
        let TopicError::Invalid { field: found, .. } = error else { panic!("{error}") };
        assert_eq!(found, field);
    }
    assert_eq!(world.state.give(world.now, "x", 1, 9), Err(TopicError::Unknown("x".into())));
}

#[test]
fn a_snapshot_is_the_state() {
    let mut world = World::with(Terms { max_attempts: 1, ..Terms::default() });
    world.keep("t", "a/b", Terms::default()).unwrap();
    world.publish("a/b", "1", true).unwrap();
    world.publish("a/b", "2", false).unwrap();
    world.publish("a", "3", false).unwrap();
    world.give(1);
    world.reject().unwrap();
    let bytes = snapshot(&world.state.save()).unwrap();
    let loaded = Durable::load(TopicsConfig::default(), read_snapshot(1, &bytes).unwrap());
    assert_eq!(loaded.save(), world.state.save());
    assert_eq!(loaded.room(), world.state.room());
    let mut again = World { state: loaded, now: Moment(0) };
    assert_eq!(again.give(9), [(2, 1), (3, 1)]);
    assert_eq!(again.publish("a", "4", false), Ok(4));
    assert!(read_snapshot(2, &bytes).is_err());
}
