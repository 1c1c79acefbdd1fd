//! From the leader's death (SIGKILL) to the first task that is accepted again, and to all work
//! running again.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use serde_json::Value;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::figures::{Rounds, aim};
use crate::nodes::Nodes;

const ROUNDS: usize = 5;
const TASKS: &str = "/api/v1/orchestration/tasks";
/// Tasks under way when the leader dies.
const OPEN: usize = 64;
/// How long each of them takes.
const WORK: Duration = Duration::from_secs(1);
/// How long a client waits for one answer before it asks another node.
const ANSWER: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn measure(folder: &Path) {
    let mut nodes = Nodes::three(&folder.join("take-over")).await;
    let (mut accepted, mut running) = (Rounds::default(), Rounds::default());
    for _ in 0..ROUNDS {
        let (index, address) = nodes.leader().await;
        let open = open(address).await;
        nodes.kill(index);
        let died = Instant::now();
        let others = nodes.addresses();
        first_accepted(&others).await;
        accepted.add(died.elapsed().as_secs_f64());
        for task in &open {
            until_completed(&others, task).await;
        }
        // The last of them was begun, if not again, no later than its own time before its end.
        running.add(died.elapsed().saturating_sub(WORK).as_secs_f64());
        nodes.start(index);
        nodes.until_whole().await;
        nodes.until_idle().await;
    }
    println!("## Take-over: the leader of three is killed with {OPEN} tasks under way\n");
    println!("| {ROUNDS} rounds | median [least..most] s |");
    println!("|---|--:|");
    println!("| to the first task that is accepted again | {} |", accepted.spread(2));
    println!("| to all work running again, at most | {} |\n", running.spread(2));
    aim("all work running again in less than 5 s", running.median() < 5.0);
    println!();
}

/// Tasks that are under way, by id.
async fn open(leader: SocketAddr) -> Vec<String> {
    let mut connection = Connection::open(leader).await.expect("the leader listens");
    let mut open = Vec::with_capacity(OPEN);
    for _ in 0..OPEN {
        let body =
            format!(r#"{{"kind":"echo","labels":{{"echo.delay_ms":"{}"}}}}"#, WORK.as_millis());
        let (status, body) = connection.post(TASKS, body.into()).await.expect("an answer");
        assert!(status.is_success(), "{status}");
        let answer: Value = serde_json::from_slice(&body).expect("JSON");
        open.push(answer["task_id"].as_str().expect("a task").to_owned());
    }
    open
}

/// Asks one survivor after the other until a task is accepted.
async fn first_accepted(others: &[SocketAddr]) {
    let until = Instant::now() + PATIENCE;
    for address in others.iter().cycle() {
        let asked = async {
            let mut connection = Connection::open(*address).await?;
            connection.post(TASKS, Bytes::from_static(br#"{"kind":"echo"}"#)).await
        };
        if let Ok(Ok((status, _))) = timeout(ANSWER, asked).await
            && status.is_success()
        {
            return;
        }
        assert!(Instant::now() < until, "nothing is accepted any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn until_completed(others: &[SocketAddr], task: &str) {
    let until = Instant::now() + PATIENCE;
    for address in others.iter().cycle() {
        let asked = async {
            let mut connection = Connection::open(*address).await?;
            connection.get(&format!("{TASKS}/{task}?wait=5")).await
        };
        if let Ok((_, answer)) = asked.await
            && answer["state"] == "completed"
        {
            return;
        }
        assert!(Instant::now() < until, "a task is lost: {task}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
