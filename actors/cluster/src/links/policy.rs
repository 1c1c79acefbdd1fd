//! When the connections to a node are made, tried again, closed for silence or for want of use.
//! Pure: a link's actor tells it what happened and carries out what it says.

use std::time::Duration;

use synod_runtime::Backoff;
use tokio::time::Instant;

use super::config::LinksConfig;
use crate::wire::StreamKind;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Make a connection.
    Dial(StreamKind),
    /// Let what waits for it fail, and what comes, for this reason.
    Fail(StreamKind, String),
    /// Let what comes wait for a connection again.
    Relent(StreamKind),
    /// End a connection that stands.
    Close(StreamKind, String),
    /// Ask the other side whether it may be closed.
    Rest(StreamKind),
    /// Send a sign of life.
    Beat,
    /// Nobody needs the link: end the actor.
    Leave,
}

/// What a look at a connection showed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    /// Bytes have come in since the last look.
    pub(super) alive: bool,
    /// It was used since.
    pub(super) used: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Dialling,
    /// The other side has called at the same time: its connection is about to arrive.
    Awaiting {
        until: Instant,
    },
    Up {
        since: Instant,
        used: Instant,
    },
    Waiting {
        until: Instant,
    },
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    state: State,
    /// Failures in a row.
    failures: u32,
}

pub(super) struct Policy {
    streams: [Stream; 2],
    heard: Instant,
    /// When it was last looked after.
    looked: Instant,
    /// Since when the control connection has been missing.
    deaf_since: Option<Instant>,
    backoff: Backoff,
    heartbeat: Duration,
    silence: Duration,
    handshake: Duration,
    idle: [Duration; 2],
}

impl Policy {
    pub(super) fn new(config: &LinksConfig, now: Instant) -> Self {
        let backoff = Backoff {
            initial: Duration::from_millis(config.backoff_ms),
            max: Duration::from_millis(config.backoff_max_ms),
            jitter: 0.5,
            ..Backoff::default()
        };
        let idle = [config.control_idle_ms, config.idle_ms].map(Duration::from_millis);
        let stream = Stream { state: State::Idle, failures: 0 };
        Self {
            streams: [stream; 2],
            heard: now,
            looked: now,
            deaf_since: None,
            backoff,
            heartbeat: config.heartbeat(),
            silence: config.silence(),
            handshake: config.handshake(),
            idle,
        }
    }

    pub(super) fn is_up(&self, kind: StreamKind) -> bool {
        matches!(self.streams[kind.index()].state, State::Up { .. })
    }

    /// Somebody needs a connection.
    pub(super) fn demanded(&mut self, kind: StreamKind) -> Option<Command> {
        let stream = &mut self.streams[kind.index()];
        if stream.state != State::Idle {
            return None;
        }
        stream.state = State::Dialling;
        Some(Command::Dial(kind))
    }

    /// The node has started again, or has another address: no use in waiting longer.
    pub(super) fn renewed(&mut self, now: Instant) {
        for stream in &mut self.streams {
            stream.failures = 0;
            if let State::Waiting { until } = &mut stream.state {
                *until = now;
            }
        }
    }

    /// A connection stands.
    pub(super) fn installed(&mut self, kind: StreamKind, now: Instant) -> Option<Command> {
        self.streams[kind.index()].state = State::Up { since: now, used: now };
        self.heard = now;
        let data = &mut self.streams[StreamKind::Data.index()];
        match kind {
            StreamKind::Control => {
                self.deaf_since = None;
                // The node is there again: no use in waiting longer.
                if !matches!(data.state, State::Waiting { .. }) {
                    return None;
                }
                *data = Stream { state: State::Idle, failures: 0 };
                Some(Command::Relent(StreamKind::Data))
            }
            // Only the control connection tells whether the node is alive.
            StreamKind::Data => {
                if !self.is_up(StreamKind::Control) {
                    self.deaf_since = Some(now);
                }
                self.demanded(StreamKind::Control)
            }
        }
    }

    /// An attempt has failed; `chance` is in `[0, 1)`.
    pub(super) fn failed(
        &mut self,
        kind: StreamKind,
        reason: &str,
        now: Instant,
        chance: f64,
    ) -> Option<Command> {
        let stream = &mut self.streams[kind.index()];
        // Another connection may have come in the meantime.
        if !matches!(stream.state, State::Dialling | State::Awaiting { .. }) {
            return None;
        }
        Some(self.back_off(kind, reason, now, chance))
    }

    /// The other side refused an attempt because it has called this node itself.
    pub(super) fn crossed(&mut self, kind: StreamKind, now: Instant) {
        let state = &mut self.streams[kind.index()].state;
        if *state == State::Dialling {
            *state = State::Awaiting { until: now + self.handshake };
        }
    }

    /// A connection has ended because nobody needed it.
    pub(super) fn rested(&mut self, kind: StreamKind) {
        self.streams[kind.index()].state = State::Idle;
    }

    /// A connection has broken.
    pub(super) fn broke(
        &mut self,
        kind: StreamKind,
        reason: &str,
        now: Instant,
        chance: f64,
    ) -> Command {
        if kind == StreamKind::Control {
            self.deaf_since = Some(now);
        }
        let stream = &mut self.streams[kind.index()];
        if let State::Up { since, .. } = stream.state
            && now.saturating_duration_since(since) >= self.backoff.max
        {
            stream.failures = 0;
        }
        self.back_off(kind, reason, now, chance)
    }

    fn back_off(&mut self, kind: StreamKind, reason: &str, now: Instant, chance: f64) -> Command {
        let stream = &mut self.streams[kind.index()];
        stream.failures = stream.failures.saturating_add(1);
        let wait = self.backoff.wait(stream.failures, chance);
        stream.state = State::Waiting { until: now + wait };
        Command::Fail(kind, reason.to_owned())
    }

    /// Looks after the link: `looks` by [`StreamKind::index`]; with `mesh` the control connection
    /// is kept whether it is used or not; `chance` is in `[0, 1)`.
    pub(super) fn tick(
        &mut self,
        now: Instant,
        looks: [Look; 2],
        mesh: bool,
        chance: f64,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        self.forgive(now);
        if self.is_up(StreamKind::Control) {
            commands.push(Command::Beat);
        }
        for (stream, look) in self.streams.iter_mut().zip(looks) {
            if look.alive {
                self.heard = now;
            }
            if let State::Up { used, .. } = &mut stream.state
                && look.used
            {
                *used = now;
            }
        }
        self.close_silent(now, &mut commands);
        for kind in StreamKind::ALL {
            self.look_after(kind, now, mesh, chance, &mut commands);
        }
        if self.streams.iter().all(|stream| stream.state == State::Idle) {
            commands.push(Command::Leave);
        }
        commands
    }

    /// A node that stood still itself, stopped or starved, has heard nothing meanwhile through no
    /// fault of others.
    fn forgive(&mut self, now: Instant) {
        let since_last = now.saturating_duration_since(self.looked);
        self.looked = now;
        if since_last > 2 * self.heartbeat {
            self.heard = (self.heard + since_last).min(now);
            self.deaf_since = self.deaf_since.map(|since| (since + since_last).min(now));
        }
    }

    fn close_silent(&mut self, now: Instant, commands: &mut Vec<Command>) {
        let since = if self.is_up(StreamKind::Control) {
            self.heard
        } else {
            // Each of several attempts to hear of it again may take this long.
            self.deaf_since.map_or(now, |since| since + self.handshake)
        };
        if now.saturating_duration_since(since) < self.silence {
            return;
        }
        let reason = format!("no sign of life for {} ms", self.silence.as_millis());
        for kind in StreamKind::ALL.into_iter().filter(|kind| self.is_up(*kind)) {
            commands.push(Command::Close(kind, reason.clone()));
        }
    }

    fn look_after(
        &mut self,
        kind: StreamKind,
        now: Instant,
        mesh: bool,
        chance: f64,
        commands: &mut Vec<Command>,
    ) {
        let data_is_up = self.is_up(StreamKind::Data);
        let is_kept = kind == StreamKind::Control && (mesh || data_is_up);
        let idle = self.idle[kind.index()];
        let stream = &mut self.streams[kind.index()];
        match &mut stream.state {
            State::Idle if is_kept => {
                stream.state = State::Dialling;
                commands.push(Command::Dial(kind));
            }
            State::Waiting { until } if now >= *until => {
                if is_kept {
                    stream.state = State::Dialling;
                    commands.push(Command::Dial(kind));
                } else {
                    stream.state = State::Idle;
                    commands.push(Command::Relent(kind));
                }
            }
            State::Awaiting { until } if now >= *until => {
                let reason = "both sides called, and no connection came of it";
                commands.push(self.back_off(kind, reason, now, chance));
            }
            State::Up { used, .. } if !is_kept && now.duration_since(*used) >= idle => {
                *used = now;
                commands.push(Command::Rest(kind));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
