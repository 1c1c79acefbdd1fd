//! Every endpoint in the API's own document, with a fault of each kind that its description knows:
//! each is answered with a problem that names the field, what came and what was expected.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{AGENTS, Client, TASKS, assert_field};
use crate::world::World;

/// An id of the right form that no task has.
const NOBODY: &str = "0198c0de-0000-7000-8000-000000000000";

/// One method of one route.
struct Endpoint<'d> {
    method: Method,
    path: String,
    about: &'d Value,
    document: &'d Value,
}

fn endpoints(document: &Value) -> Vec<Endpoint<'_>> {
    let paths = document["paths"].as_object().expect("paths");
    let methods = |(path, item): (&String, &'_ Value)| {
        let item = item.as_object().expect("methods").clone();
        item.into_iter().map(|(method, _)| (path.clone(), method)).collect::<Vec<_>>()
    };
    let all = paths.iter().flat_map(methods);
    all.map(|(path, method)| Endpoint {
        about: &document["paths"][&path][&method],
        method: method.to_uppercase().parse().expect("a method"),
        path: path
            .replace("{task_id}", NOBODY)
            .replace("{run_id}", NOBODY)
            .replace("{other}", NOBODY)
            .replace("{approval_id}", NOBODY)
            .replace("{protocol}", "ballot")
            .replace("{id}", NOBODY)
            .replace("{document}", "board")
            .replace("{name}", "nothing")
            .replace("{agent}", "echo")
            .replace("{control}", "pause"),
        document,
    })
    .collect()
}

impl<'d> Endpoint<'d> {
    /// The names and schemas of its parameters in the query or in headers.
    fn parameters(&self, place: &str) -> Vec<(&'d str, &'d Value)> {
        let all = self.about["parameters"].as_array().into_iter().flatten();
        all.filter(|one| one["in"] == place)
            .map(|one| (one["name"].as_str().expect("a name"), self.resolved(&one["schema"])))
            .collect()
    }

    /// The names and schemas of its body's fields; none when it takes no body.
    fn fields(&self) -> Option<Vec<(&'d str, &'d Value)>> {
        let body = self.about.pointer("/requestBody/content/application~1json/schema")?;
        let fields = self.resolved(body)["properties"].as_object()?;
        Some(fields.iter().map(|(name, of)| (name.as_str(), self.resolved(of))).collect())
    }

    /// What a schema refers to, less the choice of leaving it out.
    fn resolved(&self, schema: &'d Value) -> &'d Value {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.strip_prefix("#/components/schemas/").expect("a name");
            return self.resolved(&self.document["components"]["schemas"][name]);
        }
        let choices = schema["oneOf"].as_array().or(schema["allOf"].as_array());
        let given = choices.into_iter().flatten().find(|choice| choice["type"] != "null");
        match given {
            Some(one) if choices.is_some_and(|all| all.len() <= 2) => self.resolved(one),
            _ => schema,
        }
    }

    async fn send(&self, client: &Client, query: &str, body: Option<&str>) -> (StatusCode, Value) {
        let mut request = client.raw(self.method.clone(), &format!("{}{query}", self.path));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_owned());
        }
        let answer = request.send().await.expect("an answer");
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    /// Sends a fault, which must be a 400 or 422 that tells everything.
    async fn refuses(&self, client: &Client, query: &str, body: Option<&str>) -> Value {
        let (status, answer) = self.send(client, query, body).await;
        let sent = format!("{} {}{query} {body:?}", self.method, self.path);
        assert!(matches!(status.as_u16(), 400 | 422), "{sent}: {status} {answer}");
        assert_eq!(answer["status"], status.as_u16(), "{sent}: {answer}");
        let members =
            ["type", "title", "detail", "instance", "next_step", "field", "expected", "got"];
        for member in members {
            let told = answer[member].as_str().is_some_and(|text| !text.is_empty());
            assert!(told, "{sent}: no {member} in {answer}");
        }
        answer
    }
}

/// Whether a schema is of this type, perhaps beside null.
fn is(schema: &Value, kind: &str) -> bool {
    let of = &schema["type"];
    of == kind || of.as_array().is_some_and(|all| all.contains(&json!(kind)))
}

/// A value of a type that this schema does not know.
fn misfit(schema: &Value) -> Option<Value> {
    let kinds = [("string", json!(7.5)), ("array", json!("x")), ("object", json!("x"))];
    let numbers = [("integer", json!("x")), ("number", json!("x")), ("boolean", json!("x"))];
    let known = kinds.into_iter().chain(numbers);
    let mut fitting = known.filter(|(kind, _)| is(schema, kind));
    let (_, value) = fitting.next()?;
    fitting.next().is_none().then_some(value)
}

#[tokio::test]
async fn a_wrong_query_is_told_by_every_endpoint() {
    let World { client, node: _node, .. } = &World::start("");
    let (_, document) = client.get("/openapi.json").await;
    let mut tried = 0;
    for endpoint in endpoints(&document) {
        let parameters = endpoint.parameters("query");
        if parameters.is_empty() {
            continue;
        }
        let answer = endpoint.refuses(client, "?colour=red", None).await;
        assert_eq!(answer["field"], "colour", "{answer}");
        for (name, _) in parameters.iter().filter(|(_, schema)| is(schema, "integer")) {
            for wrong in ["many", "-1", "1.5", "", "99999999999999999999999"] {
                let answer = endpoint.refuses(client, &format!("?{name}={wrong}"), None).await;
                assert_eq!(answer["field"], *name, "{answer}");
                let expected = answer["expected"].as_str().unwrap_or_default();
                assert!(expected.contains("whole number"), "{answer}");
                tried += 1;
            }
        }
        for (name, schema) in &parameters {
            let Some(names) = schema["enum"].as_array() else { continue };
            let answer = endpoint.refuses(client, &format!("?{name}=nonsense"), None).await;
            let expected = answer["expected"].as_str().unwrap_or_default();
            let all = names.iter().filter_map(Value::as_str).all(|name| expected.contains(name));
            assert!(all, "{names:?} are not named: {answer}");
            tried += 1;
        }
    }
    assert!(tried > 15, "only {tried} faults were sent");
}

#[tokio::test]
async fn a_wrong_body_is_told_by_every_endpoint() {
    let World { client, node: _node, .. } = &World::start("");
    let (_, document) = client.get("/openapi.json").await;
    let mut tried = 0;
    for endpoint in endpoints(&document) {
        let Some(fields) = endpoint.fields() else { continue };
        for (body, status) in [("{", 400), ("[1]", 422), ("7", 422), ("{\"colour\": 1}", 422)] {
            let answer = endpoint.refuses(client, "", Some(body)).await;
            assert_eq!(answer["status"], status, "{answer}");
        }
        for (name, schema) in fields {
            let names: Vec<&str> =
                schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let unknown = (!names.is_empty()).then(|| json!("nonsense"));
            for wrong in misfit(schema).into_iter().chain(unknown) {
                let body = json!({ name: wrong }).to_string();
                let answer = endpoint.refuses(client, "", Some(&body)).await;
                let field = answer["field"].as_str().unwrap_or_default();
                assert!(field.starts_with(name), "{body}: {answer}");
                let expected = answer["expected"].as_str().unwrap_or_default().to_lowercase();
                let all = names.iter().all(|name| expected.contains(&name.to_lowercase()));
                assert!(all, "{names:?} are not named for {body}: {answer}");
                tried += 1;
            }
        }
    }
    assert!(tried > 25, "only {tried} faults were sent");
}

#[tokio::test]
async fn a_wrong_header_is_told_by_every_endpoint() {
    let World { client, node: _node, .. } = &World::start("");
    let (_, document) = client.get("/openapi.json").await;
    let mut tried = 0;
    for endpoint in endpoints(&document) {
        for (name, _) in endpoint.parameters("header") {
            for wrong in [b"\xc3\xa4".as_slice(), b"", b"a b", &[b'x'; 300]] {
                let request = client.raw(endpoint.method.clone(), &endpoint.path);
                let request = request.header(name, wrong).json(&json!({"kind": "echo"}));
                let answer = request.send().await.expect("an answer");
                let answer = (answer.status(), answer.json::<Value>().await.expect("a problem"));
                let field = answer.1["field"].as_str().unwrap_or_default().to_lowercase();
                assert_eq!(field.replace('_', "-"), name.to_lowercase(), "{}", answer.1);
                assert_field(&answer, answer.1["field"].as_str().unwrap_or_default(), "1 to 255");
                assert!(answer.1["got"].is_string(), "{}", answer.1);
                tried += 1;
            }
        }
    }
    assert!(tried > 0, "no header was sent");
}

#[tokio::test]
async fn every_fault_of_a_card_is_told_at_once() {
    let World { client, node: _node, .. } = &World::start("");
    let card = json!({
        "id": "a", "version": "1.0.0", "kind": "http", "capabilities": ["x", "B!"],
        "endpoint": "http://127.0.0.1:9/",
        "limits": {"max_concurrent_tasks": 0, "perform_timeout_s": u64::MAX, "grace_ms": u64::MAX},
    });
    let (status, answer) = client.post(AGENTS, card).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    let errors = answer["errors"].as_array().expect("a list");
    let of = |field: &str| errors.iter().find(|error| error["field"] == field);
    for field in [
        "capabilities[1].name",
        "limits.max_concurrent_tasks",
        "limits.perform_timeout_s",
        "limits.grace_ms",
    ] {
        let error = of(field).unwrap_or_else(|| panic!("{field} is not told: {answer}"));
        assert!(error["expected"].is_string() && error["got"].is_string(), "{error}");
    }
    let version = client.post(AGENTS, json!({"id": "a", "version": "one"})).await;
    assert_field(&version, "version", "such as 1.0.0");
    assert_eq!(version.1["got"], "`one`", "{}", version.1);
    let wrong_id = client.post(AGENTS, json!({"id": "No Id", "capabilities": ["x"]})).await;
    assert_field(&wrong_id, "id", "1 to 64 of a-z");
    assert_eq!(wrong_id.1["got"], "'No Id'", "{}", wrong_id.1);
}

#[tokio::test]
async fn numbers_beyond_all_bounds_bring_nothing_down() {
    let World { client, node: _node, .. } = &World::start("");
    let most = u64::MAX;
    for (body, field) in [
        (json!({"kind": "echo", "timeout_s": most}), "timeout_s"),
        (json!({"kind": "echo", "timeout_s": 1e300}), "timeout_s"),
        (json!({"kind": "echo", "deadline": "9999-12-31T23:59:59Z"}), "deadline"),
        (json!({"kind": "echo", "deadline": "99999-12-31T23:59:59Z"}), "deadline"),
        (json!({"kind": "echo", "retry": {"initial_ms": most}}), "retry.initial_ms"),
        (json!({"kind": "echo", "retry": {"max_ms": most}}), "retry.max_ms"),
        (json!({"kind": "echo", "retry": {"multiplier": 1e308}}), "retry.multiplier"),
        (json!({"kind": "echo", "retry": {"max_attempts": most}}), "retry.max_attempts"),
        (json!({"kind": "echo", "priority": most}), "priority"),
    ] {
        let answer = client.post(TASKS, body.clone()).await;
        assert_field(&answer, field, "");
        assert!(answer.1["expected"].is_string() && answer.1["got"].is_string(), "{}", answer.1);
    }
    let long = client.post(&format!("{TASKS}?wait={most}"), json!({"kind": "echo"})).await;
    assert_field(&long, "wait", "0 to 60 seconds");
    let drain = client.post("/api/v1/node/drain", json!({"within_s": most})).await;
    assert_field(&drain, "within_s", "0 to 86400");
    let (status, _) = client.get(&format!("/api/v1/status?depth={most}")).await;
    assert_eq!(status, StatusCode::OK);

    let slow =
        json!({"kind": "echo", "labels": {"echo.delay_ms": most.to_string()}, "timeout_s": 1});
    assert_eq!(client.done(slow).await["state"], "failed", "it is too slow, and that is all");
    let (_, ready) = client.get("/readyz").await;
    assert_eq!(ready, json!({"ready": true}));
    assert_eq!(client.done(json!({"kind": "echo", "payload": 1})).await["result"], 1);
}
