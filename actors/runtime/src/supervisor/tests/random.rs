//! Random lives of supervisors: whatever happens in whatever order, the invariants hold.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{BoxedStrategy, ProptestConfig, any, prop, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

use super::*;

/// Something that happens; the number picks whom it happens to.
#[derive(Debug, Clone, Copy)]
enum Event {
    Add(u8),
    Start(u8),
    Fail(u8),
    Finish(u8),
    Pass(u16),
    Remove(u8),
    Restart(u8),
}

fn event(by_operators: bool) -> BoxedStrategy<Event> {
    let by_itself = prop_oneof![
        2 => any::<u8>().prop_map(Event::Add),
        6 => any::<u8>().prop_map(Event::Start),
        4 => any::<u8>().prop_map(Event::Fail),
        2 => any::<u8>().prop_map(Event::Finish),
        3 => (0_u16..4000).prop_map(Event::Pass),
    ];
    if !by_operators {
        return by_itself.boxed();
    }
    prop_oneof![
        8 => by_itself,
        1 => any::<u8>().prop_map(Event::Remove),
        1 => any::<u8>().prop_map(Event::Restart),
    ]
    .boxed()
}

/// How far an incarnation has been asked to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    ToStop,
    ToDie,
}

/// Obeys the machine and watches what it commands.
struct Watch {
    machine: SupervisorMachine<Kept>,
    strategy: Strategy,
    /// Operators make exceptions from the order.
    by_operators: bool,
    now: Instant,
    known: BTreeSet<ChildKey>,
    live: BTreeMap<ChildKey, Asked>,
    started: BTreeSet<ChildKey>,
    next: u64,
    done: u32,
}

impl Watch {
    fn new(strategy: Strategy, by_operators: bool) -> Self {
        let limits = Supervision::new(strategy).intensity(5, Duration::from_secs(5));
        Self {
            machine: SupervisorMachine::new(limits, 7),
            strategy,
            by_operators,
            now: Instant::now(),
            known: BTreeSet::new(),
            live: BTreeMap::new(),
            started: BTreeSet::new(),
            next: 1,
            done: 0,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Add(pick) => self.add(pick),
            Event::Pass(millis) => self.pass(Duration::from_millis(u64::from(millis))),
            Event::Start(pick) => self.report_start(pick),
            Event::Fail(pick) => self.exit(pick, error()),
            Event::Finish(pick) => self.exit(pick, ExitReason::Normal),
            Event::Remove(pick) => self.tell_any(pick, Input::Remove),
            Event::Restart(pick) => self.tell_any(pick, Input::Restart),
        }
    }

    fn add(&mut self, pick: u8) {
        let restart = [Restart::Permanent, Restart::Transient, Restart::Temporary];
        let policy = ChildPolicy {
            restart: restart[usize::from(pick) % 3],
            shutdown: if pick.is_multiple_of(7) {
                Shutdown::Brutal
            } else {
                Shutdown::Within(SHUTDOWN)
            },
            start_timeout: START_TIMEOUT,
            backoff: if pick.is_multiple_of(5) { Backoff::none() } else { Backoff::fixed(BACKOFF) },
        };
        let (key, mut out) = (ChildKey(self.next), Vec::new());
        self.next += 1;
        self.known.insert(key);
        self.machine.add(self.now, key, Kept("child".into(), policy), &mut out);
        self.obey(out);
    }

    fn report_start(&mut self, pick: u8) {
        let alive: Vec<ChildKey> = self.live.keys().copied().collect();
        if !alive.is_empty() {
            let key = alive[usize::from(pick) % alive.len()];
            self.started.insert(key);
            self.step(Input::Started(key));
        }
    }

    fn tell_any(&mut self, pick: u8, input: fn(ChildKey) -> Input) {
        self.step(input(ChildKey(u64::from(pick) % self.next)));
    }

    fn exit(&mut self, pick: u8, reason: ExitReason) {
        let alive: Vec<ChildKey> = self.live.keys().copied().collect();
        if !alive.is_empty() {
            let key = alive[usize::from(pick) % alive.len()];
            self.live.remove(&key);
            self.step(Input::Exited(key, reason));
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.machine.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step(Input::Tick);
        }
        self.now = end;
    }

    fn step(&mut self, input: Input) {
        let mut out = Vec::new();
        self.machine.step(self.now, input, &mut out);
        self.obey(out);
    }

    fn obey(&mut self, commands: Vec<Command>) {
        for command in commands {
            let after_end = self.done > 0 && !matches!(command, Command::Remove(_));
            assert!(!after_end, "{command:?} after the end");
            match command {
                Command::Start(key) => self.start(key),
                Command::Stop(key) => {
                    assert_eq!(self.live.insert(key, Asked::ToStop), Some(Asked::Nothing));
                    self.check_one_at_a_time();
                }
                Command::Kill(key) => {
                    let before = self.live.insert(key, Asked::ToDie);
                    assert!(before.is_some_and(|asked| asked != Asked::ToDie));
                }
                Command::Abandon(key) => {
                    assert_eq!(self.live.remove(&key), Some(Asked::ToDie));
                }
                Command::Close(key) => assert!(!self.live.contains_key(&key)),
                Command::Remove(key) => {
                    assert!(!self.live.contains_key(&key), "a live child is not forgotten");
                    assert!(self.known.remove(&key), "a child is forgotten once");
                    assert!(self.machine.take(key).is_some());
                }
                Command::Report(key, _) => assert!(self.known.contains(&key)),
                Command::Done(_) => {
                    assert!(self.live.is_empty() && self.known.is_empty());
                    self.done += 1;
                }
            }
        }
    }

    fn start(&mut self, key: ChildKey) {
        assert!(self.known.contains(&key));
        if self.strategy.is_grouped() && !self.by_operators {
            let younger = self.live.range(key..).next();
            assert_eq!(younger, None, "{key:?} starts before its group has ended");
            let pending = self.live.keys().find(|older| !self.started.contains(older));
            assert_eq!(pending, None, "{key:?} starts before an older one has started");
        }
        self.started.remove(&key);
        assert_eq!(self.live.insert(key, Asked::Nothing), None, "one incarnation at a time");
    }

    fn check_one_at_a_time(&self) {
        let stopping = self.live.values().filter(|asked| **asked == Asked::ToStop).count();
        let ordered = self.strategy != Strategy::Dynamic && !self.by_operators;
        assert!(!ordered || stopping == 1, "{stopping} children stop at the same time");
    }

    /// Ends the supervisor; some children have to be killed, some abandoned.
    fn finish(&mut self) {
        self.step(Input::Stop(ExitReason::Shutdown));
        let mut turns = 0;
        while self.done == 0 {
            turns += 1;
            assert!(turns < 10_000, "the end is never reached: {:?}", self.live);
            if u32::is_multiple_of(turns, 3) {
                self.pass(SHUTDOWN + KILL_WAIT);
            } else if let Some((&key, _)) = self.live.iter().find(|(_, a)| **a != Asked::Nothing) {
                self.live.remove(&key);
                self.step(Input::Exited(key, ExitReason::Shutdown));
            }
        }
    }
}

fn live_through(strategy: Strategy, by_operators: bool, events: &[Event]) {
    let mut watch = Watch::new(strategy, by_operators);
    for event in events {
        watch.happen(*event);
    }
    if watch.done == 0 {
        watch.finish();
    }
    assert_eq!(watch.done, 1);
    assert!(watch.machine.is_settled());
    assert_eq!(watch.machine.next_deadline(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_breaks_a_supervisor(
        events in prop::collection::vec(event(false), 0..120),
    ) {
        for strategy in STRATEGIES {
            live_through(strategy, false, &events);
        }
    }

    #[test]
    fn no_order_of_events_and_interventions_breaks_a_supervisor(
        events in prop::collection::vec(event(true), 0..120),
    ) {
        for strategy in STRATEGIES {
            live_through(strategy, true, &events);
        }
    }
}
