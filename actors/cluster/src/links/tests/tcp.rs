//! Links over real sockets, in plain text and with TLS.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use synod_security::{Authority, NodeRequest, NodeTls};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn authority(cluster: &str) -> (TempDir, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let made = Authority::init(folder.path(), cluster, 365 * DAY, Timestamp::now()).unwrap();
    (folder, made)
}

/// The TLS of a node whose certificate was issued `ago` and is valid for a day.
fn tls(authority: &Authority, name: &str, ago: Duration) -> NodeTls {
    let folder = tempfile::tempdir().unwrap();
    let then = Timestamp::now() - SignedDuration::try_from(ago).unwrap();
    let request = NodeRequest { name: name.into(), addresses: Vec::new(), valid: DAY };
    authority.issue(&request, then).unwrap().write(folder.path()).unwrap();
    load(folder.path(), then)
}

fn load(folder: &Path, at: Timestamp) -> NodeTls {
    NodeTls::load(folder, at).unwrap()
}

async fn start_on(transport: TcpTransport, name: &str, id: u64, config: LinksConfig) -> TestNode {
    let address = transport.address().to_string();
    let record = NodeRecord { address, ..record(name, id, 1) };
    start_over(Arc::new(transport), record, config, Some(ClusterId(1))).await
}

async fn plain(name: &str, id: u64) -> TestNode {
    let transport = TcpTransport::plain("127.0.0.1:0").await.unwrap();
    start_on(transport, name, id, LinksConfig::default()).await
}

async fn secured(name: &str, id: u64, tls: NodeTls) -> TestNode {
    let transport = TcpTransport::secured("127.0.0.1:0", tls).await.unwrap();
    start_on(transport, name, id, LinksConfig::default()).await
}

async fn meets(node: &TestNode, other: &TestNode) -> Result<NodeRecord, LinkError> {
    node.peers.meet(&other.record.address, 10 * SECOND).await
}

#[tokio::test]
async fn plain_text_links_work_between_two_ends_on_this_machine() {
    let (a, b) = (plain("a", 1).await, plain("b", 2).await);
    b.peers.serve(Service::Snapshot, Arc::new(Echo::default()));
    assert_eq!(meets(&a, &b).await, Ok(b.record.clone()));
    for size in [0, 10, 10_000, 5 << 20] {
        let sent: Bytes = (0..size).map(|at| (at % 251) as u8).collect();
        let answer = a.peers.call(b.id(), Service::Snapshot, sent.clone(), 10 * SECOND).await;
        assert!(answer == Ok(sent), "{size}");
    }
}

#[tokio::test]
async fn plain_text_beyond_this_machine_is_refused() {
    let refused = TcpTransport::plain("0.0.0.0:0").await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    let a = TcpTransport::plain("127.0.0.1:0").await.unwrap();
    let refused = a.connect("192.0.2.1:7400").await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn nodes_of_one_authority_link_by_tls() {
    let (_folder, authority) = authority("prod");
    let a = secured("a", 1, tls(&authority, "a", Duration::ZERO)).await;
    let b = secured("b", 2, tls(&authority, "b", Duration::ZERO)).await;
    b.peers.serve(Service::Snapshot, Arc::new(Echo::default()));
    assert_eq!(meets(&a, &b).await, Ok(b.record.clone()));
    for size in [0, 10, 10_000, 5 << 20] {
        let sent: Bytes = (0..size).map(|at| (at % 251) as u8).collect();
        let answer = a.peers.call(b.id(), Service::Snapshot, sent.clone(), 10 * SECOND).await;
        assert!(answer == Ok(sent), "{size}");
    }
    assert_eq!(a.peers.refusals() + b.peers.refusals(), 0);
}

#[tokio::test]
async fn a_node_with_a_wrong_certificate_is_refused_and_counted_on_both_sides() {
    let (_folder, authority) = authority("prod");
    let (_other_folder, other) = self::authority("prod");
    let (_stage_folder, stage) = self::authority("stage");
    let a = secured("a", 1, tls(&authority, "a", Duration::ZERO)).await;
    let cases = [
        ("another authority", tls(&other, "b", Duration::ZERO), "authority"),
        ("another cluster", tls(&stage, "b", Duration::ZERO), "authority"),
        ("expired", tls(&authority, "b", 2 * DAY), "expired"),
        ("another name", tls(&authority, "c", Duration::ZERO), "b has the certificate of c"),
    ];
    for (round, (what, tls, expected)) in (1..).zip(cases) {
        let b = secured("b", 2, tls).await;
        let there = meets(&b, &a).await;
        assert!(matches!(&there, Err(LinkError::Refused(_))), "{what}: {there:?}");
        let here = meets(&a, &b).await;
        let Err(LinkError::Refused(reason)) = here else { panic!("{what}: {here:?}") };
        assert!(reason.contains(expected), "{what}: {reason}");
        eventually(|| a.peers.refusals() == 2 * round && b.peers.refusals() == 2, 5 * SECOND).await;
        assert_eq!(a.peers.record(b.id()), None, "{what}");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_used_for_the_next_connection() {
    let (_folder, authority) = authority("prod");
    let transport =
        TcpTransport::secured("127.0.0.1:0", tls(&authority, "a", 2 * DAY)).await.unwrap();
    let transport = Arc::new(transport);
    let address = transport.address().to_string();
    let record = NodeRecord { address, ..record("a", 1, 1) };
    let renewed = Arc::clone(&transport);
    let a = start_over(transport, record, LinksConfig::default(), Some(ClusterId(1))).await;
    let b = secured("b", 2, tls(&authority, "b", Duration::ZERO)).await;
    assert!(meets(&b, &a).await.is_err());
    assert!(renewed.renew(tls(&authority, "a", Duration::ZERO)));
    assert!(meets(&b, &a).await.is_ok());
}

#[tokio::test]
async fn silence_and_garbage_at_the_port_hold_up_nobody() {
    let (_folder, authority) = authority("prod");
    let transport =
        |name| TcpTransport::secured("127.0.0.1:0", tls(&authority, name, Duration::ZERO));
    let config = LinksConfig { handshake_ms: 300, max_handshakes: 16, ..LinksConfig::default() };
    let a = start_on(transport("a").await.unwrap(), "a", 1, config).await;
    let b = start_on(transport("b").await.unwrap(), "b", 2, LinksConfig::default()).await;
    let mut silent = Vec::new();
    for round in 0..40 {
        let mut stream = TcpStream::connect(&a.record.address).await.unwrap();
        if round % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        }
        silent.push(stream);
    }
    assert!(meets(&b, &a).await.is_ok());
    for mut stream in silent {
        let mut said = Vec::new();
        let end = tokio::time::timeout(5 * SECOND, stream.read_to_end(&mut said)).await;
        assert!(end.is_ok(), "it was not cut off");
    }
}

#[tokio::test]
async fn a_flood_over_real_sockets_arrives_whole_and_in_order() {
    let (a, b) = (plain("a", 1).await, plain("b", 2).await);
    let echo = Arc::new(Echo::default());
    b.peers.serve(Service::Remote, Arc::clone(&echo) as Arc<dyn Port>);
    meets(&a, &b).await.unwrap();
    for number in 0..50_000_u32 {
        let body = Bytes::copy_from_slice(&number.to_be_bytes());
        a.peers.cast(b.id(), Service::Remote, body, 10 * SECOND).await.unwrap();
    }
    eventually(|| echo.heard.lock().len() == 50_000, 20 * SECOND).await;
    for (number, (_, body)) in (0_u32..).zip(&*echo.heard.lock()) {
        assert_eq!(body[..], number.to_be_bytes());
    }
}

#[tokio::test]
async fn the_links_listen_again_at_the_same_port_after_a_restart() {
    let (a, b) = (plain("a", 1).await, plain("b", 2).await);
    b.peers.serve(Service::Membership, Arc::new(Echo::default()));
    meets(&a, &b).await.unwrap();
    let path = synod_runtime::ActorPath::new("/root/links");
    b.system.control(&path, synod_runtime::Control::Restart).unwrap();
    let (mut answer, start) = (Err(LinkError::Unknown), std::time::Instant::now());
    while answer.is_err() && start.elapsed() < 20 * SECOND {
        answer = a.call(&b, Service::Membership, "x").await;
        tokio::task::yield_now().await;
    }
    assert_eq!(answer, Ok(body("x")));
}
