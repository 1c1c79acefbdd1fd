//! `synod cluster status` and what changes a cluster.

use std::collections::BTreeMap;
use std::io;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::Session;
use crate::cli::client::segment;
use crate::cli::exit::{CliError, Exit};
use crate::cli::output::{Cell, Column, Paint, Screen, Table, count, harmless};
use crate::node::{ClusterView, GroupStatus, LinkStatus, MemberStatus, PlacedStatus};

/// Where the cluster is in the API.
const CLUSTER: &str = "/api/v1/cluster";

/// Commands that ask a node of the cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum Operate {
    /// Show members, groups and links as the node that is asked knows them
    Status,
    /// List the members
    Members,
    /// Show how many shards each node has, and which hosts the agents that the cluster places
    Shards,
    /// Let a node give away what it leads and get no more
    Drain(Target),
    /// Let a drained node lead again
    Undrain(Target),
    /// Let the node that is asked, which is in no cluster yet, join one
    Join {
        /// Where the links of any member listen, HOST:PORT
        address: String,
    },
    /// Let the node that is asked hand over what it leads and leave the cluster
    Leave,
    /// Remove a node for good, such as one whose disk is lost
    Remove(Target),
    /// Give a group to another leader
    TransferLeader {
        /// The group: 0 for the control group, 1 for the work
        group: u32,
        #[command(flatten)]
        to: Target,
    },
}

/// A node by its name or its id.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The node's name, or its id
    node: String,
}

impl Target {
    fn path(&self) -> String {
        format!("{CLUSTER}/members/{}", segment(&self.node))
    }
}

/// Runs a command about the cluster.
pub(crate) async fn run(command: Operate, session: &Session) -> Result<Exit, CliError> {
    match command {
        Operate::Status => show(session, status).await?,
        Operate::Members => show(session, members).await?,
        Operate::Shards => shards(session).await?,
        Operate::Drain(node) => drain(&node, true, session).await?,
        Operate::Undrain(node) => drain(&node, false, session).await?,
        Operate::Join { address } => {
            let path = format!("{CLUSTER}/join");
            session.client.send(Method::POST, &path, &json!({"address": address})).await?;
            said(session, "the node", "is a member of the cluster")?;
        }
        Operate::Leave => {
            session.client.act(Method::POST, &format!("{CLUSTER}/leave"), &[]).await?;
            said(session, "the node", "has left; it can be stopped")?;
        }
        Operate::Remove(node) => {
            session.client.act(Method::DELETE, &node.path(), &[]).await?;
            said(session, &node.node, "removed")?;
        }
        Operate::TransferLeader { group, to } => {
            let path = format!("{CLUSTER}/groups/{group}/leader");
            session.client.send(Method::POST, &path, &json!({"node": to.node})).await?;
            said(session, &to.node, "is to lead the group")?;
        }
    }
    Ok(Exit::Done)
}

async fn show(
    session: &Session,
    render: impl FnOnce(ClusterView, &Screen) -> io::Result<()>,
) -> Result<(), CliError> {
    let answer = session.client.get(CLUSTER, &[]).await?;
    session.answer(answer, render)
}

async fn drain(node: &Target, draining: bool, session: &Session) -> Result<(), CliError> {
    let path = format!("{}/drain", node.path());
    session.client.send(Method::POST, &path, &json!({"draining": draining})).await?;
    said(session, &node.node, if draining { "leads nothing any more" } else { "may lead again" })
}

fn said(session: &Session, who: &str, what: &str) -> Result<(), CliError> {
    let screen = &session.screen;
    if screen.is_json() {
        return Ok(screen.json(&json!({"node": who, "done": what}))?);
    }
    Ok(screen.line(format!("{}: {}", harmless(who), screen.paint(Paint::Good, what)))?)
}

fn status(view: ClusterView, screen: &Screen) -> io::Result<()> {
    let cluster = view.cluster.as_deref().unwrap_or("not in one yet").to_owned();
    let accepts = if view.accepts {
        Cell::new("yes", Paint::Good)
    } else {
        Cell::new("no: a majority of the nodes can't be reached", Paint::Bad)
    };
    let facts = vec![
        ("cluster", cluster.into()),
        ("asked", view.node.name.clone().into()),
        ("takes work", accepts),
        ("epoch", count(view.epoch).into()),
    ];
    screen.facts(&facts)?;
    screen.line("")?;
    screen.table(&member_table(&view.members), "no member")?;
    screen.line("")?;
    screen.table(&group_table(&view.groups), "no group")?;
    screen.line("")?;
    screen.table(&link_table(&view.links), "no link to another node")
}

fn members(view: ClusterView, screen: &Screen) -> io::Result<()> {
    screen.table(&member_table(&view.members), "no member")
}

fn member_table(members: &[MemberStatus]) -> Table {
    let mut table = Table::new([
        Column::elastic("NODE"),
        Column::words("STATE"),
        Column::words("LEADS"),
        Column::words("VOTES"),
        Column::words("DRAINING").spare(),
        Column::elastic("ADDRESS"),
        Column::words("ID").spare(),
    ]);
    for member in members {
        table.row([
            member.name.clone().into(),
            Cell::state(&member.state),
            groups(&member.leads).into(),
            groups(&member.votes).into(),
            if member.draining { "yes" } else { "" }.to_owned().into(),
            member.address.clone().into(),
            Cell::new(member.id.clone(), Paint::Faint),
        ]);
    }
    table
}

fn groups(groups: &[u32]) -> String {
    let all: Vec<_> = groups.iter().map(|group| group_name(*group)).collect();
    all.join(", ")
}

fn group_name(group: u32) -> String {
    match group {
        0 => "control".to_owned(),
        1 => "work".to_owned(),
        more => format!("work {more}"),
    }
}

fn group_table(groups: &[GroupStatus]) -> Table {
    let mut table = Table::new([
        Column::words("GROUP"),
        Column::elastic("LEADER"),
        Column::words("MAJORITY"),
        Column::number("TERM"),
        Column::number("COMMITTED"),
        Column::number("APPLIED HERE"),
        Column::elastic("FAULT").spare(),
    ]);
    for group in groups {
        let leader = group.leader.as_ref().map_or("none", |leader| &leader.name);
        let majority =
            if group.quorum { Cell::new("yes", Paint::Good) } else { Cell::new("no", Paint::Bad) };
        table.row([
            group_name(group.group).into(),
            leader.to_owned().into(),
            majority,
            count(group.term).into(),
            count(group.committed).into(),
            count(group.applied).into(),
            group.fault.clone().unwrap_or_default().into(),
        ]);
    }
    table
}

fn link_table(links: &[LinkStatus]) -> Table {
    let mut table = Table::new([
        Column::elastic("LINK TO"),
        Column::words("STATE"),
        Column::number("ROUND TRIP"),
        Column::number("SENT"),
        Column::number("RECEIVED"),
        Column::number("QUEUED"),
        Column::elastic("LAST ERROR").spare(),
    ]);
    for link in links {
        let state = serde_json::to_value(link.state).ok();
        let state = state.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        let trip = link.rtt_us.map(|us| format!("{:.2} ms", us as f64 / 1_000.0));
        table.row([
            link.node.name.clone().into(),
            Cell::state(&state),
            trip.unwrap_or_default().into(),
            count(link.sent).into(),
            count(link.received).into(),
            count(link.queued).into(),
            link.last_error.clone().unwrap_or_default().into(),
        ]);
    }
    table
}

/// How the shards are spread.
#[derive(Debug, Deserialize)]
struct Shards {
    epoch: u64,
    loads: BTreeMap<String, u64>,
    placed: Vec<PlacedStatus>,
}

async fn shards(session: &Session) -> Result<(), CliError> {
    let answer = session.client.get(&format!("{CLUSTER}/shards"), &[]).await?;
    session.answer(answer, |shards: Shards, screen| {
        let mut table = Table::new([Column::elastic("NODE"), Column::number("SHARDS")]);
        for (node, load) in &shards.loads {
            table.row([node.clone().into(), count(*load).into()]);
        }
        screen.table(&table, "no shard has a node yet")?;
        screen.line("")?;
        screen.table(&placed_table(&shards.placed), "no agent is placed by the cluster")?;
        screen.line(screen.paint(Paint::Faint, &format!("epoch {}", shards.epoch)))
    })
}

fn placed_table(placed: &[PlacedStatus]) -> Table {
    let mut table = Table::new([
        Column::elastic("AGENT"),
        Column::number("SHARD"),
        Column::number("INSTANCES"),
        Column::elastic("HOSTED BY"),
        Column::elastic("SHOULD BE"),
        Column::elastic("FENCES").spare(),
    ]);
    for agent in placed {
        let hosts: Vec<_> = agent.seats.iter().map(|seat| seat.node.name.as_str()).collect();
        let fences: Vec<_> = agent.seats.iter().map(|seat| seat.fence.as_str()).collect();
        let should: Vec<_> = agent.should.iter().map(|node| node.name.as_str()).collect();
        let enough = hosts.len() as u64 >= u64::from(agent.instances);
        let hosted = match hosts.join(", ") {
            none if none.is_empty() => Cell::new("none", Paint::Bad),
            hosts => Cell::new(hosts, if enough { Paint::Good } else { Paint::Plain }),
        };
        table.row([
            agent.agent.clone().into(),
            count(agent.shard.into()).into(),
            count(agent.instances.into()).into(),
            hosted,
            should.join(", ").into(),
            Cell::new(fences.join(", "), Paint::Faint),
        ]);
    }
    table
}
