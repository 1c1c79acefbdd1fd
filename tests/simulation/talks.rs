//! Clients that hold ballots and take locks, at one node after the other until they are heard.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::{Rng, RngExt};
use synod::coordination::ballot::{BallotInput, BallotProtocol, Paper, Proposal, VoterEntry};
use synod::coordination::desk::{DeskError, Open, Step};
use synod::coordination::lock::{Acquire, LockAnswer, LockInput, LockSetup, LockSpace, Wish};
use synod::coordination::{ConversationId, Protocol, Refusal};
use synod_runtime::Principal;
use tokio::time::sleep;

use crate::decisions::{Decisions, LEASE_MS};
use crate::world::World;

/// How long one request may take.
const WITHIN: Duration = Duration::from_millis(2_500);

/// How long a ballot is open, in milliseconds.
const ROUND_MS: u64 = 4_000;

const VOTERS: [&str; 3] = ["ada", "bob", "eve"];

/// What became of one request.
enum Heard<T> {
    Taken(T),
    Refused(Refusal),
    /// It is certain that it was not taken: try again.
    Away,
    /// It may have been taken.
    Unknown,
}

/// The conversations of all clients.
pub(crate) struct Talks {
    world: Arc<World>,
    pub(crate) decisions: Mutex<Decisions>,
}

impl Talks {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        Self { world: Arc::clone(world), decisions: Mutex::default() }
    }

    fn heard<T>(answer: Result<Result<T, DeskError>, synod_runtime::AskError>) -> Heard<T> {
        match answer {
            Ok(Ok(taken)) => Heard::Taken(taken),
            Ok(Err(DeskError::Refused(why))) => Heard::Refused(why),
            // A node that has the work no longer may not have heard of the conversation.
            Ok(Err(DeskError::Unknown | DeskError::Full(_) | DeskError::NotAccepting(_))) => {
                Heard::Away
            }
            Ok(Err(DeskError::OutcomeUnknown(_))) | Err(_) => Heard::Unknown,
        }
    }

    async fn tell<P: Protocol>(
        &self,
        id: ConversationId,
        input: P::Input,
        rng: &mut impl Rng,
    ) -> Heard<P::Answer> {
        let at = rng.random_range(0..self.world.seats.len());
        let Some(node) = self.world.node(at) else { return Heard::Away };
        let step = Step::<P> { id, by: Principal::anonymous().clone(), input };
        Self::heard(node.desk::<P>().ask(step, WITHIN).await)
    }

    /// Opens by a key, as often as it takes.
    async fn open<P: Protocol>(
        &self,
        setup: P::Setup,
        key: &str,
        rng: &mut impl Rng,
    ) -> ConversationId {
        loop {
            let at = rng.random_range(0..self.world.seats.len());
            if let Some(node) = self.world.node(at) {
                let open = Open::<P>::new(setup.clone(), Principal::anonymous().clone());
                let open = Open { key: Some(key.to_owned()), ..open };
                match Self::heard(node.desk::<P>().ask(open, WITHIN).await) {
                    Heard::Taken(opened) => {
                        self.world.note(format!("node {at} has {key} as {}", opened.id));
                        return opened.id;
                    }
                    Heard::Refused(why) => {
                        self.world.broken(format!("{key} is refused: {why}"));
                    }
                    Heard::Away | Heard::Unknown => {}
                }
            }
            sleep(Duration::from_millis(rng.random_range(10..100))).await;
        }
    }

    /// Holds a ballot, in which some stay silent.
    pub(crate) async fn ballot(&self, number: u64, rng: &mut impl Rng) {
        let voters = VOTERS.iter().map(|name| VoterEntry::user(*name)).collect();
        let mut proposal = Proposal::new("Ship it?", &["yes", "no"], voters);
        proposal.round_ms = ROUND_MS;
        let key = format!("ballot-{number}");
        let id = self.open::<BallotProtocol>(proposal, &key, rng).await;
        self.decisions.lock().ballots.entry(id).or_default();
        for voter in VOTERS {
            let choice = if rng.random_bool(0.5) { "yes" } else { "no" };
            if rng.random_bool(0.8) && !self.vote(id, voter, choice, rng).await {
                return;
            }
        }
    }

    /// Votes until it is known what came of it; whether the ballot is still open.
    async fn vote(
        &self,
        id: ConversationId,
        voter: &'static str,
        choice: &'static str,
        rng: &mut impl Rng,
    ) -> bool {
        if let Some(known) = self.decisions.lock().ballots.get_mut(&id) {
            known.said.insert(voter, choice);
        }
        let mut in_doubt = false;
        loop {
            let ballot = Paper::Choice(choice.to_owned());
            let vote = BallotInput::Vote { voter: voter.into(), ballot, reason: String::new() };
            match self.tell::<BallotProtocol>(id, vote, rng).await {
                Heard::Taken(answer) => {
                    self.taken(id, voter);
                    if let Some(outcome) = &answer.outcome {
                        self.decisions.lock().decided(&self.world, id, outcome);
                    }
                    return answer.outcome.is_none();
                }
                // An attempt before this one was taken, though nobody heard so.
                Heard::Refused(Refusal::Conflict(_)) if in_doubt => {
                    self.taken(id, voter);
                    return true;
                }
                Heard::Refused(Refusal::TooLate(_)) => return false,
                Heard::Refused(why) => {
                    self.world.broken(format!("the vote of {voter} in {id} is refused: {why}"));
                    return false;
                }
                Heard::Away => {}
                Heard::Unknown => in_doubt = true,
            }
            sleep(Duration::from_millis(rng.random_range(10..100))).await;
        }
    }

    fn taken(&self, id: ConversationId, voter: &'static str) {
        if let Some(known) = self.decisions.lock().ballots.get_mut(&id) {
            known.taken.push(voter);
        }
    }

    /// Takes a lock for a while, and gives it back or lets its lease end.
    pub(crate) async fn lock(&self, number: u64, rng: &mut impl Rng) {
        let id = self.open::<LockSpace>(LockSetup::default(), "locks", rng).await;
        self.decisions.lock().opened(&self.world, id);
        let (owner, lock) = (format!("owner-{number}"), format!("lock-{}", number % 2));
        let wait_ms = [0, 2_000][rng.random_range(0..2)];
        let before = self.decisions.lock().highest_fence();
        let resources = vec![Wish::exclusive(lock.clone())];
        let acquire =
            Acquire { owner: owner.clone(), resources, lease_ms: LEASE_MS, wait_ms, priority: 0 };
        let fence = loop {
            match self.tell::<LockSpace>(id, LockInput::Acquire(acquire.clone()), rng).await {
                Heard::Taken(LockAnswer::Granted { fence, until_us }) => {
                    let (whose, what) = ((owner.as_str(), lock.as_str()), (fence, until_us));
                    self.decisions.lock().granted(&self.world, whose, what, before);
                    break fence;
                }
                // Another has it, or it has it itself by an attempt that nobody heard of.
                Heard::Taken(_) | Heard::Refused(_) => return,
                Heard::Away | Heard::Unknown => {}
            }
            sleep(Duration::from_millis(rng.random_range(10..100))).await;
        };
        sleep(Duration::from_millis(rng.random_range(0..1_000))).await;
        if rng.random_bool(0.7) {
            self.decisions.lock().returns(fence);
            // What is not heard of ends with its lease.
            let _heard = self.tell::<LockSpace>(id, LockInput::Release { owner, fence }, rng).await;
        }
    }
}
