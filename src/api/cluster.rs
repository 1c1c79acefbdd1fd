//! `/api/v1/cluster`: who belongs to it, who leads what, and how to change that.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use synod_cluster::{ControlError, ControlRefusal};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::json::Json;
use super::problem::{Problem, ProblemType};
use super::request::Segment;
use crate::config::is_address;
use crate::node::{Cluster, ClusterError, ClusterView, PlacedStatus};

const MEMBERS: &str = "GET /api/v1/cluster lists the members";

pub(super) fn cluster(state: &ApiState) -> Result<&Cluster, Problem> {
    state.cluster.as_ref().ok_or_else(|| {
        let alone = "this node is alone: it belongs to no cluster";
        Problem::new(ProblemType::Conflict, alone).next(
            "start it with `synod node --cluster` or `--join ADDRESS`, or set cluster.enabled",
        )
    })
}

pub(super) fn refused(why: ClusterError) -> Problem {
    let detail = why.to_string();
    match why {
        ClusterError::UnknownNode(node) => {
            Problem::not_found("member of the cluster", &node, MEMBERS).field("node")
        }
        ClusterError::AlreadyIn(_) => Problem::new(ProblemType::Conflict, detail)
            .next("let it leave, then start it with an empty data folder and join with that"),
        ClusterError::OwnWork => Problem::new(ProblemType::Conflict, detail)
            .next("let it form the cluster and the others join it, or empty its data folder"),
        ClusterError::NotJoined { .. } => Problem::new(ProblemType::Unavailable, detail)
            .next("see whether the address is that of the links of a member, and try again"),
        ClusterError::Invalid(_) => Problem::new(ProblemType::Conflict, detail).next(MEMBERS),
        ClusterError::Control(ControlError::Refused(ControlRefusal::Stale { .. })) => {
            Problem::new(ProblemType::Conflict, detail).next("members have just changed: try again")
        }
        ClusterError::Control(ControlError::Refused(_)) => {
            Problem::new(ProblemType::Conflict, detail).next(MEMBERS)
        }
        ClusterError::Control(_)
        | ClusterError::Unanswered(_)
        | ClusterError::Unreachable { .. } => Problem::new(ProblemType::Unavailable, detail)
            .retry_after(std::time::Duration::from_secs(1))
            .next("try again; a majority of the nodes is needed, GET /api/v1/cluster shows them"),
    }
}

/// The cluster as the node that is asked knows it: members, groups, links.
#[utoipa::path(
    get,
    path = "/api/v1/cluster",
    tag = "cluster",
    responses(
        (status = 200, description = "The cluster", body = ClusterView),
        (status = 409, description = "The node is alone"),
        (status = 503, description = "The membership did not answer"),
    )
)]
async fn show(State(state): State<ApiState>) -> Result<Answer<ClusterView>, Problem> {
    cluster(&state)?.view().await.map(Answer).map_err(refused)
}

/// The shards of agents: which node has how many, and which; and the agents placed by them.
#[derive(Debug, Serialize, ToSchema)]
struct ShardsView {
    /// Rises with every move.
    epoch: u64,
    /// How many each node has.
    loads: std::collections::BTreeMap<String, usize>,
    /// The node of each shard, by number; null for one that nobody has.
    owners: Vec<Option<String>>,
    /// The agents that a few nodes host (`place = "cluster"`), by id: who does, and who should.
    placed: Vec<PlacedStatus>,
}

/// Which node has which of the 4,096 shards, and which hosts the agents that the cluster places.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/shards",
    tag = "cluster",
    responses(
        (status = 200, description = "The shards", body = ShardsView),
        (status = 409, description = "The node is alone"),
    )
)]
async fn shards(State(state): State<ApiState>) -> Result<Answer<ShardsView>, Problem> {
    let cluster = cluster(&state)?;
    let table = cluster.shards();
    let owners = (0..synod_cluster::SHARDS).map(|shard| table.owner(shard));
    Ok(Answer(ShardsView {
        epoch: table.epoch,
        loads: table.loads().into_iter().map(|(id, count)| (id.to_string(), count)).collect(),
        owners: owners.map(|owner| owner.map(|id| id.to_string())).collect(),
        placed: cluster.placed(),
    }))
}

/// Whether a node is to be drained.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DrainMember {
    /// True to let it give away what it leads, false to let it lead again.
    draining: bool,
}

/// Lets a node give away what it leads and get no more, or get it again.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/members/{node}/drain",
    tag = "cluster",
    params(("node" = String, Path, description = "Its name, or its id")),
    request_body = DrainMember,
    responses(
        (status = 204, description = "It was done"),
        (status = 404, description = "No such member"),
        (status = 409, description = "The node is alone"),
        (status = 422, description = "A field is not valid"),
        (status = 503, description = "There is no majority"),
    )
)]
async fn drain(
    State(state): State<ApiState>,
    Segment(node): Segment,
    Json(DrainMember { draining }): Json<DrainMember>,
) -> Result<StatusCode, Problem> {
    let cluster = cluster(&state)?;
    let node = cluster.node(&node).map_err(refused)?;
    cluster.drain(node, draining).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a node for good. It can join again only with an empty data folder.
#[utoipa::path(
    delete,
    path = "/api/v1/cluster/members/{node}",
    tag = "cluster",
    params(("node" = String, Path, description = "Its name, or its id")),
    responses(
        (status = 204, description = "It was done"),
        (status = 404, description = "No such member"),
        (status = 409, description = "The node is alone, or this can't be done now"),
        (status = 503, description = "There is no majority"),
    )
)]
async fn remove(
    State(state): State<ApiState>,
    Segment(node): Segment,
) -> Result<StatusCode, Problem> {
    let cluster = cluster(&state)?;
    let node = cluster.node(&node).map_err(refused)?;
    cluster.remove(node).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whom to join.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct JoinRequest {
    /// Where the links of any member listen, `host:port`.
    address: String,
}

/// Lets the node that is asked join a cluster: one that waits, having found none through its seeds.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/join",
    tag = "cluster",
    request_body = JoinRequest,
    responses(
        (status = 204, description = "It is a member"),
        (
            status = 409,
            description = "The node is alone, belongs to a cluster already, or has work of its own"
        ),
        (status = 422, description = "The address is not valid"),
        (status = 503, description = "It was not let in in time; the address is no longer tried"),
    )
)]
async fn join(
    State(state): State<ApiState>,
    Json(JoinRequest { address }): Json<JoinRequest>,
) -> Result<StatusCode, Problem> {
    let cluster = cluster(&state)?;
    if !is_address(&address) {
        return Err(Problem::invalid("address", "host:port", address.as_str()));
    }
    cluster.join(&address).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets the node that is asked leave: it hands over what it leads, and is no member any more.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/leave",
    tag = "cluster",
    responses(
        (status = 204, description = "It has left; it can be stopped"),
        (status = 409, description = "The node is alone"),
        (status = 503, description = "There is no majority"),
    )
)]
async fn leave(State(state): State<ApiState>) -> Result<StatusCode, Problem> {
    cluster(&state)?.leave().await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is to lead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LeaderRequest {
    /// The node's name, or its id. It has to vote in the group.
    node: String,
}

/// Gives a group to another leader, within seconds.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/groups/{group}/leader",
    tag = "cluster",
    params(("group" = u32, Path, description = "The group; 0 is the control group")),
    request_body = LeaderRequest,
    responses(
        (status = 202, description = "It is being done"),
        (status = 404, description = "No such member"),
        (status = 409, description = "No such group, no vote, or the node is alone"),
        (status = 422, description = "A field is not valid"),
        (status = 503, description = "There is no majority"),
    )
)]
async fn transfer(
    State(state): State<ApiState>,
    Path(group): Path<String>,
    Json(LeaderRequest { node }): Json<LeaderRequest>,
) -> Result<StatusCode, Problem> {
    let cluster = cluster(&state)?;
    let number =
        group.parse().map_err(|_| Problem::invalid("group", "a number", group.as_str()))?;
    let node = cluster.node(&node).map_err(refused)?;
    cluster.transfer_leader(number, node).await.map_err(refused)?;
    Ok(StatusCode::ACCEPTED)
}

/// The routes of the cluster.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(shards))
        .routes(routes!(drain))
        .routes(routes!(remove))
        .routes(routes!(join))
        .routes(routes!(leave))
        .routes(routes!(transfer))
}
