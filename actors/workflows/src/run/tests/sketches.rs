//! Random workflows for the naive interpreter and the machine alike.

use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha12Rng;

use super::reference::{Action, Script, Sketch, Step, Work};
use crate::definition::model::ErrorKind;

/// A workflow of up to `most` steps.
pub(super) fn sketch(chance: &mut ChaCha12Rng, most: usize, deep: u32) -> Sketch {
    let count = chance.random_range(1..=most);
    let mut steps = Vec::with_capacity(count);
    for at in 0..count {
        steps.push(step(chance, at, count));
    }
    let fallback = (deep > 0 && chance.random_range(0..3) == 0)
        .then(|| Box::new(sketch(chance, most / 4 + 1, deep - 1)));
    Sketch { steps, max_parallel: *[1, 2, 8, 64].choose(chance).unwrap(), fallback }
}

fn step(chance: &mut ChaCha12Rng, at: usize, count: usize) -> Step {
    let mut before: Vec<usize> = (0..at).collect();
    before.shuffle(chance);
    before.truncate(chance.random_range(0..=3));
    let when = before.choose(chance).map(|asked| (*asked, chance.random_range(-2..40)));
    // Most workflows are to go on for a while.
    let rarely = chance.random_range(0..count / 2 + 5) == 0;
    let when = when.filter(|_| chance.random_range(0..6) == 0);
    let max_attempts = chance.random_range(1..=4);
    let work = match chance.random_range(0..10) {
        0 => Work::Transform,
        1 => Work::Wait(chance.random_range(0..3_000)),
        // What two levels call the same is another message all the same.
        2 if chance.random() => Work::Message(chance.random_range(0..1_000_000_000)),
        2 => Work::Items((0..chance.random_range(0..6)).map(|_| plain(chance, rarely)).collect()),
        3 => Work::Race((0..chance.random_range(2..4)).map(|_| plain(chance, true)).collect()),
        _ => Work::Agent(script(chance, rarely, max_attempts)),
    };
    // Hardly any step is left to fail its run by what is common.
    let guarded = chance.random_range(0..count * 2 + 2) != 0;
    let mut on_error = Vec::new();
    for kind in [ErrorKind::Failed, ErrorKind::ValidationError, ErrorKind::ExpressionError] {
        if guarded || chance.random() {
            on_error.push((kind, action(chance, guarded)));
        }
    }
    let weight = chance.random_range(0..10);
    Step { id: format!("s{at}"), after: before, when, work, weight, max_attempts, on_error }
}

fn action(chance: &mut ChaCha12Rng, guarded: bool) -> Action {
    match chance.random_range(0..if guarded { 7 } else { 8 }) {
        0..4 => Action::Skip,
        4..7 => Action::Default(chance.random_range(0..20)),
        _ => Action::Fail,
    }
}

/// How attempts end: some fail or are lost, and `fatal` ones fail for good.
fn script(chance: &mut ChaCha12Rng, fatal: bool, max_attempts: u32) -> Script {
    let fails = chance.random_range(0..max_attempts);
    let kinds = [ErrorKind::Failed, ErrorKind::Timeout, ErrorKind::Lost, ErrorKind::Unavailable];
    let mut script: Script = (0..fails).map(|_| Some(*kinds.choose(chance).unwrap())).collect();
    if fatal {
        let last = [ErrorKind::ValidationError, ErrorKind::Refused, ErrorKind::CriticalError];
        script.push(Some(*last.choose(chance).unwrap()));
    }
    script
}

/// The same for a piece of a step: all that fail for good fail alike.
fn plain(chance: &mut ChaCha12Rng, fatal: bool) -> Script {
    let fails = if fatal && chance.random() { 10 } else { chance.random_range(0..2) };
    vec![Some(ErrorKind::Failed); fails]
}
