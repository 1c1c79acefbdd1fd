//! Strategies that ask: arbiters by dispatch or by word of their own, and the count of what they
//! say.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use synod_agents::{AgentId, Payload, Performative};

use super::judge::won;
use super::machine::{Conflict, Stage};
use super::setup::Strategy;
use crate::protocol::{Dispatch, Effects, Heard, Moment, Refusal};

/// A strategy that waits for what somebody says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asking {
    /// Which strategy.
    pub(super) at: usize,
    pub(super) until: Moment,
    /// Arbiters that are agents, by the dispatch that asks them.
    pub(super) asked: BTreeMap<u64, String>,
    /// What arbiters have said; nothing when they abstain, do not answer or can't be understood.
    pub(super) judged: BTreeMap<String, Option<String>>,
}

/// What an arbiter that is an agent answers.
#[derive(Deserialize)]
struct Judgement {
    choice: Option<String>,
    #[serde(default)]
    reason: String,
}

impl Strategy {
    fn within(&self) -> Duration {
        match self {
            Self::Vote { within_ms, .. }
            | Self::Arbiter { within_ms, .. }
            | Self::Human { within_ms, .. } => Duration::from_millis(*within_ms),
            _ => Duration::ZERO,
        }
    }

    fn arbiters(&self) -> &[String] {
        match self {
            Self::Vote { arbiters, .. } => arbiters,
            Self::Arbiter { name, .. } => std::slice::from_ref(name),
            _ => &[],
        }
    }

    /// How many must choose at least.
    fn quorum(&self) -> usize {
        match self {
            Self::Vote { arbiters, quorum: 0, .. } => arbiters.len() / 2 + 1,
            Self::Vote { quorum, .. } => *quorum as usize,
            _ => 1,
        }
    }
}

impl Conflict {
    /// Asks whoever strategy `at` asks.
    pub(super) fn ask(&mut self, at: usize, deadline: Moment, now: Moment, out: &mut Effects) {
        let Some(strategy) = self.setup.strategies.get(at) else { return };
        let name = strategy.name();
        let until = now.after(strategy.within()).min(deadline);
        let mut asked = BTreeMap::new();
        let mut last = self.dispatched;
        for arbiter in strategy.arbiters().iter().filter(|it| AgentId::new(it).is_ok()) {
            last += 1;
            asked.insert(last, arbiter.clone());
        }
        self.dispatched = last;
        let kind = match strategy {
            Strategy::Human { .. } => "conflict.escalated",
            _ => "conflict.asked",
        };
        let what = json!({ "strategy": name, "until_us": until.0 });
        out.note(kind, "", &what, "somebody has to say");
        self.remember(now, "asked", name, "");
        self.stage = Stage::Asking(Asking { at, until, asked, judged: BTreeMap::new() });
        self.ask_again(out);
    }

    /// Sends the question to those who have not answered.
    pub(super) fn ask_again(&self, out: &mut Effects) {
        let Stage::Asking(asking) = &self.stage else { return };
        let Some(strategy) = self.setup.strategies.get(asking.at) else { return };
        let open = asking.asked.iter().filter(|(_, name)| !asking.judged.contains_key(*name));
        let mut open = open.peekable();
        if open.peek().is_none() {
            return;
        }
        let parties = self.active();
        let parties = parties.iter().map(|it| json!({ "name": it.name, "claim": it.claim }));
        let question = json!({
            "subject": self.setup.subject,
            "cause": self.setup.cause,
            "parties": parties.collect::<Vec<_>>(),
            "answer": "inform with {\"choice\": a party's name or null, \"reason\": text}",
        });
        let Ok(content) = Payload::json(&question) else { return };
        for (number, name) in open {
            let Ok(to) = AgentId::new(name) else { continue };
            out.dispatches.push(Dispatch {
                number: *number,
                to,
                performative: Performative::QueryRef,
                content: content.clone(),
                reply_within: Some(strategy.within()),
            });
        }
    }

    /// Whether `arbiter` may judge now.
    pub(super) fn check_arbiter(&self, arbiter: &str) -> Result<(), Refusal> {
        let Stage::Asking(asking) = &self.stage else {
            return Err(Refusal::TooLate("the conflict has ended".to_owned()));
        };
        let strategy = self.setup.strategies.get(asking.at);
        if !strategy.is_some_and(|it| it.arbiters().iter().any(|name| name == arbiter)) {
            return Err(Refusal::NotAllowed(format!("'{arbiter}' is not asked")));
        }
        if asking.judged.contains_key(arbiter) {
            return Err(Refusal::Conflict(format!("'{arbiter}' has judged already")));
        }
        Ok(())
    }

    /// Takes what an arbiter says.
    pub(super) fn judged(
        &mut self,
        now: Moment,
        arbiter: &str,
        choice: Option<String>,
        reason: &str,
        out: &mut Effects,
    ) {
        let Stage::Asking(asking) = &mut self.stage else { return };
        let at = asking.at;
        out.note("conflict.judged", arbiter, &json!({ "choice": choice }), reason);
        asking.judged.insert(arbiter.to_owned(), choice);
        self.count(at, now, false, out);
    }

    /// Takes what an agent answered to the dispatch `about`.
    pub(super) fn take_reply(&mut self, now: Moment, about: u64, heard: &Heard, out: &mut Effects) {
        let Stage::Asking(asking) = &self.stage else { return };
        let Some(arbiter) = asking.asked.get(&about).cloned() else { return };
        if asking.until <= now || self.check_arbiter(&arbiter).is_err() {
            return;
        }
        let understood = match heard {
            Heard::Silent(why) => Err(format!("no answer: {why}")),
            Heard::Reply(envelope) if envelope.performative != Performative::Inform => {
                Err(format!("answered {}", envelope.performative))
            }
            Heard::Reply(envelope) => {
                envelope.content.to_json::<Judgement>().map_err(|error| error.to_string())
            }
        };
        let (choice, mut why) = match understood {
            Ok(Judgement { choice: Some(name), .. }) if self.active_named(&name).is_none() => {
                (None, "chose nobody who is a party".to_owned())
            }
            Ok(judgement) => (judgement.choice, judgement.reason),
            Err(why) => (None, why),
        };
        why.truncate(why.floor_char_boundary(512));
        self.judged(now, &arbiter, choice, &why, out);
    }

    /// Counts what arbiters have said: decides, passes, or waits on. `over`: nobody may say any
    /// more.
    pub(super) fn count(&mut self, at: usize, now: Moment, over: bool, out: &mut Effects) {
        let Stage::Asking(asking) = &self.stage else { return };
        let Some(strategy) = self.setup.strategies.get(at) else { return };
        if strategy.arbiters().is_empty() && !over {
            return;
        }
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for choice in asking.judged.values().flatten() {
            *votes.entry(choice).or_default() += 1;
        }
        let cast: usize = votes.values().sum();
        let left = strategy.arbiters().len() - asking.judged.len();
        let all = over || left == 0;
        let best = votes.iter().max_by_key(|(_, count)| **count);
        if let Some((name, count)) = best
            && cast >= strategy.quorum()
            && count * 2 > cast + if all { 0 } else { left }
        {
            let parties = self.active();
            let Some(winner) = parties.iter().find(|it| it.name == *name) else { return };
            let why = format!("{count} of {cast} arbiters who chose are for '{name}'");
            let (strategy, ruling) = (strategy.name(), won(winner, &parties, why));
            return self.resolve(strategy, ruling, now, out);
        }
        if all {
            let asked = strategy.arbiters().len();
            let why = format!("{cast} of {asked} arbiters chose, and no majority of them the same");
            self.pass(at, &why, now, out);
            self.advance(at + 1, now, out);
        }
    }

    /// Takes the outcome of a ballot in place of the arbiters' votes.
    pub(super) fn take_ballot(
        &mut self,
        now: Moment,
        at: usize,
        ballot: &str,
        choice: Option<String>,
        out: &mut Effects,
    ) {
        let parties = self.active();
        match parties.iter().find(|it| Some(&it.name) == choice.as_ref()) {
            Some(winner) => {
                let ruling = won(winner, &parties, format!("ballot {ballot} chose it"));
                self.resolve("vote", ruling, now, out);
            }
            None => {
                self.pass(at, &format!("ballot {ballot} decided nothing"), now, out);
                self.advance(at + 1, now, out);
            }
        }
    }
}
