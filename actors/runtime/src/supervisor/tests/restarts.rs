//! Which child is started again, after which end: OTP's table, for every strategy.

use super::*;

/// An end of a running child, or of one that was starting.
#[derive(Debug, Clone)]
enum End {
    Running(ExitReason),
    StartFails,
    StartHangs,
}

fn ends() -> Vec<End> {
    vec![
        End::Running(ExitReason::Normal),
        End::Running(ExitReason::Shutdown),
        End::Running(error()),
        End::Running(ExitReason::Panic("index".into())),
        End::Running(ExitReason::Killed),
        End::Running(ExitReason::Escalated("too often".into())),
        End::StartFails,
        End::StartHangs,
    ]
}

fn is_restarted(restart: Restart, end: &End) -> bool {
    match restart {
        Restart::Permanent => true,
        Restart::Temporary => false,
        Restart::Transient => {
            !matches!(end, End::Running(ExitReason::Normal) | End::Running(ExitReason::Shutdown))
        }
    }
}

/// Runs `a`, `b`, `c`; `b` ends as told; what follows within the back-off.
fn run(strategy: Strategy, restart: Restart, end: &End) -> Vec<String> {
    let mut world = World::with(strategy);
    if let End::Running(_) = end {
        add_abc(&mut world, restart);
        world.log.clear();
    } else {
        world.hang.insert("b");
        add_abc(&mut world, restart);
    }
    match end {
        End::Running(reason) => world.exit("b", reason.clone()),
        End::StartFails => {
            world.hang.remove("b");
            world.exit("b", ExitReason::StartFailed("port in use".into()));
        }
        End::StartHangs => {
            world.pass(START_TIMEOUT - millis(1));
            world.hang.remove("b");
            world.pass(millis(1));
        }
    }
    world.pass(BACKOFF);
    world.log()
}

fn add_abc(world: &mut World, restart: Restart) {
    world.add("a", Restart::Permanent);
    world.add("b", restart);
    world.add("c", Restart::Permanent);
}

fn expected(strategy: Strategy, restart: Restart, end: &End) -> Vec<&'static str> {
    let again = is_restarted(restart, end);
    let mut steps = match (end, strategy) {
        (End::Running(_), _) => vec![],
        (_, Strategy::Dynamic) => vec!["start a", "start b", "start c"],
        _ => vec!["start a", "start b"],
    };
    if let End::StartHangs = end {
        steps.push("kill b");
    }
    let c_runs = matches!(end, End::Running(_)) || strategy == Strategy::Dynamic;
    if !again {
        let rests = restart == Restart::Transient && strategy.is_grouped();
        steps.push(if rests { "close b" } else { "remove b" });
        steps.extend((!c_runs).then_some("start c"));
        return steps;
    }
    match strategy {
        Strategy::OneForOne => steps.extend((!c_runs).then_some("start c")),
        Strategy::OneForAll if c_runs => steps.extend(["stop c", "stop a", "start a"]),
        Strategy::OneForAll => steps.extend(["stop a", "start a"]),
        Strategy::RestForOne => steps.extend(c_runs.then_some("stop c")),
        Strategy::Dynamic => {}
    }
    steps.push("start b");
    steps.extend(strategy.is_grouped().then_some("start c"));
    steps
}

#[test]
fn each_strategy_restart_type_and_reason_follows_otp() {
    for strategy in STRATEGIES {
        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            for end in ends() {
                let (got, want) = (run(strategy, restart, &end), expected(strategy, restart, &end));
                assert_eq!(got, want, "{strategy:?}, {restart:?}, {end:?}");
            }
        }
    }
}

#[test]
fn children_start_in_order_one_after_the_other() {
    let mut world = World::with(Strategy::OneForOne);
    world.hang.insert("a");
    world.add("a", Restart::Permanent);
    world.add("b", Restart::Permanent);
    assert_eq!(world.log(), ["start a"]);
    assert!(!world.machine.is_settled());
    world.input(Input::Started(world.key("a")));
    assert_eq!(world.log(), ["start b"]);
    assert!(world.machine.is_settled());
}

#[test]
fn dynamic_children_start_without_waiting_for_each_other() {
    let mut world = World::with(Strategy::Dynamic);
    world.hang.insert("a");
    world.add("a", Restart::Permanent);
    world.add("b", Restart::Permanent);
    assert_eq!(world.log(), ["start a", "start b"]);
}

#[test]
fn a_hanging_start_is_killed_and_retried_beside_the_others() {
    let mut world = World::with(Strategy::OneForOne);
    world.hang.insert("a");
    world.add("a", Restart::Permanent);
    world.add("b", Restart::Permanent);
    world.pass(START_TIMEOUT);
    assert_eq!(world.log(), ["start a", "kill a", "start b"], "only after it has ended");
    assert_eq!(world.reports[0], ("a", Report::Exited(ExitReason::StartTimedOut)));
    world.hang.clear();
    world.pass(BACKOFF);
    assert_eq!(world.log(), ["start a"]);
}

#[test]
fn a_first_start_that_failed_is_reported_as_a_first_start_when_it_succeeds() {
    let mut world = World::with(Strategy::OneForOne);
    world.hang.insert("a");
    world.add("a", Restart::Permanent);
    world.hang.clear();
    world.exit("a", ExitReason::StartFailed("no".into()));
    world.pass(BACKOFF);
    assert_eq!(world.reports.last(), Some(&("a", Report::Started)));
    world.exit("a", error());
    world.pass(BACKOFF);
    assert_eq!(world.reports.last(), Some(&("a", Report::Restarted)));
}

#[test]
fn thousands_of_dynamic_children_come_and_go() {
    let limits = Supervision::new(Strategy::Dynamic).intensity(10_000, Duration::from_secs(60));
    let mut machine = SupervisorMachine::new(limits, 1);
    let (now, mut out) = (Instant::now(), Vec::new());
    for key in 1..=10_000 {
        let policy = ChildPolicy {
            restart: Restart::Transient,
            shutdown: Shutdown::default(),
            start_timeout: START_TIMEOUT,
            backoff: Backoff::none(),
        };
        machine.add(now, ChildKey(key), Kept("a".into(), policy), &mut out);
        machine.step(now, Input::Started(ChildKey(key)), &mut out);
    }
    out.clear();
    for key in 1..=10_000 {
        let reason = if key % 2 == 0 { error() } else { ExitReason::Normal };
        machine.step(now, Input::Exited(ChildKey(key), reason), &mut out);
    }
    let starts = out.iter().filter(|command| matches!(command, Command::Start(_))).count();
    let removals = out.iter().filter(|command| matches!(command, Command::Remove(_))).count();
    assert_eq!((starts, removals), (5_000, 5_000));
    out.clear();
    machine.step(now, Input::Stop(ExitReason::Shutdown), &mut out);
    assert_eq!(out.len(), 5_000, "all are asked to stop at the same time");
}
