//! One-way messages and questions between two processes, over links.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use jiff::Timestamp;
use synod_cluster::{
    Answer, ClusterId, ClusterIdentity, Incarnation, Links, LinksConfig, NodeId, NodeName,
    NodeRecord, Peers, Port, Roles, Service, TcpTransport,
};
use synod_runtime::{Strategy, Supervisor, System};
use synod_security::{Authority, NodeRequest, NodeTls};

use crate::Plan;
use crate::bare::Bare;
use crate::far_end::{self, FarEnd};
use crate::figures::{Rounds, Sample, aim};
use crate::load::asking;
use crate::system::cpu_of;

/// Bytes of a message.
pub(crate) const BODY: usize = 64;
const WITHIN: Duration = Duration::from_secs(10);
const MANY: usize = 64;
const WAYS: [&str; 3] = ["bare framed TCP", "link, plain text", "link, TLS 1.3"];

/// What it did earlier, and where; the last row.
const ERLANG: &str = "distributed Erlang/OTP 25, recorded 2026-11-20 on 2 cores \
                      | 312000 | | | | 31.0 | | 56000";

/// Figures of one way to get there.
#[derive(Default)]
struct Figures {
    sends: Rounds,
    sends_of_four: Rounds,
    cpu_us: Rounds,
    p50: Rounds,
    p99: Rounds,
    asks_of_many: Rounds,
}

pub(crate) async fn measure(plan: Plan, folder: &Path) {
    let mut figures: [Figures; 3] = Default::default();
    let folder = certificates(&folder.join("certificates"));
    for _ in 0..plan.rounds {
        over_bare(plan, &mut figures[0]).await;
        over_links(plan, "plain", None, &mut figures[1]).await;
        let role = format!("tls {}", folder.display());
        over_links(plan, &role, Some(&folder), &mut figures[2]).await;
    }
    report(&figures);
}

fn report(figures: &[Figures; 3]) {
    println!("## Between two processes, {BODY} bytes\n");
    println!(
        "| way | sends/s of one task | ÷ bare | sends/s of four | CPU µs a send, both ends \
         | asks one at a time: p50 µs | p99 µs | asks/s, {MANY} at once |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let bare = figures[0].sends.median();
    for (way, figures) in WAYS.iter().zip(figures) {
        let of_four = figures.sends_of_four.median();
        let of_four = if of_four.is_nan() { "-".to_owned() } else { format!("{of_four:.0}") };
        println!(
            "| {way} | {} | {:.2} | {of_four} | {:.2} | {} | {} | {:.0} |",
            figures.sends.spread(0),
            figures.sends.median() / bare,
            figures.cpu_us.median(),
            figures.p50.spread(1),
            figures.p99.spread(1),
            figures.asks_of_many.median(),
        );
    }
    println!("| {ERLANG} |");
    println!("\nleft out of this run: distributed Erlang{}", erlang());
    let [_, plain, tls] = figures;
    let sends = plain.sends.median();
    aim("at least 1.2 million sends a second in plain text", sends >= 1.2e6);
    aim("at least 0.6 of bare TCP", sends >= 0.6 * bare);
    aim("at least 0.8 million sends a second by TLS", tls.sends.median() >= 0.8e6);
    aim("a round trip of at most 30 µs in plain text", plain.p50.median() <= 30.0);
    println!();
}

fn erlang() -> &'static str {
    let found = std::process::Command::new("erl").arg("-version").output().is_ok();
    if found { ", which is not measured here yet" } else { ": erl is not on this machine" }
}

async fn over_bare(plan: Plan, figures: &mut Figures) {
    let mut far_end = FarEnd::start("bare");
    let processes = [std::process::id(), far_end.id()];
    let mut bare = Bare::connect(&far_end.hear()[0]).await;
    let before = cpu_of(&processes);
    let per_s = bare.send(plan.counted).await;
    figures.note_sends(per_s, plan, cpu_of(&processes) - before);
    // Asked on a task of the runtime, as an agent would.
    let asked = tokio::spawn(async move {
        let (begun, mut latencies) = (Instant::now(), Vec::new());
        while begun.elapsed() < plan.counted {
            let at = Instant::now();
            bare.ask().await;
            latencies.push(at.elapsed());
        }
        let one = Sample::new(latencies, begun.elapsed());
        (one, bare.ask_many(MANY, plan.counted).await)
    });
    let (one, many) = asked.await.expect("it asks");
    figures.note_asks(&one, many);
}

async fn over_links(plan: Plan, role: &str, tls: Option<&Path>, figures: &mut Figures) {
    let mut far_end = FarEnd::start(role);
    let processes = [std::process::id(), far_end.id()];
    let (system, peers) = start("near", NodeId(1), tls).await;
    let address = far_end.hear().remove(0);
    let to = peers.meet(&address, WITHIN).await.expect("the other process").id;
    // The data connection is made when it is first used.
    ask(&peers, to, Bytes::new()).await;
    let before = cpu_of(&processes);
    let per_s = send(&peers, to, 1, plan.counted).await;
    figures.note_sends(per_s, plan, cpu_of(&processes) - before);
    figures.sends_of_four.add(send(&peers, to, 4, plan.counted).await);
    let question = || {
        let peers = peers.clone();
        move || {
            let peers = peers.clone();
            async move { drop(ask(&peers, to, body()).await) }
        }
    };
    let one = asking(1, plan.counted, question()).await;
    let many = asking(MANY, plan.counted, question()).await;
    figures.note_asks(&one, many.per_s());
    drop(far_end);
    // It has nothing left to do, and may take its time.
    let _ = system.stop(Duration::from_secs(1)).await;
}

impl Figures {
    fn note_sends(&mut self, per_s: f64, plan: Plan, cpu: Duration) {
        self.sends.add(per_s);
        let sent = per_s * plan.counted.as_secs_f64();
        self.cpu_us.add(cpu.as_secs_f64() * 1e6 / sent);
    }

    fn note_asks(&mut self, one: &Sample, many: f64) {
        self.p50.add(one.percentile_us(0.5));
        self.p99.add(one.percentile_us(0.99));
        self.asks_of_many.add(many);
    }
}

fn body() -> Bytes {
    Bytes::from_static(&[7; BODY])
}

/// Sends one way from so many tasks; how many a second, until the last has arrived.
async fn send(peers: &Peers, to: NodeId, tasks: usize, counted: Duration) -> f64 {
    let before = count(peers, to).await;
    let begun = Instant::now();
    let sender = |peers: Peers| async move {
        let mut sent = 0_u64;
        while begun.elapsed() < counted {
            // The clock is not read for each.
            for _ in 0..64 {
                let queued = peers.cast(to, Service::Remote, body(), WITHIN).await;
                queued.expect("it is queued");
            }
            sent += 64;
        }
        sent
    };
    let senders: Vec<_> = (0..tasks).map(|_| tokio::spawn(sender(peers.clone()))).collect();
    let mut sent = 0;
    for sender in senders {
        sent += sender.await.expect("it sends");
    }
    // Asked of the same service, so it is answered after all of them.
    let arrived = count(peers, to).await - before;
    assert_eq!(arrived, sent, "what arrived, and what was sent");
    sent as f64 / begun.elapsed().as_secs_f64()
}

async fn count(peers: &Peers, to: NodeId) -> u64 {
    let answer = ask(peers, to, Bytes::new()).await;
    u64::from_be_bytes(answer[..].try_into().expect("a number"))
}

async fn ask(peers: &Peers, to: NodeId, body: Bytes) -> Bytes {
    peers.call(to, Service::Remote, body, WITHIN).await.expect("an answer")
}

/// Counts what is sent one way; says how many when asked for nothing, else sends it back.
#[derive(Default)]
struct Echo(AtomicU64);

impl Port for Echo {
    fn cast(&self, _from: NodeId, body: Bytes) {
        assert_eq!(body.len(), BODY);
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn call(&self, _from: NodeId, body: Bytes, answer: Answer) {
        if body.is_empty() {
            let count = self.0.load(Ordering::Relaxed);
            return answer.send(Bytes::copy_from_slice(&count.to_be_bytes()));
        }
        answer.send(body);
    }
}

/// The other end.
pub(crate) async fn serve(tls: Option<&Path>) {
    let (_system, peers) = start("far", NodeId(2), tls).await;
    peers.serve(Service::Remote, Arc::new(Echo::default()));
    far_end::say(&peers.own().address);
    let mut told = far_end::told();
    // Until its starter has gone.
    while told.recv().await.is_some() {}
}

/// A node that has nothing but links.
async fn start(name: &str, id: NodeId, tls: Option<&Path>) -> (System, Peers) {
    let transport = match tls {
        None => TcpTransport::plain("127.0.0.1:0").await,
        Some(folder) => {
            let tls = NodeTls::load(&folder.join(name), Timestamp::now()).expect("certificates");
            TcpTransport::secured("127.0.0.1:0", tls).await
        }
    };
    let transport = transport.expect("a port");
    let record = record(name, id, transport.address().to_string());
    let identity = Arc::new(ClusterIdentity::new(Some(ClusterId(1))));
    let (links, peers) = Links::spec(LinksConfig::default(), record, identity, Arc::new(transport));
    let system = System::builder().build();
    let root = Supervisor::new(Strategy::OneForOne).child(links).into_spec("root");
    system.start(root).await.expect("links");
    (system, peers)
}

/// What nodes of these measurements tell of themselves.
pub(crate) fn record(name: &str, id: NodeId, address: String) -> NodeRecord {
    NodeRecord {
        id,
        name: NodeName::parse(name).expect("a name"),
        address,
        api: None,
        incarnation: Incarnation(1),
        roles: Roles::default(),
        capacity: 100,
        labels: BTreeMap::new(),
    }
}

/// An authority, and what it issued to both ends; the folder of it all.
fn certificates(folder: &Path) -> PathBuf {
    const DAY: Duration = Duration::from_secs(86_400);
    let authority = Authority::init(folder, "bench", DAY, Timestamp::now()).expect("an authority");
    for name in ["near", "far"] {
        let request = NodeRequest { name: name.into(), addresses: Vec::new(), valid: DAY };
        let issued = authority.issue(&request, Timestamp::now()).expect("a certificate");
        issued.write(&folder.join(name)).expect("files");
    }
    folder.to_owned()
}
