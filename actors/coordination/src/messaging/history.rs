//! What was said in which conversation, bounded. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;
use synod_agents::{AgentId, Envelope, EnvelopeDocument};
use uuid::Uuid;

/// Participants of a conversation that are kept apart; one with more is open to everybody.
const MAX_PARTICIPANTS: usize = 1_024;
/// Bytes that an envelope takes beside its content, about.
const OVERHEAD: usize = 512;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Conversations; the one that was quiet for longest goes first.
    pub conversations: usize,
    /// Envelopes of one conversation; the oldest go first.
    pub envelopes: usize,
    /// Bytes of all of them.
    pub bytes: usize,
}

/// One envelope of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct HistoryEntry {
    /// Its number in the conversation, from 1; numbers that are missing were dropped for room.
    pub number: u64,
    /// The envelope.
    pub envelope: EnvelopeDocument,
}

#[derive(Debug, Default)]
struct Talk {
    said: VecDeque<(u64, Envelope)>,
    last: u64,
    /// Who takes part; none when it is open to everybody.
    participants: Option<BTreeSet<String>>,
    touched: u64,
}

/// The conversations that are remembered.
#[derive(Debug)]
pub(super) struct Conversations {
    limits: HistoryLimits,
    talks: BTreeMap<Uuid, Talk>,
    by_touch: BTreeMap<u64, Uuid>,
    clock: u64,
    bytes: usize,
}

fn weight(envelope: &Envelope) -> usize {
    envelope.content.bytes.len() + OVERHEAD
}

impl Conversations {
    pub(super) fn new(limits: HistoryLimits) -> Self {
        let (talks, by_touch) = (BTreeMap::new(), BTreeMap::new());
        Self { limits, talks, by_touch, clock: 0, bytes: 0 }
    }

    /// Whether `who` may speak in the conversation: one that is not known, or theirs.
    pub(super) fn admits(&self, conversation: Uuid, who: &str) -> bool {
        self.talks.get(&conversation).is_none_or(|talk| {
            talk.participants.as_ref().is_none_or(|participants| participants.contains(who))
        })
    }

    /// Somebody takes part from now on.
    pub(super) fn invite<'a>(
        &mut self,
        conversation: Uuid,
        who: impl IntoIterator<Item = &'a AgentId>,
    ) {
        let Some(talk) = self.talks.get_mut(&conversation) else { return };
        let Some(participants) = &mut talk.participants else { return };
        for agent in who {
            participants.insert(agent.to_string());
            if participants.len() > MAX_PARTICIPANTS {
                talk.participants = None;
                return;
            }
        }
    }

    /// Remembers an envelope; one that belongs to no conversation is not kept.
    pub(super) fn record(&mut self, envelope: &Envelope) {
        let Some(conversation) = envelope.conversation else { return };
        self.clock += 1;
        let talk = self
            .talks
            .entry(conversation)
            .or_insert_with(|| Talk { participants: Some(BTreeSet::new()), ..Talk::default() });
        self.by_touch.remove(&talk.touched);
        talk.touched = self.clock;
        self.by_touch.insert(self.clock, conversation);
        if let Some(participants) = &mut talk.participants {
            participants.insert(envelope.sender.clone());
        }
        talk.last += 1;
        self.bytes += weight(envelope);
        talk.said.push_back((talk.last, envelope.clone()));
        if talk.said.len() > self.limits.envelopes
            && let Some((_, oldest)) = talk.said.pop_front()
        {
            self.bytes -= weight(&oldest);
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.talks.len() > self.limits.conversations
            || (self.bytes > self.limits.bytes && self.talks.len() > 1)
        {
            let Some((_, quietest)) = self.by_touch.pop_first() else { return };
            let Some(talk) = self.talks.remove(&quietest) else { continue };
            self.bytes -= talk.said.iter().map(|(_, said)| weight(said)).sum::<usize>();
        }
    }

    /// What was said after the envelope of that number, in order; none when the conversation is
    /// not known, or no more.
    pub(super) fn read(
        &self,
        conversation: Uuid,
        after: u64,
        limit: usize,
    ) -> Option<Vec<HistoryEntry>> {
        let talk = self.talks.get(&conversation)?;
        let later = talk.said.iter().filter(|(number, _)| *number > after).take(limit);
        let shown = later.map(|(number, envelope)| HistoryEntry {
            number: *number,
            envelope: EnvelopeDocument::from(envelope),
        });
        Some(shown.collect())
    }
}

#[cfg(test)]
mod tests {
    use synod_agents::{Payload, Performative, Recipient};

    use super::*;

    fn limits() -> HistoryLimits {
        HistoryLimits { conversations: 2, envelopes: 3, bytes: 1 << 20 }
    }

    fn said(conversation: u128, by: &str) -> Envelope {
        Envelope::new(by, Recipient::Everyone, Performative::Inform, Payload::text("x"))
            .conversation(Uuid::from_u128(conversation))
    }

    fn numbers(talks: &Conversations, conversation: u128, after: u64) -> Option<Vec<u64>> {
        let read = talks.read(Uuid::from_u128(conversation), after, 10)?;
        Some(read.into_iter().map(|entry| entry.number).collect())
    }

    #[test]
    fn the_last_envelopes_of_a_conversation_are_kept_under_their_numbers() {
        let mut talks = Conversations::new(limits());
        for _ in 0..5 {
            talks.record(&said(1, "a"));
        }
        assert_eq!(numbers(&talks, 1, 0), Some(vec![3, 4, 5]));
        assert_eq!(numbers(&talks, 1, 4), Some(vec![5]));
        assert_eq!(numbers(&talks, 9, 0), None);
    }

    #[test]
    fn the_quietest_conversation_goes_when_there_is_no_room() {
        let mut talks = Conversations::new(limits());
        for conversation in [1, 2, 1, 3] {
            talks.record(&said(conversation, "a"));
        }
        assert_eq!(numbers(&talks, 2, 0), None);
        assert_eq!(numbers(&talks, 1, 0), Some(vec![1, 2]));
        let mut talks = Conversations::new(HistoryLimits { bytes: 1_200, ..limits() });
        for conversation in [1, 2, 2] {
            talks.record(&said(conversation, "a"));
        }
        assert_eq!(numbers(&talks, 1, 0), None);
    }

    #[test]
    fn who_takes_no_part_in_a_conversation_may_not_speak_in_it() {
        let mut talks = Conversations::new(limits());
        let id = Uuid::from_u128(1);
        assert!(talks.admits(id, "anybody"), "it is not known yet");
        talks.record(&said(1, "a"));
        talks.invite(id, [&AgentId::new("b").unwrap()]);
        assert!(talks.admits(id, "a") && talks.admits(id, "b"));
        assert!(!talks.admits(id, "mallory"));
        let crowd: Vec<AgentId> =
            (0..=MAX_PARTICIPANTS).map(|n| AgentId::new(format!("c{n}")).unwrap()).collect();
        talks.invite(id, &crowd);
        assert!(talks.admits(id, "mallory"), "with so many it is open to everybody");
    }
}
