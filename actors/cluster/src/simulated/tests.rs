//! The simulated network itself: it carries bytes as TCP does.

use std::time::Duration;

use synod_testkit::Seed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::*;
use crate::links::{Acceptor, BoxedStream};

const MS: Duration = Duration::from_millis(1);

/// A connection between "a" and "b", both ends; and what keeps "b" listening.
async fn connected(network: &SimulatedNetwork) -> (BoxedStream, BoxedStream, Box<dyn Acceptor>) {
    let (a, b) = (network.transport("a"), network.transport("b"));
    let mut listener = b.listen().await.unwrap();
    let near = a.connect("b").await.unwrap();
    let far = listener.accept().await.unwrap().secure.await.unwrap();
    (near, far, listener)
}

#[tokio::test(start_paused = true)]
async fn bytes_arrive_in_order_after_their_delay() {
    let seed = Seed::from_env();
    let network = SimulatedNetwork::new(seed.value());
    network.set_all(Conditions { delay: 20 * MS, jitter: 30 * MS, ..Conditions::default() });
    let (mut near, mut far, _listener) = connected(&network).await;
    let start = Instant::now();
    for number in 0..100_u8 {
        near.bytes.write_all(&[number]).await.unwrap();
    }
    let mut read = [0; 100];
    far.bytes.read_exact(&mut read).await.unwrap();
    assert_eq!(read.to_vec(), (0..100).collect::<Vec<u8>>());
    let took = start.elapsed();
    assert!((20 * MS..=52 * MS).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_partition_holds_bytes_up_until_it_heals() {
    let network = SimulatedNetwork::new(1);
    let (mut near, mut far, _listener) = connected(&network).await;
    network.block("a", "b");
    near.bytes.write_all(b"late").await.unwrap();
    far.bytes.write_all(b"soon").await.unwrap();
    let mut read = [0; 4];
    near.bytes.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"soon", "the other direction is open");
    let held = timeout(1_000 * MS, far.bytes.read_exact(&mut read)).await;
    assert!(held.is_err());
    network.heal();
    far.bytes.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"late");
}

#[tokio::test(start_paused = true)]
async fn a_connection_through_a_partition_is_made_when_it_heals() {
    let network = SimulatedNetwork::new(1);
    let (_near, _far, _listener) = connected(&network).await;
    network.isolate("b");
    let transport = network.transport("a");
    assert!(timeout(1_000 * MS, transport.connect("b")).await.is_err());
    network.rejoin("b");
    assert!(transport.connect("b").await.is_ok());
    assert!(transport.connect("c").await.is_err(), "nobody listens there");
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_when_nobody_reads() {
    let network = SimulatedNetwork::new(1);
    let (mut near, mut far, _listener) = connected(&network).await;
    let flood = vec![7; 1 << 20];
    assert!(timeout(1_000 * MS, near.bytes.write_all(&flood)).await.is_err());
    let mut read = vec![0; 256 << 10];
    far.bytes.read_exact(&mut read).await.unwrap();
    near.bytes.write_all(b"again").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_killed_node_breaks_its_connections_and_is_not_reached() {
    let network = SimulatedNetwork::new(1);
    let (mut near, _far, _listener) = connected(&network).await;
    network.kill("b");
    assert!(near.bytes.read_u8().await.is_err());
    assert!(near.bytes.write_all(b"x").await.is_err());
    assert!(network.transport("a").connect("b").await.is_err());
    assert_eq!(network.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_stream_comes_after_its_bytes() {
    let network = SimulatedNetwork::new(1);
    network.set_all(Conditions::delayed(10 * MS));
    let (mut near, mut far, _listener) = connected(&network).await;
    near.bytes.write_all(b"all of it").await.unwrap();
    drop(near);
    let mut read = Vec::new();
    far.bytes.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"all of it");
    drop(far);
    assert_eq!(network.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn lost_pieces_come_later_and_a_narrow_path_takes_its_time() {
    let network = SimulatedNetwork::new(3);
    let narrow = Conditions { bytes_per_second: Some(1_000), ..Conditions::default() };
    network.set_path("a", "b", narrow);
    network.set_path("b", "a", Conditions { loss: 0.9, ..Conditions::default() });
    let (mut near, mut far, _listener) = connected(&network).await;
    let start = Instant::now();
    near.bytes.write_all(&[0; 500]).await.unwrap();
    far.bytes.read_exact(&mut [0; 500]).await.unwrap();
    assert!((500 * MS..502 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
    let start = Instant::now();
    far.bytes.write_all(b"x").await.unwrap();
    near.bytes.read_exact(&mut [0; 1]).await.unwrap();
    assert!(start.elapsed() >= 200 * MS, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    async fn arrivals(seed: u64) -> Vec<Duration> {
        let network = SimulatedNetwork::new(seed);
        let rough = Conditions { jitter: 50 * MS, loss: 0.2, ..Conditions::default() };
        network.set_all(rough);
        let (mut near, mut far, _listener) = connected(&network).await;
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..50 {
            near.bytes.write_all(b"x").await.unwrap();
            far.bytes.read_exact(&mut [0; 1]).await.unwrap();
            times.push(start.elapsed());
        }
        times
    }
    let (first, second) = (arrivals(5).await, arrivals(5).await);
    assert_eq!(first, second);
    assert_ne!(first, arrivals(6).await);
}
