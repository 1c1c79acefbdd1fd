//! Contract nets of three participants, or of two and two rounds: proposals, refusals, silence,
//! results, failures, deadlines, answers that come late, and a cancellation, in every order.
//!
//! The model watches what is sent, not the machine's own account of it: an award is live from the
//! dispatch that gives it until its contractor gives it up, is recalled, or its deadline passes.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use stateright::{Checker as _, Model, Property};
use synod_agents::{AgentId, Envelope, Payload, Performative, Recipient};
use synod_coordination::contract_net::{ContractNet, Input, Outcome, Setup};
use synod_coordination::{Effects, Heard, Moment, Opening, Protocol};
use synod_journal::RecordCodec;
use synod_runtime::Principal;
use uuid::Uuid;

const NAMES: [&str; 3] = ["a", "b", "c"];

struct Nets {
    setup: Setup,
}

/// A contract net in its world.
#[derive(Debug, Clone, PartialEq)]
struct World {
    net: ContractNet,
    now: Moment,
    /// Questions on their way to be answered: number, to whom, whether for a result.
    open: BTreeSet<(u64, String, bool)>,
    /// Fencing tokens of awards that somebody may be working under.
    live: BTreeSet<u64>,
    /// The highest that was given.
    highest: u64,
    /// Whether a token was given twice or went down.
    fence_fell: bool,
    /// How many results were taken.
    results: u8,
    /// Whether something changed after the end.
    reopened: bool,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        RecordCodec::encode(&self.net).unwrap().hash(state);
        (self.now, &self.open, &self.live, self.highest, self.results).hash(state);
        (self.fence_fell, self.reopened).hash(state);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Propose,
    Refuse,
    NotUnderstood,
    Inform,
    Failure,
    Silent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    /// The answer to a dispatch arrives, in time or not.
    Answer(u64, bool, Answer),
    /// A program reports under this token.
    Report(usize, u64),
    /// Whoever called chooses, or calls again.
    Award(usize),
    CallAgain,
    /// The next deadline passes.
    Wake,
    Cancel,
}

fn heard(answer: Answer) -> Heard {
    let performative = match answer {
        Answer::Propose => Performative::Propose,
        Answer::Refuse => Performative::Refuse,
        Answer::NotUnderstood => Performative::NotUnderstood,
        Answer::Inform => Performative::Inform,
        Answer::Failure => Performative::Failure,
        Answer::Silent => return Heard::Silent("gone".to_owned()),
    };
    Heard::Reply(Envelope {
        id: Uuid::nil(),
        sender: String::new(),
        recipient: Recipient::Everyone,
        performative,
        protocol: String::new(),
        conversation: None,
        reply_with: None,
        in_reply_to: None,
        reply_by_us: None,
        sent_at_us: 0,
        trace: String::new(),
        content: Payload::empty(),
    })
}

/// What whoever called says; none when it is refused.
fn owner(world: &mut World, input: Input, out: &mut Effects) -> Option<()> {
    world.net.step(world.now, &Principal::user("ada"), input, out).ok().map(|_| ())
}

fn fence_in(content: &Payload) -> Option<u64> {
    content.to_json::<serde_json::Value>().ok()?.get("fence")?.as_u64()
}

impl World {
    /// Takes note of what was sent.
    fn after(&mut self, out: Effects) {
        for sent in out.dispatches {
            let fence = fence_in(&sent.content);
            match (sent.performative, fence) {
                (Performative::AcceptProposal, Some(fence)) => {
                    self.fence_fell |= fence <= self.highest;
                    self.highest = self.highest.max(fence);
                    self.live.insert(fence);
                    self.open.insert((sent.number, sent.to.to_string(), true));
                }
                (Performative::Cancel, Some(fence)) => {
                    self.live.remove(&fence);
                }
                (Performative::Cfp, _) => {
                    self.open.insert((sent.number, sent.to.to_string(), false));
                }
                _ => {}
            }
        }
        self.results += out.notes.iter().filter(|n| n.kind == "contract_net.done").count() as u8;
    }
}

impl Model for Nets {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let (now, by) = (Moment(0), Principal::user("ada"));
        let opening = Opening { id: Uuid::nil(), now, seed: 1, by };
        let mut out = Effects::default();
        let net = ContractNet::open(self.setup.clone(), &opening, &mut out).unwrap();
        let (open, live) = (BTreeSet::new(), BTreeSet::new());
        let (fence_fell, reopened) = (false, false);
        let mut world =
            World { net, now, open, live, highest: 0, fence_fell, results: 0, reopened };
        world.after(out);
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (number, _, result) in &world.open {
            let answers: &[Answer] = match result {
                true => &[Answer::Inform, Answer::Failure, Answer::Silent],
                false => &[Answer::Propose, Answer::Refuse, Answer::NotUnderstood, Answer::Silent],
            };
            actions.extend(answers.iter().map(|answer| Action::Answer(*number, *result, *answer)));
        }
        if world.net.next_wake().is_some() {
            actions.push(Action::Wake);
            actions.push(Action::Cancel);
            actions.push(Action::CallAgain);
        }
        for who in 0..NAMES.len() {
            actions.push(Action::Award(who));
            actions.extend((1..=world.highest).map(|fence| Action::Report(who, fence)));
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        let mut out = Effects::default();
        match action {
            Action::Answer(number, result, answer) => {
                world.open.retain(|(other, ..)| *other != number);
                let live = world.net.live_award().map(|(_, fence)| fence);
                world.net.heard(world.now, number, &heard(answer), &mut out);
                // Whoever answered works no longer; its own token was the live one, or none.
                let gave_up = live.filter(|_| result && world.net.live_award() != before.live());
                gave_up.map(|fence| world.live.remove(&fence));
            }
            Action::Report(who, fence) => {
                let (participant, result) = (NAMES[who].to_owned(), "1".to_owned());
                let input = Input::Report { participant, fence, result };
                let by = Principal::agent(NAMES[who]);
                world.net.step(world.now, &by, input, &mut out).ok()?;
                world.live.remove(&fence);
            }
            Action::Wake => {
                world.now = world.net.next_wake()?;
                world.net.wake(world.now, &mut out);
            }
            Action::Cancel => owner(&mut world, Input::Cancel { reason: String::new() }, &mut out)?,
            Action::CallAgain => owner(&mut world, Input::CallAgain { content: None }, &mut out)?,
            Action::Award(who) => {
                let participant = NAMES[who].to_owned();
                owner(&mut world, Input::Award { participant }, &mut out)?;
            }
        }
        world.reopened |= before.net.has_ended() && world.net != before.net;
        world.after(out);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no two awards are live", |_, world: &World| world.live.len() <= 1),
            Property::always("fencing tokens rise", |_, world: &World| !world.fence_fell),
            Property::always("no award is lost", |_, world: &World| {
                let own = world.net.live_award().map(|(_, fence)| fence);
                world.live.first().copied() == own
            }),
            Property::always("a live award has a deadline", |_, world: &World| {
                world.live.is_empty() || world.net.next_wake().is_some()
            }),
            Property::always("one result at most is taken", |_, world: &World| world.results <= 1),
            Property::always("done is done under the last token", |_, world: &World| {
                match world.net.outcome() {
                    Some(Outcome::Done { fence, .. }) => *fence == world.highest,
                    _ => true,
                }
            }),
            Property::always("what has ended stays ended", |_, world: &World| !world.reopened),
            Property::eventually("it ends", |_, world: &World| world.net.has_ended()),
            Property::sometimes("the second fulfils it", |_, world: &World| {
                matches!(world.net.outcome(), Some(Outcome::Done { fence: 2, .. }))
            }),
            Property::sometimes("nobody is left", |_, world: &World| {
                matches!(world.net.outcome(), Some(Outcome::Failed(_))) && world.highest == 2
            }),
        ]
    }
}

impl World {
    fn live(&self) -> Option<(&AgentId, u64)> {
        self.net.live_award()
    }
}

#[test]
fn a_contract_has_one_contractor_at_a_time_is_never_lost_and_ends() {
    for (count, reserve, max_rounds, choice_within_ms) in [(3, 2, 1, 0), (3, 1, 2, 0), (2, 1, 2, 5)]
    {
        let names = NAMES.iter().take(count);
        let participants = names.map(|name| AgentId::new(name).unwrap()).collect();
        let setup = Setup {
            task: "work".to_owned(),
            participants,
            reserve,
            max_rounds,
            choice_within_ms,
            fan_out: 2,
            ..Setup::default()
        };
        let checker = Nets { setup }.checker().threads(2).spawn_bfs().join();
        let states = checker.unique_state_count();
        println!("{count} participants, reserve {reserve}, rounds {max_rounds}: {states} states");
        checker.assert_properties();
    }
}
