//! The workflow files that come with Synod.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by one")]

use std::collections::BTreeMap;
use std::path::Path;

use synod_workflows::definition::{Checked, Definition, Known, check, schema};

/// The files by name, with their texts.
fn samples() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/workflows");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn known() -> Known {
    let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    Known {
        agents: list(&["echo"]),
        capabilities: list(&[
            "echo",
            "text.classify",
            "log.digest",
            "log.audit",
            "log.summarise",
            "log.detect.rare",
            "log.detect.rate",
            "log.detect.failures",
            "log.rank",
            "log.cite",
            "log.judge",
            "log.report",
        ]),
        workflows: list(&["linear"]),
    }
}

#[test]
fn every_workflow_file_is_without_faults_and_without_doubts() {
    let samples = samples();
    let expected = [
        "approval.yaml",
        "branches.yaml",
        "fallback.yaml",
        "fan_out.yaml",
        "linear.yaml",
        "log_triage.yaml",
        "long_run.yaml",
        "per_item.yaml",
    ];
    assert_eq!(samples.keys().collect::<Vec<_>>(), expected);
    for (name, text) in samples {
        let Checked { definition, plan, faults } = check(&text, &known());
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, Vec::<String>::new(), "{name}");
        assert!(plan.is_some() && !definition.unwrap().description.is_empty(), "{name}");
    }
}

#[test]
fn every_workflow_file_says_how_it_is_run() {
    for (name, text) in samples() {
        assert!(text.starts_with("# "), "{name}");
        assert!(text.contains(&format!("synod run config/workflows/{name} ")), "{name}");
    }
}

#[test]
fn every_workflow_file_fits_the_published_schema_and_reads_back_from_its_canonical_form() {
    let schema = jsonschema::validator_for(schema()).unwrap();
    for (name, text) in samples() {
        let definition = check(&text, &known()).definition.unwrap();
        let canonical = definition.canonical();
        let value = serde_json::from_str(&canonical).unwrap();
        let errors: Vec<_> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
        let back: Definition = serde_json::from_str(&canonical).unwrap();
        assert_eq!(back, definition, "{name}");
        assert_eq!(back.hash(), definition.hash(), "{name}");
    }
}
