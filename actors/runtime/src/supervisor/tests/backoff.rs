//! The waits between restarts.

use super::*;

fn exponential() -> Backoff {
    Backoff {
        initial: millis(100),
        max: Duration::from_secs(1),
        multiplier: 2.0,
        jitter: 0.0,
        reset_after: Duration::from_secs(20),
    }
}

#[test]
fn waits_grow_to_the_maximum_and_stay_there() {
    let waits: Vec<u128> =
        (1..=6).map(|failures| exponential().wait(failures, 0.5).as_millis()).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
    assert_eq!(exponential().wait(u32::MAX, 0.0), Duration::from_secs(1));
}

#[test]
fn jitter_takes_off_at_most_its_share() {
    let backoff = Backoff { jitter: 0.5, ..exponential() };
    assert_eq!(backoff.wait(1, 0.0), millis(100));
    assert_eq!(backoff.wait(1, 0.5), millis(75));
    assert!(backoff.wait(1, 0.999_999) > millis(50));
}

#[test]
fn absurd_settings_give_a_bounded_wait() {
    let backoff =
        Backoff { multiplier: f64::INFINITY, jitter: 7.0, initial: millis(1), ..exponential() };
    assert!(backoff.wait(40, 0.9) <= Duration::from_secs(1));
    let backoff = Backoff { multiplier: f64::NAN, ..exponential() };
    assert!(backoff.wait(40, 0.9) <= Duration::from_secs(1));
}

#[test]
fn each_failure_in_a_row_waits_longer_and_a_quiet_period_resets() {
    let mut world =
        World::new(Supervision::new(Strategy::OneForOne).intensity(100, Duration::from_secs(60)));
    world.add_with("a", |policy| ChildPolicy { backoff: exponential(), ..policy });
    world.log.clear();
    for wait in [100, 200, 400] {
        world.exit("a", error());
        world.pass(millis(wait - 1));
        assert!(world.log().is_empty(), "too early for {wait} ms");
        world.pass(millis(1));
        assert_eq!(world.log(), ["start a"], "{wait} ms");
    }
    world.pass(Duration::from_secs(20));
    world.exit("a", error());
    world.pass(millis(100));
    assert_eq!(world.log(), ["start a"], "counts from one again");
}

#[test]
fn without_a_back_off_a_child_starts_in_the_same_step() {
    let mut world = World::with(Strategy::OneForOne);
    world.add_with("a", |policy| ChildPolicy { backoff: Backoff::none(), ..policy });
    world.log.clear();
    world.exit("a", error());
    assert_eq!(world.log(), ["start a"]);
}

#[test]
fn the_same_seed_gives_the_same_jitter() {
    let run = |seed| {
        let mut machine = SupervisorMachine::new(Supervision::default(), seed);
        let (now, mut out, mut deadlines) = (Instant::now(), Vec::new(), Vec::new());
        for key in 1..=4 {
            let policy = ChildPolicy {
                restart: Restart::Permanent,
                shutdown: Shutdown::default(),
                start_timeout: START_TIMEOUT,
                backoff: Backoff::default(),
            };
            machine.add(now, ChildKey(key), Kept("a".into(), policy), &mut out);
            machine.step(now, Input::Started(ChildKey(key)), &mut out);
            machine.step(now, Input::Exited(ChildKey(key), error()), &mut out);
            deadlines.push(machine.next_deadline().map(|at| at - now));
        }
        deadlines
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
