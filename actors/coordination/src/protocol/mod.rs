//! What every collaboration protocol is: a pure machine, one value for each conversation.
//!
//! ```text
//!  Input, from whom ─▶ Protocol::step ─▶ Answer or Refusal
//!                          ├─▶ notes: what was decided, by whom, why
//!                          └─▶ dispatches: what participants are told or asked
//! ```
//!
//! Whoever carries a conversation writes each input down before anybody hears of what came of it;
//! so the same inputs at the same times make the same conversation again. Never: a clock, a random
//! number that the opening's seed does not fix, or the order of a hash map in a machine.
//!
//! A protocol of a user's own is a type with this trait.

mod effects;
mod moment;
mod refusal;
mod speaking;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use synod_runtime::Principal;
use uuid::Uuid;

pub use effects::{Dispatch, Effects, Note};
pub use moment::Moment;
pub use refusal::Refusal;
pub use speaking::may_speak_for;

/// The name of a conversation: UUIDv7 (RFC 9562) with its partition in the lowest twelve bits.
pub type ConversationId = Uuid;

/// How a conversation begins.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Its name.
    pub id: ConversationId,
    /// When.
    pub now: Moment,
    /// What all its random choices are drawn from.
    pub seed: u64,
    /// Who opened it.
    pub by: Principal,
}

/// What came back from a participant that is an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "one is there at a time; a box would be one more")]
pub enum Heard {
    /// Its answer.
    Reply(synod_agents::Envelope),
    /// None: it is gone, did not answer in time, or does not speak the protocol. Why, in words.
    Silent(String),
}

/// What goes over the disk: serde without its self-describing tricks (see `synod_journal::Codec`).
pub trait Kept: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Kept for T {}

/// A collaboration protocol; a value of it is one conversation. It is stored whole in snapshots.
pub trait Protocol: Kept {
    /// Its name, in kebab case: of its actor, its journal stream and its route.
    const KIND: &'static str;
    /// The version of the shapes of setup, input and state; raised when one changes.
    const VERSION: u16;
    /// What its envelopes name as their protocol, such as `fipa-contract-net`.
    const SPEECH: &'static str = Self::KIND;

    /// What a conversation is opened with.
    type Setup: Kept;
    /// What it is told.
    type Input: Kept;
    /// What whoever told it hears: JSON at the edges.
    type Answer: Serialize + Send + 'static;
    /// How it is shown: JSON at the edges.
    type View: Serialize + Send + 'static;

    /// Begins.
    ///
    /// # Errors
    /// The setup is not one to begin with: what, where, what was expected. There is no
    /// conversation then.
    fn open(setup: Self::Setup, opening: &Opening, out: &mut Effects) -> Result<Self, Refusal>;

    /// Takes an input.
    ///
    /// # Errors
    /// The input is refused; nothing has changed then, and nothing may be in `out`.
    fn step(
        &mut self,
        now: Moment,
        by: &Principal,
        input: Self::Input,
        out: &mut Effects,
    ) -> Result<Self::Answer, Refusal>;

    /// The time has come that `next_wake` asked for, or later.
    fn wake(&mut self, now: Moment, out: &mut Effects);

    /// When it wants to be woken; none when only inputs move it.
    fn next_wake(&self) -> Option<Moment>;

    /// Takes what a participant answered to the dispatch `about`, or that it did not.
    fn heard(&mut self, now: Moment, about: u64, heard: &Heard, out: &mut Effects);

    /// Whether nothing can come of it any more.
    fn has_ended(&self) -> bool;

    /// Sends again what participants have not answered: the node was started again. Whoever gets
    /// it twice knows it by its message id.
    fn resume(&self, out: &mut Effects);

    /// How it stands.
    fn view(&self) -> Self::View;

    /// Reads a setup of an older version; none when there never was one.
    fn setup_of(version: u16, bytes: &[u8]) -> Option<Self::Setup> {
        let _ = (version, bytes);
        None
    }

    /// Reads an input of an older version; none when there never was one.
    fn input_of(version: u16, bytes: &[u8]) -> Option<Self::Input> {
        let _ = (version, bytes);
        None
    }

    /// Reads a state of an older version; none when there never was one.
    fn state_of(version: u16, bytes: &[u8]) -> Option<Self> {
        let _ = (version, bytes);
        None
    }
}
