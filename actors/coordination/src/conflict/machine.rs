//! One conflict: strategy after strategy until one decides, or none is left.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use synod_runtime::{Principal, PrincipalKind};

use super::ask::Asking;
use super::checks::{self, LONGEST_CLAIM, LONGEST_TEXT, longest};
use super::input::{ConflictAnswer, ConflictInput};
use super::judge::{Ruling, Verdict, judge, won};
use super::outcome::{ConflictOutcome, Fate, Fated, Resolution};
use super::setup::{ConflictSetup, HumanFallback, Party, Strategy};
use super::view::{ConflictView, HistoryEntry};
use crate::protocol::{Effects, Heard, Moment, Opening, Protocol, Refusal, may_speak_for};

/// A conflict with its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    pub(super) setup: ConflictSetup,
    pub(super) stage: Stage,
    pub(super) dispatched: u64,
    pub(super) deadline: Moment,
    pub(super) withdrawn: BTreeSet<String>,
    pub(super) history: Vec<HistoryEntry>,
    opener: String,
}

/// Where a conflict is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    Asking(Asking),
    Ended(ConflictOutcome),
}

impl Protocol for Conflict {
    const KIND: &'static str = "conflict";
    const VERSION: u16 = 1;

    type Setup = ConflictSetup;
    type Input = ConflictInput;
    type Answer = ConflictAnswer;
    type View = ConflictView;

    fn open(setup: ConflictSetup, opening: &Opening, out: &mut Effects) -> Result<Self, Refusal> {
        checks::check(&setup)?;
        let deadline = opening.now.after(Duration::from_millis(setup.deadline_ms));
        let nothing = ConflictOutcome::Unresolved { reason: "not yet begun".to_owned() };
        let mut conflict = Self {
            setup,
            stage: Stage::Ended(nothing),
            dispatched: 0,
            opener: opening.by.name.to_string(),
            deadline,
            withdrawn: BTreeSet::new(),
            history: Vec::new(),
        };
        let names: Vec<&str> = conflict.setup.parties.iter().map(|it| it.name.as_str()).collect();
        let (cause, subject) = (conflict.setup.cause, &conflict.setup.subject);
        let what = json!({ "subject": subject, "cause": cause, "parties": names });
        out.note("conflict.opened", opening.by.name.as_ref(), &what, "");
        conflict.remember(opening.now, "opened", "", "");
        conflict.advance(0, opening.now, out);
        Ok(conflict)
    }

    fn step(
        &mut self,
        now: Moment,
        by: &Principal,
        input: ConflictInput,
        out: &mut Effects,
    ) -> Result<ConflictAnswer, Refusal> {
        let at = self.in_time(now)?;
        match input {
            ConflictInput::Judge { arbiter, choice, reason } => {
                may_speak_for(by, &arbiter)?;
                longest("reason", &reason, LONGEST_TEXT)?;
                self.check_choice(choice.as_deref())?;
                self.check_arbiter(&arbiter)?;
                self.judged(now, &arbiter, choice, &reason, out);
            }
            ConflictInput::Ballot { ballot, choice } => {
                may_speak_for(by, &self.opener)?;
                longest("ballot", &ballot, LONGEST_TEXT)?;
                self.check_choice(choice.as_deref())?;
                self.check_vote(at)?;
                self.take_ballot(now, at, &ballot, choice, out);
            }
            ConflictInput::Decide { user, choice, value, reason } => {
                may_speak_for(by, &user)?;
                longest("reason", &reason, LONGEST_TEXT)?;
                self.check_choice(choice.as_deref())?;
                self.check_person(at, by, &user, choice.is_some(), value.as_deref())?;
                self.decide(now, &user, choice.as_deref(), value, &reason, out);
            }
            ConflictInput::Withdraw { party, reason } => {
                may_speak_for(by, &party)?;
                longest("reason", &reason, LONGEST_TEXT)?;
                self.check_choice(Some(&party))?;
                self.withdraw(now, party, &reason, out);
            }
            ConflictInput::Cancel { reason } => {
                may_speak_for(by, &self.opener)?;
                longest("reason", &reason, LONGEST_TEXT)?;
                self.give_up(now, format!("cancelled: {reason}"), out);
            }
        }
        Ok(self.answer())
    }

    fn wake(&mut self, now: Moment, out: &mut Effects) {
        while let Stage::Asking(asking) = &self.stage
            && asking.until <= now
        {
            let (at, until) = (asking.at, asking.until);
            // What is due has come at its own time, even where it is seen too late.
            match self.setup.strategies.get(at) {
                Some(Strategy::Human { fallback, .. }) => {
                    let fallback = fallback.clone();
                    self.fall_back(at, fallback, until, out);
                }
                _ => self.count(at, until, true, out),
            }
        }
    }

    fn next_wake(&self) -> Option<Moment> {
        match &self.stage {
            Stage::Asking(asking) => Some(asking.until),
            Stage::Ended(_) => None,
        }
    }

    fn heard(&mut self, now: Moment, about: u64, heard: &Heard, out: &mut Effects) {
        self.take_reply(now, about, heard, out);
    }

    fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended(_))
    }

    fn resume(&self, out: &mut Effects) {
        self.ask_again(out);
    }

    fn view(&self) -> ConflictView {
        ConflictView::of(self)
    }
}

impl Conflict {
    /// Those who have not given up.
    pub(super) fn active(&self) -> Vec<&Party> {
        self.setup.parties.iter().filter(|it| !self.withdrawn.contains(&it.name)).collect()
    }

    /// A party that has not given up.
    pub(super) fn active_named(&self, name: &str) -> Option<&Party> {
        self.active().into_iter().find(|it| it.name == name)
    }

    pub(super) fn answer(&self) -> ConflictAnswer {
        match &self.stage {
            Stage::Asking(asking) => {
                let strategy = self.setup.strategies.get(asking.at);
                let waits_for = strategy.map(|it| it.name().to_owned());
                let until_us = Some(asking.until.0);
                ConflictAnswer { waits_for, until_us, outcome: None }
            }
            Stage::Ended(outcome) => {
                let outcome = Some(outcome.clone());
                ConflictAnswer { waits_for: None, until_us: None, outcome }
            }
        }
    }

    /// Which strategy waits for an input that comes now.
    fn in_time(&self, now: Moment) -> Result<usize, Refusal> {
        match &self.stage {
            Stage::Asking(asking) if asking.until > now => Ok(asking.at),
            Stage::Asking(_) => {
                let reason = "the time for this has passed: see what comes of it";
                Err(Refusal::TooLate(reason.to_owned()))
            }
            Stage::Ended(_) => Err(Refusal::TooLate("the conflict has ended".to_owned())),
        }
    }

    fn check_vote(&self, at: usize) -> Result<(), Refusal> {
        match self.setup.strategies.get(at) {
            Some(Strategy::Vote { .. }) => Ok(()),
            _ => Err(Refusal::Conflict("no vote is held now".to_owned())),
        }
    }

    fn check_choice(&self, choice: Option<&str>) -> Result<(), Refusal> {
        match choice {
            Some(name) if self.active_named(name).is_none() => {
                let reason = format!("'{name}' is no party, or has given up");
                Err(Refusal::invalid("choice", reason))
            }
            _ => Ok(()),
        }
    }

    fn check_person(
        &self,
        at: usize,
        by: &Principal,
        user: &str,
        chosen: bool,
        value: Option<&str>,
    ) -> Result<(), Refusal> {
        let Some(Strategy::Human { users, .. }) = self.setup.strategies.get(at) else {
            return Err(Refusal::Conflict("no person is asked now".to_owned()));
        };
        if by.kind == PrincipalKind::Agent {
            return Err(Refusal::NotAllowed(format!("{by} is no person")));
        }
        if !users.is_empty() && !users.iter().any(|it| it == user) {
            return Err(Refusal::NotAllowed(format!("'{user}' is not asked")));
        }
        if !chosen && value.is_none() {
            return Err(Refusal::invalid("choice", "none: a party or a `value` is expected"));
        }
        longest("value", value.unwrap_or(""), LONGEST_CLAIM)
    }

    /// Tries the strategies from `at` on, until one decides or asks somebody.
    pub(super) fn advance(&mut self, mut at: usize, now: Moment, out: &mut Effects) {
        while let Some(strategy) = self.setup.strategies.get(at) {
            match judge(strategy, &self.active()) {
                Verdict::Decided(ruling) => return self.resolve(strategy.name(), ruling, now, out),
                Verdict::Passed(why) => self.pass(at, &why, now, out),
                Verdict::Asks if now >= self.deadline => {
                    self.pass(at, "no time is left to ask anybody", now, out);
                }
                Verdict::Asks => return self.ask(at, self.deadline, now, out),
            }
            at += 1;
        }
        let passed = self.history.iter().filter(|it| it.event == "passed");
        let passed: Vec<String> = passed.map(|it| format!("{}: {}", it.of, it.why)).collect();
        self.give_up(now, format!("no strategy could decide: {}", passed.join("; ")), out);
    }

    /// The strategy could not decide.
    pub(super) fn pass(&mut self, at: usize, why: &str, now: Moment, out: &mut Effects) {
        let name = self.setup.strategies.get(at).map_or("", Strategy::name);
        out.note("conflict.passed", "", &json!({ "strategy": name }), why);
        self.remember(now, "passed", name, why);
    }

    pub(super) fn resolve(
        &mut self,
        strategy: &str,
        ruling: Ruling,
        now: Moment,
        out: &mut Effects,
    ) {
        let Ruling { winner, fates, value, why } = ruling;
        let parties = self.setup.parties.iter();
        let fates = parties.map(|it| Fated {
            party: it.name.clone(),
            fate: fates.get(&it.name).copied().unwrap_or(Fate::Withdrawn),
        });
        let resolution = Resolution {
            strategy: strategy.to_owned(),
            winner,
            fates: fates.collect(),
            value,
            why: why.clone(),
        };
        let who = resolution.winner.clone().unwrap_or_default();
        out.note("conflict.resolved", who, &resolution, &*why);
        self.remember(now, "resolved", strategy, &why);
        self.stage = Stage::Ended(ConflictOutcome::Resolved(resolution));
    }

    fn give_up(&mut self, now: Moment, mut reason: String, out: &mut Effects) {
        reason.truncate(reason.floor_char_boundary(LONGEST_TEXT as usize));
        out.note("conflict.unresolved", "", &json!({ "subject": self.setup.subject }), &*reason);
        self.remember(now, "unresolved", "", &reason);
        self.stage = Stage::Ended(ConflictOutcome::Unresolved { reason });
    }

    pub(super) fn remember(&mut self, now: Moment, event: &str, of: &str, why: &str) {
        let (event, of, why) = (event.to_owned(), of.to_owned(), why.to_owned());
        self.history.push(HistoryEntry { at_us: now.0, event, of, why });
    }

    fn decide(
        &mut self,
        now: Moment,
        user: &str,
        choice: Option<&str>,
        value: Option<String>,
        reason: &str,
        out: &mut Effects,
    ) {
        let parties = self.active();
        let why = format!("'{user}' decided: {reason}");
        let mut ruling = match parties.iter().find(|it| Some(it.name.as_str()) == choice) {
            Some(winner) => won(winner, &parties, why),
            None => {
                let fates = parties.iter().map(|it| (it.name.clone(), Fate::Yields)).collect();
                Ruling { winner: None, fates, value: None, why }
            }
        };
        ruling.value = value.or(ruling.value);
        self.resolve("human", ruling, now, out);
    }

    fn fall_back(&mut self, at: usize, fallback: HumanFallback, now: Moment, out: &mut Effects) {
        match fallback {
            HumanFallback::Unresolved => {
                self.give_up(now, "nobody decided in time".to_owned(), out);
            }
            HumanFallback::Party(name) if self.active_named(&name).is_some() => {
                let parties = self.active();
                let Some(winner) = parties.iter().find(|it| it.name == name) else { return };
                let why = format!("nobody decided in time: '{name}' has it then");
                let ruling = won(winner, &parties, why);
                self.resolve("human", ruling, now, out);
            }
            HumanFallback::Party(_) | HumanFallback::Next => {
                self.pass(at, "nobody decided in time", now, out);
                self.advance(at + 1, now, out);
            }
        }
    }

    fn withdraw(&mut self, now: Moment, party: String, reason: &str, out: &mut Effects) {
        out.note("conflict.withdrawn", party.as_str(), &json!({ "party": party }), reason);
        self.remember(now, "withdrawn", &party, reason);
        if let Stage::Asking(asking) = &mut self.stage {
            for choice in asking.judged.values_mut() {
                if choice.as_deref() == Some(party.as_str()) {
                    *choice = None;
                }
            }
        }
        self.withdrawn.insert(party);
        let parties = self.active();
        if let [last] = parties[..] {
            let why = format!("the others gave up: '{}' has it", last.name);
            let ruling = won(last, &parties, why);
            return self.resolve("withdrawal", ruling, now, out);
        }
        if let Stage::Asking(asking) = &self.stage {
            self.count(asking.at, now, false, out);
        }
    }
}
