//! Where the agents are, and what the registry tells of them.

use std::sync::Arc;

use synod_agents::{AgentChange, AgentEntry, AgentMessage, Delivery, Listener, RegistryMessage};
use synod_runtime::{ActorError, Address, Priority, SendOptions, TrySendError};

use super::TaskEngine;
use crate::machine::{Answer, Input};
use crate::matching::AgentSlot;
use crate::messages::TasksMessage;
use crate::task::Moment;

/// The addresses of the agents, by their seats in the machine.
#[derive(Default)]
pub(super) struct Addresses(Vec<Option<(u32, Address<AgentMessage>)>>);

impl Addresses {
    pub(super) fn get(&self, slot: AgentSlot) -> Option<&Address<AgentMessage>> {
        let (generation, address) = self.0.get(slot.index as usize)?.as_ref()?;
        (*generation == slot.generation).then_some(address)
    }

    fn set(&mut self, slot: AgentSlot, address: Address<AgentMessage>) {
        let at = slot.index as usize;
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        self.0[at] = Some((slot.generation, address));
    }
}

impl TaskEngine {
    /// Asks the registry to tell of every agent, for as long as this incarnation lives.
    pub(super) async fn subscribe(
        &mut self,
        address: Address<TasksMessage>,
    ) -> Result<(), ActorError> {
        let alive = Arc::downgrade(&self.alive);
        let listener = Listener::new(move |change| {
            if alive.strong_count() == 0 {
                return Delivery::Gone;
            }
            // One priority for all: inherited ones differ, and a change would overtake another.
            let options = SendOptions::new().priority(Priority::High);
            match address.try_send_with(TasksMessage::AgentChanged(change), options) {
                Ok(()) => Delivery::Taken,
                Err(TrySendError::Full(_)) => Delivery::Full,
                Err(TrySendError::Closed(_) | TrySendError::Refused(..)) => Delivery::Gone,
            }
        });
        Ok(self.registry.send(RegistryMessage::Subscribe(listener)).await?)
    }

    pub(super) fn on_agent_changed(&mut self, now: Moment, change: AgentChange) {
        match change {
            AgentChange::Snapshot(entries) => {
                let keys = entries.iter().map(AgentEntry::key).collect();
                self.step(now, Input::Only(keys));
                for entry in entries.iter() {
                    self.agent_joined(now, entry);
                }
            }
            AgentChange::Joined(entry) => self.agent_joined(now, &entry),
            AgentChange::StatusChanged { key, status } => {
                self.step(now, Input::StatusChanged { key, status });
            }
            AgentChange::Left { key, reason } => {
                tracing::debug!(agent = %key, reason, "an agent left");
                self.step(now, Input::Left { key });
            }
        }
    }

    /// One that is known with the same card and address keeps its seat and what was measured.
    fn agent_joined(&mut self, now: Moment, entry: &AgentEntry) {
        let known = self.machine.seat_of(&entry.card);
        if let Some(slot) = known
            && self.addresses.get(slot) == Some(&entry.address)
        {
            let (key, status) = (entry.key(), entry.status);
            self.step(now, Input::StatusChanged { key, status });
            return;
        }
        let joined = Input::Joined { card: entry.card.clone(), status: entry.status };
        if let Answer::Seated(slot) = self.step(now, joined) {
            self.addresses.set(slot, entry.address.clone());
        }
    }
}
