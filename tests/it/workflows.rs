//! Workflows over HTTP: definitions, starts, results, faults, pictures, plans, the stream.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, assert_field, assert_problem};
use crate::events::Sse;
use crate::world::World;

/// Where runs are.
pub(crate) const RUNS: &str = "/api/v1/workflows";

/// Two steps by an agent, one by a template, and an output.
pub(crate) const LINEAR: &str = "\
name: linear
version: 1.2.0
description: two echoes and a sum
inputs: {type: object, properties: {n: {type: integer}}, required: [n]}
steps:
  - {id: first, agent: echo, input: {value: '${inputs.n}'}}
  - {id: second, agent: echo, input: '${outputs.first}', depends_on: [first]}
  - {id: sum, transform: '${outputs.second.value + 1}', depends_on: [second]}
outputs: {sum: '${outputs.sum}'}
";

impl Client {
    /// Posts a definition as YAML.
    pub(crate) async fn yaml(&self, path: &str, text: &str) -> (StatusCode, Value) {
        let request = self.raw(Method::POST, path).header("content-type", "application/yaml");
        let answer = request.body(text.to_owned()).send().await.expect("an answer");
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    /// Starts a run that must be accepted, and gives its id.
    pub(crate) async fn started(&self, request: Value) -> String {
        let (status, answer) = self.post(RUNS, request).await;
        assert!(status.is_success(), "{answer:#}");
        answer["run_id"].as_str().expect("a run_id").to_owned()
    }

    /// How a run stands, which must be known.
    pub(crate) async fn run(&self, id: &str) -> Value {
        let (status, run) = self.get(&format!("{RUNS}/{id}")).await;
        assert_eq!(status, StatusCode::OK, "{run}");
        run
    }

    /// Waits for the end of a run.
    pub(crate) async fn run_ended(&self, id: &str) -> Value {
        let ended = |run: &Value| {
            matches!(run["state"].as_str(), Some("completed" | "failed" | "cancelled"))
        };
        self.until(&format!("{RUNS}/{id}?wait=10"), ended).await
    }

    /// Waits until a run is in this state.
    pub(crate) async fn run_in(&self, id: &str, state: &str) -> Value {
        self.until(&format!("{RUNS}/{id}"), |run| run["state"] == state).await
    }

    /// The ledger of runs, which must be balanced.
    pub(crate) async fn run_ledger(&self) -> Value {
        let (_, mut stats) = self.get(&format!("{RUNS}/stats")).await;
        assert_eq!(stats["ledger"]["balanced"], true, "{stats}");
        stats["ledger"].take()
    }
}

/// How a step of a run stands.
pub(crate) fn step<'r>(run: &'r Value, id: &str) -> &'r Value {
    let mut steps = run["steps"].as_array().expect("steps").iter();
    steps.find(|step| step["id"] == id).unwrap_or_else(|| panic!("no step {id}: {run:#}"))
}

#[tokio::test]
async fn a_run_goes_through_its_steps_and_gives_its_outputs() {
    let World { client, node: _node, .. } = &World::start("");
    let input = "%7B%22n%22%3A41%7D";
    let (status, run) = client.yaml(&format!("{RUNS}?wait=20&input={input}"), LINEAR).await;
    assert_eq!(status, StatusCode::CREATED, "{run:#}");
    assert_eq!(run["state"], "completed", "{run:#}");
    assert_eq!(run["outputs"], json!({"sum": 42}), "{run:#}");
    assert_eq!(step(&run, "first")["output"], json!({"value": 41}));
    assert_eq!(step(&run, "second")["agent"], "echo@0.1.0");
    assert_eq!(run["progress"]["percent"], 100.0, "{run:#}");
    assert_eq!(run["workflow"]["name"], "linear");

    let id = run["run_id"].as_str().expect("an id");
    assert_eq!(client.run(id).await["outputs"], run["outputs"]);
    let (_, page) = client.get(&format!("{RUNS}?workflow=linear&state=completed")).await;
    assert_eq!(page["runs"].as_array().map(Vec::len), Some(1), "{page}");
    let (_, page) = client.get(&format!("{RUNS}?state=failed")).await;
    assert_eq!(page["runs"], json!([]), "{page}");
    let ledger = client.run_ledger().await;
    assert_eq!((&ledger["accepted"], &ledger["completed"]), (&json!(1), &json!(1)), "{ledger}");

    let (_, history) = client.get(&format!("{RUNS}/{id}/history")).await;
    let events = history["events"].as_array().expect("events");
    assert!(events.len() > 5, "{history:#}");
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["number"], at + 1, "{history:#}");
        assert!(event["text"].as_str().is_some_and(|text| !text.is_empty()), "{event}");
    }
    let (_, rest) = client.get(&format!("{RUNS}/{id}/history?after=2&limit=1")).await;
    assert_eq!(rest["events"][0]["number"], 3, "{rest}");
}

#[tokio::test]
async fn a_definition_is_kept_by_name_and_version_and_started_by_them() {
    let World { client, node: _node, .. } = &World::start("");
    let kept = "/api/v1/workflows/definitions";
    let (status, summary) = client.yaml(kept, LINEAR).await;
    assert_eq!(status, StatusCode::CREATED, "{summary}");
    let newer = LINEAR.replace("1.2.0", "2.0.0").replace("+ 1", "+ 2");
    assert_eq!(client.yaml(kept, &newer).await.0, StatusCode::CREATED);
    assert_eq!(client.yaml(kept, LINEAR).await.0, StatusCode::CREATED, "the same changes nothing");
    let other = client.yaml(kept, &LINEAR.replace("+ 1", "+ 3")).await;
    assert_problem(&other, 409, "conflict");

    let (_, list) = client.get(kept).await;
    assert_eq!(list["definitions"].as_array().map(Vec::len), Some(2), "{list}");
    let (_, shown) = client.get(&format!("{kept}/linear?version=1")).await;
    assert_eq!(shown["workflow"]["version"], "1.2.0", "{shown}");
    for (version, sum) in [(json!("^1"), 11), (Value::Null, 12)] {
        let id = client
            .started(json!({"workflow": "linear", "version": version, "input": {"n": 10}}))
            .await;
        assert_eq!(client.run_ended(&id).await["outputs"]["sum"], sum);
    }
    let nobody = client.post(RUNS, json!({"workflow": "linear", "version": "9"})).await;
    assert_problem(&nobody, 404, "not-found");
    let (status, _) = client.delete(&format!("{kept}/linear?version=2.0.0")).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (_, shown) = client.get(&format!("{kept}/linear")).await;
    assert_eq!(shown["workflow"]["version"], "1.2.0", "{shown}");
    let gone = client.delete(&format!("{kept}/linear?version=2.0.0")).await;
    assert_problem(&gone, 404, "not-found");
}

#[tokio::test]
async fn each_fault_of_a_definition_is_told_with_its_place_and_a_suggestion() {
    let World { client, node: _node, .. } = &World::start("");
    let wrong = "name: wrong\nsteps:\n  - {id: read, agent: echo}\n  \
                 - {id: count, agent: echo, depends_on: [reed]}\n";
    for path in [RUNS.to_owned(), format!("{RUNS}/definitions")] {
        let refused = client.yaml(&path, wrong).await;
        assert_problem(&refused, 422, "invalid-definition");
        let fault = &refused.1["errors"][0];
        assert_eq!((&fault["line"], &fault["path"]), (&json!(4), &json!("/steps/1/depends_on/0")));
        assert!(fault["column"].as_u64() > Some(30), "{fault}");
        assert!(fault["message"].as_str().is_some_and(|text| text.contains("reed")), "{fault}");
        assert!(fault["suggestion"].as_str().is_some_and(|text| text.contains("read")), "{fault}");
    }
    let (status, report) = client.yaml(&format!("{RUNS}/check"), wrong).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(report["faults"][0]["line"], 4, "{report}");
    let unknown = "name: u\nsteps: [{id: a, agent: nobody-here}]\n";
    let (_, report) = client.yaml(&format!("{RUNS}/check"), unknown).await;
    assert_eq!(report["faults"], json!([]), "{report}");
    assert!(report["warnings"].to_string().contains("nobody-here"), "{report}");
    let cycle = json!({"definition": {"name": "c", "steps": [
        {"id": "a", "agent": "echo", "depends_on": ["b"]},
        {"id": "b", "agent": "echo", "depends_on": ["a"]},
    ]}});
    let refused = client.post(RUNS, cycle).await;
    assert_problem(&refused, 422, "invalid-definition");
    assert!(refused.1["errors"][0].to_string().contains("a → b"), "{}", refused.1);
    let twice = client.raw(Method::POST, RUNS).header("content-type", "application/json");
    let body = r#"{"definition": {"name": "d", "name": "e", "steps": []}}"#;
    let answer = twice.body(body).send().await.expect("an answer");
    assert_eq!(answer.status(), 422, "a key that comes twice is seen");
    assert_eq!(client.run_ledger().await["accepted"], 0);
}

#[tokio::test]
async fn what_is_no_request_for_a_run_is_refused_with_its_field() {
    let World { client, node: _node, .. } = &World::start("");
    let inline = json!({"name": "one", "steps": [{"id": "a", "transform": 1}]});
    let start = async |request: Value| client.post(RUNS, request).await;
    assert_field(&start(json!({})).await, "definition", "a definition");
    assert_field(&start(json!({"definition": 7})).await, "definition", "an object");
    let both = json!({"definition": inline, "workflow": "x"});
    assert_field(&start(both).await, "workflow", "either");
    let late = client.post(&format!("{RUNS}?wait=9999"), json!({"definition": inline})).await;
    assert_field(&late, "wait", "0 to 60");
    let input = json!({"definition": LINEAR, "input": {"n": "seven"}});
    assert_field(&start(input).await, "input", "`inputs`");
    let labels = json!({"definition": inline, "labels": {"k": "v".repeat(300)}});
    assert_eq!(start(labels).await.1["field"], "labels.k");
    for path in ["nobody", "0198c0de-0000-7000-8000-000000000000"] {
        assert_problem(&client.get(&format!("{RUNS}/{path}")).await, 404, "not-found");
        let cancel = client.post(&format!("{RUNS}/{path}/cancel"), json!({})).await;
        assert_problem(&cancel, 404, "not-found");
    }
    let page = client.get(&format!("{RUNS}?cursor=nonsense")).await;
    assert_field(&page, "cursor", "`next`");
    let text = client.raw(Method::POST, RUNS).header("content-type", "text/plain").body("name: x");
    assert_eq!(text.send().await.expect("an answer").status(), 415);
    let large = format!("name: x\ndescription: '{}'\n", "x".repeat(2 << 20));
    let refused = client.yaml(RUNS, &large).await;
    assert_eq!(refused.0, 422, "{}", refused.1);
}

#[tokio::test]
async fn the_same_key_is_the_same_run() {
    let World { client, node: _node, .. } = &World::start("");
    let request = json!({"definition": LINEAR, "input": {"n": 1}, "idempotency_key": "order-7"});
    let id = client.started(request.clone()).await;
    let (status, again) = client.post(RUNS, request.clone()).await;
    assert_eq!((status, &again["duplicate"]), (StatusCode::OK, &json!(true)), "{again}");
    assert_eq!(again["run_id"], *id);
    let mut other = request;
    other["input"]["n"] = json!(2);
    assert_problem(&client.post(RUNS, other).await, 422, "idempotency-conflict");
    assert_eq!(client.run_ledger().await["accepted"], 1);
}

#[tokio::test]
async fn a_run_is_drawn_in_every_form() {
    let World { client, node: _node, .. } = &World::start("");
    let id = client.started(json!({"definition": LINEAR, "input": {"n": 1}})).await;
    client.run_ended(&id).await;
    client.yaml(&format!("{RUNS}/definitions"), LINEAR).await;
    let draw = async |path: String| {
        let answer = client.raw(Method::GET, &path).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
        (kind, answer.text().await.expect("a picture"))
    };
    let forms = [
        ("svg", "image/svg+xml", "<svg"),
        ("gantt", "image/svg+xml", "first: completed"),
        ("dot", "text/vnd.graphviz; charset=utf-8", "digraph"),
        ("mermaid", "text/vnd.mermaid; charset=utf-8", "flowchart LR"),
    ];
    for (form, kind, text) in forms {
        let (given, picture) = draw(format!("{RUNS}/{id}/graph?format={form}")).await;
        assert_eq!(given, kind);
        assert!(picture.contains(text) && picture.contains("completed"), "{picture}");
    }
    let (_, picture) = draw(format!("{RUNS}/definitions/linear/graph?format=dot")).await;
    assert!(picture.contains("p0_0 -> p0_1;"), "{picture}");
    let no_times = client.get(&format!("{RUNS}/definitions/linear/graph?format=gantt")).await;
    assert_field(&no_times, "format", "svg");
}

#[tokio::test]
async fn the_schema_of_definitions_is_published() {
    let World { client, node: _node, .. } = &World::start("");
    let answer = client.raw(Method::GET, "/schemas/workflow.json").send().await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "application/schema+json");
    let schema: Value = answer.json().await.expect("JSON");
    assert_eq!(schema["required"], json!(["name", "steps"]), "{schema}");
    assert!(schema["x-error-kinds"].as_array().is_some_and(|kinds| kinds.len() > 10), "{schema}");
}

#[tokio::test]
async fn a_plan_is_carried_out_at_once_or_with_an_id() {
    let World { client, node: _node, .. } = &World::start("");
    let plan = json!({
        "id": "deploy", "parallel": true, "timeout": 20_000,
        "steps": [
            {"id": "build", "agentId": "echo", "action": "echo", "input": {"ref": "main"}},
            {"id": "test", "agentId": "echo", "action": "echo", "input": "${outputs.build.ref}",
             "dependencies": ["build"], "retryPolicy": {"maxRetries": 2, "backoffMs": 10}},
        ],
    });
    let (status, outcome) = client.post("/api/v1/plans?wait=20", plan.clone()).await;
    assert_eq!(status, StatusCode::OK, "{outcome}");
    assert_eq!(outcome["success"], true, "{outcome}");
    assert_eq!(outcome["results"], json!({"build": {"ref": "main"}, "test": "main"}));
    assert_eq!(outcome["errors"], json!([]));
    assert!(outcome["duration"].is_u64(), "{outcome}");

    let (status, begun) = client.post("/api/v1/plans", plan.clone()).await;
    assert!(matches!(status.as_u16(), 200 | 202), "{begun}");
    let id = begun["id"].as_str().expect("an id");
    let (_, outcome) = client.get(&format!("/api/v1/plans/{id}?wait=20")).await;
    assert_eq!(outcome["success"], true, "{outcome}");

    let mut wrong = plan;
    wrong["steps"][1]["dependencies"] = json!(["biuld"]);
    let refused = client.post("/api/v1/plans", wrong).await;
    assert_problem(&refused, 422, "invalid-definition");
    assert_eq!(refused.1["errors"][0]["path"], "/steps/1/dependencies/0", "{}", refused.1);
    let nobody = json!({"id": "n", "timeout": 500, "steps": [{"id": "a", "agentId": "nobody"}]});
    let (_, failed) = client.post("/api/v1/plans?wait=20", nobody).await;
    assert_eq!(failed["success"], false, "{failed}");
    assert!(failed["errors"][0]["kind"].is_string(), "{failed}");
}

#[tokio::test]
async fn the_stream_tells_the_steps_of_one_run_in_its_trace() {
    let World { client, node: _node, .. } = &World::start("");
    let (_, page) = client.get(RUNS).await;
    assert_eq!(page["runs"], json!([]));
    let mut all = Sse::open(client, "type=synod.run.*,synod.step.*", None).await;
    assert_eq!(all.next().await.expect("a notice").kind(), "synod.stream.opened");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = client.raw(Method::POST, RUNS);
    let request = request.header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"));
    let answer = request.json(&json!({"definition": LINEAR, "input": {"n": 1}})).send().await;
    let accepted: Value = answer.expect("an answer").json().await.expect("JSON");
    let id = accepted["run_id"].as_str().expect("an id");
    let mut told = Vec::new();
    loop {
        let event = all.next().await.expect("an event");
        assert_eq!(event.0["subject"], format!("workflows/{id}"), "{}", event.0);
        assert_eq!(event.0["data"]["workflow"], "linear");
        let parent = event.0["traceparent"].as_str().expect("a traceparent");
        assert!(parent.contains(trace), "{parent}");
        let step = event.0["data"]["step"].as_str().unwrap_or_default();
        told.push(format!("{} {step}", event.kind()));
        if event.kind() == "synod.run.completed" {
            break;
        }
    }
    let place = |text: &str| {
        told.iter().position(|one| one.trim() == text).unwrap_or_else(|| panic!("{text}: {told:?}"))
    };
    assert!(place("synod.step.started first") < place("synod.step.completed first"), "{told:?}");
    assert!(place("synod.step.completed first") < place("synod.step.started second"), "{told:?}");
    let mut one = Sse::open(client, &format!("run={id}"), None).await;
    assert_eq!(one.next().await.expect("a notice").kind(), "synod.stream.opened");
    let other = client.started(json!({"definition": LINEAR, "input": {"n": 2}})).await;
    client.run_ended(&other).await;
    assert_eq!(client.run(id).await["trace_id"], trace);
}
