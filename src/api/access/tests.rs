//! The table against the document, and the layer before routes made for it.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use serde_json::Value;
use synod_runtime::PrincipalKind;
use synod_security::{
    GateSettings, IssuedToken, Role, SecurityConfig, TokenActor, TokenRequest, TokenStore,
};
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::logging::Written;

struct World {
    _folder: TempDir,
    store: TokenStore,
    app: Router,
}

fn world(limits: AttemptLimits) -> World {
    let folder = tempfile::tempdir().unwrap();
    let config = SecurityConfig::default();
    let store = TokenStore::open(folder.path(), "synod", (&config).into()).unwrap();
    let settings = GateSettings { node: "n1".into(), skew: Duration::from_secs(30) };
    let gate = TokenGate::new(&store, settings);
    let tokens = TokenActor::spec(store.clone(), gate.clone()).address();
    let system = System::builder().build();
    let access = Some(Access::new(gate, tokens, system, limits));
    let who = async |caller: Caller, groups: Groups| {
        format!("{} {}", caller.principal, groups.0.join(","))
    };
    let app = Router::new()
        .route("/healthz", get(async || "well"))
        .route("/metrics", get(who))
        .route("/api/v1/node/drain", post(async || "drained"))
        .route("/forgotten", get(async || "by the table"))
        .layer(from_fn_with_state(access, enforce))
        .layer(axum::Extension(Caller { principal: Default::default(), correlation: None }));
    World { _folder: folder, store, app }
}

fn limits(failures: u32) -> AttemptLimits {
    AttemptLimits { failures, window: Duration::from_secs(60), sources: 100 }
}

impl World {
    fn token(&self, role: Role) -> IssuedToken {
        let request = TokenRequest {
            subject: "ada".into(),
            kind: PrincipalKind::User,
            roles: [role].into_iter().collect(),
            groups: vec!["boss".into(), "finance".into()],
            node: None,
            valid: None,
            not_before: None,
        };
        self.store.issue(request, jiff::Timestamp::now()).unwrap()
    }

    async fn ask(&self, method: &str, path: &str, authorization: &[&str]) -> (Response, String) {
        let mut request = Request::builder().method(method).uri(path);
        for value in authorization {
            request = request.header("authorization", *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let (parts, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        let body = axum::body::to_bytes(body, 10_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (Response::from_parts(parts, Body::empty()), text)
    }
}

#[test]
fn every_documented_route_is_in_the_table_and_every_line_of_it_is_a_route() {
    let document = super::super::documented().into_openapi().to_json().unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let mut documented = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            documented.push((method.to_uppercase(), path.clone()));
        }
    }
    let known = |method: &str, path: &str| {
        permissions::all().iter().any(|(m, p, _)| *m == method && *p == path)
    };
    for (method, path) in &documented {
        assert!(known(method, path), "{method} {path} has no permission: add it to the table");
    }
    for (method, path, permission) in permissions::all() {
        let one = documented.iter().any(|(m, p)| m == method && p == path);
        let of_page = *permission == Permission::Open && path.starts_with("/approvals");
        assert!(one || of_page || *path == "/openapi.json", "{method} {path} is no route");
    }
    let open = permissions::all().iter().filter(|(_, path, permission)| {
        *permission == Permission::Open && !path.starts_with("/approvals")
    });
    let open: Vec<&str> = open.map(|(_, path, _)| *path).collect();
    assert_eq!(open, ["/healthz", "/readyz"]);
}

#[test]
fn what_the_table_does_not_know_is_for_administrators() {
    let of = |method: Method, route| permission(&method, route);
    assert_eq!(of(Method::GET, Some("/new")), Permission::Administer);
    assert_eq!(of(Method::GET, None), Permission::Read, "to hear that there is nothing");
    assert_eq!(of(Method::PUT, Some("/api/v1/tokens")), Permission::Read);
    assert_eq!(of(Method::HEAD, Some("/api/v1/tokens")), Permission::Administer);
    assert_eq!(of(Method::HEAD, Some("/healthz")), Permission::Open);
}

#[tokio::test]
async fn without_a_token_only_what_is_open_is_answered() {
    let world = world(limits(100));
    assert_eq!(world.ask("GET", "/healthz", &[]).await.1, "well");
    for path in ["/metrics", "/forgotten", "/nowhere"] {
        let (response, body) = world.ask("GET", path, &[]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"synod\"");
        assert!(body.contains("urn:synod:problem:unauthorized") && body.contains("tokens issue"));
    }
}

#[tokio::test]
async fn with_a_token_the_route_knows_who_asks() {
    let world = world(limits(100));
    let token = world.token(Role::Viewer).token;
    let (response, body) = world.ask("GET", "/metrics", &[&format!("Bearer {token}")]).await;
    assert_eq!((response.status(), &*body), (StatusCode::OK, "user:ada boss,finance"));
    let (response, _) = world.ask("GET", "/nowhere", &[&format!("bearer  {token} ")]).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let forgotten = world.ask("GET", "/forgotten", &[&format!("Bearer {token}")]).await.0;
    assert_eq!(forgotten.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_role_that_is_too_small_is_told_which_would_do() {
    let world = world(limits(100));
    let token = format!("Bearer {}", world.token(Role::Viewer).token);
    let (response, body) = world.ask("POST", "/api/v1/node/drain", &[&token]).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["type"], "urn:synod:problem:role-too-small");
    assert_eq!(body["expected"], "one of the roles operator,admin");
    assert_eq!(body["got"], "viewer");
    let token = format!("Bearer {}", world.token(Role::Operator).token);
    assert_eq!(world.ask("POST", "/api/v1/node/drain", &[&token]).await.1, "drained");
}

#[tokio::test]
async fn what_is_no_bearer_token_or_two_of_them_is_refused() {
    let world = world(limits(100));
    let token = format!("Bearer {}", world.token(Role::Admin).token);
    let wrong: [&[&str]; 5] =
        [&["Basic YTpi"], &["Bearer"], &["Bearer x.y.z"], &[&token, &token], &[&token[7..]]];
    for given in wrong {
        let (response, body) = world.ask("GET", "/metrics", given).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{given:?}");
        assert!(!body.contains(&token[20..60]), "a token is never repeated");
    }
}

#[tokio::test]
async fn who_fails_too_often_is_told_to_wait_but_nobody_is_locked_out() {
    let world = world(limits(3));
    for _ in 0..3 {
        let refused = world.ask("GET", "/metrics", &["Bearer x"]).await.0;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }
    let (refused, body) = world.ask("GET", "/metrics", &["Bearer x"]).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(body.contains("too-many-failures"), "{body}");
    let good = format!("Bearer {}", world.token(Role::Viewer).token);
    assert_eq!(world.ask("GET", "/metrics", &[&good]).await.0.status(), StatusCode::OK);
}

#[tokio::test]
async fn refusals_are_written_down_a_few_times_and_never_with_the_token() {
    let world = world(limits(2));
    let written = Written::default();
    let guard = written.listen();
    let secret = format!("Bearer {}", world.token(Role::Viewer).token);
    for _ in 0..10 {
        world.ask("GET", "/metrics", &["Bearer stolen.from.somebody"]).await;
        world.ask("POST", "/api/v1/node/drain", &[&secret]).await;
    }
    drop(guard);
    let lines = written.lines();
    let audit: Vec<&String> = lines.iter().filter(|l| l.contains("access refused")).collect();
    assert_eq!(audit.len(), 4, "two for each kind of refusal: {audit:?}");
    let known = audit.iter().find(|line| line.contains("user:ada")).unwrap();
    assert!(known.contains("/api/v1/node/drain") && known.contains("operator,admin"), "{known}");
    assert!(!lines.iter().any(|l| l.contains("stolen") || l.contains(&secret[20..60])));
}
