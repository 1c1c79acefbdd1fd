//! The nodes under measurement: `synod node`, alone or three of them, as a user starts them.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::connection::Connection;

/// How long nodes may take to start, to agree, to finish their tasks.
const PATIENCE: Duration = Duration::from_secs(60);
const CLUSTER: &str = "/api/v1/cluster";
const STATS: &str = "/api/v1/orchestration/stats";
/// The group that the work of tasks is in, when there is one.
const WORK: u64 = 1;

/// A node, and what it needs to be started again.
struct Seat {
    folder: PathBuf,
    process: Option<(Child, SocketAddr)>,
}

/// Some nodes.
pub(crate) struct Nodes(Vec<Seat>);

impl Nodes {
    /// One that belongs to no cluster.
    pub(crate) fn alone(folder: &Path) -> Self {
        let mut seat = Seat::new(folder.join("alone"), "");
        seat.start();
        Self(vec![seat])
    }

    /// Three that are one cluster.
    pub(crate) async fn three(folder: &Path) -> Self {
        let ports = free_ports(3);
        let seeds: Vec<_> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        let seats = ports.iter().map(|port| {
            let cluster = format!(
                "[cluster]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\nseeds = [{}]\n",
                seeds.join(", ")
            );
            let mut seat = Seat::new(folder.join(format!("node-{port}")), &cluster);
            seat.start();
            seat
        });
        let nodes = Self(seats.collect());
        nodes.until_whole().await;
        nodes
    }

    /// Where those that run are asked.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|seat| seat.process.as_ref()).map(|(_, at)| *at).collect()
    }

    pub(crate) fn processes(&self) -> Vec<u32> {
        self.0.iter().filter_map(|seat| seat.process.as_ref()).map(|(one, _)| one.id()).collect()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, index: usize) {
        let (mut child, _) = self.0[index].process.take().expect("a node that runs");
        child.kill().expect("a signal");
        child.wait().expect("an end");
    }

    /// Starts one again on what it had.
    pub(crate) fn start(&mut self, index: usize) {
        self.0[index].start();
    }

    /// The place of the node that leads the work, and where it is asked.
    pub(crate) async fn leader(&self) -> (usize, SocketAddr) {
        let until = Instant::now() + PATIENCE;
        loop {
            for (index, seat) in self.0.iter().enumerate() {
                let Some((_, address)) = &seat.process else { continue };
                let view = view(*address).await;
                let leads = |group: &Value| {
                    group["group"] == WORK && group["leader"]["id"] == view["node"]["id"]
                };
                if groups(&view).iter().any(leads) {
                    return (index, *address);
                }
            }
            assert!(Instant::now() < until, "nobody leads");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until all nodes vote, and take work.
    pub(crate) async fn until_whole(&self) {
        let (until, count) = (Instant::now() + PATIENCE, self.addresses().len());
        for address in self.addresses() {
            loop {
                let view = view(address).await;
                let groups = groups(&view);
                let whole = |group: &Value| {
                    let voters = group["voters"].as_array().map_or(0, Vec::len);
                    voters == count && group["leader"].is_object()
                };
                if view["accepts"] == true && groups.len() > 1 && groups.iter().all(whole) {
                    break;
                }
                assert!(Instant::now() < until, "no cluster: {view:#}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// Waits until no task is open; the ledger then, which must be balanced.
    pub(crate) async fn until_idle(&self) -> Value {
        let (until, address) = (Instant::now() + PATIENCE, self.addresses()[0]);
        loop {
            let mut stats = get(address, STATS).await;
            if stats["ledger"]["open"] == 0 {
                assert_eq!(stats["ledger"]["balanced"], true, "{stats}");
                return stats["ledger"].take();
            }
            assert!(Instant::now() < until, "tasks do not end: {stats}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn groups(view: &Value) -> Vec<Value> {
    view["groups"].as_array().cloned().unwrap_or_default()
}

async fn view(address: SocketAddr) -> Value {
    get(address, CLUSTER).await
}

/// The answer; `Null` when there is none at the moment.
async fn get(address: SocketAddr, path: &str) -> Value {
    let Ok(mut connection) = Connection::open(address).await else { return Value::Null };
    connection.get(path).await.map_or(Value::Null, |(_, body)| body)
}

impl Seat {
    /// The defaults, but for a connection for each of 1,024 clients and some to spare.
    fn new(folder: PathBuf, cluster: &str) -> Self {
        fs::create_dir_all(&folder).expect("a folder");
        let config = format!(
            "[node]\ndata_folder = {:?}\n[log]\nlevel = \"warn\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\nmax_connections = 2048\n{cluster}",
            folder.join("data"),
        );
        fs::write(folder.join("node.toml"), config).expect("a configuration");
        Self { folder, process: None }
    }

    fn start(&mut self) {
        let _ = fs::remove_file(self.folder.join("data/node.json"));
        let log = File::options().create(true).append(true).open(self.folder.join("node.log"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_synod"))
            .args(["node", "--config"])
            .arg(self.folder.join("node.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log"))
            .spawn()
            .expect("the node starts");
        let address = self.await_ready(&mut child);
        self.process = Some((child, address));
    }

    fn await_ready(&self, child: &mut Child) -> SocketAddr {
        let until = Instant::now() + PATIENCE;
        loop {
            // It may not be there yet, or not whole.
            let text = fs::read(self.folder.join("data/node.json")).unwrap_or_default();
            let endpoint: Value = serde_json::from_slice(&text).unwrap_or_default();
            let url = endpoint["url"].as_str().and_then(|url| url.strip_prefix("http://"));
            if let Some(address) = url.and_then(|address| address.parse().ok()) {
                return address;
            }
            let ended = child.try_wait().expect("a child");
            let log = fs::read_to_string(self.folder.join("node.log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < until, "it did not start:\n{log}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Ports that were free a moment ago.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<_> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    held.iter().map(|socket| socket.local_addr().expect("an address").port()).collect()
}
