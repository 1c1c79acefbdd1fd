//! The machine of a group: what the control group or a work group has agreed on.

use bytes::Bytes;
use synod_journal::{BlobId, Codec, CodecError, RecordCodec};

use super::config::ConsensusConfig;
use super::group::GroupId;
use super::types::Outcome;
use crate::control::{ControlState, FencingToken};
use crate::log::{Command, Effect, StreamLimits, Streams};

/// Bytes of the control group's state.
const STATE_LIMIT: usize = 256 << 20;

/// What a group has agreed on. A clone is a view that later changes leave alone.
#[derive(Clone, Debug)]
pub(crate) enum Machine {
    /// Of the control group.
    Control(Box<ControlState>),
    /// Of a work group.
    Streams(Box<Streams>),
}

impl Machine {
    /// The machine of a group that nothing was ever said to.
    pub(super) fn new(group: GroupId, config: &ConsensusConfig) -> Self {
        if group == GroupId::CONTROL {
            return Self::Control(Box::default());
        }
        Self::Streams(Box::new(Streams::new(stream_limits(config))))
    }

    /// Applies an encoded command that stands at `token` in the log.
    pub(super) fn apply(
        &mut self,
        command: &Bytes,
        token: FencingToken,
    ) -> (Outcome, Option<Effect>) {
        match self {
            Self::Control(state) => match RecordCodec::decode(command) {
                Ok(command) => (Outcome::Control(state.apply(command, token)), None),
                Err(error) => (Outcome::Undecodable(error.to_string()), None),
            },
            Self::Streams(streams) => match Command::decode(command) {
                Ok(command) => {
                    let (answer, effect) = streams.apply(command);
                    (Outcome::Streams(answer), effect)
                }
                Err(error) => (Outcome::Undecodable(error.to_string()), None),
            },
        }
    }

    /// The state as bytes.
    ///
    /// # Errors
    /// Those of the codec.
    pub(super) fn encode(&self) -> Result<Bytes, CodecError> {
        match self {
            Self::Control(state) => Codec::<STATE_LIMIT>::encode(state),
            Self::Streams(streams) => streams.encode(),
        }
    }

    /// The state of a group that these bytes hold.
    ///
    /// # Errors
    /// [`CodecError::Decode`]
    pub(super) fn decode(
        group: GroupId,
        bytes: &Bytes,
        config: &ConsensusConfig,
    ) -> Result<Self, CodecError> {
        if group == GroupId::CONTROL {
            return Ok(Self::Control(Codec::<STATE_LIMIT>::decode(bytes)?));
        }
        Ok(Self::Streams(Box::new(Streams::decode(bytes, stream_limits(config))?)))
    }

    /// The pieces that the state names.
    pub(super) fn pieces(&self) -> Vec<BlobId> {
        match self {
            Self::Control(_) => Vec::new(),
            Self::Streams(streams) => streams.pieces().into_iter().collect(),
        }
    }

    /// Bytes that the state takes, roughly.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Control(_) => 0,
            Self::Streams(streams) => streams.tail_bytes(),
        }
    }

    pub(crate) fn streams(&self) -> Option<&Streams> {
        match self {
            Self::Streams(streams) => Some(streams),
            Self::Control(_) => None,
        }
    }
}

fn stream_limits(config: &ConsensusConfig) -> StreamLimits {
    StreamLimits { streams: config.max_streams, tail_bytes: config.max_tail_bytes }
}
