//! The OpenAPI 3.1 document, made from the routes and the types themselves.

use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;
use synod_agents::{AgentKind, AgentStatus, FromAgent};
use synod_security::Permission;
use synod_tasks::{TaskMode, TaskState};
use utoipa::OpenApi;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as Document, Ref, RefOr, Response as DocumentedResponse};

use super::access::permission;
use super::problem::{PROBLEM_JSON, ProblemMembers, ProblemType};

/// The name of the one way to say who asks.
const BEARER: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Synod",
        description = "A supervised node of actors in which agents take tasks, and nothing \
                       accepted is lost. A request may bring a `traceparent` (W3C Trace Context); \
                       each answer has `traceresponse`, its place in the trace, and \
                       `X-Correlation-Id`, the id of the trace, which goes with the task to its \
                       agents, the stream, the log and the journal.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "tasks", description = "Submit work and follow it"),
        (name = "workflows", description = "Durable runs of definitions, and how they are steered"),
        (name = "approvals", description = "What people are asked, and what they decide"),
        (name = "coordination", description = "Ballots, auctions, locks and other conversations"),
        (name = "agents", description = "Who does the work"),
        (name = "node", description = "How the node is, and controls"),
        (name = "stream", description = "Every change, as it happens"),
    ),
    // Of types in bodies the routes tell; these are in parameters and in frames alone.
    components(schemas(ProblemMembers, TaskState, TaskMode, AgentKind, AgentStatus, FromAgent)),
)]
struct Frame;

/// The document without routes: each part of the API adds its own.
pub(super) fn frame() -> Document {
    let mut document = Frame::openapi();
    name_problems(&mut document);
    let token = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    let token =
        token.description(Some("Made by `synod tokens issue`; needed where http.auth says"));
    if let Some(components) = &mut document.components {
        components.add_security_scheme(BEARER, SecurityScheme::Http(token.build()));
    }
    document
}

/// Lists the URN of each problem at the member `type`.
fn name_problems(document: &mut Document) {
    let urn = |kind: &ProblemType| json!(format!("urn:synod:problem:{}", kind.facts().slug));
    let urns = ProblemType::ALL.iter().map(urn).collect();
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    if let Some(RefOr::T(Schema::Object(problem))) = schemas.and_then(|all| all.get_mut("Problem"))
        && let Some(RefOr::T(Schema::Object(urn))) = problem.properties.get_mut("type")
    {
        urn.enum_values = Some(urns);
    }
}

/// Says what each route asks of its caller where `http.auth` is `tokens`, and how it refuses.
fn describe_access(document: &mut Document) {
    for (route, path) in &mut document.paths.paths {
        let operations = [
            (Method::GET, &mut path.get),
            (Method::POST, &mut path.post),
            (Method::PATCH, &mut path.patch),
            (Method::DELETE, &mut path.delete),
        ];
        for (method, operation) in operations {
            let (Some(operation), wanted) = (operation, permission(&method, Some(route))) else {
                continue;
            };
            if wanted == Permission::Open {
                continue;
            }
            let bearer = SecurityRequirement::new(BEARER, Vec::<String>::new());
            // Where the node asks for no tokens, none is needed.
            operation.security = Some(vec![bearer, SecurityRequirement::default()]);
            let roles = format!("The token has none of the roles {}", wanted.roles());
            let refusals = [
                ("401", "There is no token, or one that is not taken"),
                ("403", roles.as_str()),
                ("429", "Too many requests without a valid token came from this address"),
            ];
            for (status, why) in refusals {
                let responses = &mut operation.responses.responses;
                match responses.get_mut(status) {
                    None => {
                        let told = DocumentedResponse::new(why);
                        responses.insert(status.to_owned(), RefOr::T(told));
                    }
                    Some(RefOr::T(told)) => {
                        told.description = format!("{}; or: {why}", told.description);
                    }
                    Some(RefOr::Ref(_)) => {}
                }
            }
        }
    }
}

/// Gives each error of each route its body: they are all problems.
fn describe_errors(document: &mut Document) {
    let body = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.post, &mut path.patch, &mut path.delete];
        for operation in operations.into_iter().flatten() {
            for (status, response) in &mut operation.responses.responses {
                if status.starts_with(['4', '5'])
                    && let RefOr::T(response) = response
                {
                    response.content.insert(PROBLEM_JSON.to_owned(), body.clone().into());
                }
            }
        }
    }
}

/// Writes the document once; it never changes while the node runs.
pub(super) fn render(mut document: Document) -> Bytes {
    describe_access(&mut document);
    describe_errors(&mut document);
    // Maps with string keys only: it can't fail to serialise.
    document.to_json().unwrap_or_default().into()
}

/// `GET /openapi.json`.
pub(super) async fn answer(document: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], document).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        let routes = super::super::documented();
        serde_json::from_slice(&render(routes.into_openapi())).unwrap()
    }

    /// Every `$ref` below `at`.
    fn references(at: &Value, found: &mut BTreeSet<String>) {
        match at {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.contains("#/components/schemas/Problem"), "{found:?}");
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }

    #[test]
    fn every_route_says_what_it_is_for_and_every_error_is_a_problem() {
        let document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                assert!(operation["summary"].is_string(), "{method} {path}");
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let problem = &response["content"][PROBLEM_JSON]["schema"]["$ref"];
                    let is_error = status.starts_with(['4', '5']);
                    assert_eq!(problem.is_string(), is_error, "{method} {path} {status}");
                }
            }
        }
    }

    #[test]
    fn every_route_says_which_roles_may_ask_it() {
        let document = document();
        assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
        let decide = &document["paths"]["/api/v1/approvals/{approval_id}/decide"]["post"];
        assert_eq!(decide["security"], json!([{"token": []}, {}]));
        let told = decide["responses"]["403"]["description"].as_str().unwrap();
        assert!(told.starts_with("Who decides may not; or:"), "{told}");
        assert!(told.ends_with("none of the roles approver,admin"), "{told}");
        assert!(decide["responses"]["401"].is_object());
        let health = &document["paths"]["/healthz"]["get"];
        assert!(health.get("security").is_none() && health["responses"].get("401").is_none());
    }

    #[test]
    fn what_may_be_any_json_is_no_object_alone() {
        let schemas = &document()["components"]["schemas"];
        let request = &schemas["TaskSubmissionRequest"];
        assert!(request["properties"]["payload"].get("type").is_none(), "{request}");
        let required = request["required"].as_array().unwrap();
        assert!(!required.contains(&json!("payload")), "{request}");
        let frames = schemas["FromAgent"]["oneOf"].as_array().unwrap();
        let state = frames.iter().find_map(|frame| frame.pointer("/properties/state")).unwrap();
        assert!(state.get("type").is_none() && state.get("oneOf").is_none(), "{state}");
        let forms = &schemas["CapabilityRequirement"]["oneOf"];
        assert_eq!(forms[1]["required"], json!(["name"]), "{forms}");
    }

    #[test]
    fn the_promised_routes_are_there() {
        let document = document();
        let promised = [
            ("/api/v1/orchestration/tasks", "post"),
            ("/api/v1/orchestration/tasks", "get"),
            ("/api/v1/orchestration/tasks/{task_id}", "get"),
            ("/api/v1/orchestration/tasks/{task_id}", "delete"),
            ("/api/v1/orchestration/stats", "get"),
            ("/api/v1/orchestration/test/submit-sample-task", "post"),
            ("/api/v1/workflows", "post"),
            ("/api/v1/workflows", "get"),
            ("/api/v1/workflows/{run_id}", "get"),
            ("/api/v1/workflows/{run_id}/cancel", "post"),
            ("/api/v1/workflows/{run_id}/history", "get"),
            ("/api/v1/workflows/{run_id}/graph", "get"),
            ("/api/v1/workflows/{run_id}/diff/{other}", "get"),
            ("/api/v1/workflows/check", "post"),
            ("/api/v1/workflows/definitions", "post"),
            ("/api/v1/approvals/{approval_id}/decide", "post"),
            ("/api/v1/messages", "post"),
            ("/schemas/workflow.json", "get"),
            ("/api/v1/agents", "post"),
            ("/api/v1/agents/{agent}", "patch"),
            ("/api/v1/agents/{agent}/health", "get"),
            ("/api/v1/agents/connect", "get"),
            ("/api/v1/status", "get"),
            ("/api/v1/stream", "get"),
            ("/healthz", "get"),
            ("/readyz", "get"),
            ("/metrics", "get"),
        ];
        for (path, method) in promised {
            assert!(document["paths"][path][method].is_object(), "{method} {path}");
        }
        let urns = &document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"];
        assert_eq!(urns.as_array().unwrap().len(), ProblemType::ALL.len());
    }
}
