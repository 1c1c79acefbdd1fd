//! When connections come and go.

use super::StreamKind::{Control, Data};
use super::*;

const USED: Look = Look { alive: true, used: true };
const ALIVE: Look = Look { alive: true, used: false };
const SILENT: Look = Look { alive: false, used: false };

fn policy(now: Instant) -> Policy {
    Policy::new(&LinksConfig::default(), now)
}

/// Looks every quarter of a second until `until`, and returns what the last look led to.
fn looks_until(
    policy: &mut Policy,
    from: Instant,
    until: Instant,
    looks: [Look; 2],
) -> Vec<Command> {
    let (mut now, mut commands) = (from, Vec::new());
    while now < until {
        now += Duration::from_millis(250);
        commands = policy.tick(now, looks, false, 0.0);
    }
    commands
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn attempts_wait_twice_as_long_each_time_up_to_the_longest() {
    let mut now = Instant::now();
    let mut policy = policy(now);
    let mut waits = Vec::new();
    for _ in 0..9 {
        assert_eq!(policy.demanded(Control), Some(Command::Dial(Control)));
        let failed = policy.failed(Control, "refused", now, 0.0);
        assert_eq!(failed, Some(Command::Fail(Control, "refused".to_owned())));
        assert_eq!(policy.demanded(Control), None, "it waits");
        let begun = now;
        while !policy.tick(now, [SILENT; 2], false, 0.0).contains(&Command::Relent(Control)) {
            now += Duration::from_millis(50);
        }
        waits.push((now - begun).as_millis());
    }
    assert_eq!(waits, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_is_tried_again_without_anybody_asking() {
    let now = Instant::now();
    let mut policy = policy(now);
    assert_eq!(policy.tick(now, [SILENT; 2], true, 0.0), [Command::Dial(Control)]);
    policy.failed(Control, "refused", now, 0.5);
    assert_eq!(policy.tick(now, [SILENT; 2], true, 0.0), []);
    let later = now + Duration::from_millis(50);
    assert_eq!(policy.tick(later, [SILENT; 2], true, 0.0), [Command::Dial(Control)]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_loses_both_its_connections() {
    let now = Instant::now();
    let mut policy = policy(now);
    policy.installed(Control, now);
    assert_eq!(policy.installed(Data, now), None);
    let soon = now + secs(4);
    assert_eq!(looks_until(&mut policy, now, soon, [SILENT; 2]), [Command::Beat]);
    let late = now + secs(5);
    let reason = || "no sign of life for 5000 ms".to_owned();
    let expected =
        [Command::Beat, Command::Close(Control, reason()), Command::Close(Data, reason())];
    assert_eq!(looks_until(&mut policy, soon, late, [SILENT; 2]), expected);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stood_still_itself_gives_others_their_time_anew() {
    let now = Instant::now();
    let mut policy = policy(now);
    policy.installed(Control, now);
    let awake = now + secs(60);
    assert_eq!(policy.tick(awake, [SILENT; 2], true, 0.0), [Command::Beat]);
    assert_eq!(looks_until(&mut policy, awake, awake + secs(4), [SILENT; 2]), [Command::Beat]);
    let commands = looks_until(&mut policy, awake + secs(4), awake + secs(5), [SILENT; 2]);
    assert!(matches!(commands[..], [Command::Beat, Command::Close(Control, _)]), "{commands:?}");
}

#[tokio::test(start_paused = true)]
async fn a_control_connection_that_comes_back_ends_the_wait_of_the_data_connection() {
    let now = Instant::now();
    let mut policy = policy(now);
    policy.demanded(Data);
    policy.failed(Data, "refused", now, 0.0);
    assert_eq!(policy.installed(Control, now), Some(Command::Relent(Data)));
    assert_eq!(policy.demanded(Data), Some(Command::Dial(Data)));
}

#[tokio::test(start_paused = true)]
async fn a_data_connection_asks_for_a_control_connection_and_ends_without_one() {
    let now = Instant::now();
    let mut policy = policy(now);
    assert_eq!(policy.installed(Data, now), Some(Command::Dial(Control)));
    policy.failed(Control, "refused", now, 0.0);
    let looks = [SILENT, USED];
    let soon = looks_until(&mut policy, now, now + Duration::from_millis(9_750), looks);
    assert!(!soon.iter().any(|command| matches!(command, Command::Close(..))), "{soon:?}");
    let later = now + secs(10);
    let commands = policy.tick(later, looks, false, 0.0);
    assert!(matches!(commands[0], Command::Close(Data, _)), "{commands:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unused_connection_is_put_to_rest_and_a_used_one_is_not() {
    let start = Instant::now();
    let mut policy = policy(start);
    policy.installed(Control, start);
    policy.installed(Data, start);
    let mut rested = Vec::new();
    for second in 1..=700 {
        let now = start + secs(second);
        let data = if second <= 100 { USED } else { ALIVE };
        for command in policy.tick(now, [ALIVE, data], false, 0.0) {
            match command {
                Command::Rest(kind) => {
                    policy.rested(kind);
                    rested.push((kind, second));
                }
                Command::Leave => {
                    assert_eq!(rested, [(Data, 400), (Control, 401)]);
                    assert_eq!(second, 402);
                    return;
                }
                Command::Beat => {}
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("it never left: {rested:?}");
}

#[tokio::test(start_paused = true)]
async fn the_control_connections_of_a_small_cluster_never_rest() {
    let start = Instant::now();
    let mut policy = policy(start);
    policy.installed(Control, start);
    for second in 1..=700 {
        let commands = policy.tick(start + secs(second), [ALIVE, SILENT], true, 0.0);
        assert_eq!(commands, [Command::Beat]);
    }
}

#[tokio::test(start_paused = true)]
async fn when_both_call_one_waits_for_the_others_connection_but_not_forever() {
    let now = Instant::now();
    let mut policy = policy(now);
    policy.demanded(Data);
    policy.crossed(Data, now);
    assert_eq!(policy.demanded(Data), None);
    assert_eq!(policy.tick(now + secs(4), [SILENT; 2], false, 0.0), []);
    let commands = policy.tick(now + secs(5), [SILENT; 2], false, 0.0);
    assert!(matches!(commands[..], [Command::Fail(Data, _)]), "{commands:?}");
}
