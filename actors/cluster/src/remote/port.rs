//! What arrives from other desks. Called on the task of a connection: nothing here waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use synod_runtime::{Priority, SendOptions};

use super::actor::RemoteMessage;
use super::desk::Shared;
use super::error::RemoteError;
use super::letter::{Call, Cast, Label, open};
use super::offers::{fail, reply};
use crate::links::{Answer, Port};
use crate::node::NodeId;

impl Shared {
    /// Puts a one-way message into the mailbox of whom it is for.
    pub(super) fn tell(&self, label: &Label, body: &[u8]) -> Result<(), RemoteError> {
        let receiver = self.offers.read().find(&label.name, &label.kind, label.version)?;
        receiver.tell(label, body)
    }

    fn told(&self, from: NodeId, number: u64, label: &Label, body: &[u8]) {
        if let Err(why) = self.tell(label, body) {
            tracing::debug!(%from, name = label.name, %why, "a message of another node goes back");
            self.cast(from, &Cast::Back { number, why });
        }
        let soon = self.arrived.lock().entry(from).or_default().note(number);
        if soon {
            self.confirm(from);
        } else if !self.is_due.swap(true, Ordering::AcqRel) {
            self.wake(RemoteMessage::Due);
        }
    }

    /// Confirms what has come from a node. False when that did not go out.
    pub(super) fn confirm(&self, node: NodeId) -> bool {
        let mut arrived = self.arrived.lock();
        let Some(from) = arrived.get_mut(&node) else { return true };
        let Some(upto) = from.due() else { return true };
        let sent = self.cast(node, &Cast::Seen { upto });
        if sent {
            from.told(upto);
        }
        sent
    }

    fn wake(&self, message: RemoteMessage) {
        let options = SendOptions::new().priority(Priority::High);
        let actor = self.actor.get();
        if actor.is_none_or(|actor| actor.try_send_with(message, options).is_err()) {
            // The regular look finds it.
            self.is_due.store(false, Ordering::Release);
        }
    }

    fn back(&self, from: NodeId, number: u64, why: &RemoteError) {
        let flight = self.flights.lock().get(&from).map(Arc::clone);
        let letter = flight.and_then(|flight| flight.lock().back(number));
        self.bury(letter.into_iter().collect(), &why.to_string());
    }

    fn begin_watch(&self, from: NodeId, name: &str, watch: u64) -> Result<(), RemoteError> {
        let receiver = self.offers.read().whoever(name)?;
        let most = self.config.max_watches;
        let added = self.watched.lock().add(Arc::clone(&receiver), (from, watch), most);
        if !added {
            return Err(RemoteError::Full);
        }
        // It may have ended in between, and that is told only to those who watched by then.
        if receiver.is_closed() {
            self.watched.lock().remove((from, watch));
            return Err(RemoteError::Closed);
        }
        Ok(())
    }
}

impl Port for Shared {
    fn cast(&self, from: NodeId, body: Bytes) {
        let (head, body) = match open::<Cast>(body) {
            Ok(opened) => opened,
            Err(why) => return tracing::warn!(%from, why, "not a word of a desk"),
        };
        match head {
            Cast::Tell { number, label } => self.told(from, number, &label, &body),
            Cast::Seen { upto } => {
                let flight = self.flights.lock().get(&from).map(Arc::clone);
                if let Some(flight) = flight {
                    flight.lock().settle(upto);
                }
            }
            Cast::Back { number, why } => self.back(from, number, &why),
            Cast::News { watch, news } => self.watching.lock().tell(from, watch, news),
            Cast::Unwatch { watch } => self.watched.lock().remove((from, watch)),
        }
    }

    fn call(&self, from: NodeId, body: Bytes, answer: Answer) {
        let (head, body) = match open::<Call>(body) {
            Ok(opened) => opened,
            Err(why) => return answer.refuse(format!("not a question of a desk: {why}")),
        };
        match head {
            Call::Ask { label } => {
                let found = self.offers.read().find(&label.name, &label.kind, label.version);
                match found {
                    Ok(receiver) => receiver.ask(&label, &body, answer),
                    Err(why) => fail(answer, why),
                }
            }
            Call::Find { name, kind, version } => {
                let found = self.offers.read().find(&name, &kind, version);
                reply(answer, found.map(|receiver| receiver.path().to_string()));
            }
            Call::Watch { name, watch } => reply(answer, self.begin_watch(from, &name, watch)),
            Call::Spawn { kind, version, name } => {
                let ordered = self.types.read().order(&kind, version, name, &body);
                match (ordered, self.actor.get()) {
                    (Ok(order), Some(actor)) => {
                        let spawn = RemoteMessage::Spawn(order, answer);
                        if let Err(refused) = actor.try_send(spawn)
                            && let (RemoteMessage::Spawn(_, answer), why) = refused.split()
                        {
                            fail(answer, why.into());
                        }
                    }
                    (Ok(_), None) => fail(answer, RemoteError::Closed),
                    (Err(why), _) => fail(answer, why),
                }
            }
        }
    }
}
