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
        Origin::File { place, .. } => Some(place.line),
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
    assert!(origin("node.shutdown_s").ends_with("node.toml:3:1"));
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
    assert_eq!(found[0].reason, "expected a whole number, 0 to 3600");
    assert_eq!(found[0].advice.as_deref(), Some("write the number of seconds"));
}

#[test]
fn a_value_that_fits_no_number_says_the_range_of_its_key() {
    let text = "[http]\nlisten = \"localhost:21003\"\nmax_streams = -1\n[tasks]\n\
                max_parts = 99999\n[tasks.retry]\njitter = nan\n";
    let told: Vec<String> = faults(text, &[]).iter().map(ToString::to_string).collect();
    let ends = [
        "`http.listen` is \"localhost:21003\": expected an IP address and a port, such as \
         127.0.0.1:7966 or [::1]:7966",
        "`http.max_streams` is -1: expected a whole number, 1 to 65536",
        "`tasks.max_parts` is 99999: expected a whole number, 1 to 1024",
        "`tasks.retry.jitter` is nan or inf: expected a number, 0 to 1",
    ];
    assert_eq!(told.len(), ends.len(), "{told:?}");
    for (told, end) in told.iter().zip(ends) {
        assert!(told.ends_with(end), "{told}");
    }
}

#[test]
fn a_variable_that_nobody_reads_is_a_fault() {
    let found = faults("", &[("SYNOD_HTTP_LISTEN", "127.0.0.1:1"), ("SYNOD_URL", "http://x")]);
    assert_eq!(found.len(), 1, "{found:?}");
    let told = found[0].to_string();
    assert!(told.starts_with("environment SYNOD_HTTP_LISTEN: "), "{told}");
    assert!(told.ends_with("did you mean `SYNOD_HTTP__LISTEN`?"), "{told}");
}

#[test]
fn faults_of_all_sections_are_told_at_once() {
    let text = "[node]\nshutdown_s = 99999\n[log]\nformat = \"xml\"\n[nowhere]\n";
    let found = faults(text, &[]);
    let keys: Vec<String> = found.iter().map(|fault| fault.key.to_string()).collect();
    assert_eq!(keys, ["node.shutdown_s", "log.format", "nowhere"], "in the order of the file");
    assert_eq!(found[0].found.as_deref(), Some("99999"));
    assert_eq!(found[0].reason, "expected 0 to 3600");
}

#[test]
fn no_fault_hides_another_of_the_same_section() {
    let text = "[tasks]\nmax_queud = 1\nmax_parts = \"many\"\nmax_keys = 0\n\
                keep_ended = true\n[tasks.retry]\nmax_ms = -1\njitter = 7\ncolour = 1\n";
    let env = [("SYNOD_TASKS__MAX_LISTENERS", "few"), ("SYNOD_TASKS__MAX_WAITERS", "0")];
    let told: Vec<_> =
        faults(text, &env).into_iter().map(|f| (f.key.to_string(), f.found)).collect();
    let found = |key: &str| told.iter().find(|(known, _)| known == key).map(|(_, f)| f.as_deref());
    assert_eq!(found("tasks.max_queud"), Some(None));
    assert_eq!(found("tasks.max_parts"), Some(Some("\"many\"")));
    assert_eq!(found("tasks.max_keys"), Some(Some("0")));
    assert_eq!(found("tasks.keep_ended"), Some(Some("true")));
    assert_eq!(found("tasks.retry.max_ms"), Some(Some("-1")));
    assert_eq!(found("tasks.retry.jitter"), Some(Some("7.0")));
    assert_eq!(found("tasks.retry.colour"), Some(None));
    assert_eq!(found("tasks.max_listeners"), Some(Some("\"few\"")));
    assert_eq!(found("tasks.max_waiters"), Some(Some("0")));
    assert_eq!(told.len(), 9, "{told:?}");
}

#[test]
fn every_fault_of_a_list_is_told_by_its_element() {
    let element = |body: &str| format!("[[agents.process]]\n{body}\n");
    let good = "capabilities = [\"x\"]\ncommand = \"x\"";
    let text = [
        element(&format!("id = 7\nmax_lins_per_s = 1\n{good}")),
        element(&format!("id = \"a\"\nping_ms = \"1\"\n{good}\nargs = [1, \"x\", 2]")),
        element(&format!("id = \"b\"\nping_ms = 1\n{good}")),
    ]
    .concat();
    let told: Vec<String> = faults(&text, &[]).iter().map(|f| f.key.to_string()).collect();
    for key in [
        "agents.process[0].id",
        "agents.process[0].max_lins_per_s",
        "agents.process[1].ping_ms",
        "agents.process[1].args[0]",
        "agents.process[1].args[2]",
        "agents.process[2].ping_ms",
    ] {
        assert!(told.iter().any(|known| known == key), "{key} is not in {told:?}");
    }
    assert_eq!(told.len(), 6, "{told:?}");
}

#[test]
fn what_may_be_secret_is_not_repeated() {
    let text = "[[agents.http.agent]]\nid = \"a\"\nheaders = { authorization = 123456 }\n\
                endpoint = \"http://127.0.0.1:1/\"\ncapabilities = [\"x\"]\n";
    let found = faults(text, &[]);
    let told: String = found.iter().map(KeyFault::to_string).collect();
    assert!(told.contains("headers") && !told.contains("123456"), "{told}");
}

#[test]
fn a_report_gives_each_fault_its_place_for_programs() {
    let error = load("[node]\n  shutdown_s = -1\n", &[("SYNOD_LOG__FORMAT", "xml")]).unwrap_err();
    let report = error.report();
    assert_eq!((report[0].line, report[0].column, report.len()), (Some(2), Some(3), 2));
    assert_eq!(report[0].key.as_deref(), Some("node.shutdown_s"));
    assert_eq!(report[0].found.as_deref(), Some("-1"));
    assert!(report[0].at().unwrap().ends_with("node.toml:2:3"));
    assert_eq!(report[1].variable.as_deref(), Some("SYNOD_LOG__FORMAT"));
    assert_eq!(report[1].at().unwrap(), "environment SYNOD_LOG__FORMAT");
    assert_eq!((&report[1].file, report[1].found.as_deref()), (&None, Some("\"xml\"")));
    let broken = load("a = \nb = [1,,2]\n", &[]).unwrap_err().report();
    assert!(broken.len() >= 2 && broken.iter().all(|fault| fault.line.is_some()), "{broken:?}");
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
        Err(ConfigError::Syntax { faults, .. }) => {
            assert_eq!((faults[0].place.line, faults[0].place.column > 1), (1, true));
        }
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
                [[agents.process]]\nid = \"b\"\ncomand = \"x\"\ncapabilities = [\"x\"]\n";
    let found = faults(text, &[]);
    assert_eq!(found.len(), 1, "that there is no command follows: {found:?}");
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
    let keys: Vec<String> = found.iter().map(|fault| fault.key.to_string()).collect();
    let expected = ["tasks.inline_bytes", "tasks.max_collected_bytes", "workflows.inline_bytes"];
    assert_eq!(keys, expected);
    assert!(found.iter().all(|fault| fault.reason.contains("`journal.max_record_bytes`")));
}
