//! A configuration is taken whole or refused with every fault in its place.

use std::fs;

use super::*;

/// Writes `text` to a file of its own and loads it under `env`.
fn load(text: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    fs::write(&path, text).unwrap();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    NodeConfig::load(Some(&path), env)
}

fn faults(text: &str, env: &[(&str, &str)]) -> Vec<KeyFault> {
    match load(text, env) {
        Err(ConfigError::Invalid(faults)) => faults,
        other => panic!("expected faults, got {other:?}"),
    }
}

fn line(fault: &KeyFault) -> Option<usize> {
    match &fault.origin {
        Origin::File { line, .. } => *line,
        _ => None,
    }
}

#[test]
fn the_default_file_is_the_default_configuration() {
    assert_eq!(load(DEFAULT_FILE, &[]).unwrap().config, NodeConfig::default());
    assert_eq!(load("", &[]).unwrap().config, NodeConfig::default());
    assert!(NodeConfig::default().validate().is_ok());
}

#[test]
fn the_environment_lies_on_top_of_the_file() {
    let text = "[node]\nname = \"file\"\nshutdown_s = 5\n";
    let loaded = load(text, &[("SYNOD_NODE__NAME", "variable"), ("PATH", "/bin")]).unwrap();
    assert_eq!(loaded.config.node.name, "variable");
    assert_eq!(loaded.config.node.shutdown_s, 5);
    let origin = |key: &str| loaded.origin(&KeyPath::parse(key)).to_string();
    assert_eq!(origin("node.name"), "environment SYNOD_NODE__NAME");
    assert!(origin("node.shutdown_s").ends_with("node.toml:3"));
    assert_eq!(origin("node.data_folder"), "default");
}

#[test]
fn an_unknown_key_names_its_line_and_what_was_meant() {
    let found = faults("[node]\nnmae = \"x\"\n", &[]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key.to_string(), "node.nmae");
    assert_eq!(line(&found[0]), Some(2));
    assert_eq!(found[0].advice.as_deref(), Some("did you mean `name`?"));
}

#[test]
fn an_unknown_section_names_the_known_ones() {
    let found = faults("[nods]\nname = \"x\"\n", &[]);
    assert_eq!(found[0].advice.as_deref(), Some("did you mean `node`?"));
    assert!(found[0].reason.contains("log"), "{}", found[0]);
}

#[test]
fn a_wrong_type_says_what_was_found_and_expected() {
    let found = faults("[node]\n\nshutdown_s = \"30s\"\n", &[]);
    assert_eq!(line(&found[0]), Some(3));
    assert_eq!(found[0].found.as_deref(), Some("\"30s\""));
    assert_eq!(found[0].reason, "expected a whole number, 0 or more");
    assert_eq!(found[0].advice.as_deref(), Some("write the number of seconds"));
}

#[test]
fn faults_of_all_sections_are_told_at_once() {
    let text = "[node]\nshutdown_s = 99999\n[log]\nformat = \"xml\"\n[nowhere]\n";
    let found = faults(text, &[]);
    let keys: Vec<String> = found.iter().map(|fault| fault.key.to_string()).collect();
    assert_eq!(keys, ["log.format", "nowhere", "node.shutdown_s"]);
    assert!(found[2].reason.contains("99999"), "{}", found[2]);
}

#[test]
fn a_fault_in_a_variable_names_the_variable() {
    let found = faults("", &[("SYNOD_NODE__SHUTDOWN_S", "soon"), ("SYNOD_LOG__COLOUR", "1")]);
    let told: Vec<String> = found.iter().map(KeyFault::to_string).collect();
    assert!(told[0].starts_with("environment SYNOD_NODE__SHUTDOWN_S: `node.shutdown_s`"));
    assert!(told[1].starts_with("environment SYNOD_LOG__COLOUR: `log.colour`"), "{told:?}");
}

#[test]
fn a_variable_of_an_unknown_section_is_named() {
    let found = faults("", &[("SYNOD_FOO__BAR", "1")]);
    assert!(found[0].to_string().starts_with("environment SYNOD_FOO__BAR: `foo`"), "{}", found[0]);
}

#[test]
fn text_that_is_no_toml_names_line_and_column() {
    match load("[node\n", &[]) {
        Err(ConfigError::Syntax { line, column, .. }) => assert_eq!((line, column > 1), (1, true)),
        other => panic!("expected a syntax fault, got {other:?}"),
    }
}

#[test]
fn a_missing_file_is_named() {
    let path = Path::new("nowhere/node.toml");
    let error = NodeConfig::load(Some(path), []).unwrap_err();
    assert!(error.to_string().starts_with("nowhere/node.toml: "), "{error}");
}

#[test]
fn the_lists_of_agents_are_read_by_their_families() {
    let text = "[agents]\nack_ms = 7000\n\n[[agents.process]]\nid = \"count\"\n\
                command = \"./count.py\"\ncapabilities = [\"text.count\"]\n\n\
                [agents.http]\nmax_redirects = 1\n";
    let agents = load(text, &[]).unwrap().config.agents;
    assert_eq!(agents.hosting.ack_ms, 7_000);
    assert_eq!(agents.hosting.process.len(), 1);
    assert_eq!(agents.http.max_redirects, 1);
}

#[test]
fn a_fault_in_a_list_names_element_and_line() {
    let text = "[[agents.process]]\nid = \"a\"\ncommand = \"x\"\ncapabilities = [\"x\"]\n\n\
                [[agents.process]]\nid = \"b\"\ncomand = \"x\"\n";
    let found = faults(text, &[]);
    assert_eq!(found[0].key.to_string(), "agents.process[1].comand");
    assert_eq!(line(&found[0]), Some(8));
    assert_eq!(found[0].advice.as_deref(), Some("did you mean `command`?"));
    let found = faults("[agents]\nack = 1\n", &[]);
    assert_eq!((found[0].key.to_string().as_str(), line(&found[0])), ("agents.ack", Some(2)));
    let found = faults("[agents.http]\nmax_redirects = 99\n", &[]);
    assert_eq!(found[0].key.to_string(), "agents.http.max_redirects");
}

#[test]
fn listening_beyond_loopback_is_refused_with_the_reason() {
    let found = faults("[http]\nlisten = \"0.0.0.0:7966\"\n", &[]);
    assert_eq!((found[0].key.to_string().as_str(), line(&found[0])), ("http.listen", Some(2)));
    assert!(found[0].reason.contains("no authentication"), "{}", found[0]);
}

#[test]
fn sections_must_agree() {
    let found = faults("[journal]\nmax_record_bytes = 65536\n", &[]);
    assert_eq!(found[0].key.to_string(), "tasks.max_collected_bytes");
    assert!(found[0].reason.contains("journal.max_record_bytes"), "{}", found[0]);
}
