//! The page at `/approvals`: what a browser gets, and that the API has all that its scripts use.

use reqwest::header::HOST;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, assert_problem};
use crate::events::Sse;
use crate::world::World;

const APPROVALS: &str = "/api/v1/approvals";

const SCRIPTS: [&str; 3] = ["/approvals.js", "/approvals-card.js", "/approvals-value.js"];

async fn text(client: &Client, path: &str) -> String {
    let answer = client.raw(Method::GET, path).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.text().await.expect("text")
}

#[tokio::test]
async fn a_browser_gets_files_that_may_do_nothing_but_ask_their_own_node() {
    let World { client, node: _node, .. } = &World::start("");
    let files = [
        ("/approvals", "text/html; charset=utf-8"),
        ("/approvals.css", "text/css; charset=utf-8"),
        (SCRIPTS[0], "text/javascript; charset=utf-8"),
        (SCRIPTS[1], "text/javascript; charset=utf-8"),
        (SCRIPTS[2], "text/javascript; charset=utf-8"),
    ];
    for (path, kind) in files {
        let answer = client.raw(Method::GET, path).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let header = |name| answer.headers().get(name).map(|v| v.to_str().expect("ASCII"));
        assert_eq!(header("content-type"), Some(kind), "{path}");
        assert_eq!(header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(header("referrer-policy"), Some("no-referrer"), "{path}");
        let policy = header("content-security-policy").unwrap_or_default();
        let mut rules: Vec<_> = policy.split(';').map(str::trim).collect();
        rules.sort_unstable();
        let expected = [
            "base-uri 'none'",
            "connect-src 'self'",
            "default-src 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "img-src data:",
            "require-trusted-types-for 'script'",
            "script-src 'self'",
            "style-src 'self'",
            "trusted-types 'none'",
        ];
        assert_eq!(rules, expected, "{path}");
    }
}

#[tokio::test]
async fn the_page_is_for_this_node_alone_and_nothing_is_beside_it() {
    let World { client, node: _node, .. } = &World::start("");
    for path in ["/approvals/", "/approvals/x", "/approvals.html", "/approvals.js/..%2f", "/"] {
        assert_problem(&client.get(path).await, 404, "not-found");
    }
    assert_problem(&client.post("/approvals", json!({})).await, 405, "method-not-allowed");
    for path in ["/approvals", "/approvals.js"] {
        let foreign = client.raw(Method::GET, path).header(HOST, "evil.example");
        assert_eq!(foreign.send().await.expect("an answer").status(), 403, "{path}");
    }
}

/// The names that a script reads or writes behind this one: of `said`, those in `said.verdict`.
fn members<'s>(script: &'s str, of: &str) -> Vec<&'s str> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let behind = |(at, found): (usize, &str)| {
        let before = &script[..at];
        let other = before.ends_with(word) || before.ends_with("synod.");
        let rest = &script[at + found.len()..];
        let name = &rest[..rest.find(|c| !word(c)).unwrap_or(rest.len())];
        (!other && !name.is_empty()).then_some(name)
    };
    script.match_indices(&format!("{of}.")).filter_map(behind).collect()
}

#[tokio::test]
async fn the_scripts_name_no_key_and_no_route_that_the_api_lacks() {
    let World { client, node: _node, .. } = &World::start("");
    let (_, document) = client.get("/openapi.json").await;
    let mut used = 0;
    for path in SCRIPTS {
        let script = text(client, path).await;
        for (of, schema) in [
            ("approval", "ApprovalResponse"),
            ("said", "DecisionResponse"),
            ("draft", "DecisionRequest"),
            ("listed", "ApprovalPage"),
            ("past", "ApprovalPage"),
            ("problem", "Problem"),
        ] {
            let properties = &document["components"]["schemas"][schema]["properties"];
            for name in members(&script, of) {
                assert!(properties[name].is_object(), "{path} has {of}.{name}; {schema} has not");
                used += 1;
            }
        }
        for named in script.split('"').filter(|part| part.starts_with("/api/")) {
            assert!(document["paths"][named].is_object(), "{path} asks {named}");
            used += 1;
        }
    }
    assert!(used > 50, "only {used} names were found");
    let parameters = document["paths"][APPROVALS]["get"]["parameters"].as_array().expect("a list");
    for name in ["limit", "decided"] {
        assert!(parameters.iter().any(|one| one["name"] == name), "{name}");
    }
}

/// The types of events that the page waits for.
async fn awaited(client: &Client) -> Vec<String> {
    let script = text(client, "/approvals.js").await;
    let quoted = script.split('"').skip(1).step_by(2);
    quoted
        .filter(|part| part.starts_with("synod.") && *part != "synod.name")
        .map(str::to_owned)
        .collect()
}

/// Starts a run that asks, and gives the approval as the page finds it.
async fn asked(client: &Client, approval: Value) -> Value {
    let steps = json!([{"id": "gate", "approval": approval}]);
    let run = client.started(json!({"definition": {"name": "ship", "steps": steps}})).await;
    let path = format!("{APPROVALS}?limit=100");
    let of_run = |page: &Value| -> Option<Value> {
        page["approvals"].as_array()?.iter().find(|one| one["run_id"] == *run).cloned()
    };
    let page = client.until(&path, |page| of_run(page).is_some()).await;
    of_run(&page).expect("an approval")
}

async fn decide(client: &Client, approval: &Value, draft: Value) -> (StatusCode, Value) {
    let id = approval["id"].as_str().expect("an id");
    client.post(&format!("{APPROVALS}/{id}/decide"), draft).await
}

#[tokio::test]
async fn two_people_decide_as_the_page_does_and_it_is_told_and_kept() {
    let World { client, node: _node, .. } = &World::start("");
    let kinds = awaited(client).await;
    let mut stream = Sse::open(client, &format!("type={}", kinds.join(",")), None).await;
    let approval = asked(
        client,
        json!({"ask": "Ship it?", "payload": {"size": 3}, "editable": true, "needed": 2,
            "people": ["ada"], "roles": ["operator"]}),
    )
    .await;
    assert_eq!(approval["deciders"], json!(["ada", "role:operator"]));

    let nobody = decide(client, &approval, json!({"verdict": "approve"})).await;
    assert_problem(&nobody, 403, "forbidden");
    let detail = nobody.1["detail"].as_str().unwrap_or_default();
    assert!(detail.starts_with("an unauthenticated user may not decide"), "{detail}");
    let eve = decide(client, &approval, json!({"verdict": "approve", "by": "eve"})).await;
    assert_problem(&eve, 403, "forbidden");
    let detail = eve.1["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("eve") && detail.contains("ada"), "{detail}");
    let ada = json!({"verdict": "approve", "by": " ada ", "payload": {"size": 4},
        "reason": "four will do"});
    let (status, first) = decide(client, &approval, ada.clone()).await;
    assert_eq!((status, &first["state"]), (StatusCode::OK, &json!("open")), "{first:#}");
    let twice = decide(client, &approval, ada).await;
    assert_problem(&twice, 409, "conflict");
    let bob = json!({"verdict": "approve", "by": "bob", "role": "operator"});
    let (status, done) = decide(client, &approval, bob.clone()).await;
    assert_eq!((status, &done["state"]), (StatusCode::OK, &json!("approved")), "{done:#}");
    assert_problem(&decide(client, &approval, bob).await, 409, "conflict");

    let (_, past) = client.get(&format!("{APPROVALS}?decided=true&limit=20")).await;
    let kept = &past["approvals"][0];
    assert_eq!(*kept, done, "what is decided is listed apart");
    assert_eq!(
        (&kept["payload"], &kept["decided_payload"]),
        (&json!({"size": 3}), &json!({"size": 4}))
    );
    assert_eq!(kept["decisions"][0]["by"], "user:ada");
    assert_eq!(kept["decisions"][0]["reason"], "four will do");
    assert_eq!(kept["decisions"][1]["by"], "user:bob");
    let mut told = Vec::new();
    while told.iter().filter(|kind| *kind == "synod.approval.decided").count() < 2 {
        told.push(stream.next().await.expect("an event").kind().to_owned());
    }
    assert!(told.contains(&"synod.approval.requested".to_owned()), "{told:?}");
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_and_a_rejection_is_told_with_its_run() {
    let World { client, node: _node, .. } = &World::start("");
    let kinds = awaited(client).await;
    let mut stream = Sse::open(client, &format!("type={}", kinds.join(",")), None).await;
    let approval = asked(client, json!({"ask": "Ship it?"})).await;
    for by in ["", "  ", "a\nb", "x".repeat(201).as_str()] {
        let answer = decide(client, &approval, json!({"verdict": "approve", "by": by})).await;
        assert_problem(&answer, 422, "invalid-field");
        assert_eq!(answer.1["field"], "by", "{}", answer.1);
    }
    let no = json!({"verdict": "reject", "by": "ada", "reason": "not today"});
    let (status, done) = decide(client, &approval, no).await;
    assert_eq!((status, &done["state"]), (StatusCode::OK, &json!("rejected")), "{done:#}");
    while stream.next().await.expect("an event").kind() != "synod.run.failed" {}
}

#[tokio::test]
async fn the_page_has_a_sign_and_is_told_how_much_of_a_long_list_it_shows() {
    let World { client, node: _node, .. } = &World::start("");
    let page = text(client, "/approvals").await;
    assert!(page.contains("rel=\"icon\" href=\"data:image/svg+xml;base64,"), "{page}");
    let step = |n: u32| json!({"id": format!("gate{n}"), "approval": {"ask": "Go?"}});
    let steps: Vec<_> = (0..101).map(step).collect();
    let definition = json!({"name": "many", "steps": steps, "max_parallel": 200});
    client.started(json!({"definition": definition})).await;
    let stats = "/api/v1/workflows/stats";
    client.until(stats, |stats| stats["open_approvals"] == 101).await;
    let (_, listed) = client.get(&format!("{APPROVALS}?limit=100")).await;
    assert_eq!(listed["approvals"].as_array().map(Vec::len), Some(100));
    assert!(listed["next"].is_string(), "the page says that there are more");
    let script = text(client, "/approvals.js").await;
    for used in [stats, "open_approvals", "Showing ${open.size} of ${all"] {
        assert!(script.contains(used), "{used}");
    }
}
