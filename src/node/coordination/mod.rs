//! The protocols that a node offers: a desk for each, and the doors to them; and what agents say
//! to each other beside them: messages and topics.

mod messenger;
mod moderator;
mod owner_way;

use std::marker::PhantomData;
use std::sync::Arc;

use synod_agents::RegistryMessage;
use synod_coordination::Protocol;
use synod_coordination::auction::Auction;
use synod_coordination::ballot::BallotProtocol;
use synod_coordination::conflict::Conflict;
use synod_coordination::contract_net::ContractNet;
use synod_coordination::desk::{Courier, Desk, DeskConfig, NoteTeller};
use synod_coordination::lock::LockSpace;
use synod_coordination::messaging::AgentCourier;
use synod_coordination::messaging::router::{MessageRouter, RouterConfig, RouterMessage};
use synod_coordination::messaging::topics::{Topics, TopicsConfig, TopicsMessage};
use synod_coordination::sync::Group;
use synod_coordination::team::Team;
use synod_journal::{JournalMessage, PartitionShare};
use synod_runtime::{Address, Spec, Strategy, Supervisor, SupervisorSpec};

pub(super) use self::messenger::NodeMessenger;
pub(super) use self::moderator::Moderator;
pub(super) use self::owner_way::Conversations;
use super::assembly::BACKOFF;
use crate::api::EventHub;
use crate::api::coordination::{ConversationNote, DeskDoor, Door};
use crate::api::stream::note_event;
use crate::config::NodeConfig;

/// What desks are made of.
#[derive(Clone)]
pub(super) struct DeskParts {
    pub(super) config: DeskConfig,
    pub(super) share: PartitionShare,
    pub(super) journal: Address<JournalMessage>,
    pub(super) courier: Arc<dyn Courier>,
    /// Where notes are told.
    pub(super) hubs: Vec<EventHub>,
    /// Whom messages are for.
    pub(super) registry: Address<RegistryMessage>,
    pub(super) post: PostConfig,
}

/// The sections about messages and topics.
#[derive(Debug, Clone, Copy)]
pub(super) struct PostConfig {
    pub(super) messaging: RouterConfig,
    pub(super) topics: TopicsConfig,
}

impl PostConfig {
    /// Those of a node's configuration.
    pub(super) fn of(config: &NodeConfig) -> Self {
        Self { messaging: config.messaging, topics: config.topics }
    }
}

/// Where agents' messages go, and what is published.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) messages: Address<RouterMessage>,
    pub(crate) topics: Address<TopicsMessage>,
}

/// A protocol that a node offers.
pub(super) trait Offer: Send + Sync + 'static {
    /// Its name.
    fn kind(&self) -> &'static str;

    /// Adds its desk, and gives the door to it.
    fn add(&self, desks: SupervisorSpec, parts: &DeskParts) -> (SupervisorSpec, Arc<dyn Door>);
}

struct Offered<P>(PhantomData<fn() -> P>);

impl<P: Protocol> Offer for Offered<P> {
    fn kind(&self) -> &'static str {
        P::KIND
    }

    fn add(&self, desks: SupervisorSpec, parts: &DeskParts) -> (SupervisorSpec, Arc<dyn Door>) {
        let DeskParts { config, share, journal, courier, hubs, .. } = parts.clone();
        let desk = Desk::<P>::spec(config, share, journal, courier, teller(hubs));
        let desk = desk.backoff(BACKOFF);
        let door = DeskDoor::to(desk.address());
        (desks.child(desk), door)
    }
}

/// Tells the readers of the node's stream.
fn teller(hubs: Vec<EventHub>) -> NoteTeller {
    Arc::new(move |told| {
        let note = ConversationNote::from(told.note.clone());
        let event = note_event(told.kind.into(), told.conversation, note);
        hubs.iter().for_each(|hub| hub.publish(event.clone()));
    })
}

/// How conversations reach the agents of a registry.
pub(super) fn courier(agents: &Address<RegistryMessage>) -> Arc<dyn Courier> {
    Arc::new(AgentCourier::new(agents.clone()))
}

/// The offer of a protocol.
pub(super) fn offer<P: Protocol>() -> Arc<dyn Offer> {
    Arc::new(Offered::<P>(PhantomData))
}

/// The protocols that come with the program, in the order of their names.
pub(super) fn offers() -> Vec<Arc<dyn Offer>> {
    vec![
        offer::<Auction>(),
        offer::<BallotProtocol>(),
        offer::<Conflict>(),
        offer::<ContractNet>(),
        offer::<Group>(),
        offer::<LockSpace>(),
        offer::<Team>(),
    ]
}

/// The desks of all protocols, messages and topics under one supervisor, and the ways to them.
pub(super) fn desks(
    offers: &[Arc<dyn Offer>],
    parts: &DeskParts,
) -> (Spec<Supervisor>, Vec<Arc<dyn Door>>, Post) {
    let (mut desks, post) = post(Supervisor::new(Strategy::OneForOne), parts);
    let mut doors = Vec::new();
    for offer in offers {
        let (with, door) = offer.add(desks, parts);
        desks = with;
        doors.push(door);
    }
    (desks.into_spec("coordination"), doors, post)
}

/// Adds messages and topics; those that are kept are in the log of the work.
fn post(desks: SupervisorSpec, parts: &DeskParts) -> (SupervisorSpec, Post) {
    let PostConfig { messaging, topics } = parts.post;
    let (journal, courier) = (parts.journal.clone(), Arc::clone(&parts.courier));
    let topics = Topics::spec(topics, Some(journal), courier).backoff(BACKOFF);
    let messages = MessageRouter::spec(messaging, parts.registry.clone(), topics.address());
    let messages = messages.backoff(BACKOFF);
    let post = Post { messages: messages.address(), topics: topics.address() };
    (desks.child(topics).child(messages), post)
}
