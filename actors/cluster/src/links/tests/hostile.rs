//! Whoever speaks at the port without being a node, or as one that breaks the protocol.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;
use crate::wire::{
    FORMAT, Frame, Greeting, Kind, Ready, Refusal, RefusalCode, StreamKind, decode, head,
};

/// Somebody who speaks to a node byte by byte.
struct Stranger {
    stream: BoxedStream,
    read: BytesMut,
}

fn frame(kind: Kind, id: u64, service: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = head(kind, id, service, body.len()).to_vec();
    frame.extend_from_slice(body);
    frame
}

fn hello(stream: StreamKind) -> Greeting {
    Greeting {
        format: FORMAT,
        cluster: Some(ClusterId(1)),
        record: record("x", 66, 1),
        expects: None,
        stream,
        nonce: 5,
        echo: 0,
        window_frames: 1_000,
        window_bytes: 1 << 20,
        max_body: 1 << 20,
    }
}

impl Stranger {
    async fn connects(network: &SimulatedNetwork) -> Self {
        let stream = network.transport("x").connect("a").await.unwrap();
        Self { stream, read: BytesMut::new() }
    }

    /// One who has passed the handshake.
    async fn passes(network: &SimulatedNetwork, stream: StreamKind) -> Self {
        let mut stranger = Self::connects(network).await;
        let hello = hello(stream).encode().unwrap();
        stranger.says(&frame(Kind::Hello, 0, 0, &hello)).await;
        let welcome = stranger.hears().await.unwrap();
        let welcome = Greeting::decode(&welcome.body).unwrap();
        assert_eq!(welcome.echo, 5);
        let ready = Ready { echo: welcome.nonce }.encode();
        stranger.says(&frame(Kind::Ready, 0, 0, &ready)).await;
        stranger
    }

    async fn says(&mut self, bytes: &[u8]) {
        // It may have been cut off.
        let _ = self.stream.bytes.write_all(bytes).await;
    }

    /// The next frame; none when the node has closed the connection.
    async fn hears(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = decode(&mut self.read, 1 << 20).unwrap() {
                return Some(frame);
            }
            let read = timeout(20 * SECOND, self.stream.bytes.read_buf(&mut self.read)).await;
            if read.expect("the node neither answers nor closes").unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// What the node says before it closes the connection.
    async fn is_refused(&mut self) -> Refusal {
        loop {
            let frame = self.hears().await.expect("no reason was given");
            if frame.kind == Kind::Refusal {
                return Refusal::decode(&frame.body);
            }
        }
    }

    async fn is_cut_off(&mut self) {
        while self.hears().await.is_some() {}
    }
}

/// A node, and another that it has a link to, which must not notice anything.
async fn world() -> (SimulatedNetwork, TestNode, TestNode) {
    let network = SimulatedNetwork::new(1);
    let (a, b) = pair(&network, LinksConfig::default()).await;
    a.peers.serve(Service::Api, Arc::new(Echo::default()));
    a.is_linked_to(&b).await;
    assert_eq!(b.call(&a, Service::Api, "x").await, Ok(body("x")));
    (network, a, b)
}

async fn nobody_else_notices(a: &TestNode, b: &TestNode) {
    assert_eq!(b.call(a, Service::Api, "x").await, Ok(body("x")));
    assert_eq!((a.view(b).breaks, b.view(a).breaks), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn another_major_version_is_refused_with_the_reason() {
    let (network, a, b) = world().await;
    let mut stranger = Stranger::connects(&network).await;
    let mut newer = hello(StreamKind::Data).encode().unwrap();
    newer[8] = 2;
    newer.truncate(40);
    stranger.says(&frame(Kind::Hello, 0, 0, &newer)).await;
    let refusal = stranger.is_refused().await;
    assert_eq!(refusal.code, RefusalCode::Version);
    assert_eq!(refusal.reason, "it speaks version 2.0 of the protocol, this node 1.0");
    assert_eq!(a.peers.refusals(), 1);
    nobody_else_notices(&a, &b).await;
}

#[tokio::test(start_paused = true)]
async fn a_web_browser_is_told_that_this_is_another_protocol() {
    let (network, a, b) = world().await;
    let mut stranger = Stranger::connects(&network).await;
    stranger.says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(stranger.is_refused().await.code, RefusalCode::Malformed);
    nobody_else_notices(&a, &b).await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_was_recorded_can_not_be_replayed() {
    let (network, a, b) = world().await;
    for _ in 0..3 {
        let mut stranger = Stranger::connects(&network).await;
        let hello = hello(StreamKind::Data).encode().unwrap();
        stranger.says(&frame(Kind::Hello, 0, 0, &hello)).await;
        stranger.says(&frame(Kind::Ready, 0, 0, &Ready { echo: 12 }.encode())).await;
        stranger.says(&frame(Kind::Cast, 1, Service::Api.number(), b"again")).await;
        assert_eq!(stranger.is_refused().await.code, RefusalCode::Malformed);
    }
    assert_eq!(a.peers.refusals(), 3);
    nobody_else_notices(&a, &b).await;
}

#[tokio::test(start_paused = true)]
async fn frames_that_break_the_protocol_close_their_link_only() {
    let api = Service::Api.number();
    let call = |id| frame(Kind::Call, id, api, &[1, 0, 0, 0]);
    let mut oversized = frame(Kind::Cast, 1, api, b"");
    oversized[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let replayed = [call(1), call(2), call(2)].concat();
    let cases: [(&str, Vec<u8>); 10] = [
        ("garbage", vec![0x5a; 100]),
        ("oversized", oversized),
        ("replayed", replayed),
        ("a hello again", frame(Kind::Hello, 0, 0, b"")),
        ("an answer to nothing", frame(Kind::Answer, 7, api, b"")),
        ("a grant of nothing", frame(Kind::Grant, 0, api, &[255; 8])),
        ("a short grant", frame(Kind::Grant, 0, api, b"x")),
        ("a call without a deadline", frame(Kind::Call, 1, api, b"x")),
        ("a heartbeat without a cluster", frame(Kind::Beat, 1, 0, b"x")),
        ("rest that nobody asked for", frame(Kind::RestOk, 0, 0, b"")),
    ];
    let (network, a, b) = world().await;
    for (what, bytes) in cases {
        let mut stranger = Stranger::passes(&network, StreamKind::Data).await;
        stranger.says(&bytes).await;
        stranger.is_cut_off().await;
        nobody_else_notices(&a, &b).await;
        let views = a.peers.views();
        let view = views.iter().find(|view| view.node == NodeId(66)).unwrap();
        assert!(view.last_error.is_some(), "{what}");
        // Until the link to it waits no longer.
        tokio::time::sleep(10 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_truncated_frame_followed_by_the_end_is_a_broken_link() {
    let (network, a, b) = world().await;
    let mut stranger = Stranger::passes(&network, StreamKind::Data).await;
    stranger.says(&frame(Kind::Cast, 1, Service::Api.number(), &[7; 100])[..50]).await;
    drop(stranger);
    nobody_else_notices(&a, &b).await;
    eventually(|| a.peers.views().iter().any(|view| view.breaks > 0), SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_sends_more_than_it_was_granted_is_cut_off() {
    let network = SimulatedNetwork::new(1);
    let config = LinksConfig { window_frames: 4, ..LinksConfig::default() };
    let a = start_with(&network, "a", 1, config).await;
    let hoard = Arc::new(Hoard::default());
    a.peers.serve(Service::Api, Arc::clone(&hoard) as Arc<dyn Port>);
    let mut stranger = Stranger::passes(&network, StreamKind::Data).await;
    for id in 1..=5 {
        stranger.says(&frame(Kind::Cast, id, Service::Api.number(), b"x")).await;
    }
    stranger.is_cut_off().await;
    assert_eq!(hoard.casts(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_does_not_make_answers_pile_up() {
    let network = SimulatedNetwork::new(1);
    let config = LinksConfig { window_frames: 16, ..LinksConfig::default() };
    let a = start_with(&network, "a", 1, config).await;
    a.peers.serve(Service::Api, Arc::new(Large));
    let mut stranger = Stranger::passes(&network, StreamKind::Data).await;
    for id in 1..=1_000 {
        stranger.says(&frame(Kind::Call, id, Service::Api.number(), &[0, 0, 1, 0])).await;
    }
    tokio::time::sleep(SECOND).await;
    let served = SERVED.load(std::sync::atomic::Ordering::Relaxed);
    assert!(served <= 32, "{served} answers of 100 kB were made");
}

static SERVED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// Answers much.
struct Large;

impl Port for Large {
    fn cast(&self, _from: NodeId, _body: Bytes) {}

    fn call(&self, _from: NodeId, _body: Bytes, answer: Answer) {
        SERVED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        answer.send(Bytes::from(vec![7; 100_000]));
    }
}

#[tokio::test(start_paused = true)]
async fn random_bytes_at_any_point_never_make_a_node_panic() {
    use rand::RngExt;
    let seed = Seed::from_env();
    let mut chance = seed.rng();
    let (network, a, b) = world().await;
    for round in 0..200 {
        let mut bytes: Vec<u8> =
            (0..chance.random_range(1..300)).map(|_| chance.random()).collect();
        // Half of them begin like a frame.
        if chance.random_bool(0.5) {
            let kind = chance.random_range(0..16);
            let len = chance.random_range(0..200_u32);
            bytes.splice(0..0, len.to_le_bytes().into_iter().chain([1, kind]));
        }
        let mut stranger = if round % 2 == 0 {
            Stranger::connects(&network).await
        } else {
            let stream = StreamKind::ALL[round / 2 % 2];
            Stranger::passes(&network, stream).await
        };
        stranger.says(&bytes).await;
        drop(stranger);
        tokio::time::sleep(SECOND / 10).await;
    }
    nobody_else_notices(&a, &b).await;
}
