//! Agents that are asked and told.

use std::time::Duration;

use synod_agents::Recipient;
use synod_runtime::{ActorPath, Control};

use super::ground::{Ground, Habit, Stage};
use super::tally::Say;
use crate::desk::DeskConfig;
use crate::protocol::ConversationId;

const SECOND: Duration = Duration::from_secs(1);

async fn ask(stage: &Stage, id: ConversationId, within: Duration) {
    stage.say(id, Say::Ask("bob".to_owned(), within)).await.unwrap();
}

async fn last(stage: &Stage, id: ConversationId) -> (String, String) {
    let note = stage.notes(id).await.pop().unwrap().note;
    (note.kind, note.why)
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_asked_in_an_envelope_and_its_answer_is_heard_once_it_is_stored() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    ask(&stage, id, SECOND).await;
    ground.time.pass(SECOND).await;
    assert_eq!(last(&stage, id).await, ("tally.heard".to_owned(), "7".to_owned()));
    let given = ground.given();
    let [envelope] = &given[..] else { panic!("{given:?}") };
    assert!(matches!(&envelope.recipient, Recipient::Agent(agent) if agent.as_str() == "bob"));
    assert_eq!((envelope.sender.as_str(), envelope.protocol.as_str()), ("tally", "counting"));
    assert_eq!(envelope.conversation, Some(id));
    assert_eq!(envelope.reply_with.as_deref(), Some("1"));
    let left = envelope.reply_by_us.unwrap() - envelope.sent_at_us;
    assert_eq!(left, i64::try_from(SECOND.as_micros()).unwrap());
    let view = stage.view(id).await;
    stage.cut(&ground).await;
    let stage = ground.start().await;
    ground.time.pass(SECOND).await;
    assert_eq!(stage.view(id).await, view);
    assert_eq!(ground.given().len(), 1, "who has answered is not asked again");
}

#[tokio::test(start_paused = true)]
async fn silence_absence_nonsense_too_much_and_a_crash_are_no_answer() {
    let config = DeskConfig { max_input_bytes: 4 << 10, ..DeskConfig::default() };
    let ground = Ground::new(config);
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    for (habit, why) in [
        (Habit::Silence, "in time"),
        (Habit::Absence, "no such agent"),
        (Habit::Nonsense, "something else"),
        (Habit::Flood, "over the limit"),
        (Habit::Crash, "panic"),
    ] {
        ground.habit(habit);
        ask(&stage, id, SECOND).await;
        ground.time.pass(2 * SECOND).await;
        let (kind, told) = last(&stage, id).await;
        assert!(kind == "tally.silent" && told.contains(why), "{habit:?}: {kind} {told}");
    }
    assert_eq!(stage.health().await.deliveries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_ignored() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    ground.habit(Habit::Answer(2 * SECOND));
    ask(&stage, id, SECOND).await;
    ground.time.pass(5 * SECOND).await;
    let kinds = stage.kinds(id).await;
    assert_eq!(kinds, ["tally.opened", "tally.silent"]);
    // Nor is one that comes after the end of its conversation.
    ask(&stage, id, 10 * SECOND).await;
    stage.say(id, Say::End).await.unwrap();
    let records = stage.records().await;
    ground.time.pass(10 * SECOND).await;
    assert_eq!((stage.kinds(id).await, stage.records().await), (kinds, records));
    assert_eq!(stage.health().await.deliveries, 0);
}

#[tokio::test(start_paused = true)]
async fn who_has_not_answered_is_asked_again_after_a_restart_by_the_same_envelope() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    ground.habit(Habit::Silence);
    ask(&stage, id, 60 * SECOND).await;
    ground.time.pass(SECOND).await;
    stage.cut(&ground).await;
    let stage = ground.start().await;
    ground.time.pass(SECOND).await;
    ground.habit(Habit::Answer(SECOND));
    stage.system.control(&ActorPath::new("/node/tallys"), Control::Restart).unwrap();
    ground.time.pass(5 * SECOND).await;
    let ids: Vec<_> = ground.given().iter().map(|envelope| envelope.id).collect();
    assert_eq!(ids, [ids[0]; 3]);
    assert_eq!(stage.kinds(id).await, ["tally.opened", "tally.heard"]);
}

#[tokio::test(start_paused = true)]
async fn a_notice_is_handed_over_at_least_once_over_restarts_and_after_the_end() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    ground.habit(Habit::Silence);
    stage.say(id, Say::Tell("bob".to_owned())).await.unwrap();
    stage.say(id, Say::End).await.unwrap();
    ground.time.pass(SECOND).await;
    stage.cut(&ground).await;
    ground.habit(Habit::Answer(SECOND));
    for _ in 0..3 {
        let stage = ground.start().await;
        ground.time.pass(5 * SECOND).await;
        stage.cut(&ground).await;
    }
    let given = ground.given();
    assert_eq!(given.len(), 2, "once it is taken it is not sent again");
    assert!(given[0].id == given[1].id && given[0].reply_with.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_nobody_takes_is_given_up_with_a_note() {
    let ground = Ground::new(DeskConfig { delivery_attempts: 3, ..DeskConfig::default() });
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    ground.habit(Habit::Absence);
    stage.say(id, Say::Tell("bob".to_owned())).await.unwrap();
    ground.time.pass(10 * SECOND).await;
    let note = stage.notes(id).await.pop().unwrap().note;
    assert_eq!((note.kind.as_str(), note.who.as_str()), ("notice.undelivered", "bob"));
    assert_eq!(
        (note.what.as_str(), note.why.as_str()),
        ("{\"dispatch\":1}", "there is no such agent")
    );
    assert_eq!(ground.given().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_more_envelopes_are_on_their_way_than_may_be_and_who_waits_too_long_was_not_asked() {
    let ground = Ground::new(DeskConfig { max_deliveries: 2, ..DeskConfig::default() });
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    ground.habit(Habit::Answer(SECOND));
    for _ in 0..6 {
        ask(&stage, id, 2 * SECOND + SECOND / 2).await;
    }
    ground.time.pass(SECOND / 2).await;
    assert_eq!(ground.given().len(), 2);
    assert_eq!(stage.health().await.deliveries, 6);
    ground.time.pass(10 * SECOND).await;
    let kinds = stage.kinds(id).await;
    let heard = kinds.iter().filter(|kind| *kind == "tally.heard").count();
    let silent = kinds.iter().filter(|kind| *kind == "tally.silent").count();
    assert_eq!((heard, silent), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_before_it_is_stored_that_they_are() {
    let ground = Ground::new(DeskConfig::default());
    let stage = ground.start().await;
    let id = stage.opened(5).await;
    ground.disk.fail_sync(1);
    assert!(stage.say(id, Say::Ask("bob".to_owned(), SECOND)).await.is_err());
    ground.time.pass(5 * SECOND).await;
    assert_eq!(ground.given().len(), 0);
}
