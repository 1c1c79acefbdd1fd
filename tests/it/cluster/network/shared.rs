//! Documents that agents share, while a plug is pulled.

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::yard::Yard;
use super::{LOOK, Nodes, PATIENCE};
use crate::client::Client;
use crate::shared_state::{SHARED, count};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_cut_off_writes_on_and_agrees_when_it_is_back() {
    let Some(yard) = Yard::new(3) else { return };
    let nodes = Nodes::start(yard).await;
    nodes.count(0, 1).await;
    nodes.until_counted(&[0, 1, 2], 1).await;
    nodes.yard.link(2, false);
    nodes.count(2, 10).await;
    nodes.count(0, 100).await;
    nodes.until_counted(&[0, 1], 101).await;
    nodes.until_counted(&[2], 11).await;
    nodes.yard.link(2, true);
    nodes.until_counted(&[0, 1, 2], 111).await;
}

impl Nodes {
    fn client(&self, index: usize) -> Client {
        Client::new(&self.seats[index].node.as_ref().expect("a node that runs").url)
    }

    /// Counts on the board of a node.
    async fn count(&self, index: usize, by: i64) {
        let (client, edits) = (self.client(index), json!({"edits": [count("n", by)]}));
        let written = async move { client.post(&format!("{SHARED}/board"), edits).await };
        let (status, answer) = self.yard.places[index].within(written).await;
        assert!(status.is_success(), "{answer:#}");
    }

    /// Waits until each of these nodes knows of so much.
    async fn until_counted(&self, nodes: &[usize], all: i64) {
        let deadline = Instant::now() + PATIENCE;
        for index in nodes {
            loop {
                let path = format!("{SHARED}/board?key=n");
                let shown = self.yard.places[*index].get(&self.client(*index), &path).await;
                if shown["values"]["n"]["counter"] == all {
                    break;
                }
                assert!(Instant::now() < deadline, "node {index} has {shown:#}, not {all}");
                sleep(LOOK).await;
            }
        }
    }
}
