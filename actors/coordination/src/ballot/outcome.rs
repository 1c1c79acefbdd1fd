//! What comes of a ballot.

/// What comes of a ballot with choices of type `C`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<C> {
    /// This choice won.
    Chosen {
        /// The choice.
        choice: C,
        /// By what.
        by: Wins,
    },
    /// Several choices share the most votes, and the tie rule leaves things as they are.
    Kept,
    /// Too few took part.
    NoQuorum {
        /// How many took part.
        turnout: u32,
        /// How many would have had to.
        needed: u32,
    },
    /// Enough took part, and no choice got enough of the votes.
    BelowThreshold {
        /// The most votes that a choice got.
        votes: u32,
        /// Votes in all.
        cast: u32,
    },
}

/// By what a choice won.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wins {
    /// It has more votes than any other.
    Votes,
    /// It shares the most votes with others, and the tie rule chose it.
    Tie,
}
