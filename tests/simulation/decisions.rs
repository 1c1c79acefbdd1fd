//! What clients were told of conversations, and whether it can be: a decision told once is never
//! another, nothing acknowledged is lost, a lock has one holder at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use synod::Node;
use synod::coordination::ballot::{BallotOutcome, BallotProtocol, BallotView, Paper};
use synod::coordination::desk::{DeskHealth, History, Show, Shown};
use synod::coordination::lock::{LockSpace, LockView};
use synod::coordination::{ConversationId, Protocol};

use crate::world::World;

/// How long a question may take when all is well.
const WITHIN: Duration = Duration::from_secs(5);

/// How long every lease is, in milliseconds.
pub(crate) const LEASE_MS: u64 = 1_500;

/// A ballot as clients know it.
#[derive(Clone, Default)]
pub(crate) struct Known {
    /// What was said for each voter, heard or not.
    pub(crate) said: BTreeMap<&'static str, &'static str>,
    /// Voters whose vote was acknowledged.
    pub(crate) taken: Vec<&'static str>,
    outcome: Option<BallotOutcome>,
}

/// A lock that was given to a client.
#[derive(Clone)]
struct Held {
    owner: String,
    lock: String,
    /// By the clock of the desk, in microseconds.
    until_us: i64,
    /// Whether its owner has begun to give it back.
    returned: bool,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Decisions {
    pub(crate) ballots: BTreeMap<ConversationId, Known>,
    /// The one space of all locks.
    space: Option<ConversationId>,
    held: BTreeMap<u64, Held>,
}

impl Decisions {
    pub(crate) fn grants(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn highest_fence(&self) -> u64 {
        self.held.last_key_value().map_or(0, |(fence, _)| *fence)
    }

    /// A client hears what came of a ballot.
    pub(crate) fn decided(&mut self, world: &World, id: ConversationId, outcome: &BallotOutcome) {
        let known = self.ballots.entry(id).or_default();
        match &known.outcome {
            Some(earlier) if earlier != outcome => {
                world.broken(format!("a decision is unique: {id}: {earlier:?}, then {outcome:?}"));
            }
            Some(_) => {}
            None => {
                world.note(format!("ballot {id}: {outcome:?}"));
                known.outcome = Some(outcome.clone());
            }
        }
    }

    /// The space of locks is open under this name.
    pub(crate) fn opened(&mut self, world: &World, id: ConversationId) {
        if *self.space.get_or_insert(id) != id {
            world.broken(format!("one conversation a key: locks are in {id} too"));
        }
    }

    /// A client has a lock. Before it asked, the highest fence that anybody knew was `before`.
    pub(crate) fn granted(
        &mut self,
        world: &World,
        (owner, lock): (&str, &str),
        (fence, until_us): (u64, i64),
        before: u64,
    ) {
        world.note(format!("{owner} has {lock} by fence {fence} until {until_us}"));
        if fence <= before {
            world.broken(format!("fences never fall: {fence} of {owner} after {before}"));
        }
        let since_us = until_us - i64::try_from(LEASE_MS * 1_000).expect("a small number");
        let others = self.held.iter().filter(|(_, other)| other.lock == lock && !other.returned);
        for (known, other) in others {
            if *known < fence && other.until_us > since_us {
                let other = &other.owner;
                world.broken(format!("one holder at a time: {lock} of {other} and {owner}"));
            }
        }
        let (owner, lock) = (owner.to_owned(), lock.to_owned());
        let held = Held { owner, lock, until_us, returned: false };
        if let Some(other) = self.held.insert(fence, held) {
            world.broken(format!("one holder a fence: {fence} was that of {}", other.owner));
        }
    }

    /// A client begins to give a lock back.
    pub(crate) fn returns(&mut self, fence: u64) {
        if let Some(held) = self.held.get_mut(&fence) {
            held.returned = true;
        }
    }
}

async fn shown<P: Protocol>(owner: &Node, id: ConversationId) -> Result<Shown<P::View>, String> {
    match owner.desk::<P>().ask(Show::<P>::new(id), WITHIN).await {
        Ok(Some(shown)) => Ok(shown),
        Ok(None) => Err("acknowledged and lost".to_owned()),
        Err(why) => Err(format!("it can't be shown: {why}")),
    }
}

/// What has not come to its end yet.
pub(crate) async fn open(owner: &Node, decisions: &Mutex<Decisions>) -> Option<String> {
    let Ok(health) = owner.desk::<BallotProtocol>().ask(DeskHealth {}, WITHIN).await else {
        return Some("the desk of ballots does not answer".to_owned());
    };
    if !health.accepting || health.open > 0 {
        return Some(format!("{} ballots are open: {:?}", health.open, health.reason));
    }
    let space = decisions.lock().space?;
    match shown::<LockSpace>(owner, space).await {
        Ok(Shown { view: LockView { held, waiting, .. }, .. }) if held + waiting > 0 => {
            Some(format!("{held} locks are held, {waiting} are waited for"))
        }
        Ok(_) => None,
        // What is lost does not come back: the scan tells of it.
        Err(why) => (!why.contains("lost")).then_some(why),
    }
}

/// All that was acknowledged is there, and all that was told is so.
pub(crate) async fn durable(world: &Arc<World>, owner: &Node, decisions: &Mutex<Decisions>) {
    let ballots = decisions.lock().ballots.clone();
    for (id, known) in ballots {
        match shown::<BallotProtocol>(owner, id).await {
            Ok(Shown { view, .. }) => {
                let Some(outcome) = view.outcome.clone() else {
                    world.broken(format!("every ballot ends: {id} has not"));
                    continue;
                };
                decisions.lock().decided(world, id, &outcome);
                ballot(world, id, &known, &view);
            }
            Err(why) => world.broken(format!("ballot {id}: {why}")),
        }
    }
    let (space, highest) = {
        let decisions = decisions.lock();
        (decisions.space, decisions.highest_fence())
    };
    let Some(space) = space else { return };
    match shown::<LockSpace>(owner, space).await {
        Ok(Shown { view, .. }) if view.last_fence < highest => {
            let last = view.last_fence;
            world.broken(format!("fences never fall: the last is {last}, {highest} was given"));
        }
        Ok(_) => locks(world, owner, space, decisions).await,
        Err(why) => world.broken(format!("the space of locks: {why}")),
    }
}

/// A ballot holds each vote that was acknowledged, once, and none that nobody cast.
fn ballot(world: &World, id: ConversationId, known: &Known, view: &BallotView) {
    let mut counted: BTreeMap<&str, u32> = BTreeMap::new();
    for cast in &view.ballots {
        let Some(Paper::Choice(choice)) = &cast.ballot else { continue };
        *counted.entry(&cast.voter).or_default() += 1;
        if known.said.get(cast.voter.as_str()) != Some(&choice.as_str()) {
            world.broken(format!("nobody cast this: {choice} of {} in ballot {id}", cast.voter));
        }
    }
    for voter in &known.taken {
        let times = counted.get(voter).copied().unwrap_or(0);
        if times != 1 {
            world.broken(format!("acknowledged and counted once: {voter} in {id}: {times} times"));
        }
    }
}

/// By the history of the space, each lock had one holder at a time, and fences rose.
async fn locks(world: &World, owner: &Node, id: ConversationId, decisions: &Mutex<Decisions>) {
    let history = History { id, after: 0, limit: 1_000 };
    let Ok(Ok(page)) = owner.desk::<LockSpace>().ask(history, WITHIN).await else {
        return world.broken("the space of locks has no history");
    };
    let whole = page.notes.first().is_none_or(|first| first.number == 1);
    let (mut last, mut given, mut holders) = (0, BTreeMap::new(), BTreeMap::new());
    for told in &page.notes {
        let what: Value = serde_json::from_str(&told.note.what).unwrap_or(Value::Null);
        let several = what["fences"].as_array().into_iter().flatten();
        let fences: Vec<_> = several.chain([&what["fence"]]).filter_map(Value::as_u64).collect();
        if told.note.kind != "lock.granted" {
            holders.retain(|_, held| !fences.contains(held));
            continue;
        }
        let fence = fences.first().copied().unwrap_or(0);
        if fence <= last {
            world.broken(format!("fences never fall: {fence} after {last}"));
        }
        last = fence;
        given.insert(fence, told.note.who.clone());
        let lock = what["resources"][0].as_str().unwrap_or_default().to_owned();
        if let Some(other) = holders.insert(lock.clone(), fence) {
            world.broken(format!("one holder at a time: {lock} by {other} and {fence}"));
        }
    }
    for (fence, held) in &decisions.lock().held {
        if whole && given.get(fence) != Some(&held.owner) {
            world.broken(format!("acknowledged and lost: fence {fence} of {}", held.owner));
        }
    }
}
