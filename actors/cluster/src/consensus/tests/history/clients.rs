//! Clients of leases: each asks through some node that runs, and notes when and what it learned.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use porcupine_rs::Operation;
use rand::{Rng, RngExt};
use tokio::time::sleep;

use super::model::{Asked, OneLease, Request};
use crate::control::{
    Control, ControlAnswer, ControlCommand, ControlError, ControlRefusal, FencingToken, LeaseName,
};
use crate::node::NodeId;

/// How long a client waits for one answer.
const WITHIN: Duration = Duration::from_secs(3);
/// Longer than any run: leases end because they are given back.
const A_DAY_US: u64 = 86_400_000_000;
/// So many leases, so that a history of each is short enough to be checked.
const NAMES: usize = 130;

/// What all clients share: the nodes that can be asked, and what was learned.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) doors: Mutex<BTreeMap<NodeId, Control>>,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    /// Counts calls and returns; virtual time stands still between many of them.
    moment: i64,
    history: Vec<Operation<OneLease>>,
    /// Requests of which it is certain that they did nothing.
    void: usize,
    is_over: bool,
}

impl Desk {
    pub(super) fn count(&self) -> usize {
        self.noted.lock().history.len()
    }

    /// No client asks again.
    pub(super) fn end(&self) {
        self.noted.lock().is_over = true;
    }

    /// What was learned, and how many requests did certainly nothing.
    pub(super) fn history(&self) -> (Vec<Operation<OneLease>>, usize) {
        let noted = self.noted.lock();
        (noted.history.clone(), noted.void)
    }

    fn now(&self) -> i64 {
        let mut noted = self.noted.lock();
        noted.moment += 1;
        noted.moment
    }

    fn door(&self, rng: &mut impl Rng) -> Option<Control> {
        let doors = self.doors.lock();
        let at = rng.random_range(0..doors.len().max(1));
        doors.values().nth(at).cloned()
    }

    fn note(&self, client: u32, call_time: i64, request: Option<Request>, is_answered: bool) {
        let mut noted = self.noted.lock();
        noted.moment += 1;
        let return_time = if is_answered { noted.moment } else { i64::MAX };
        match request {
            None => noted.void += 1,
            Some(op) => noted.history.push(Operation {
                client_id: Some(client),
                call_time,
                return_time,
                op,
                metadata: None,
            }),
        }
    }
}

/// One client, until all have asked enough.
pub(super) async fn client(desk: Arc<Desk>, number: u32, mut rng: impl Rng) {
    let mut tokens: BTreeMap<LeaseName, FencingToken> = BTreeMap::new();
    while !desk.noted.lock().is_over {
        sleep(Duration::from_millis(rng.random_range(10..250))).await;
        let Some(control) = desk.door(&mut rng) else { continue };
        let name = format!("lock/{}", rng.random_range(0..NAMES));
        let name = LeaseName::parse(&name).unwrap();
        let begun = desk.now();
        let (asked, is_answered) = match rng.random_range(0..10) {
            0..4 => take(&control, &name, NodeId(rng.random_range(1..=3))).await,
            4..7 if tokens.contains_key(&name) => give(&control, &name, tokens[&name]).await,
            _ => read(&control, &name).await,
        };
        // A token is kept after it was given back: it must do nothing the second time.
        if let Some(Asked::Taken(_, token) | Asked::Seen(Some((_, token)))) = asked {
            tokens.insert(name.clone(), token);
        }
        desk.note(number, begun, asked.map(|asked| Request { name, asked }), is_answered);
    }
}

/// What was learned, if anything can have happened; whether there was an answer.
type Learned = (Option<Asked>, bool);

async fn take(control: &Control, name: &LeaseName, holder: NodeId) -> Learned {
    let (name, for_us, at_us) = (name.clone(), A_DAY_US, 0);
    let command = ControlCommand::Acquire { name, holder, for_us, at_us };
    match control.propose(command, WITHIN).await {
        Ok(ControlAnswer::Leased { token, .. }) => (Some(Asked::Taken(holder, token)), true),
        Err(ControlError::Refused(ControlRefusal::Held { holder: by, .. })) => {
            (Some(Asked::Held(holder, by)), true)
        }
        Err(ControlError::NoLeader(_)) => (None, true),
        Err(ControlError::OutcomeUnknown(_) | ControlError::Group(_)) => {
            (Some(Asked::PerhapsTaken(holder)), false)
        }
        other => panic!("{other:?}"),
    }
}

async fn give(control: &Control, name: &LeaseName, token: FencingToken) -> Learned {
    let command = ControlCommand::Release { name: name.clone(), token };
    match control.propose(command, WITHIN).await {
        Ok(ControlAnswer::Done { .. }) => (Some(Asked::GivenBack(token)), true),
        Err(ControlError::NoLeader(_)) => (None, true),
        Err(ControlError::OutcomeUnknown(_) | ControlError::Group(_)) => {
            (Some(Asked::GivenBack(token)), false)
        }
        other => panic!("{other:?}"),
    }
}

async fn read(control: &Control, name: &LeaseName) -> Learned {
    let Ok(state) = control.read_linearizable(WITHIN).await else { return (None, true) };
    let lease = state.leases.get(name);
    (Some(Asked::Seen(lease.map(|lease| (lease.holder, lease.token)))), true)
}
