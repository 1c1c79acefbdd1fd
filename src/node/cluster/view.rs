//! The cluster as its users see it: members, groups and links of one node's knowledge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use synod_cluster::{
    ControlState, GroupId, GroupView, LinkView, MemberState, MembershipView, NodeId, NodeRecord,
    NodeRole, Standing,
};
use utoipa::ToSchema;

/// The cluster, as the node that was asked knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClusterView {
    /// The identity of the cluster, 32 hexadecimal digits; absent while the node joins.
    pub cluster: Option<String>,
    /// The node that was asked.
    pub node: NodeName,
    /// How it stands: `alone`, `joining`, `member`, `left`, `superseded` or `removed`.
    #[schema(value_type = String)]
    pub standing: Standing,
    /// Whether the cluster can take work: each of its groups has a leader with a majority.
    pub accepts: bool,
    /// Rises whenever members or seats change.
    pub epoch: u64,
    /// All members, by name.
    pub members: Vec<MemberStatus>,
    /// The replicated logs: the control group (0) and those of work.
    pub groups: Vec<GroupStatus>,
    /// The links of the node that was asked.
    pub links: Vec<LinkStatus>,
}

/// A node by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeName {
    /// 16 hexadecimal digits.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MemberStatus {
    /// 16 hexadecimal digits.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Where its links listen.
    pub address: String,
    /// Where its API answers.
    pub api: Option<String>,
    /// `alive`, `suspect`, `down`, `left`, or `unknown` when this node has not met it.
    pub state: String,
    /// Which start of it.
    pub incarnation: u64,
    /// What it is there for.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<NodeRole>,
    /// Its weight when work is placed.
    pub capacity: u32,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it is admitted: what it stores counts.
    pub admitted: bool,
    /// Whether it gives away what it leads.
    pub draining: bool,
    /// Groups that it leads.
    pub leads: Vec<u32>,
    /// Groups in which it votes.
    pub votes: Vec<u32>,
    /// Phi of its heartbeats, while there is a link to it.
    pub phi: Option<f64>,
}

/// A replicated log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupStatus {
    /// 0 for the control group.
    pub group: u32,
    /// The term.
    pub term: u64,
    /// Who leads it.
    pub leader: Option<NodeName>,
    /// Who votes.
    pub voters: Vec<NodeName>,
    /// Who follows without a vote.
    pub learners: Vec<NodeName>,
    /// The last entry here.
    pub last: u64,
    /// The last entry that is known to be committed.
    pub committed: u64,
    /// The last entry applied here.
    pub applied: u64,
    /// Whether a majority is heard of.
    pub quorum: bool,
    /// Why it does not run here, if it does not.
    pub fault: Option<String>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LinkStatus {
    /// To which node.
    pub node: NodeName,
    /// Whether it stands: `idle`, `connecting`, `up` or `waiting`.
    #[schema(value_type = String)]
    pub state: synod_cluster::LinkState,
    /// The last round trip in microseconds.
    pub rtt_us: Option<u64>,
    /// Frames that wait.
    pub queued: u64,
    /// Frames sent.
    pub sent: u64,
    /// Frames received.
    pub received: u64,
    /// Why the last connection ended, when not in order.
    pub last_error: Option<String>,
}

/// What a view is made of.
pub(super) struct Sources<'a> {
    pub(super) own: &'a NodeRecord,
    pub(super) control: &'a ControlState,
    pub(super) membership: &'a MembershipView,
    pub(super) groups: &'a [GroupView],
    pub(super) links: &'a [LinkView],
}

impl Sources<'_> {
    pub(super) fn view(&self) -> ClusterView {
        let mut members: Vec<_> = self.records().into_iter().map(|one| self.member(one)).collect();
        members.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let formed = self.control.cluster.is_some();
        // A group that this node does not follow is known by those who do.
        let mut followed = self.groups.iter().filter(|group| group.fault.is_none());
        ClusterView {
            cluster: self.control.cluster.map(|id| id.to_string()),
            node: self.name(self.own.id),
            standing: self.membership.standing,
            accepts: formed && followed.all(|group| group.quorum_ok),
            epoch: self.control.epoch,
            members,
            groups: self.groups.iter().map(|group| self.group(group)).collect(),
            links: self.links.iter().map(|link| self.link(link)).collect(),
        }
    }

    /// All nodes that are admitted or known to be there, this one included.
    fn records(&self) -> Vec<&NodeRecord> {
        let mut all: BTreeMap<NodeId, &NodeRecord> = BTreeMap::new();
        for member in self.control.members.values() {
            all.insert(member.record.id, &member.record);
        }
        for member in &self.membership.members {
            all.insert(member.record.id, &member.record);
        }
        all.insert(self.own.id, self.own);
        all.into_values().collect()
    }

    fn member(&self, record: &NodeRecord) -> MemberStatus {
        let id = record.id;
        let admitted = self.control.members.get(&id);
        let seen = self.membership.members.iter().find(|member| member.record.id == id);
        let in_groups = |is: &dyn Fn(&GroupView) -> bool| {
            self.groups.iter().filter(|group| is(group)).map(|group| group.group.0).collect()
        };
        MemberStatus {
            id: id.to_string(),
            name: record.name.to_string(),
            address: record.address.clone(),
            api: record.api.clone(),
            state: self.state_of(id, seen.map(|member| member.state)).to_owned(),
            incarnation: record.incarnation.0,
            roles: record.roles.0.iter().copied().collect(),
            capacity: record.capacity,
            labels: record.labels.clone(),
            admitted: admitted.is_some(),
            draining: admitted.is_some_and(|member| member.draining),
            leads: in_groups(&|group| group.leader == Some(id)),
            votes: in_groups(&|group| group.voters.contains(&id)),
            phi: seen.and_then(|member| member.phi),
        }
    }

    fn state_of(&self, id: NodeId, seen: Option<MemberState>) -> &'static str {
        if id == self.own.id {
            return "alive";
        }
        match seen {
            Some(MemberState::Alive) => "alive",
            Some(MemberState::Suspect) => "suspect",
            Some(MemberState::Down) => "down",
            Some(MemberState::Left) => "left",
            None => "unknown",
        }
    }

    fn group(&self, view: &GroupView) -> GroupStatus {
        let GroupId(group) = view.group;
        let names = |ids: &std::collections::BTreeSet<NodeId>| {
            ids.iter().map(|id| self.name(*id)).collect()
        };
        GroupStatus {
            group,
            term: view.term,
            leader: view.leader.map(|id| self.name(id)),
            voters: names(&view.voters),
            learners: names(&view.learners),
            last: view.last,
            committed: view.committed,
            applied: view.applied,
            quorum: view.quorum_ok,
            fault: view.fault.as_deref().map(str::to_owned),
        }
    }

    fn link(&self, view: &LinkView) -> LinkStatus {
        LinkStatus {
            node: NodeName { id: view.node.to_string(), name: view.name.to_string() },
            state: view.control,
            rtt_us: view.rtt_us,
            queued: view.queued,
            sent: view.sent,
            received: view.received,
            last_error: view.last_error.clone(),
        }
    }

    fn name(&self, id: NodeId) -> NodeName {
        let member = |view: &&synod_cluster::MemberView| view.record.id == id;
        let known = self.control.record(id);
        let seen = self.membership.members.iter().find(member).map(|view| &view.record);
        let record = if id == self.own.id { Some(self.own) } else { known.or(seen) };
        let name = record.map_or_else(|| id.to_string(), |record| record.name.to_string());
        NodeName { id: id.to_string(), name }
    }
}
