//! Topics as an actor: who is told what, what slow readers lose, what survives a power cut.

mod lasting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use synod_agents::{AgentId, BoxFuture, Envelope, Payload};
use synod_journal::{
    Append, Epoch, Expected, JournalActor, JournalConfig, JournalMessage, Partition, Record,
    RecordKind, SimulatedDisk, Stream,
};
use synod_runtime::{Address, Ask, AskError, Request, Strategy, Supervisor, System};
use synod_testkit::{Seed, VirtualTime};

use super::*;
use crate::desk::Courier;

const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps what it is given, and fails as often as it is told to.
#[derive(Default)]
struct Kept {
    given: Mutex<Vec<Envelope>>,
    failures: AtomicU64,
}

struct Post(Arc<Kept>);

impl Courier for Post {
    fn deliver(
        &self,
        envelope: Envelope,
        _within: Duration,
    ) -> BoxFuture<'static, Result<Option<Envelope>, String>> {
        self.0.given.lock().push(envelope);
        let fails = self.0.failures.load(Ordering::Relaxed) > 0;
        if fails {
            self.0.failures.fetch_sub(1, Ordering::Relaxed);
        }
        let outcome = if fails { Err("it is not there".to_owned()) } else { Ok(None) };
        Box::pin(std::future::ready(outcome))
    }
}

struct Stage {
    system: System,
    log: Option<Address<JournalMessage>>,
    topics: Address<TopicsMessage>,
    post: Arc<Kept>,
}

fn small() -> JournalConfig {
    JournalConfig {
        segment_bytes: 1 << 20,
        max_record_bytes: 128 << 10,
        max_group_bytes: 512 << 10,
        ..JournalConfig::default()
    }
}

impl Stage {
    async fn on(disk: Option<&SimulatedDisk>, config: TopicsConfig) -> Self {
        let entropy = synod_runtime::SeededEntropy::new(Seed::from_env().value());
        let system = System::builder().clock(VirtualTime::new()).entropy(entropy).build();
        let post = Arc::new(Kept::default());
        let courier: Arc<dyn Courier> = Arc::new(Post(Arc::clone(&post)));
        let journal = disk.map(|disk| JournalActor::simulated(small(), disk.clone()));
        let log = journal.as_ref().map(synod_runtime::Spec::address);
        let topics = Topics::spec(config, log.clone(), courier);
        let address = topics.address();
        let mut root = Supervisor::new(Strategy::RestForOne);
        if let Some(journal) = journal {
            root = root.child(journal);
        }
        // A cut power ends a start as well; what is asked then is not answered.
        let _ = system.start(root.child(topics).into_spec("node")).await;
        Self { system, topics: address, log, post }
    }

    async fn new() -> Self {
        Self::on(Some(&SimulatedDisk::new(5)), TopicsConfig::default()).await
    }

    async fn ask<Q: Ask>(&self, question: Q) -> Q::Reply
    where
        TopicsMessage: From<Request<Q>>,
    {
        self.topics.ask(question, PATIENCE).await.unwrap()
    }

    async fn publish(&self, topic: &str, text: &str) -> Result<PublishedTo, TopicError> {
        self.ask(publication(topic, text, false)).await
    }

    async fn subscribe(&self, filter: &str, capacity: usize) -> Subscription {
        self.ask(Subscribe { filter: filter.into(), capacity }).await.unwrap()
    }

    async fn keep(&self, name: &str, filter: &str, terms: Terms) {
        self.ask(kept(name, filter, None, terms)).await.unwrap();
    }

    async fn fetch(&self, name: &str, most: usize) -> Vec<(u64, String)> {
        let fetch = Fetch { name: name.into(), most, within: Duration::from_secs(1) };
        let given = self.ask(fetch).await.unwrap();
        given.into_iter().map(|given| (given.number, text(&given.message))).collect()
    }
}

fn publication(topic: &str, content: &str, retain: bool) -> Publish {
    let content = Payload::text(content);
    Publish { topic: topic.into(), sender: "p".into(), content, retain }
}

fn kept(name: &str, filter: &str, agent: Option<&str>, terms: Terms) -> KeepSubscription {
    let agent = agent.map(|agent| AgentId::new(agent).unwrap());
    KeepSubscription { name: name.into(), filter: filter.into(), agent, terms }
}

fn text(message: &Published) -> String {
    message.content.to_text().unwrap()
}

async fn read(subscription: &mut Subscription) -> (Vec<String>, u64) {
    let received = subscription.receive(100).await.unwrap();
    (received.messages.iter().map(|message| text(message)).collect(), received.dropped)
}

#[tokio::test(start_paused = true)]
async fn a_message_goes_to_those_whose_filter_matches() {
    let stage = Stage::on(None, TopicsConfig::default()).await;
    let mut all = stage.subscribe("#", 10).await;
    let mut some = stage.subscribe("a/+/c", 10).await;
    let _none = stage.subscribe("b", 10).await;
    let told = stage.publish("a/b/c", "x").await.unwrap();
    assert_eq!(told, PublishedTo { plain: 2, dropped: 0, durable: 0 });
    assert_eq!(read(&mut all).await, (vec!["x".to_owned()], 0));
    assert_eq!(read(&mut some).await, (vec!["x".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_loses_its_oldest_messages_is_told_how_many_and_slows_nobody() {
    let stage = Stage::on(None, TopicsConfig::default()).await;
    let (mut slow, mut quick) = (stage.subscribe("a", 2).await, stage.subscribe("a", 10).await);
    for number in 1..=5 {
        let told = stage.publish("a", &number.to_string()).await.unwrap();
        assert_eq!((told.plain, told.dropped), (2, u64::from(number > 2)));
    }
    assert_eq!(read(&mut slow).await, (vec!["4".to_owned(), "5".to_owned()], 3));
    assert_eq!(read(&mut quick).await.0.len(), 5);
    stage.publish("a", "6").await.unwrap();
    assert_eq!(read(&mut slow).await, (vec!["6".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_dropped_ends_and_one_of_a_node_that_stops_too() {
    let stage = Stage::on(None, TopicsConfig::default()).await;
    let gone = stage.subscribe("a", 2).await;
    let mut stays = stage.subscribe("a", 2).await;
    drop(gone);
    assert_eq!(stage.publish("a", "x").await.unwrap().plain, 1);
    let heard = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&heard);
    let listener = TopicListener::new(move |_| counted.fetch_add(1, Ordering::Relaxed) < 1);
    stage.ask(Listen { filter: "a".into(), listener }).await.unwrap();
    for _ in 0..5 {
        stage.publish("a", "x").await.unwrap();
    }
    assert_eq!(heard.load(Ordering::Relaxed), 2, "it said that it would listen no more");
    stage.system.stop(PATIENCE).await.unwrap();
    while let Some(received) = stays.receive(10).await {
        assert!(!received.messages.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn who_subscribes_later_gets_the_last_value_first() {
    let disk = SimulatedDisk::new(6);
    let stage = Stage::on(Some(&disk), TopicsConfig::default()).await;
    stage.ask(publication("a/b", "old", true)).await.unwrap();
    stage.ask(publication("a/b", "last", true)).await.unwrap();
    let list = ListRetained { filter: "a/+".into(), after: None, limit: 10 };
    let all = stage.ask(list.clone()).await.unwrap();
    assert_eq!((all.len(), text(&all[0]).as_str()), (1, "last"));
    let none = stage.ask(ListRetained { after: Some("a/b".into()), ..list.clone() }).await;
    assert_eq!(none.unwrap(), []);
    assert!(stage.ask(ListRetained { filter: "a#".into(), ..list }).await.is_err());
    let mut later = stage.subscribe("a/#", 10).await;
    let received = later.receive(10).await.unwrap();
    assert_eq!(text(&received.messages[0]), "last");
    assert!(received.messages[0].retained);
    stage.system.stop(PATIENCE).await.unwrap();
    let stage = Stage::on(Some(&disk), TopicsConfig::default()).await;
    let last = stage.ask(ShowRetained { topic: "a/b".into() }).await.unwrap();
    assert_eq!(text(&last), "last", "it survives a restart");
}

#[tokio::test(start_paused = true)]
async fn bad_topics_filters_and_floods_are_refused_with_what_is_wrong() {
    let stage = Stage::on(None, TopicsConfig { max_subscriptions: 2, ..Default::default() }).await;
    let deep = vec!["x"; 40].join("/");
    for (topic, said) in [("a/+", "wildcards"), ("", "is empty"), (&deep, "40 levels")] {
        let error = stage.publish(topic, "x").await.unwrap_err().to_string();
        assert!(error.starts_with("topic: ") && error.contains(said), "{error}");
    }
    for filter in ["a/#/b", "a+", ""] {
        let subscribe = Subscribe { filter: filter.into(), capacity: 1 };
        let error = stage.ask(subscribe).await.unwrap_err().to_string();
        assert!(error.starts_with("filter: "), "{error}");
    }
    let none = Subscribe { filter: "a".into(), capacity: 0 };
    assert!(stage.ask(none).await.unwrap_err().to_string().starts_with("capacity: 0"));
    let large = publication("a", &"x".repeat((256 << 10) + 1), false);
    assert!(stage.ask(large).await.unwrap_err().to_string().starts_with("content: 262145 bytes"));
    let _kept = (stage.subscribe("a", 1).await, stage.subscribe("a", 1).await);
    let third = stage.ask(Subscribe { filter: "a".into(), capacity: 1 }).await;
    assert!(matches!(third, Err(TopicError::Full(_))));
    let durable = stage.ask(kept("s", "a", None, Terms::default())).await.unwrap_err();
    assert!(durable.to_string().contains("no journal"), "{durable}");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_reads_in_order_waits_for_more_and_gets_again_what_it_did_not_acknowledge() {
    let stage = Stage::new().await;
    stage.keep("s", "a/#", Terms { acknowledge_within_ms: 500, ..Terms::default() }).await;
    for word in ["one", "two", "three"] {
        assert_eq!(stage.publish("a/b", word).await.unwrap().durable, 1);
    }
    let first = stage.fetch("s", 2).await;
    assert_eq!(first, [(1, "one".to_owned()), (2, "two".to_owned())]);
    stage.ask(Acknowledge { name: "s".into(), up_to: 1 }).await.unwrap();
    assert!(stage.fetch("s", 9).await.is_empty(), "the second is in hand, then it waits");
    let again = stage.fetch("s", 9).await;
    assert_eq!(again, [(2, "two".to_owned()), (3, "three".to_owned())]);
    stage.ask(Acknowledge { name: "s".into(), up_to: 3 }).await.unwrap();
    let (later, _) = tokio::join!(stage.fetch("s", 9), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stage.publish("a", "four").await.unwrap();
    });
    assert_eq!(later, [(4, "four".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_given_each_message_until_it_takes_it_or_it_is_a_dead_letter() {
    let stage = Stage::new().await;
    let terms = Terms { max_attempts: 3, ..Terms::default() };
    stage.ask(kept("to-agent", "a", Some("reader"), terms)).await.unwrap();
    stage.post.failures.store(4, Ordering::Relaxed);
    stage.publish("a", "poison").await.unwrap();
    stage.publish("a", "good").await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let view = stage.ask(ListSubscriptions { after: None, limit: 10 }).await.remove(0);
        if view.backlog == 0 {
            assert_eq!((view.acknowledged, view.dead), (2, 1));
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{view:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let letters = stage.ask(ListTopicLetters { subscription: None, after: 0, limit: 10 }).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, "given 3 times; at last: it is not there");
    let given = stage.post.given.lock().clone();
    assert_eq!(given.len(), 5, "three of the first, two of the second");
    assert_eq!(given[0].id, given[2].id, "the same message has the same name");
    assert_ne!(given[0].id, given[3].id);
    let content: serde_json::Value = given[0].content.to_json().unwrap();
    assert_eq!(content["topic"], "a");
    assert_eq!(content["content"]["text"], "poison");
    assert_eq!(given[0].check(), Ok(()));
    let fetch = Fetch { name: "to-agent".into(), most: 1, within: Duration::ZERO };
    assert!(matches!(stage.ask(fetch).await, Err(TopicError::Conflict(_))));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_what_must_last_and_plain_subscribers_go_on() {
    let disk = SimulatedDisk::new(8);
    let stage = Stage::on(Some(&disk), TopicsConfig::default()).await;
    stage.keep("s", "kept/#", Terms::default()).await;
    let mut plain = stage.subscribe("#", 1_000).await;
    disk.set_free_bytes(0);
    let large = "x".repeat(90_000);
    let mut told = 0;
    let refused = loop {
        match stage.publish("kept/a", &large).await {
            Ok(_) => told += 1,
            Err(error) => break error,
        }
        assert!(told < 100, "a segment is full in the end");
    };
    assert!(matches!(refused, TopicError::Unavailable(_)), "{refused}");
    assert_eq!(stage.publish("other", "x").await.unwrap().plain, 1);
    assert_eq!(read(&mut plain).await.0.len(), told + 1, "nobody heard of what was refused");
    assert_eq!(stage.fetch("s", 200).await.len(), told);
}

/// What a publisher and a consumer know for certain after a run that ends with a cut.
#[derive(Default)]
struct Known {
    /// Numbers by text of what was published for certain.
    published: Vec<String>,
    /// What is certainly done with.
    acknowledged: Vec<String>,
    given: Vec<String>,
}

/// Publishes and reads until something is not answered.
async fn use_up(stage: &Stage, known: &mut Known, from: usize) {
    let ask = async |question: KeepSubscription| stage.topics.ask(question, PATIENCE).await;
    let answer = ask(kept("s", "a/#", None, Terms::default())).await;
    if !matches!(answer, Ok(Ok(()))) {
        return;
    }
    for number in from..from + 6 {
        let word = format!("w{number}");
        match stage.topics.ask(publication("a/b", &word, false), PATIENCE).await {
            Ok(Ok(_)) => known.published.push(word),
            _ => return,
        }
        let fetch = Fetch { name: "s".into(), most: 1, within: Duration::from_millis(10) };
        let Ok(Ok(given)) = stage.topics.ask(fetch, PATIENCE).await else { return };
        let Some(one) = given.first() else { continue };
        known.given.push(text(&one.message));
        let done = Acknowledge { name: "s".into(), up_to: one.number };
        match stage.topics.ask(done, PATIENCE).await {
            Ok(Ok(())) => known.acknowledged.push(text(&one.message)),
            _ => return,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn durable_subscriptions_survive_a_cut_of_the_power_at_any_write() {
    let seed = Seed::from_env();
    eprintln!("seed {}", seed.value());
    let config = TopicsConfig { snapshot_records: 5, ..TopicsConfig::default() };
    let mut cuts = 0;
    for nth in 1..200 {
        let disk = SimulatedDisk::new(seed.value() ^ nth);
        let stage = Stage::on(Some(&disk), config).await;
        let mut known = Known::default();
        disk.crash_at(nth);
        use_up(&stage, &mut known, 0).await;
        let whole = known.acknowledged.len() == 6;
        let _ = stage.system.stop(PATIENCE).await;
        disk.crash();
        cuts += u64::from(!whole);

        let stage = Stage::on(Some(&disk), config).await;
        let left: Vec<String> =
            if stage.ask(ListSubscriptions { after: None, limit: 1 }).await.is_empty() {
                assert!(known.published.is_empty(), "cut {nth}: the subscription is lost");
                Vec::new()
            } else {
                stage.fetch("s", 100).await.into_iter().map(|(_, text)| text).collect()
            };
        let mut order = left.clone();
        order.sort_by_key(|word| word[1..].parse::<u32>().unwrap());
        assert_eq!(left, order, "cut {nth}: out of order");
        for word in &known.acknowledged {
            assert!(!left.contains(word), "cut {nth}: {word} is given after its acknowledgement");
        }
        for word in known.published.iter().filter(|word| !known.acknowledged.contains(word)) {
            // An acknowledgement whose answer was lost may count.
            let given = known.given.contains(word);
            assert!(left.contains(word) || given, "cut {nth}: {word} is lost");
        }
        let _ = stage.system.stop(PATIENCE).await;
        if whole {
            break;
        }
    }
    assert!(cuts > 20, "{cuts} cuts, and one run without");
}

#[tokio::test(start_paused = true)]
async fn after_many_records_the_state_is_saved_and_read_back() {
    let disk = SimulatedDisk::new(11);
    let config = TopicsConfig { snapshot_records: 10, ..TopicsConfig::default() };
    let stage = Stage::on(Some(&disk), config).await;
    stage.keep("s", "a", Terms::default()).await;
    for number in 0..50 {
        stage.publish("a", &number.to_string()).await.unwrap();
    }
    assert!(disk.paths().iter().any(|path| path.contains("coordination.topics")));
    assert_eq!(stage.fetch("s", 20).await.len(), 20);
    stage.ask(Acknowledge { name: "s".into(), up_to: 20 }).await.unwrap();
    stage.system.stop(PATIENCE).await.unwrap();
    let stage = Stage::on(Some(&disk), config).await;
    let left = stage.fetch("s", 100).await;
    assert_eq!((left.len(), left[0].0), (30, 21));
    stage.ask(RemoveSubscription { name: "s".into() }).await.unwrap();
    let unknown = stage.ask(RemoveSubscription { name: "s".into() }).await;
    assert_eq!(unknown, Err(TopicError::Unknown("s".into())));
}

#[tokio::test]
async fn a_message_reaches_a_hundred_thousand_subscribers() {
    let stage = Stage::on(None, TopicsConfig::default()).await;
    let mut readers = BTreeMap::new();
    for number in 0..100_000_u32 {
        let filter = if number % 2 == 0 { "a/b" } else { "a/+" };
        readers.insert(number, stage.subscribe(filter, 16).await);
    }
    let (rounds, since) = (10, std::time::Instant::now());
    for _ in 0..rounds {
        assert_eq!(stage.publish("a/b", "x").await.unwrap().plain, 100_000);
    }
    let per_second = f64::from(rounds) * 100_000.0 / since.elapsed().as_secs_f64();
    eprintln!("{:.1} million deliveries a second, not optimised", per_second / 1e6);
    for reader in readers.values_mut() {
        assert_eq!(reader.receive(100).await.unwrap().messages.len(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_answered_all_of_it_and_in_order() {
    let stage = Stage::new().await;
    stage.keep("s", "a", Terms { max_backlog: 500, ..Terms::default() }).await;
    let sent: Vec<_> = (0..1_000)
        .map(|number: u32| {
            let topics = stage.topics.clone();
            let publish = publication("a", &number.to_string(), false);
            tokio::spawn(async move { topics.ask(publish, PATIENCE).await })
        })
        .collect();
    let (mut taken, mut refused) = (0, 0);
    for answer in sent {
        match answer.await.unwrap() {
            Ok(Ok(_)) => taken += 1,
            Ok(Err(TopicError::Full(_))) | Err(AskError::Full) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((taken, refused), (500, 500));
    let given = stage.fetch("s", 1_000).await;
    assert!(given.is_sorted_by_key(|(number, _)| *number));
    assert_eq!(given.len(), 500);
}

#[tokio::test(start_paused = true)]
async fn topics_follow_the_owner_of_their_partition_to_a_higher_epoch() {
    let stage = Stage::new().await;
    let partition = Partition::from_low_bits(0);
    let append = Append {
        partition,
        stream: Stream::new("others"),
        expected: Expected::Any,
        epoch: Epoch(7),
        records: vec![Record::new(RecordKind::new("other"), 1, vec![1]).in_partition(partition)],
    };
    stage.log.clone().unwrap().ask(append, PATIENCE).await.unwrap().unwrap();
    stage.keep("a", "#", Terms::default()).await;
    stage.publish("x", "1").await.unwrap();
    assert_eq!(stage.fetch("a", 10).await, [(1, "1".to_owned())]);
}
