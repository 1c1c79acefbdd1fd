//! Three members of etcd on loopback, asked through the HTTP gateway that each has.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::connection::Connection;
use crate::load::Post;
use crate::nodes::free_ports;

/// Bytes of a value.
pub(crate) const VALUE: usize = 256;

/// What etcd 3.4.23 did earlier with 1, 16, 128 and 1,024 clients over gRPC: puts a second, and
/// p50 in milliseconds.
pub(crate) const RECORDED: (&str, [(f64, f64); 4]) = (
    "recorded 2026-11-20 on 2 cores, gRPC",
    [(1_358.0, 0.71), (4_800.0, 3.3), (8_800.0, 12.8), (18_100.0, 53.0)],
);

const PATIENCE: Duration = Duration::from_secs(30);

/// The program, if it is there.
pub(crate) fn program() -> Option<PathBuf> {
    let named = std::env::var_os("SYNOD_BENCH_ETCD").map(PathBuf::from);
    let program = named.unwrap_or_else(|| "etcd".into());
    let answer = Command::new(&program).arg("--version").output().ok()?;
    answer.status.success().then_some(program)
}

/// Three members.
pub(crate) struct Etcd {
    members: Vec<Child>,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Etcd {
    pub(crate) async fn start(program: &Path, folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let ports = free_ports(6);
        let (clients, peers) = ports.split_at(3);
        let url = |port: &u16| format!("http://127.0.0.1:{port}");
        let all: Vec<_> =
            (0..3).map(|member| format!("m{member}={}", url(&peers[member]))).collect();
        let start = |member: usize| {
            let (client, peer) = (url(&clients[member]), url(&peers[member]));
            let log = File::create(folder.join(format!("m{member}.log"))).expect("a log");
            Command::new(program)
                .args(["--name", &format!("m{member}"), "--initial-cluster", &all.join(",")])
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .arg("--data-dir")
                .arg(folder.join(format!("m{member}")))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("etcd starts")
        };
        let members = (0..3).map(start).collect();
        let addresses = clients.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port)));
        let etcd = Self { members, addresses: addresses.collect() };
        etcd.until_it_takes_puts().await;
        etcd
    }

    pub(crate) fn processes(&self) -> Vec<u32> {
        self.members.iter().map(Child::id).collect()
    }

    async fn until_it_takes_puts(&self) {
        let (until, put) = (Instant::now() + PATIENCE, put());
        for address in &self.addresses {
            loop {
                if let Ok(mut connection) = Connection::open(*address).await
                    && let Ok((status, _)) = connection.post(put.path, put.body.clone()).await
                    && status.is_success()
                {
                    break;
                }
                assert!(Instant::now() < until, "etcd takes no puts");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}

/// One put.
pub(crate) fn put() -> Post {
    let (key, value) = (STANDARD.encode("bench"), STANDARD.encode([7; VALUE]));
    Post { path: "/v3/kv/put", body: format!(r#"{{"key":"{key}","value":"{value}"}}"#).into() }
}
