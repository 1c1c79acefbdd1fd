//! Many seeds: each in a process of its own, so that none depends on another and each repeats.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use synod_testkit::Seed;

use crate::facts::fingerprint;
use crate::run::Outcome;

/// Where the trace of a simulation is to be written.
pub(crate) const TRACE: &str = "SYNOD_SIMULATE_TRACE";

/// How many seeds are to be run, instead of as many as fit.
const SEEDS: &str = "SYNOD_SIMULATE_SEEDS";

/// The seed whose rounds are run.
const SEED: &str = "SYNOD_SEED";

/// Says that a process is there for one seed.
const ALONE: &str = "SYNOD_SIMULATE_ALONE";

/// How many seeds are run at least, and for how long others are begun.
const LEAST: u64 = 50;
const BEGIN_WITHIN: Duration = Duration::from_secs(150);

/// How long one may take on the machine.
const WITHIN: Duration = Duration::from_secs(300);

/// Says what came of a seed, and writes the trace where it is wanted.
pub(crate) fn report(seed: &Seed, outcome: &Outcome) {
    let trace = outcome.trace.join("\n");
    println!(
        "\nseed {}: {} tasks, {} runs, {} ballots, {} locks, {} executions, well after {:?}, trace \
         {:016x}",
        seed.value(),
        outcome.tasks,
        outcome.runs,
        outcome.ballots,
        outcome.grants,
        outcome.performed,
        outcome.healed,
        fingerprint(trace.as_bytes()),
    );
}

/// A storm in a process of its own.
fn storm(seed: u64, trace: Option<&Path>) -> Child {
    let program = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new(program);
    command.args(["one_storm_breaks_no_invariant", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(SEED, seed.to_string()).env(ALONE, "1").env_remove(SEEDS).env_remove(TRACE);
    if let Some(trace) = trace {
        command.env(TRACE, trace);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("a process for a seed")
}

/// The trace of a storm.
pub(crate) fn traced(seed: u64, folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    let run = storm(seed, Some(&path)).wait_with_output().expect("an end");
    std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no trace: {}", said(&run)))
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// Runs storms, as many at once as there are processors: so many as are asked for, or as fit.
/// Says which seeds broke something, and what.
pub(crate) fn many() -> Vec<u64> {
    let wanted = std::env::var(SEEDS).ok().map(|text| text.parse::<u64>().expect("a number"));
    let first = chosen();
    let at_once = thread::available_parallelism().map_or(2, usize::from);
    let (begun, next, broken) = (Instant::now(), AtomicU64::new(0), Mutex::new(Vec::new()));
    let one_after_the_other = || loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let more = match wanted {
            Some(wanted) => number < wanted,
            None => number < LEAST || begun.elapsed() < BEGIN_WITHIN,
        };
        if !more {
            return;
        }
        let seed = first.round(number).value();
        let output = storm(seed, None).wait_with_output().expect("the end of a child");
        let said = said(&output);
        match output.status.success() {
            true => said.lines().filter(|line| line.starts_with("seed ")).for_each(say),
            false => {
                say(&format!("SYNOD_SEED={seed} broke something:\n{said}"));
                broken.lock().push(seed);
            }
        }
    };
    thread::scope(|scope| {
        (0..at_once).for_each(|_| drop(scope.spawn(one_after_the_other)));
    });
    let ran = next.into_inner().saturating_sub(at_once as u64);
    say(&format!("{ran} seeds in {:?}", begun.elapsed()));
    broken.into_inner()
}

/// The seed that was asked for. Without one all runs of a test do the same, so that what failed
/// once fails again.
pub(crate) fn chosen() -> Seed {
    std::env::var(SEED).map_or_else(|_| Seed::fixed(1), |_| Seed::from_env())
}

fn say(line: &str) {
    println!("{line}");
}

/// In a process for one seed: ends it when it takes too long, as no test could.
pub(crate) fn guard() {
    if std::env::var(ALONE).is_ok() {
        thread::spawn(|| {
            // Real time on purpose: a simulation that hangs moves no simulated clock.
            thread::sleep(WITHIN);
            eprintln!("it did not end within {WITHIN:?}");
            std::process::abort();
        });
    }
}
