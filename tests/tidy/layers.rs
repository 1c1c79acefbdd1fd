//! Who may use whom.

use toml::{Table, Value};

use crate::report::Finding;
use crate::source::Source;
use crate::tree::Tree;

/// What each family may use besides `runtime`: the exact edge list of the design.
const EDGES: [(&str, &[&str]); 19] = [
    ("runtime", &[]),
    ("testkit", &[]),
    ("journal", &[]),
    ("security", &[]),
    ("models", &[]),
    ("swarm", &[]),
    ("agents", &["journal"]),
    ("events", &["journal"]),
    ("cluster", &["security", "journal"]),
    ("coordination", &["agents", "events", "journal"]),
    ("learning", &["agents", "journal"]),
    ("governance", &["agents", "journal"]),
    ("planning", &["agents"]),
    ("integrations", &["agents", "events"]),
    ("tasks", &["coordination", "agents", "journal"]),
    ("chaos", &["cluster"]),
    ("workflows", &["tasks", "planning", "coordination", "agents", "journal"]),
    ("tuning", &["tasks", "models"]),
    ("triage", &["tasks", "agents"]),
];

/// Crates that one family wraps: no other code names them. Benches hold peers side by side.
const WRAPPED: [(&str, &[&str]); 4] = [
    ("ractor", &["actors/runtime/", "benches/"]),
    ("burn", &["actors/models/burn/", "benches/"]),
    ("wgpu", &["actors/models/burn/"]),
    ("openraft", &["actors/cluster/src/consensus/"]),
];

/// Every dependency of a family on another stands in the edge list.
pub(crate) fn edges(tree: &Tree) -> Vec<Finding> {
    tree.folders("actors")
        .iter()
        .flat_map(|family| {
            let path = format!("actors/{family}/Cargo.toml");
            family_edges(family, &path, &tree.text(&path).unwrap_or_default())
        })
        .collect()
}

fn family_edges(family: &str, path: &str, text: &str) -> Vec<Finding> {
    let manifest: Table = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
    let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == family) else {
        let remedy = "put it on its layer in the design and in EDGES of tests/tidy/layers.rs";
        return vec![Finding::new(path, 1, format!("`{family}` has no layer"), remedy)];
    };
    let mut findings = Vec::new();
    for (section, dependency) in own_dependencies(&manifest) {
        let testkit = dependency == "testkit" && section == "dev-dependencies";
        let below = dependency == "runtime" && family != "runtime";
        if testkit || below || allowed.contains(&dependency.as_str()) {
            continue;
        }
        let line = line_of(text, &format!("synod-{dependency}"));
        let rule = format!("`{family}` may not use `{dependency}` in [{section}]");
        let remedy = format!(
            "take it as a trait of `{family}` and join the two in src/node, or use one of: {}",
            allowed.join(", ")
        );
        findings.push(Finding::new(path, line, rule, remedy));
    }
    findings
}

/// Dependencies on our own crates, with the section each stands in.
fn own_dependencies(manifest: &Table) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let targets = manifest.get("target").and_then(Value::as_table);
        let by_target = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
        for table in std::iter::once(manifest).chain(by_target) {
            let names =
                table.get(section).and_then(Value::as_table).into_iter().flat_map(Table::keys);
            let own = names.filter_map(|name| name.strip_prefix("synod-"));
            found.extend(own.map(|name| (section, name.to_owned())));
        }
    }
    found
}

/// `actors/<folder>` is the crate `synod-<folder>`.
pub(crate) fn crate_names(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in tree.folders("actors") {
        let path = format!("actors/{folder}/Cargo.toml");
        let expected = format!("synod-{folder}");
        if !tree.has(&path) {
            let remedy = "create the crate with its first capability, or remove the folder";
            findings.push(Finding::new(path, 0, "a folder of actors/ is no crate", remedy));
            continue;
        }
        let manifest = tree.toml(&path);
        let name = manifest["package"]["name"].as_str().unwrap_or_default();
        if name != expected {
            let remedy = format!("name it `{expected}`");
            findings.push(Finding::new(path, 2, format!("the crate is named `{name}`"), remedy));
        }
    }
    findings
}

/// What `cargo test` leaves out unless `default-members` equals `members`.
pub(crate) fn default_members(tree: &Tree) -> Vec<Finding> {
    let manifest = tree.toml("Cargo.toml");
    let text = tree.text("Cargo.toml").unwrap_or_default();
    let (members, defaults) =
        (&manifest["workspace"]["members"], &manifest["workspace"]["default-members"]);
    let mut findings = Vec::new();
    let line = line_of(&text, "default-members");
    if members != defaults {
        let rule = "members and default-members differ";
        let remedy = "make them equal, or `cargo test` leaves crates out";
        findings.push(Finding::new("Cargo.toml", line, rule, remedy));
    }
    let listed: Vec<&str> =
        members.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for manifest in tree.files().filter(|path| path.ends_with("/Cargo.toml")) {
        let folder = manifest.trim_end_matches("/Cargo.toml");
        let by_glob = folder.strip_prefix("actors/").is_some_and(|rest| !rest.contains('/'));
        // A user's own crate, shown as an example, is no member on purpose.
        if by_glob && listed.contains(&"actors/*") || folder.starts_with("examples/") {
            continue;
        }
        if !listed.contains(&folder) {
            let remedy = format!("add \"{folder}\" to members and default-members");
            findings.push(Finding::new(manifest, 1, "the glob does not reach this crate", remedy));
        }
    }
    findings
}

/// ractor lives in `runtime`, burn in `models/burn`; nobody else names them.
pub(crate) fn wrapped_crates(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, owners) in WRAPPED {
        if owners.iter().any(|owner| source.path.starts_with(owner)) {
            continue;
        }
        for at in source.identifiers(name) {
            let rule = format!("`{name}` is named outside {}", owners[0]);
            let remedy = format!("use what {} offers, or extend it", owners[0]);
            findings.push(Finding::new(&source.path, source.line(at), rule, remedy));
        }
    }
    if source.path.starts_with("actors/runtime/src/") {
        for at in source.identifiers("synod_testkit") {
            let rule = "the runtime's own sources use testkit";
            let remedy = "move the test to actors/runtime/tests/: testkit depends on runtime";
            findings.push(Finding::new(&source.path, source.line(at), rule, remedy));
        }
    }
    findings
}

fn line_of(text: &str, what: &str) -> usize {
    text.lines().position(|line| line.starts_with(what)).map_or(1, |index| index + 1)
}

#[test]
fn an_edge_that_points_up_is_found() {
    let manifest = "[package]\n[dependencies]\nsynod-runtime = \"1\"\nsynod-tasks = \"1\"\n";
    let found = family_edges("agents", "actors/agents/Cargo.toml", manifest);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].line, 4);
    let testkit =
        "[dependencies]\nsynod-testkit = \"1\"\n[dev-dependencies]\nsynod-testkit = \"1\"";
    assert_eq!(family_edges("agents", "x", testkit).len(), 1, "testkit is for tests alone");
    assert_eq!(family_edges("runtime", "x", "[dependencies]\nsynod-runtime = \"1\"").len(), 1);
    assert_eq!(family_edges("novelty", "x", "").len(), 1, "an unknown family has no layer");
}

#[test]
fn an_edge_per_target_is_found_too() {
    let manifest = "[target.'cfg(unix)'.dependencies]\nsynod-tasks.workspace = true\n";
    assert_eq!(family_edges("journal", "x", manifest).len(), 1);
}

#[test]
fn a_wrapped_crate_named_elsewhere_is_found() {
    let text = "//! ractor in prose is fine\nuse ractor::Actor;\nlet ractors = 1;\n";
    assert_eq!(wrapped_crates(&Source::new("src/a.rs", text)).len(), 1);
    assert!(wrapped_crates(&Source::new("actors/runtime/src/a.rs", text)).is_empty());
}
