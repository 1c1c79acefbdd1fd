//! A hundred thousand live agents on one node, in this process.
//!
//! ```text
//! cargo bench --bench agents
//! SYNOD_BENCH_ROUNDS=1 SYNOD_BENCH_AGENTS=20000 cargo bench --bench agents
//! ```
//!
//! Every figure comes from a child process of its own: memory that one measurement gave back would
//! hide what the next one takes. CPU time is of the whole process and hardly depends on what else
//! runs; wall-clock figures do, so the load is printed. Cells are medians of the rounds.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that can't be taken ends the run"
)]

mod choice;
mod live;
mod pulses;
mod rounds;
mod stopwatch;

use std::path::{Path, PathBuf};
use std::process::Command;

use rounds::Rounds;
use stopwatch::load_average;

/// How many agents the choice is made among.
const CROWDS: [u64; 3] = [10, 1_000, 100_000];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let child = |flag| arguments.iter().position(|argument| argument == flag);
    let count = |at: usize| arguments[at + 1].parse().expect("a number of agents");
    if let Some(at) = child(live::FLAG) {
        return live::child(count(at));
    }
    if let Some(at) = child(pulses::FLAG) {
        return pulses::child(count(at));
    }
    if let Some(at) = child(choice::FLAG) {
        return choice::child(count(at));
    }
    let rounds = from_env("SYNOD_BENCH_ROUNDS", 3);
    let agents = from_env("SYNOD_BENCH_AGENTS", 100_000);
    println!("# {agents} agents on one node\n");
    println!("load average before: {}; {rounds} rounds; medians [min..max]\n", load_average());
    println!("| what | figure |\n|---|--:|");
    rows(&live::ROWS, &run(live::FLAG, agents, rounds));
    rows(&pulses::ROWS, &run(pulses::FLAG, agents, rounds));
    choice_table(rounds);
    println!("\nload average at the end: {}", load_average());
}

/// What one row is called, its unit, and digits behind the point.
pub(crate) type Row = (&'static str, &'static str, usize);

fn rows(names: &[Row], figures: &[Rounds]) {
    for ((name, unit, digits), figures) in names.iter().zip(figures) {
        println!("| {name} | {} {unit} |", figures.spread(*digits));
    }
}

/// What a task costs from submission to result, by the number of agents that could do it.
fn choice_table(rounds: u64) {
    println!("\nOne task, submitted, chosen an agent for, done and stored; 64 in flight.\n");
    println!(
        "| agents | any of them, CPU µs | to 10 agents | one by name, CPU µs | to 10 agents |"
    );
    println!("|--:|--:|--:|--:|--:|");
    let mut few: Option<[f64; 2]> = None;
    for crowd in CROWDS {
        let figures = run(choice::FLAG, crowd, rounds);
        let medians = [figures[0].median(), figures[1].median()];
        let [any, named] = *few.get_or_insert(medians);
        println!(
            "| {crowd} | {} | {:.2} | {} | {:.2} |",
            figures[0].spread(1),
            medians[0] / any,
            figures[1].spread(1),
            medians[1] / named,
        );
    }
}

/// The figures that a child prints, over the rounds.
fn run(flag: &str, agents: u64, rounds: u64) -> Vec<Rounds> {
    let mut figures: Vec<Rounds> = Vec::new();
    for _ in 0..rounds {
        let program = std::env::current_exe().expect("this program");
        let output = Command::new(program).args([flag, &agents.to_string()]).output();
        let output = output.expect("a child");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the child of {flag} said: {text}{errors}");
        let found = text.split_whitespace().map(|text| text.parse().expect("a figure"));
        for (index, figure) in found.enumerate() {
            if figures.len() == index {
                figures.push(Rounds::default());
            }
            figures[index].add(figure);
        }
    }
    figures
}

/// An empty folder for one child.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("agents-bench-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn from_env(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
