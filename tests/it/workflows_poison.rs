//! Poisoned definitions and inputs: each is refused with the reason, in bounded time and memory,
//! and costs nobody else anything.

use std::fmt::Write;
use std::time::{Duration, Instant};

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, assert_problem};
use crate::workflows::RUNS;
use crate::world::World;

/// How long any of them may take on a busy machine, in a build that is not optimized.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much more memory the node may have afterwards, in KiB.
const ROOM_KIB: u64 = 400 << 10;

/// A node that is poisoned; what it is asked takes no longer than it may.
struct Poisoned {
    world: World,
    resident_kib: Option<u64>,
}

impl Poisoned {
    async fn start() -> Self {
        let world = World::start("");
        let poisoned = Self { resident_kib: world.node.resident_kib(), world };
        poisoned.works(1).await;
        poisoned
    }

    fn client(&self) -> &Client {
        &self.world.client
    }

    async fn yaml(&self, text: &str) -> (StatusCode, Value) {
        let begun = Instant::now();
        let answer = self.client().yaml(RUNS, text).await;
        assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
        answer
    }

    /// What is wrong with a definition, which must be refused.
    async fn fault(&self, text: &str) -> String {
        let answer = self.yaml(text).await;
        assert_problem(&answer, 422, "invalid-definition");
        let answer = answer.1.to_string();
        assert!(answer.len() < 1 << 20, "the answer has {} bytes", answer.len());
        answer
    }

    /// How a run ends that must fail: the kind of its error and what it says.
    async fn failure(&self, definition: &Value, input: Value) -> (String, String) {
        let begun = Instant::now();
        let start = json!({"definition": definition, "input": input});
        let id = self.client().started(start).await;
        let run = self.client().run_ended(&id).await;
        assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
        assert_eq!(run["state"], "failed", "{:.2000}", run.to_string());
        let text = |member: &str| run["error"][member].as_str().unwrap_or_default().to_owned();
        (text("kind"), text("message"))
    }

    /// The node is whole: so many runs were accepted, and this one is done at once.
    async fn works(&self, accepted: u64) {
        let begun = Instant::now();
        let one = "name: one\nsteps: [{id: a, transform: 1}]\n";
        let (status, run) = self.client().yaml(&format!("{RUNS}?wait=20"), one).await;
        assert_eq!((status.as_u16(), &run["state"]), (201, &json!("completed")), "{run:#}");
        assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
        let ledger = self.client().run_ledger().await;
        assert_eq!(ledger["accepted"], accepted, "{ledger}");
        let (Some(before), Some(now)) = (self.resident_kib, self.world.node.resident_kib()) else {
            return;
        };
        assert!(now < before + ROOM_KIB, "{before} KiB before, {now} KiB now");
    }
}

/// A definition of so many steps, each after the one of this number.
fn steps(count: usize, after: impl Fn(usize) -> Option<usize>) -> String {
    let mut text = "name: many\nsteps:\n".to_owned();
    for n in 0..count {
        let depends = after(n).map(|before| format!("s{before}")).unwrap_or_default();
        writeln!(text, "  - {{id: s{n}, transform: 1, depends_on: [{depends}]}}").unwrap();
    }
    text
}

#[tokio::test]
async fn cycles_and_too_many_steps_are_refused_with_the_reason() {
    let poisoned = Poisoned::start().await;
    let long = poisoned.fault(&steps(10_000, |n| Some((n + 1) % 10_000))).await;
    assert!(long.contains("wait for each other: s0 → s9999"), "{long:.500}");
    let itself = poisoned.fault(&steps(3, Some)).await;
    assert!(itself.contains("s0 → s0"), "{itself}");
    let many = poisoned.fault(&steps(10_001, |n| n.checked_sub(1))).await;
    assert!(many.contains("10000") || many.contains("10,000"), "{many:.500}");
    // So many are not too many.
    let (status, answer) = poisoned.yaml(&steps(10_000, |_| None)).await;
    assert!(status.is_success(), "{answer}");
    let id = answer["run_id"].as_str().expect("an id");
    assert_eq!(poisoned.client().run_ended(id).await["state"], "completed");
    poisoned.works(3).await;
}

#[tokio::test]
async fn expressions_that_loop_or_explode_are_stopped() {
    let poisoned = Poisoned::start().await;
    let list: Vec<_> = (0..1_000).collect();
    let loops = "${inputs.map(a, inputs.map(b, inputs.map(c, inputs.map(d, a + b + c + d))))}";
    let definition = json!({"name": "loops", "steps": [{"id": "a", "transform": loops}]});
    let (kind, message) = poisoned.failure(&definition, json!(list)).await;
    assert_eq!(kind, "expression_error", "{message}");
    // Each step doubles what it gets: 2^40 bytes, if nobody stopped it.
    let doubles = (0..40).map(|n| match n {
        0 => json!({"id": "s0", "transform": "x"}),
        n => json!({
            "id": format!("s{n}"), "depends_on": [format!("s{}", n - 1)],
            "transform": format!("${{outputs.s{0}}}${{outputs.s{0}}}", n - 1),
        }),
    });
    let definition = json!({"name": "doubles", "steps": doubles.collect::<Vec<_>>()});
    let (kind, message) = poisoned.failure(&definition, Value::Null).await;
    assert!(["oversize", "expression_error"].contains(&kind.as_str()), "{kind}: {message}");
    // The same within one expression.
    let lists = (0..12).fold("inputs".to_owned(), |of, _| format!("({of} + {of})"));
    let definition =
        json!({"name": "adds", "steps": [{"id": "a", "transform": format!("${{{lists}}}")}]});
    let start = json!({"definition": definition, "input": list});
    let refused = poisoned.client().post(RUNS, start).await;
    assert_problem(&refused, 422, "invalid-definition");
    let guard = json!({"name": "guard", "steps": [
        {"id": "a", "transform": 1, "when": loops.trim_matches(['$', '{', '}'])},
    ]});
    let (kind, message) = poisoned.failure(&guard, json!(list)).await;
    assert_eq!(kind, "expression_error", "{message}");
    poisoned.works(5).await;
}

#[tokio::test]
async fn payloads_beyond_the_limits_are_refused() {
    let poisoned = Poisoned::start().await;
    let client = poisoned.client();
    let one = json!({"name": "one", "steps": [{"id": "a", "transform": 1}]});
    let body = |bytes| json!({"definition": one, "input": "x".repeat(bytes)}).to_string();
    let request = client.raw(Method::POST, RUNS).header(CONTENT_TYPE, "application/json");
    // The answer may come while the body is still being sent, and end that.
    if let Ok(answer) = request.body(body(100_000_000)).send().await {
        let status = answer.status();
        let problem: Value = answer.json().await.unwrap_or_default();
        assert_problem(&(status, problem), 413, "body-too-large");
    }
    let large = client.post(RUNS, json!({"definition": one, "input": "x".repeat(2_000_000)})).await;
    assert_eq!(large.0, StatusCode::UNPROCESSABLE_ENTITY, "{}", large.1);
    assert!(large.1.to_string().contains("limits.payload_bytes"), "{}", large.1);
    let text = format!("name: long\ndescription: {}\n", "x".repeat(3_000_000));
    let long = poisoned.fault(&text).await;
    assert!(long.contains("1048576"), "{long:.500}");
    let greedy = "name: greedy\nlimits: {payload_bytes: 100000000}\nsteps: [{id: a, transform: 1}]";
    assert!(poisoned.fault(greedy).await.contains("67108864"));
    poisoned.works(2).await;
}

#[tokio::test]
async fn what_is_nested_too_deep_is_refused() {
    let poisoned = Poisoned::start().await;
    let nested =
        |open: &str, close: &str| format!("{}1{}", open.repeat(1_000), close.repeat(1_000));
    let step = |value: &str| format!("name: deep\nsteps: [{{id: a, transform: {value}}}]\n");
    let list = poisoned.fault(&step(&nested("[", "]"))).await;
    assert!(list.contains("64") || list.contains("deep"), "{list:.500}");
    poisoned.fault(&step(&nested("{a: ", "}"))).await;
    let block: String = (0..1_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    poisoned.fault(&block).await;
    poisoned.fault(&step(&format!("'${{{}}}'", nested("(", ")")))).await;
    let fallbacks = (0..100).fold(String::new(), |inner, _| {
        format!("{{steps: [{{id: a, transform: 1}}], fallback: {inner}}}")
            .replace(", fallback: }", "}")
    });
    poisoned
        .fault(&format!("name: f\nsteps: [{{id: a, transform: 1}}]\nfallback: {fallbacks}"))
        .await;
    // Each alias stands for ten of the one before.
    let mut laughs = "name: laughs\nvariables:\n  a0: &a0 x\n".to_owned();
    for n in 1..10 {
        let ten = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(laughs, "  a{n}: &a{n} [{ten}]").unwrap();
    }
    poisoned.fault(&format!("{laughs}steps: [{{id: a, transform: 1}}]\n")).await;
    let client = poisoned.client();
    let request = client.raw(Method::POST, RUNS).header(CONTENT_TYPE, "application/json");
    let body = format!(r#"{{"workflow": "one", "input": {}}}"#, nested("[", "]"));
    let answer = request.body(body).send().await.expect("an answer");
    assert!(answer.status().is_client_error(), "{}", answer.status());
    poisoned.works(2).await;
}
