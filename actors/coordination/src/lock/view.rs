//! How a lock space is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::machine::LockSpace;
use super::messages::Ending;
use super::setup::DeadlockPolicy;
use super::table::{Grant, OwnerNo, Resource, Waiting};

/// How many grants and waits a view lists, the oldest first.
const LISTED: usize = 1_000;
/// How many holders and waiters of a contended resource are named.
const NAMED: usize = 100;

/// What has become of all requests: `waits` = waiting now + all `ended`, and `grants` = standing
/// now + `freed`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LockLedger {
    /// Requests that could not be served at once.
    pub waits: u64,
    /// How they ended.
    pub ended: BTreeMap<Ending, u64>,
    /// Grants that were given.
    pub grants: u64,
    /// Grants that were given back, have expired or were taken.
    pub freed: u64,
}

/// How a wait or a grant ended. With a ticket: a wait; with a fence alone: a grant that was not
/// given back by its owner.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ended {
    /// Whose.
    pub owner: String,
    /// The waiting request.
    pub ticket: Option<u64>,
    /// The token: of the grant that ended the wait, or of the grant that ended.
    pub fence: Option<u64>,
    /// How.
    pub ending: Ending,
    /// When (UTC microseconds).
    pub at_us: i64,
}

/// Something that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct GrantView {
    /// By whom.
    pub owner: String,
    /// Under which token.
    pub fence: u64,
    /// What, and how many of its permits; a lock that is held alone has 1,048,576.
    pub resources: BTreeMap<String, u32>,
    /// Until when (UTC microseconds).
    pub until_us: i64,
}

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct WaitView {
    /// Whose.
    pub owner: String,
    /// Its name.
    pub ticket: u64,
    /// For what, and how many of its permits.
    pub resources: BTreeMap<String, u32>,
    /// Since when (UTC microseconds).
    pub since_us: i64,
    /// When it ends, whatever happens (UTC microseconds).
    pub deadline_us: i64,
}

/// A lock space as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LockView {
    /// Its name for people.
    pub name: String,
    /// What it does about deadlocks.
    pub policy: DeadlockPolicy,
    /// Owners that hold, wait or are remembered.
    pub owners: u64,
    /// Locks that are held or waited for, and all semaphores.
    pub resources: u64,
    /// How many requests wait.
    pub waiting: u64,
    /// The first 1,000 of them.
    pub waits: Vec<WaitView>,
    /// How many grants stand.
    pub held: u64,
    /// The first 1,000 of them.
    pub grants: Vec<GrantView>,
    /// The latest 256 endings, the latest last.
    pub recent: Vec<Ended>,
    /// The last token that was given.
    pub last_fence: u64,
    /// What has become of all requests.
    pub ledger: LockLedger,
    /// Why it was closed; none while it is open.
    pub closed: Option<String>,
}

/// A resource that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Contention {
    /// Which.
    pub resource: String,
    /// Who holds it, at most 100.
    pub holders: Vec<String>,
    /// Who waits for it, in order, at most 100.
    pub waiters: Vec<String>,
    /// How many wait for it.
    pub waiting: u64,
}

impl LockView {
    pub(super) fn of(space: &LockSpace) -> Self {
        let table = &space.table;
        let waits = table.waiting.iter().take(LISTED);
        let grants = table.grants.iter().take(LISTED);
        Self {
            name: space.setup.name.clone(),
            policy: space.setup.policy,
            owners: table.owners.len() as u64,
            resources: table.resources.len() as u64,
            waiting: table.waiting.len() as u64,
            waits: waits.map(|(ticket, it)| space.show_wait(*ticket, it)).collect(),
            held: table.grants.len() as u64,
            grants: grants.map(|(fence, it)| space.show_grant(*fence, it)).collect(),
            recent: space.recent.iter().cloned().collect(),
            last_fence: table.last_fence,
            ledger: space.ledger.clone(),
            closed: space.closed.clone(),
        }
    }
}

impl LockSpace {
    fn show_wait(&self, ticket: u64, request: &Waiting) -> WaitView {
        let names = self.names_of(&request.items).into_iter().map(str::to_owned);
        WaitView {
            owner: self.table.name_of(request.owner).to_owned(),
            ticket,
            resources: names.zip(request.items.iter().map(|it| it.amount)).collect(),
            since_us: request.since.0,
            deadline_us: request.deadline.0,
        }
    }

    fn show_grant(&self, fence: u64, grant: &Grant) -> GrantView {
        let names = self.names_of(&grant.items).into_iter().map(str::to_owned);
        GrantView {
            owner: self.table.name_of(grant.owner).to_owned(),
            fence,
            resources: names.zip(grant.items.iter().map(|it| it.amount)).collect(),
            until_us: grant.until.0,
        }
    }

    /// The resources that somebody waits for.
    #[must_use]
    pub fn contention(&self) -> Vec<Contention> {
        let contended = self.table.resources.values().filter(|it| !it.queue.is_empty());
        contended.map(|resource| self.contention_of(resource)).collect()
    }

    fn contention_of(&self, resource: &Resource) -> Contention {
        let name = |no: OwnerNo| self.table.name_of(no).to_owned();
        let waiting = resource.queue.keys().take(NAMED);
        let waiting = waiting.filter_map(|place| self.table.waiting.get(&place.1));
        Contention {
            resource: resource.name.clone(),
            holders: resource.holders.keys().take(NAMED).map(|no| name(*no)).collect(),
            waiters: waiting.map(|request| name(request.owner)).collect(),
            waiting: resource.queue.len() as u64,
        }
    }

    /// Groups of owners who can't go on whatever the others do; only a space whose policy is
    /// `timeout` has any. Costs O(n log n) for n holds and waits.
    #[must_use]
    pub fn deadlocked(&self) -> Vec<Vec<String>> {
        let name = |no: OwnerNo| self.table.name_of(no).to_owned();
        let groups = self.table.deadlocks().into_iter();
        groups.map(|group| group.into_iter().map(name).collect()).collect()
    }

    /// Whether `fence` is the token of something that is held: what whoever guards a resource
    /// asks when it does not itself refuse tokens below the last it has seen.
    #[must_use]
    pub fn is_live(&self, fence: u64) -> bool {
        self.table.grants.contains_key(&fence)
    }

    /// How urgent an owner is and since when it is at it (UTC microseconds), while it is known.
    #[must_use]
    pub fn standing(&self, owner: &str) -> Option<(u8, i64)> {
        self.table.owner_named(owner).map(|(_, it)| (it.priority, it.since.0))
    }

    /// How many locks and semaphores an owner has a part of, each grant counted.
    #[must_use]
    pub fn locks_of(&self, owner: &str) -> usize {
        let grants = self.table.owner_named(owner).into_iter().flat_map(|(_, it)| &it.grants);
        grants.filter_map(|fence| self.table.grants.get(fence)).map(|it| it.items.len()).sum()
    }
}
