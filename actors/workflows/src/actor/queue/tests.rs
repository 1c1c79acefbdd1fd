//! Runs that wait for room: the most urgent first, none held up by the limit of another.

use std::collections::BTreeMap;

use rand::RngExt;
use synod_testkit::Seed;
use uuid::Uuid;

use super::*;

fn run(number: u64) -> RunId {
    Uuid::from_u128(number.into())
}

fn bounds(all: &[(&str, u32)]) -> Bounds {
    all.iter().map(|(of, most)| Bound { of: Arc::from(*of), most: *most }).collect()
}

#[test]
fn the_most_urgent_comes_first_and_a_full_group_holds_up_nobody() {
    let mut queue = Queue::default();
    queue.add(run(1), Priority::Critical, 1, bounds(&[("nightly", 2)]));
    queue.add(run(2), Priority::Low, 2, bounds(&[]));
    queue.add(run(3), Priority::High, 3, bounds(&[]));
    queue.add(run(4), Priority::High, 4, bounds(&[]));
    let full = |queue: &mut Queue| queue.next(|_| true);
    assert_eq!([full(&mut queue), full(&mut queue)], [Some(run(3)), Some(run(4))]);
    assert_eq!(queue.next(|_| false), Some(run(2)));
    queue.freed(&Arc::from("nightly"));
    assert_eq!([queue.next(|_| false), queue.next(|_| false)], [Some(run(1)), None]);
    assert!(queue.lets_pass() && queue.into_runs().next().is_none());
}

#[test]
fn a_more_urgent_run_goes_before_one_of_its_group_that_is_held_back() {
    let mut queue = Queue::default();
    let acme = bounds(&[("customer=acme", 1)]);
    queue.add(run(1), Priority::Low, 1, Arc::clone(&acme));
    assert_eq!(queue.next(|_| true), None);
    queue.add(run(2), Priority::High, 2, Arc::clone(&acme));
    queue.freed(&acme[0].of);
    assert_eq!([queue.next(|_| false), queue.next(|_| false)], [Some(run(2)), Some(run(1))]);
}

/// A queue beside a naive one, over random bounds that runs enter and leave.
struct Two {
    queue: Queue,
    waiting: BTreeMap<Place, (RunId, Bounds)>,
    running: Vec<Bounds>,
    counts: HashMap<Arc<str>, u32>,
}

impl Two {
    fn admit(&mut self) {
        loop {
            let counts = &self.counts;
            let is_full = |bound: &Bound| counts.get(&bound.of).copied() >= Some(bound.most);
            let fits = |bounds: &Bounds| !bounds.iter().any(is_full);
            let expected = self.waiting.iter().find(|(_, (_, bounds))| fits(bounds));
            let expected = expected.map(|(place, (run, _))| (*place, *run));
            let found = self.queue.next(is_full);
            assert_eq!(found, expected.map(|(_, run)| run));
            let Some((place, _)) = expected else { return };
            let (_, bounds) = self.waiting.remove(&place).unwrap();
            for bound in &*bounds {
                *self.counts.entry(Arc::clone(&bound.of)).or_default() += 1;
            }
            self.running.push(bounds);
        }
    }

    fn leave(&mut self, at: usize) {
        let bounds = self.running.swap_remove(at);
        for bound in &*bounds {
            *self.counts.get_mut(&bound.of).unwrap() -= 1;
            self.queue.freed(&bound.of);
        }
    }
}

#[test]
fn whatever_enters_and_leaves_the_next_is_who_a_look_at_all_of_them_finds() {
    let seed = Seed::from_env();
    for round in 0..50 {
        let mut chance = seed.round(round).rng();
        let mut two = Two {
            queue: Queue::default(),
            waiting: BTreeMap::new(),
            running: Vec::new(),
            counts: HashMap::new(),
        };
        let names = ["a", "k=1", "k=2", "l=1", "l=2"];
        for sequence in 0..300_u64 {
            let some = names.iter().filter(|_| chance.random_range(0..3) == 0);
            let some: Vec<_> = some.map(|name| (*name, name.len() as u32)).collect();
            let bounds = bounds(&some);
            let priority = if chance.random() { Priority::High } else { Priority::Low };
            two.queue.add(run(sequence), priority, sequence, Arc::clone(&bounds));
            two.waiting.insert((priority as u8, sequence), (run(sequence), bounds));
            if chance.random_range(0..3) == 0 {
                two.admit();
            }
            while !two.running.is_empty() && chance.random_range(0..2) == 0 {
                let at = chance.random_range(0..two.running.len());
                two.leave(at);
            }
        }
        while !two.waiting.is_empty() {
            two.admit();
            two.running.is_empty().then(|| panic!("somebody waits for ever"));
            two.leave(0);
        }
    }
}
