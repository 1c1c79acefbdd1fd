//! Namespaces with a network of their own, one for each node, and a bridge between them.

use std::os::fd::AsFd;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::client::Client;
use crate::node_process::synod;

/// Makes names differ between the yards of one process.
static YARDS: AtomicU32 = AtomicU32::new(0);

/// Some namespaces, each with one link to a bridge; removed at the end.
pub(super) struct Yard {
    bridge: String,
    pub(super) places: Vec<Place>,
}

/// A namespace, and a thread in it whose sockets are sockets there.
pub(super) struct Place {
    name: String,
    /// Of its link to the bridge.
    pub(super) address: String,
    runtime: Handle,
    /// Ends the thread when it is dropped.
    _over: oneshot::Sender<()>,
}

impl Yard {
    /// None, and a line that says why, where there can be none.
    pub(super) fn new(count: usize) -> Option<Self> {
        let number = YARDS.fetch_add(1, Ordering::Relaxed);
        let name = |place: &str| format!("synod-test-{}-{number}-{place}", std::process::id());
        let mut yard = Self { bridge: name("bridge"), places: Vec::new() };
        if let Err(why) = yard.build(count, name) {
            println!("left out: real networks, because {why}");
            return None;
        }
        Some(yard)
    }

    fn build(&mut self, count: usize, name: impl Fn(&str) -> String) -> Result<(), String> {
        run(&["ip", "netns", "add", &self.bridge])?;
        let bridge = self.bridge.clone();
        run(&["ip", "-n", &bridge, "link", "add", "bridge", "type", "bridge"])?;
        run(&["ip", "-n", &bridge, "link", "set", "bridge", "up"])?;
        for index in 0..count {
            let (name, port) = (name(&index.to_string()), port(index));
            let address = format!("10.77.0.{}", index + 1);
            run(&["ip", "netns", "add", &name])?;
            let place = Place::enter(name.clone(), address.clone());
            // From here on it is removed whatever happens.
            self.places.push(place?);
            run(&[
                "ip", "link", "add", "net", "netns", &name, "type", "veth", "peer", "name", &port,
                "netns", &bridge,
            ])?;
            run(&["ip", "-n", &bridge, "link", "set", &port, "master", "bridge", "up"])?;
            run(&["ip", "-n", &name, "address", "add", &format!("{address}/24"), "dev", "net"])?;
            run(&["ip", "-n", &name, "link", "set", "net", "up"])?;
            run(&["ip", "-n", &name, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    /// Pulls the plug of a place, or puts it back in.
    pub(super) fn link(&self, place: usize, up: bool) {
        let state = if up { "up" } else { "down" };
        run(&["ip", "-n", &self.bridge, "link", "set", &port(place), state]).expect("a link");
    }

    /// Whether packets can be dropped here; says why not.
    pub(super) fn can_drop(&self) -> bool {
        let answer = self.places[0].run(&["nft", "list", "tables"]);
        if let Err(why) = &answer {
            println!("left out: dropped packets, because {why}");
        }
        answer.is_ok()
    }

    /// From now on nothing that one place sends arrives at the other; the way back is open.
    pub(super) fn drop_packets(&self, from: usize, to: usize) {
        let rule = format!(
            "table inet test {{ chain input {{ type filter hook input priority 0; \
             ip saddr {} drop; }}; }}",
            self.places[from].address
        );
        self.places[to].run(&["nft", &rule]).expect("a rule");
    }

    /// Ends [`Yard::drop_packets`] at a place.
    pub(super) fn let_packets_in(&self, to: usize) {
        self.places[to].run(&["nft", "delete table inet test"]).expect("a rule");
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        let names = self.places.iter().map(|place| &place.name).chain([&self.bridge]);
        for name in names {
            // Links go with their namespaces; one that was never made is no loss.
            let _ = run(&["ip", "netns", "delete", name]);
        }
    }
}

impl Place {
    fn enter(name: String, address: String) -> Result<Self, String> {
        let (over, ends) = oneshot::channel::<()>();
        let (sender, entered) = std::sync::mpsc::channel();
        let path = format!("/run/netns/{name}");
        thread::spawn(move || {
            let place = std::fs::File::open(&path).expect("a namespace");
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(place.as_fd(), kind).expect("it can be entered");
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            let _ = sender.send(runtime.handle().clone());
            let _ = runtime.block_on(ends);
        });
        let runtime = entered.recv().map_err(|_| format!("{name} could not be entered"))?;
        Ok(Self { name, address, runtime, _over: over })
    }

    /// Has something done by a thread of this place.
    pub(super) async fn within<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.runtime.spawn(work).await.expect("it ends")
    }

    /// Begins something that a thread of this place does.
    pub(super) fn begin<T, F>(&self, work: F) -> tokio::task::JoinHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.runtime.spawn(work)
    }

    /// `GET path` of the node here; `Null` when there is no answer.
    pub(super) async fn get(&self, client: &Client, path: &str) -> serde_json::Value {
        let (client, path) = (client.clone(), path.to_owned());
        let asked = async move { client.call(reqwest::Method::GET, &path, None).await };
        self.within(asked).await.map_or(serde_json::Value::Null, |(_, answer)| answer)
    }

    /// Our binary, as a process of this place.
    pub(super) fn program(&self) -> Command {
        let synod = synod();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(synod.get_program());
        for (name, value) in synod.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    fn run(&self, command: &[&str]) -> Result<(), String> {
        let inside = ["ip", "netns", "exec", &self.name];
        run(&[&inside[..], command].concat())
    }
}

/// The bridge's end of a place's link.
fn port(place: usize) -> String {
    format!("port{place}")
}

fn run(command: &[&str]) -> Result<(), String> {
    let Output { status, stderr, .. } = Command::new(command[0])
        .args(&command[1..])
        .output()
        .map_err(|error| format!("{} can't be run: {error}", command[0]))?;
    let said = String::from_utf8_lossy(&stderr);
    status.success().then_some(()).ok_or_else(|| format!("{}: {}", command.join(" "), said.trim()))
}
