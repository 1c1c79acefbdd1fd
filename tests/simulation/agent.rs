//! The agent of every node: it takes a moment, and says what it was given.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use synod::prelude::*;

use crate::facts::Facts;

/// What it can do.
pub(crate) const WORK: &str = "work";

/// What it is given, and gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// Which one of all.
    pub(crate) number: u64,
    /// How long it takes.
    pub(crate) ms: u64,
}

/// Does pieces of work on one node.
pub(crate) struct Worker {
    node: usize,
    facts: Arc<Mutex<Facts>>,
}

impl Worker {
    pub(crate) fn new(node: usize, facts: Arc<Mutex<Facts>>) -> Self {
        Self { node, facts }
    }
}

impl Agent for Worker {
    fn card(&self) -> AgentCard {
        AgentCard::new(format!("worker-{}", self.node + 1), "1.0.0").capability(WORK).concurrency(8)
    }

    async fn perform(
        &mut self,
        work: Assignment,
        _: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        let piece: Piece = work.payload.to_json()?;
        {
            let mut facts = self.facts.lock();
            facts.performed += 1;
            facts.note(format!("node {} does {} as {}", self.node, piece.number, work.work));
        }
        tokio::time::sleep(Duration::from_millis(piece.ms)).await;
        Ok(Payload::json(&piece)?)
    }
}
