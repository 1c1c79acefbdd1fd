//! Clients: each keeps its own list of what it was told is accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::{Rng, RngExt};
use serde_json::json;
use synod::tasks::{SubmitError, SubmitTask, TaskId, TaskSubmissionRequest};
use synod::workflows::{RunId, RunOptions, RunSource, StartRun};
use synod_runtime::Principal;
use tokio::time::sleep;

use crate::agent::{Piece, WORK};
use crate::talks::Talks;
use crate::world::World;

/// How long one request may take.
const WITHIN: Duration = Duration::from_millis(2_500);

/// One run, one ballot and one lock in so many requests.
const KINDS: u32 = 7;

/// What clients were told.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) tasks: Vec<(TaskId, Piece)>,
    pub(crate) runs: Vec<(RunId, Piece)>,
    next: u64,
}

/// All clients.
pub(crate) struct Clients {
    world: Arc<World>,
    pub(crate) kept: Mutex<Kept>,
    pub(crate) talks: Talks,
    ending: AtomicBool,
    at_work: Mutex<usize>,
}

impl Clients {
    /// So many clients, which go on until they are told to end.
    pub(crate) fn begin(world: &Arc<World>, count: usize, rng: &mut impl Rng) -> Arc<Self> {
        let clients = Arc::new(Self {
            world: Arc::clone(world),
            kept: Mutex::default(),
            talks: Talks::new(world),
            ending: AtomicBool::new(false),
            at_work: Mutex::new(count),
        });
        for _ in 0..count {
            let (clients, seed) = (Arc::clone(&clients), rng.random());
            tokio::spawn(async move {
                let mut rng = synod_testkit::Seed::fixed(seed).rng();
                while !clients.ending.load(Ordering::Relaxed) {
                    clients.one(&mut rng).await;
                    sleep(Duration::from_millis(rng.random_range(20..200))).await;
                }
                *clients.at_work.lock() -= 1;
            });
        }
        clients
    }

    /// From now on nothing new is asked for.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether all that was asked for was accepted.
    pub(crate) fn have_ended(&self) -> bool {
        *self.at_work.lock() == 0
    }

    /// One request, at one node after the other until it is accepted.
    async fn one(&self, rng: &mut impl Rng) {
        let number = {
            let mut kept = self.kept.lock();
            kept.next += 1;
            kept.next
        };
        let piece = Piece { number, ms: rng.random_range(0..400) };
        let kind = rng.random_range(0..KINDS);
        match kind {
            1 => return self.talks.ballot(number, rng).await,
            2 => return self.talks.lock(number, rng).await,
            _ => {}
        }
        loop {
            let node = rng.random_range(0..self.world.seats.len());
            let accepted =
                if kind == 0 { self.run(node, piece).await } else { self.task(node, piece).await };
            if accepted {
                return;
            }
            sleep(Duration::from_millis(rng.random_range(10..100))).await;
        }
    }

    async fn task(&self, at: usize, piece: Piece) -> bool {
        let Some(node) = self.world.node(at) else { return false };
        let request = TaskSubmissionRequest::new("piece")
            .capability(WORK.parse().expect("a capability"))
            .idempotency_key(format!("task-{}", piece.number))
            .payload(&piece)
            .expect("a payload");
        let submit = SubmitTask { request, principal: Principal::user("ada") };
        match node.tasks().ask(submit, WITHIN).await {
            Ok(Ok(accepted)) => {
                let id = accepted.task_id;
                self.world.note(format!("node {at} accepts task {} as {id}", piece.number));
                self.kept.lock().tasks.push((id, piece));
                true
            }
            Ok(Err(SubmitError::InFlight { existing })) => {
                self.world.note(format!("node {at} has task {} as {existing}", piece.number));
                self.kept.lock().tasks.push((existing, piece));
                true
            }
            _ => false,
        }
    }

    async fn run(&self, at: usize, piece: Piece) -> bool {
        let Some(node) = self.world.node(at) else { return false };
        let options = RunOptions {
            idempotency_key: Some(format!("run-{}", piece.number)),
            ..RunOptions::default()
        };
        let start = StartRun {
            source: RunSource::Text(definition()),
            input: json!(piece),
            options,
            principal: Principal::user("ada"),
        };
        match node.workflows().ask(start, WITHIN).await {
            Ok(Ok(accepted)) => {
                let id = accepted.run_id;
                self.world.note(format!("node {at} accepts run {} as {id}", piece.number));
                self.kept.lock().runs.push((id, piece));
                true
            }
            _ => false,
        }
    }
}

/// Three steps, each on what the one before gave.
fn definition() -> String {
    let first = step("a", "${inputs}", &[]);
    let second = step("b", "${outputs.a}", &["a"]);
    let third = step("c", "${outputs.b}", &["b"]);
    json!({"name": "line", "steps": [first, second, third]}).to_string()
}

fn step(id: &str, input: &str, after: &[&str]) -> serde_json::Value {
    json!({"id": id, "capability": WORK, "input": input, "depends_on": after})
}
