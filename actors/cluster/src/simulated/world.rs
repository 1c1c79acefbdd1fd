//! All of a simulated network: who listens, what is on its way, what gets through.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::Conditions;
use super::pipe::{Found, Pipe};

/// After this long a lost piece is sent again for the first time.
const RETRANSMISSION: Duration = Duration::from_millis(200);
/// How often a piece is lost in a row at most.
const MOST_LOSSES: u32 = 6;
/// Connections that may wait to be accepted, as with `listen(2)`.
const BACKLOG: usize = 1_024;

/// One end of a connection: the pipes that it reads from and writes to.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    pub(super) reads: u64,
    pub(super) writes: u64,
    /// The other end's address.
    pub(super) other: Arc<str>,
}

#[derive(Default)]
struct Listener {
    /// Which of the listeners that an address has had.
    number: u64,
    arrived: VecDeque<Ends>,
    waker: Option<Waker>,
}

pub(super) struct World {
    chance: ChaCha12Rng,
    pub(super) usual: Conditions,
    pub(super) conditions: BTreeMap<(Arc<str>, Arc<str>), Conditions>,
    blocked: BTreeSet<(Arc<str>, Arc<str>)>,
    isolated: BTreeSet<Arc<str>>,
    /// Who waits for something to get through again.
    stuck: Vec<Waker>,
    listeners: BTreeMap<Arc<str>, Listener>,
    pipes: BTreeMap<u64, Pipe>,
    next: u64,
    pub(super) sent: BTreeMap<Arc<str>, u64>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            chance: ChaCha12Rng::seed_from_u64(seed),
            usual: Conditions::default(),
            conditions: BTreeMap::new(),
            blocked: BTreeSet::new(),
            isolated: BTreeSet::new(),
            stuck: Vec::new(),
            listeners: BTreeMap::new(),
            pipes: BTreeMap::new(),
            next: 0,
            sent: BTreeMap::new(),
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn of(&self, from: &Arc<str>, to: &Arc<str>) -> Conditions {
        let path = (Arc::clone(from), Arc::clone(to));
        self.conditions.get(&path).copied().unwrap_or(self.usual)
    }

    /// How long a piece takes.
    fn draw_delay(&mut self, conditions: &Conditions) -> Duration {
        let jitter = conditions.jitter.mul_f64(self.chance.random::<f64>());
        let mut delay = conditions.delay + jitter;
        let mut again = RETRANSMISSION;
        for _ in 0..MOST_LOSSES {
            if !self.chance.random_bool(conditions.loss.clamp(0.0, 1.0)) {
                break;
            }
            delay += again;
            again *= 2;
        }
        delay
    }

    pub(super) fn connections(&self) -> usize {
        self.pipes.values().filter(|pipe| !pipe.is_broken).count() / 2
    }
}

/// What gets through.
impl World {
    fn is_blocked(&self, from: &Arc<str>, to: &Arc<str>) -> bool {
        self.isolated.contains(from)
            || self.isolated.contains(to)
            || self.blocked.contains(&(Arc::clone(from), Arc::clone(to)))
    }

    pub(super) fn block(&mut self, from: &str, to: &str, blocks: bool) {
        let path = (from.into(), to.into());
        if blocks {
            self.blocked.insert(path);
        } else {
            self.blocked.remove(&path);
            self.unstick();
        }
    }

    pub(super) fn isolate(&mut self, address: &str, isolates: bool) {
        if isolates {
            self.isolated.insert(address.into());
        } else {
            self.isolated.remove(address);
            self.unstick();
        }
    }

    pub(super) fn heal(&mut self) {
        self.blocked.clear();
        self.isolated.clear();
        self.unstick();
    }

    fn unstick(&mut self) {
        self.stuck.drain(..).for_each(Waker::wake);
        self.pipes.values_mut().for_each(Pipe::wake_reader);
    }

    pub(super) fn kill(&mut self, address: &str) {
        self.listeners.remove(address);
        for pipe in self.pipes.values_mut() {
            if &*pipe.from == address || &*pipe.to == address {
                pipe.break_off();
            }
        }
    }

    pub(super) fn cut(&mut self, left: &str, right: &str) {
        for pipe in self.pipes.values_mut() {
            let ends = [&*pipe.from, &*pipe.to];
            if ends == [left, right] || ends == [right, left] {
                pipe.break_off();
            }
        }
    }
}

/// Connections.
impl World {
    /// How long it takes to reach `to` and back; pending while nothing gets through.
    pub(super) fn poll_way(
        &mut self,
        from: &Arc<str>,
        to: &Arc<str>,
        cx: &mut Context<'_>,
    ) -> Poll<Duration> {
        if self.is_blocked(from, to) || self.is_blocked(to, from) {
            self.stuck.push(cx.waker().clone());
            return Poll::Pending;
        }
        let (there, back) = (self.of(from, to), self.of(to, from));
        Poll::Ready(self.draw_delay(&there) + self.draw_delay(&back))
    }

    pub(super) fn connect(&mut self, from: &Arc<str>, to: &Arc<str>) -> io::Result<Ends> {
        let has_room = |listener: &Listener| listener.arrived.len() < BACKLOG;
        if !self.listeners.get(to).is_some_and(has_room) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let now = Instant::now();
        let (there, back) = (self.number(), self.number());
        self.pipes.insert(there, Pipe::new(Arc::clone(from), Arc::clone(to), back, now));
        self.pipes.insert(back, Pipe::new(Arc::clone(to), Arc::clone(from), there, now));
        if let Some(listener) = self.listeners.get_mut(to) {
            let theirs = Ends { reads: there, writes: back, other: Arc::clone(from) };
            listener.arrived.push_back(theirs);
            listener.waker.take().into_iter().for_each(Waker::wake);
        }
        Ok(Ends { reads: back, writes: there, other: Arc::clone(to) })
    }

    pub(super) fn listen(&mut self, address: &Arc<str>) -> io::Result<u64> {
        if self.listeners.contains_key(address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let number = self.number();
        let listener = Listener { number, ..Listener::default() };
        self.listeners.insert(Arc::clone(address), listener);
        Ok(number)
    }

    pub(super) fn poll_accept(
        &mut self,
        address: &Arc<str>,
        number: u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Ends>> {
        let listener = self.listeners.get_mut(address);
        let Some(listener) = listener.filter(|listener| listener.number == number) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        match listener.arrived.pop_front() {
            Some(ends) => Poll::Ready(Ok(ends)),
            None => {
                listener.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(super) fn close_listener(&mut self, address: &Arc<str>, number: u64) {
        if self.listeners.get(address).is_some_and(|listener| listener.number == number)
            && let Some(listener) = self.listeners.remove(address)
        {
            listener.arrived.iter().for_each(|ends| self.close(ends));
        }
    }

    /// What a reader finds, unless it has to wait for something to get through.
    pub(super) fn read(
        &mut self,
        pipe: u64,
        buffer: &mut ReadBuf<'_>,
        cx: &mut Context<'_>,
    ) -> io::Result<Found> {
        let gone = || io::Error::from(io::ErrorKind::ConnectionReset);
        let (from, to) = match self.pipes.get(&pipe) {
            Some(pipe) => (Arc::clone(&pipe.from), Arc::clone(&pipe.to)),
            None => return Err(gone()),
        };
        let is_blocked = self.is_blocked(&from, &to);
        let pipe = self.pipes.get_mut(&pipe).ok_or_else(gone)?;
        let found = if is_blocked && !pipe.is_broken {
            Found::Nothing
        } else {
            pipe.take(buffer, Instant::now())?
        };
        if !matches!(found, Found::Now) {
            pipe.reader_waits(cx.waker());
        }
        Ok(found)
    }

    pub(super) fn poll_write(
        &mut self,
        id: u64,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(pipe) = self.pipes.get_mut(&id) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        if pipe.is_broken || !pipe.has_reader {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(pipe.room());
        if count == 0 && !bytes.is_empty() {
            pipe.writer_waits(cx.waker());
            return Poll::Pending;
        }
        let (from, to) = (Arc::clone(&pipe.from), Arc::clone(&pipe.to));
        let conditions = self.of(&from, &to);
        if self.chance.random_bool(conditions.breakage.clamp(0.0, 1.0)) {
            self.cut_connection(id);
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let delay = self.draw_delay(&conditions);
        *self.sent.entry(from).or_default() += count as u64;
        if let Some(pipe) = self.pipes.get_mut(&id) {
            let carried = pipe.free_at(Instant::now());
            if let Some(rate) = conditions.bytes_per_second {
                *carried += Duration::from_secs_f64(count as f64 / rate.max(1) as f64);
            }
            let arrives = *carried + delay;
            pipe.push(arrives, Bytes::copy_from_slice(&bytes[..count]));
        }
        Poll::Ready(Ok(count))
    }

    fn cut_connection(&mut self, id: u64) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        pipe.break_off();
        let twin = pipe.twin;
        self.pipes.get_mut(&twin).into_iter().for_each(Pipe::break_off);
    }

    /// The writer writes no more.
    pub(super) fn end(&mut self, id: u64) {
        let Some(pipe) = self.pipes.get(&id) else { return };
        let conditions = self.of(&Arc::clone(&pipe.from), &Arc::clone(&pipe.to));
        let delay = self.draw_delay(&conditions);
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.end(Instant::now() + delay);
        }
    }

    /// One end lets go of its connection.
    pub(super) fn close(&mut self, ends: &Ends) {
        self.end(ends.writes);
        if let Some(pipe) = self.pipes.get_mut(&ends.writes) {
            pipe.has_writer = false;
        }
        if let Some(pipe) = self.pipes.get_mut(&ends.reads) {
            pipe.has_reader = false;
            pipe.wake_both();
        }
        self.pipes.retain(|_, pipe| pipe.has_reader || pipe.has_writer);
    }
}
