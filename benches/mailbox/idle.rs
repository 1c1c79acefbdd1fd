//! What an actor costs that has nothing to do: time to spawn, bytes to keep.

use std::process::Command;
use std::time::Duration;

use crate::contender::{Contender, contenders};
use crate::measure::{Stopwatch, resident_bytes};
use crate::table::{median, short};

/// The argument that makes this program measure one contender and end.
pub(crate) const FLAG: &str = "--idle-actors-of";

/// Prints the table; each figure from processes of its own, the contenders taking turns.
pub(crate) fn report(contenders: &[Contender], runs: usize) {
    println!("## idle actors, one process per run\n");
    println!(
        "| contender | µs to spawn | min..max | bytes each | min..max |\n|---|--:|--:|--:|--:|"
    );
    let mut figures = vec![Vec::new(); contenders.len()];
    for _ in 0..runs {
        for (contender, figures) in contenders.iter().zip(&mut figures) {
            if contender.spawn.is_some() {
                figures.push(parent(contender.name));
            }
        }
    }
    for (contender, figures) in contenders.iter().zip(figures).filter(|(_, f)| !f.is_empty()) {
        let micros = spread(figures.iter().map(|(micros, _)| *micros).collect());
        let bytes = spread(figures.iter().map(|(_, bytes)| *bytes).collect());
        println!("| {} | {micros} | {bytes} |", contender.name);
    }
    println!();
}

fn spread(figures: Vec<f64>) -> String {
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.iter().copied().fold(0.0, f64::max);
    format!("{} | {}..{}", short(median(figures)), short(least), short(most))
}

/// Microseconds and bytes per actor, measured by a child.
fn parent(name: &str) -> (f64, f64) {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args([FLAG, name]).output().expect("a child");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut figures = text.split_whitespace().filter_map(|text| text.parse().ok());
    match (figures.next(), figures.next()) {
        (Some(micros), Some(bytes)) => (micros, bytes),
        _ => panic!("the child of {name} said: {text}{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Spawns `count` actors of the contender `name` and prints what that took.
pub(crate) fn child(name: &str, count: u64) {
    let contender = contenders().into_iter().find(|contender| contender.name == name);
    let spawn = contender.and_then(|contender| contender.spawn).expect("one that spawns");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        // What the first actor makes once for all does not count.
        let _first = spawn(1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (before, watch) = (resident_bytes(), Stopwatch::start());
        let kept = spawn(count).await;
        let spawned = watch.stop(count);
        // Let the last of them come to rest.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let bytes = resident_bytes().saturating_sub(before) as f64 / count as f64;
        println!("{:.2} {bytes:.0}", spawned.wall_ns() / 1000.0);
        drop(kept);
    });
    // The end of a hundred thousand actors is not measured.
    std::process::exit(0);
}
