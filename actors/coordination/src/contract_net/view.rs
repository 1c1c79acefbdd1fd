//! How a contract net is shown.

use serde::Serialize;
use synod_agents::PayloadDocument;

use super::machine::{ContractNet, Phase, State};
use super::terms::{Failed, Outcome};

/// Most bidders that are listed.
const LISTED: usize = 100;

/// How a contract net stands.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct View {
    /// What is to be done.
    pub task: String,
    /// `calling`, `evaluating`, `awarded`, `done`, `failed` or `cancelled`.
    pub phase: &'static str,
    /// The round, from 1.
    pub round: u32,
    /// The most rounds there may be.
    pub max_rounds: u32,
    /// How many are called.
    pub participants: usize,
    /// How many have proposed in this round.
    pub proposed: usize,
    /// How many have refused in this round.
    pub refused: usize,
    /// How many could not be asked or did not answer in this round.
    pub silent: usize,
    /// How many have not been heard of in this round.
    pub waiting: usize,
    /// How many are out: they had the contract and lost it, or do not understand the call.
    pub out: usize,
    /// Who can still be awarded, the best first; at most 100 are listed. Empty while calling.
    pub ranked: Vec<RankedView>,
    /// The live award, or the one that was fulfilled.
    pub award: Option<AwardView>,
    /// When this phase ends by itself (UTC microseconds).
    pub until_us: Option<i64>,
    /// The result of a contract net that is done.
    pub result: Option<PayloadDocument>,
    /// Why it failed.
    pub failed: Option<Failed>,
    /// Why it was cancelled.
    pub cancelled: Option<String>,
}

/// Somebody who has proposed.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct RankedView {
    /// Who.
    pub participant: String,
    /// From 0 to 1, more is better.
    pub score: f64,
}

/// An award.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AwardView {
    /// Who has the contract.
    pub contractor: String,
    /// Its fencing token: results are taken under this one alone.
    pub fence: u64,
}

impl View {
    pub(super) fn of(net: &ContractNet) -> Self {
        let standing = net.standing();
        let mut counts = [0_usize; 5];
        for candidate in &net.candidates {
            counts[match candidate.state {
                State::Waiting | State::Called(_) => 0,
                State::Proposed(_) => 1,
                State::Refused => 2,
                State::Silent => 3,
                State::Out => 4,
            }] += 1;
        }
        let [waiting, proposed, refused, silent, out] = counts;
        let ranked = net.ranked.iter().take(LISTED);
        let ranked = ranked
            .map(|at| RankedView { participant: net.name(at.index), score: at.score })
            .collect();
        let award = standing.contractor.zip(standing.fence);
        let mut view = Self {
            task: net.setup.task.clone(),
            phase: standing.phase,
            round: net.round,
            max_rounds: net.setup.max_rounds,
            participants: net.candidates.len(),
            proposed,
            refused,
            silent,
            waiting,
            out,
            ranked,
            award: award.map(|(contractor, fence)| AwardView { contractor, fence }),
            until_us: crate::protocol::Protocol::next_wake(net).map(|until| until.0),
            result: None,
            failed: None,
            cancelled: None,
        };
        view.ended(&net.phase);
        view
    }

    fn ended(&mut self, phase: &Phase) {
        let Phase::Ended { outcome } = phase else { return };
        match outcome {
            Outcome::Done { result, .. } => self.result = Some(PayloadDocument::from(result)),
            Outcome::Failed(failed) => self.failed = Some(*failed),
            Outcome::Cancelled { reason, .. } => self.cancelled = Some(reason.clone()),
        }
    }
}
