//! The actor that turns changes of the state that agents share into events.

use std::convert::Infallible;

use synod_coordination::sync::{SharedDelivery, SharedListener, SharedMessage};
use synod_runtime::{Actor, ActorError, Address, Context, Spec, System};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::changes::shared_event;
use super::hub::EventHub;

/// Publishes what changes in the documents of this node, by whomever.
pub struct SharedSource {
    hub: EventHub,
    shared: Address<SharedMessage>,
    /// Tells the listener of this incarnation that it is over.
    listening: Option<DropGuard>,
}

impl SharedSource {
    /// The actor, called `shared-changes`. It belongs after the shared state.
    #[must_use]
    pub fn spec(hub: EventHub, shared: Address<SharedMessage>) -> Spec<Self> {
        Spec::new("shared-changes", move || Self {
            hub: hub.clone(),
            shared: shared.clone(),
            listening: None,
        })
    }
}

fn listener(over: CancellationToken, hub: EventHub, system: System) -> SharedListener {
    SharedListener::new(move |change| {
        if over.is_cancelled() {
            return SharedDelivery::Gone;
        }
        hub.publish(shared_event(change, system.clock().utc()));
        SharedDelivery::Taken
    })
}

impl Actor for SharedSource {
    /// Nobody tells it anything but through its listener.
    type Message = Infallible;
    const KIND: &'static str = "events";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let over = CancellationToken::new();
        let listener = listener(over.clone(), self.hub.clone(), ctx.system().clone());
        self.shared.send(SharedMessage::Subscribe(listener)).await?;
        self.listening = Some(over.drop_guard());
        Ok(())
    }

    async fn handle(&mut self, never: Infallible, _: &mut Context<Self>) -> Result<(), ActorError> {
        match never {}
    }
}
