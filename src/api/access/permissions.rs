//! What each route asks of its caller, in one table. A test holds it against the OpenAPI document.

use axum::http::Method;
use synod_security::Permission;

use Permission::{Administer, Converse, Decide, Open, Operate, Read, Serve, Submit};

/// Methods, routes, permissions. What is not here is for administrators.
const ROUTES: &[(&str, &str, Permission)] = &[
    ("GET", "/healthz", Open),
    ("GET", "/readyz", Open),
    ("GET", "/metrics", Read),
    ("GET", "/openapi.json", Read),
    ("GET", "/schemas/workflow.json", Read),
    ("GET", "/api/v1/orchestration/tasks", Read),
    ("POST", "/api/v1/orchestration/tasks", Submit),
    ("GET", "/api/v1/orchestration/tasks/{task_id}", Read),
    ("DELETE", "/api/v1/orchestration/tasks/{task_id}", Submit),
    ("POST", "/api/v1/orchestration/test/submit-sample-task", Submit),
    ("GET", "/api/v1/orchestration/stats", Read),
    ("GET", "/api/v1/workflows", Read),
    ("POST", "/api/v1/workflows", Submit),
    ("GET", "/api/v1/workflows/stats", Read),
    ("POST", "/api/v1/workflows/check", Read),
    ("GET", "/api/v1/workflows/definitions", Read),
    ("POST", "/api/v1/workflows/definitions", Submit),
    ("GET", "/api/v1/workflows/definitions/{name}", Read),
    ("DELETE", "/api/v1/workflows/definitions/{name}", Operate),
    ("GET", "/api/v1/workflows/definitions/{name}/graph", Read),
    ("GET", "/api/v1/workflows/{run_id}", Read),
    ("GET", "/api/v1/workflows/{run_id}/history", Read),
    ("GET", "/api/v1/workflows/{run_id}/graph", Read),
    ("GET", "/api/v1/workflows/{run_id}/diff/{other}", Read),
    ("POST", "/api/v1/workflows/{run_id}/cancel", Submit),
    ("POST", "/api/v1/workflows/{run_id}/pause", Submit),
    ("POST", "/api/v1/workflows/{run_id}/resume", Submit),
    ("POST", "/api/v1/workflows/{run_id}/retry", Submit),
    ("POST", "/api/v1/workflows/{run_id}/fork", Submit),
    ("POST", "/api/v1/workflows/{run_id}/checkpoint", Submit),
    ("POST", "/api/v1/workflows/{run_id}/rollback", Submit),
    ("POST", "/api/v1/workflows/{run_id}/amend", Operate),
    ("POST", "/api/v1/messages", Submit),
    ("POST", "/api/v1/plans", Submit),
    ("GET", "/api/v1/plans/{run_id}", Read),
    ("GET", "/api/v1/approvals", Read),
    ("GET", "/api/v1/approvals/{approval_id}", Read),
    ("POST", "/api/v1/approvals/{approval_id}/decide", Decide),
    ("GET", "/api/v1/coordination", Read),
    ("GET", "/api/v1/coordination/shared", Read),
    ("GET", "/api/v1/coordination/shared/{document}", Read),
    ("POST", "/api/v1/coordination/shared/{document}", Converse),
    ("POST", "/api/v1/coordination/messages", Converse),
    ("GET", "/api/v1/coordination/conversations/{id}", Read),
    ("GET", "/api/v1/coordination/undelivered", Read),
    ("POST", "/api/v1/coordination/topics", Converse),
    ("GET", "/api/v1/coordination/topics/retained", Read),
    ("GET", "/api/v1/coordination/subscriptions", Read),
    ("POST", "/api/v1/coordination/subscriptions", Converse),
    ("GET", "/api/v1/coordination/subscriptions/{name}", Read),
    ("DELETE", "/api/v1/coordination/subscriptions/{name}", Converse),
    ("POST", "/api/v1/coordination/subscriptions/{name}/fetch", Converse),
    ("POST", "/api/v1/coordination/subscriptions/{name}/acknowledge", Converse),
    ("POST", "/api/v1/coordination/subscriptions/{name}/reject", Converse),
    ("GET", "/api/v1/coordination/subscriptions/{name}/letters", Read),
    ("GET", "/api/v1/coordination/{protocol}", Read),
    ("POST", "/api/v1/coordination/{protocol}", Converse),
    ("GET", "/api/v1/coordination/{protocol}/{id}", Read),
    ("POST", "/api/v1/coordination/{protocol}/{id}", Converse),
    ("GET", "/api/v1/coordination/{protocol}/{id}/history", Read),
    ("GET", "/api/v1/agents", Read),
    ("POST", "/api/v1/agents", Serve),
    ("GET", "/api/v1/agents/connect", Serve),
    ("GET", "/api/v1/agents/{agent}", Read),
    ("PATCH", "/api/v1/agents/{agent}", Operate),
    ("DELETE", "/api/v1/agents/{agent}", Operate),
    ("GET", "/api/v1/agents/{agent}/health", Read),
    ("POST", "/api/v1/agents/{agent}/heartbeat", Serve),
    ("GET", "/api/v1/status", Read),
    ("POST", "/api/v1/status/{control}", Operate),
    ("POST", "/api/v1/node/drain", Operate),
    ("POST", "/api/v1/config/reload", Operate),
    ("GET", "/api/v1/cluster", Read),
    ("GET", "/api/v1/cluster/shards", Read),
    ("POST", "/api/v1/cluster/members/{node}/drain", Operate),
    ("DELETE", "/api/v1/cluster/members/{node}", Administer),
    ("POST", "/api/v1/cluster/join", Administer),
    ("POST", "/api/v1/cluster/leave", Administer),
    ("POST", "/api/v1/cluster/groups/{group}/leader", Operate),
    ("GET", "/api/v1/stream", Read),
    ("GET", "/api/v1/stream/sse", Read),
    ("GET", "/api/v1/tokens", Administer),
    ("POST", "/api/v1/tokens", Administer),
    ("DELETE", "/api/v1/tokens/{token_id}", Administer),
    // Files of the program, the same for everybody; what they show they ask for.
    ("GET", "/approvals", Open),
    ("GET", "/approvals.css", Open),
    ("GET", "/approvals.js", Open),
    ("GET", "/approvals-card.js", Open),
    ("GET", "/approvals-value.js", Open),
];

/// Routes whose answers stay open.
const STREAMS: [&str; 3] = ["/api/v1/stream", "/api/v1/stream/sse", "/api/v1/agents/connect"];

/// Whether what this route answers may outlive the session of who asked.
pub(super) fn is_stream(route: &str) -> bool {
    STREAMS.contains(&route)
}

/// What a route asks of its caller. To hear that there is no such route, or that it knows another
/// method, takes what seeing takes.
pub(in crate::api) fn permission(method: &Method, route: Option<&str>) -> Permission {
    let Some(route) = route else { return Read };
    // Where GET is answered, HEAD is.
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let mut methods = ROUTES.iter().filter(|(_, path, _)| *path == route).peekable();
    if methods.peek().is_none() {
        return Administer;
    }
    let found = methods.find(|(known, ..)| *known == method.as_str());
    found.map_or(Read, |(_, _, permission)| *permission)
}

/// Every route of the table.
#[cfg(test)]
pub(super) fn all() -> &'static [(&'static str, &'static str, Permission)] {
    ROUTES
}
