//! A small tree for the tests of this folder.

use serde_json::{Value, json};
use synod_runtime::ActorSnapshot;

fn actor(path: &str, children: Vec<Value>) -> Value {
    json!({
        "path": path, "kind": "supervisor", "state": "running", "restarts": 0,
        "lanes": [0, 1, 0, 0, 0], "processed": 7, "busy_ratio": 0.25, "last_error": null,
        "uptime_ms": 5_000, "detail": null, "child_count": children.len(), "children": children,
    })
}

/// `/` with `/agents` (with `/agents/echo`, which fell once) and `/tasks`.
pub(crate) fn tree() -> ActorSnapshot {
    let mut echo = actor("/agents/echo", Vec::new());
    echo["last_error"] = json!({"error": "it fell"});
    echo["restarts"] = json!(1);
    let agents = actor("/agents", vec![echo]);
    let root = actor("/", vec![agents, actor("/tasks", Vec::new())]);
    serde_json::from_value(root).expect("a tree of actors")
}
