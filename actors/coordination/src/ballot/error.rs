//! Why a ballot did not take what it was given.

/// Why a ballot could not be opened, or a vote not be taken. The ballot is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BallotError {
    /// Nobody may vote, so nothing can be decided.
    #[error("the electorate is empty")]
    NoElectorate,
    /// A voter is named twice in the electorate.
    #[error("a voter is named twice in the electorate")]
    NamedTwice,
    /// Who votes is not of the electorate.
    #[error("not a voter of this ballot")]
    UnknownVoter,
    /// This voter has voted, abstained or failed already.
    #[error("this voter has already been counted")]
    AlreadyCounted,
    /// The outcome is fixed, or the deadline has passed.
    #[error("the ballot has closed")]
    Closed,
}
