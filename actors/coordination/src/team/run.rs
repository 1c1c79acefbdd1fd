//! Work done together: the five modes. Pure; it says who gets what next, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::roster::Roster;
use super::setup::{RunMode, RunSetup};
use crate::protocol::{Moment, Refusal};

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) setup: RunSetup,
    pub(super) until: Moment,
    /// The pieces; empty once it has ended.
    pub(super) pieces: Vec<Piece>,
    pub(super) state: RunState,
    /// How many members were asked, where all are.
    asked: u32,
    /// What all are sent, where all are sent the same.
    shared: String,
    /// Bytes of contents and results.
    pub(super) weight: usize,
}

/// Most members that are asked where all are: the least busy ones.
const MAX_ASKED: usize = 1_000;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RunState {
    GoesOn,
    /// One result; of sequential and parallel runs one for each content, in order.
    Done {
        results: Vec<String>,
        why: String,
    },
    Failed {
        why: String,
    },
}

/// What one member does at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    role: String,
    content: String,
    tried: BTreeSet<String>,
    /// Who holds it, as which piece of work.
    pub(super) held: Option<(String, u64)>,
    result: Option<String>,
    /// Who made the result.
    by: Option<String>,
    is_out: bool,
}

/// Somebody is to be given a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Give {
    pub(super) piece: usize,
    pub(super) member: String,
}

impl Piece {
    fn new(role: &str, content: String) -> Self {
        let tried = BTreeSet::new();
        let (held, result, by) = (None, None, None);
        Self { role: role.to_owned(), content, tried, held, result, by, is_out: false }
    }
}

impl Run {
    /// Begins; says who gets what first.
    pub(super) fn begin(
        setup: RunSetup,
        until: Moment,
        roster: &Roster,
    ) -> Result<(Self, Vec<Give>), Refusal> {
        let mut able = roster.able(setup.stages.first().unwrap_or(&setup.role));
        able.truncate(MAX_ASKED);
        for role in setup.stages.iter().chain([&setup.role]) {
            if roster.able(role).is_empty() {
                let reason = format!("no member has '{role}', expected one at least");
                return Err(Refusal::invalid("run.role", reason));
            }
        }
        let asked = able.len() as u32;
        if setup.mode == RunMode::Consensus && setup.needed > asked {
            let reason = format!("{}, expected at most the {asked} that are asked", setup.needed);
            return Err(Refusal::invalid("run.needed", reason));
        }
        let pieces = pieces_of(&setup, able.len());
        let is_shared = matches!(setup.mode, RunMode::Consensus | RunMode::Competitive);
        let shared = setup.contents.first().filter(|_| is_shared).cloned().unwrap_or_default();
        let at_once = match setup.mode {
            RunMode::Sequential | RunMode::Pipeline => 1,
            _ => pieces.len(),
        };
        let order = able.into_iter().cycle().enumerate().take(at_once);
        let gives = order.map(|(piece, member)| Give { piece, member }).collect();
        // What was said to be done is in the pieces now.
        let (weight, state) = (setup.weight(), RunState::GoesOn);
        let setup = RunSetup { contents: Vec::new(), ..setup };
        Ok((Self { setup, until, pieces, state, asked, shared, weight }, gives))
    }

    pub(super) fn goes_on(&self) -> bool {
        self.state == RunState::GoesOn
    }

    pub(super) fn content(&self, piece: usize) -> &str {
        let own = self.pieces.get(piece).map_or("", |piece| &piece.content);
        if own.is_empty() { &self.shared } else { own }
    }

    /// Somebody holds a piece now.
    pub(super) fn gave(&mut self, piece: usize, member: &str, work: u64) {
        if let Some(piece) = self.pieces.get_mut(piece) {
            piece.tried.insert(member.to_owned());
            piece.held = Some((member.to_owned(), work));
        }
    }

    /// A piece is done.
    pub(super) fn answered(&mut self, at: usize, result: String, roster: &Roster) -> Vec<Give> {
        let Some(piece) = self.pieces.get_mut(at) else { return Vec::new() };
        let member = piece.held.take().map(|(member, _)| member).unwrap_or_default();
        self.weight += result.len();
        (piece.result, piece.by) = (Some(result), Some(member.clone()));
        match self.setup.mode {
            RunMode::Sequential | RunMode::Parallel => self.look_at_all(at, roster),
            RunMode::Pipeline => self.next_stage(at, roster),
            RunMode::Consensus => {
                self.count();
                Vec::new()
            }
            RunMode::Competitive => {
                let result = self.pieces.get_mut(at).and_then(|piece| piece.result.take());
                let why = format!("'{member}' was first");
                self.state = RunState::Done { results: Vec::from_iter(result), why };
                Vec::new()
            }
        }
    }

    fn look_at_all(&mut self, at: usize, roster: &Roster) -> Vec<Give> {
        if self.pieces.iter().all(|piece| piece.result.is_some()) {
            let count = self.pieces.len();
            let results = self.pieces.iter_mut().filter_map(|piece| piece.result.take());
            let (results, why) = (results.collect(), format!("all {count} are done"));
            self.state = RunState::Done { results, why };
            return Vec::new();
        }
        if self.setup.mode == RunMode::Parallel { Vec::new() } else { self.go_on(at + 1, roster) }
    }

    fn next_stage(&mut self, at: usize, roster: &Roster) -> Vec<Give> {
        let result = self.pieces.get_mut(at).and_then(|piece| piece.result.clone());
        let result = result.unwrap_or_default();
        let Some(next) = self.pieces.get_mut(at + 1) else {
            let why = format!("it went through {} stages", at + 1);
            self.state = RunState::Done { results: vec![result], why };
            return Vec::new();
        };
        next.content = result;
        self.go_on(at + 1, roster)
    }

    /// Gives a piece to the next member in turn.
    fn go_on(&mut self, at: usize, roster: &Roster) -> Vec<Give> {
        let Some(piece) = self.pieces.get(at) else { return Vec::new() };
        // Whose turn it is: those that did the last pieces come last.
        let former = self.pieces[..at].iter().rev().filter_map(|piece| piece.by.as_ref());
        let able = roster.able(&piece.role);
        let recent: BTreeSet<_> = former.take(able.len().saturating_sub(1)).cloned().collect();
        match roster.another(&piece.role, &recent).or_else(|| able.into_iter().next()) {
            Some(member) => vec![Give { piece: at, member }],
            None => {
                let why = format!("nobody is left with the role '{}'", piece.role);
                self.state = RunState::Failed { why };
                Vec::new()
            }
        }
    }

    /// Whether enough answer alike, or no longer can.
    fn count(&mut self) {
        let needed = if self.setup.needed > 0 { self.setup.needed } else { self.asked / 2 + 1 };
        let mut votes: BTreeMap<String, (u32, &str)> = BTreeMap::new();
        for result in self.pieces.iter().filter_map(|piece| piece.result.as_deref()) {
            votes.entry(alike(result)).or_insert((0, result)).0 += 1;
        }
        let most = votes.values().map(|(count, _)| *count).max().unwrap_or(0);
        let agreed = votes.values().find(|(count, _)| *count >= needed.max(1) && *count == most);
        let open =
            self.pieces.iter().filter(|piece| piece.result.is_none() && !piece.is_out).count();
        if let Some((count, result)) = agreed {
            let why = format!("{count} of {} answered alike, {needed} needed", self.asked);
            self.state = RunState::Done { results: vec![(*result).to_owned()], why };
        } else if most + (open as u32) < needed {
            let why = format!("no consensus: at most {most} answer alike, {needed} needed");
            self.state = RunState::Failed { why };
        }
    }

    /// A piece was not done by who held it: another tries, or it is out.
    pub(super) fn failed(&mut self, at: usize, why: &str, roster: &Roster) -> Vec<Give> {
        let mode = self.setup.mode;
        let Some(piece) = self.pieces.get_mut(at) else { return Vec::new() };
        let member = piece.held.take().map(|(member, _)| member).unwrap_or_default();
        match mode {
            RunMode::Sequential | RunMode::Parallel | RunMode::Pipeline => {
                match roster.another(&piece.role, &piece.tried) {
                    Some(member) => vec![Give { piece: at, member }],
                    None => {
                        let tried = piece.tried.len();
                        let why = format!("'{member}': {why}; {tried} have tried piece {at}");
                        self.state = RunState::Failed { why };
                        Vec::new()
                    }
                }
            }
            RunMode::Consensus => {
                piece.is_out = true;
                self.count();
                Vec::new()
            }
            RunMode::Competitive => {
                piece.is_out = true;
                if self.pieces.iter().all(|piece| piece.is_out) {
                    let why = format!("all failed; the last, '{member}': {why}");
                    self.state = RunState::Failed { why };
                }
                Vec::new()
            }
        }
    }

    /// Ends it from outside.
    pub(super) fn give_up(&mut self, why: &str) {
        self.state = RunState::Failed { why: why.to_owned() };
    }

    /// Whether it has let go of its pieces.
    pub(super) fn is_cleared(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Lets go of the pieces; gives the pieces of work that are still held.
    pub(super) fn clear(&mut self) -> Vec<u64> {
        self.weight = match &self.state {
            RunState::Done { results, .. } => results.iter().map(String::len).sum(),
            _ => 0,
        };
        self.shared.clear();
        let pieces = std::mem::take(&mut self.pieces);
        pieces.into_iter().filter_map(|piece| piece.held).map(|(_, work)| work).collect()
    }
}

/// What is to be done, in pieces; so many are asked, where all are.
fn pieces_of(setup: &RunSetup, asked: usize) -> Vec<Piece> {
    let piece = |content: &String| Piece::new(&setup.role, content.clone());
    match setup.mode {
        RunMode::Sequential | RunMode::Parallel => setup.contents.iter().map(piece).collect(),
        RunMode::Pipeline => {
            let stages = setup.stages.iter().map(|role| Piece::new(role, String::new()));
            let mut stages: Vec<_> = stages.collect();
            for (stage, content) in stages.iter_mut().zip(&setup.contents) {
                stage.content.clone_from(content);
            }
            stages
        }
        RunMode::Consensus | RunMode::Competitive => {
            (0..asked).map(|_| Piece::new(&setup.role, String::new())).collect()
        }
    }
}

/// What makes answers alike: JSON by its meaning, other text by its letters without the space
/// around.
fn alike(result: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(result) {
        Ok(value) => value.to_string(),
        Err(_) => result.trim().to_owned(),
    }
}
