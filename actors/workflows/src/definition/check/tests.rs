//! Faults of definitions, each with its place.

mod poison;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::definition::model::Step;
use crate::definition::{Workflow, schema};

fn checked(text: &str) -> Checked {
    check(text, &Known::default())
}

/// All faults, one a line.
fn told(text: &str) -> Vec<String> {
    checked(text).faults.iter().map(ToString::to_string).collect()
}

const GOOD: &str = r#"
name: count
version: 1.2.0
inputs: {type: object, required: [path], properties: {path: {type: string}}}
variables: {loud: "${inputs.path + '!'}"}
steps:
  - id: read-file
    agent: reader
    input: {path: "${inputs.path}", note: "${variables.loud}"}
    retry: {max_attempts: 5, initial_ms: 100, retry_on: [timeout, failed]}
  - id: count
    capability: text.count@>=1.2
    input: ${outputs.read_file.lines}
    depends_on: [read-file]
    when: size(outputs.read_file.lines) > 0
    on_error: {timeout: skip, any: {action: default, value: {words: 0}}}
    timeout: {start_s: 1, finish_s: 2.5}
    priority: 3
outputs: {words: "${outputs.count.words}"}
error_handlers: {timeout: retry, critical_error: fail}
fallback:
  name: count-roughly
  steps:
    - {id: guess, transform: {words: -1, why: "${primary.error.message}"}}
on_finish: {emit: {topic: counted, payload: "${run.id}"}}
"#;

#[test]
fn a_good_definition_has_no_faults() {
    assert_eq!(told(GOOD), Vec::<String>::new());
    let Checked { definition: Some(definition), plan: Some(plan), .. } = checked(GOOD) else {
        panic!("no plan");
    };
    assert_eq!(plan.len(), 2);
    assert_eq!(plan.fallback.as_ref().unwrap().len(), 1);
    assert_eq!(definition.steps[1].work.timeout.finish_s.unwrap().as_millis(), 2_500);
}

#[test]
fn all_faults_of_the_shape_are_told_at_once_with_what_is_meant() {
    let text = "name: a\nversion: 1.0\nstep: []\nsteps:\n  - id: x\n    agnet: reader\n\
        \x20   retry: {max_attempts: many, retry_on: [timeouts], jitter: 2}\n\
        \x20   on_error: {timeout: skipp, oversized: fail, failed: {action: go_to, stepp: x}}\n\
        \x20   mode: paralel\n    priority: urgent\n  - 7\n";
    let expected = [
        "2:10: error: /version: found 1.0: expected a text (in quotes)",
        "3:1: error: /step: the key 'step' is not known here (did you mean 'steps'?)",
        "6:5: error: /steps/0/agnet: the key 'agnet' is not known here (did you mean 'agent'?)",
        "7:27: error: /steps/0/retry/max_attempts: found the text 'many': expected a whole number",
        "7:44: error: /steps/0/retry/retry_on/0: found 'timeouts': expected one of",
        "7:63: error: /steps/0/retry/jitter: found 2: expected 1 or less",
        "8:25: error: /steps/0/on_error/timeout: found 'skipp': expected one of retry, skip",
        "8:32: error: /steps/0/on_error/oversized: the key 'oversized' is not known here",
        "8:73: error: /steps/0/on_error/failed/stepp: the key 'stepp' is not known here",
        "9:11: error: /steps/0/mode: found 'paralel': expected one of single",
        "10:15: error: /steps/0/priority: found 'urgent': expected one of critical, high",
        "11:5: error: /steps/1: found 7: expected an object",
    ];
    let mut found = checked(text).faults;
    found.sort_by_key(|fault| (fault.line, fault.column));
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
}

#[test]
fn faults_of_the_meaning_are_told_together_with_those_of_the_shape() {
    let text = "name: a\ncolour: red\nsteps:\n  - {id: a, agnet: x, depends_on: [b]}\n\
        \x20 - {id: b, transform: '${outputs.c}', depends_on: [a], retry: {max_attempts: no}}\n";
    let told = told(text);
    let parts = [
        "/colour: the key 'colour' is not known",
        "/steps/0/agnet: the key 'agnet' is not known",
        "the steps wait for each other: a → b → a",
        "/steps/1/transform: there is no step 'c'",
        "/steps/1/retry/max_attempts: found the text 'no'",
    ];
    assert_eq!(told.len(), parts.len(), "{told:#?}");
    for part in parts {
        assert!(told.iter().any(|fault| fault.contains(part)), "{part}\n{told:#?}");
    }
}

#[test]
fn a_definition_from_the_builder_is_held_to_the_same_ranges() {
    let mut definition = Workflow::new("a").step(Step::transform("x", json!(1))).build();
    definition.limits.payload_bytes = 1;
    let checked = check_definition(definition, &Known::default());
    assert!(checked.plan.is_none());
    assert_eq!(checked.faults[0].path, "/limits/payload_bytes");
}

#[test]
fn keys_without_effect_are_warnings() {
    let text = steps(
        "{id: a, transform: 1, input: 2, mode: parallel}\n\
         {id: b, for_each: {items: [1], step: {agent: x}}, input: 3}\n{id: c, agents: [x, y]}",
    ) + "outputs: {all: '${[outputs.a, outputs.b, outputs.c]}'}";
    let told = told(&text);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told[0].contains("/steps/0/input: 'input' has no effect in this kind of step"));
    assert!(told[2].contains("/steps/1/input: 'input' has no effect in a step with works"));
    assert!(told[3].contains("the first of the agents that is free does it"));
}

/// A definition with these steps, in one line each.
fn steps(lines: &str) -> String {
    format!(
        "name: a\nsteps:\n{}",
        lines.lines().map(|line| format!("  - {line}\n")).collect::<String>()
    )
}

#[test]
fn a_cycle_is_named_in_full() {
    let text = steps(
        "{id: start, transform: 1}\n{id: a, transform: 1, depends_on: [start, c]}\n\
         {id: b, transform: 1, depends_on: [a]}\n{id: c, transform: 1, depends_on: [b]}\n\
         {id: behind, transform: 1, depends_on: [c]}",
    );
    let told = told(&text);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("the steps wait for each other: a → b → c → a"), "{}", told[0]);
    let alone = checked(&steps("{id: a, transform: 1, depends_on: [a]}"));
    assert!(alone.faults[0].message.contains("a → a"));
}

#[test]
fn unknown_and_unreachable_names_are_told_where_they_stand() {
    for (lines, part) in [
        (
            "{id: read, transform: 1}\n{id: b, transform: 1, depends_on: [raed]}",
            "4:40: error: /steps/1/depends_on/0: there is no step 'raed' (did you mean 'read'?)",
        ),
        (
            "{id: read, transform: 1}\n\
             {id: b, transform: \"a ${outputs.reed + 1}\", depends_on: [read]}",
            "4:29: error: /steps/1/transform: there is no step 'reed' (did you mean 'read'?)",
        ),
        (
            "{id: a, transform: 1}\n{id: b, transform: \"${outputs.a}\"}",
            "looks at step 'a', which need not have ended before (add 'a' to depends_on)",
        ),
        ("{id: a, transform: \"${outputs.a}\"}", "which need not have ended before"),
        ("{id: a, transform: \"${variables.x}\"}", "there is no variable 'x'"),
        ("{id: a, transform: \"${item}\"}", "'item' does not exist here"),
        ("{id: a, transform: \"${inputs.x +}\"}", "it is no expression"),
        ("{id: a, transform: \"${inputs.x\"}", "'${' without its '}'"),
        ("{id: a, when: 1 + 2, transform: 1}", "expected true or false, found 3"),
        (
            "{id: a, transform: 1, on_error: {timeout: {action: go_to, step: b}}}",
            "/steps/0/on_error/timeout/step: there is no step 'b'",
        ),
        ("{id: a, transform: 1, on_error: {timeout: go_to}}", "expected 'step'"),
        ("{id: a, transform: 1, on_error: {timeout: default}}", "goes on with a default"),
        ("{id: a, transform: 1, on_error: {critical_error: retry}}", "is never retried"),
        ("{id: a}", "it does nothing: expected one of agent"),
        ("{id: a, transform: 1, agent: x}", "/steps/0/transform: a step does one thing"),
        ("{id: a, agent: x, for_each: {items: [1], step: {agent: b}}}", "a step does one thing"),
        ("{id: a, for_each: {items: [1], step: {}}}", "/steps/0/for_each/step: it does nothing"),
        ("{id: a, race: [{agent: b}]}", "expected 2 to 16"),
        ("{id: A, transform: 1}", "'A' is no id of a step"),
        ("{id: a, transform: 1}\n{id: a, transform: 1}", "'a' is the id of /steps/0 already"),
        ("{id: a-b, transform: 1}\n{id: a_b, transform: 1}", "have the same name"),
        ("{id: a, capability: Text}", "/steps/0/capability: 'Text' is not a capability"),
        ("{id: a, agent: No Way}", "is not an agent id"),
        ("{id: a, wait: {}}", "expected one of for_s and until"),
        ("{id: a, wait: {for_s: -1}}", "expected a number of seconds"),
        ("{id: a, wait: {until: soon}}", "expected a moment like"),
        ("{id: a, approval: {ask: x, people: [b], needed: 2}}", "2 must approve, and only 1 may"),
    ] {
        let told = told(&steps(lines));
        assert!(told.iter().any(|fault| fault.contains(part)), "{lines}\n{part}\n{told:#?}");
        assert!(told.iter().all(|fault| !fault.starts_with("0:")), "{told:#?}");
    }
}

#[test]
fn faults_of_the_whole_are_told_with_those_of_its_parts() {
    let text = "name: No Name\nversion: one\nmax_parallel: 0\nsteps: []\n\
        idempotency_key: \"${outputs.x}\"\nfallback: {name: b, inputs: {}, steps: [{id: a}]}";
    let told = told(text);
    assert!(told.iter().any(|fault| fault.contains("/max_parallel: found 0")), "{told:#?}");
    let text = text.replace("max_parallel: 0\n", "");
    let told = super::tests::told(&text);
    for part in ["'No Name' is no name", "'one' is no version", "found no step"] {
        assert!(told.iter().any(|fault| fault.contains(part)), "{part}\n{told:#?}");
    }
    let inputs = checked("name: a\ninputs: {type: objekt}\nsteps: [{id: a, transform: 1}]");
    assert!(inputs.faults[0].path.starts_with("/inputs"), "{:?}", inputs.faults);
}

#[test]
fn a_handler_of_the_definition_is_wrong_once_and_not_for_each_step() {
    let text = steps("{id: a, transform: 1}\n{id: b, transform: 1}")
        + "error_handlers: {any: {action: default, value: \"${outputs.c}\"}, \
           failed: {action: skip, value: 1}}";
    let told = told(&text);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("/error_handlers/any/value: there is no step 'c'"), "{told:#?}");
    assert!(told[1].contains("only the action 'default' has a value"), "{told:#?}");
}

#[test]
fn doubts_are_warnings_and_leave_a_plan() {
    let text = "name: a\nvariables: {x: 1}\noutputs: {r: \"${outputs.join}\"}\n".to_owned()
        + &steps(
            "{id: start, agent: b}\n{id: never, when: 1 > 2, transform: 1, depends_on: [start]}\n\
             {id: behind, transform: \"${outputs.never}\", depends_on: [never]}\n\
             {id: always, when: 'true', transform: \"${outputs.start}\", depends_on: [start]}\n\
             {id: join, transform: \"${[outputs.always, outputs.behind]}\", \
             depends_on: [always, behind]}\n{id: lost, transform: 1}",
        )
        .replacen("name: a\n", "", 1);
    let checked = checked(&text);
    assert!(checked.plan.is_some(), "{:#?}", checked.faults);
    let told: Vec<_> = checked.warnings().map(ToString::to_string).collect();
    assert_eq!(told.len(), 5, "{told:#?}");
    for part in [
        "/steps/1/when: the condition never holds",
        "/steps/2: 'behind' is never reached",
        "/steps/3/when: the condition always holds",
        "/steps/5: nothing looks at the output of 'lost' (use outputs.lost, or put it",
        "/variables/x: nothing looks at the variable 'x'",
    ] {
        assert!(told.iter().any(|fault| fault.contains(part)), "{part}\n{told:#?}");
    }
}

#[test]
fn what_the_node_does_not_have_is_a_warning_when_the_caller_says_what_it_has() {
    let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let known = Known {
        agents: list(&["reader", "echo"]),
        capabilities: list(&["text.count"]),
        workflows: list(&["child"]),
    };
    let text = steps(
        "{id: a, agent: raeder}\n{id: b, capability: text.cuont@1.0}\n\
         {id: c, for_each: {items: [], step: {workflow: {name: chlid}}}}\n{id: d, agent: echo}",
    );
    let checked = check(&text, &known);
    let told: Vec<_> = checked.faults.iter().map(ToString::to_string).collect();
    assert!(checked.plan.is_some());
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(
        told[0].contains("/steps/0/agent: the node has no agent 'raeder' (did you mean 'reader'?)")
    );
    assert!(told[1].contains("(did you mean 'text.count'?)"));
    assert!(told[2].contains("/steps/2/for_each/step/workflow/name"), "{told:#?}");
}

#[test]
fn yaml_json_and_the_builder_of_one_definition_have_one_hash() {
    let yaml = "steps:\n- id: read\n  agent: reader\n  input: {path: \"${inputs.path}\"}\n\
        - id: count\n  capability: text.count\n  depends_on: [read]\n  retry: {max_attempts: 4}\n\
        \x20 on_error: {timeout: {action: skip}}\n  priority: 5\n\
        name: count\nversion: 1.0.0\ntimeout_s: 300.0\norder: parallel\n";
    let json = r#"{"name": "count", "steps": [
        {"agent": "reader", "id": "read", "input": {"path": "${inputs.path}"}},
        {"id": "count", "capability": "text.count", "depends_on": ["read"], "priority": "normal",
         "retry": {"max_attempts": 4}, "on_error": {"timeout": "skip"}}]}"#;
    use crate::definition::model::{ErrorKind, HandlerAction, Retry};
    let built = Workflow::new("count")
        .step(Step::agent("read", "reader").input(json!({"path": "${inputs.path}"})))
        .step(
            Step::capability("count", "text.count")
                .after("read")
                .retry(Retry { max_attempts: 4, ..Retry::default() })
                .priority(synod_runtime::Priority::Normal)
                .on_error(ErrorKind::Timeout, HandlerAction::Skip),
        )
        .build();
    let of = |text: &str| checked(text).definition.unwrap();
    assert_eq!(of(yaml), built);
    assert_eq!(of(yaml).canonical(), of(json).canonical());
    assert_eq!(of(json).hash(), built.hash());
    let other = Workflow::new("count").step(Step::agent("read", "reader")).build();
    assert_ne!(other.hash(), built.hash());
    let back = serde_json::from_str(&built.canonical());
    assert_eq!(back.ok(), Some(built), "the canonical form reads back");
}

#[test]
fn the_published_schema_describes_every_key_and_lists_the_error_kinds() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["x-error-kinds"][1], json!({"kind": "timeout", "retryable": true}));
    let mut bare = Vec::new();
    undescribed(schema, "", &mut bare);
    assert_eq!(bare, Vec::<String>::new());
    let validator = jsonschema::validator_for(schema).unwrap();
    let good = crate::definition::document::read(GOOD).unwrap().value();
    let errors: Vec<_> = validator.iter_errors(&good).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let step = json!({"name": "a", "steps": [{"id": "a", "agnet": "b"}]});
    assert!(!validator.is_valid(&step), "unknown keys are refused by other validators, too");
}

/// The places of properties without a description of their own or of what they refer to.
fn undescribed(schema: &Value, path: &str, bare: &mut Vec<String>) {
    let Some(members) = schema.as_object() else { return };
    for (key, member) in members {
        let path = format!("{path}/{key}");
        if key == "properties" {
            for (name, property) in member.as_object().into_iter().flatten() {
                let inner = ["quorum", "threshold", "tie", "share", "voters"];
                if property.get("description").is_none() && !inner.contains(&name.as_str()) {
                    bare.push(format!("{path}/{name}"));
                }
            }
        }
        undescribed(member, &path, bare);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_definition_with_a_piece_cut_out_or_doubled_is_told_of_and_nothing_more(
        at in 0..GOOD.len(), length in 0..40_usize, double in any::<bool>(),
        noise in "[ -~\n]{0,4}",
    ) {
        let end = (at + length).min(GOOD.len());
        let piece = if double { &GOOD[at..end] } else { "" };
        let text = format!("{}{piece}{noise}{}{}", &GOOD[..at], if double { piece } else { "" },
            &GOOD[end..]);
        let checked = checked(&text);
        prop_assert_eq!(checked.plan.is_none(), checked.errors().count() > 0, "{}", text);
        prop_assert!(checked.faults.iter().all(|fault| fault.line > 0), "{text}");
    }
}

#[test]
fn a_way_of_choosing_agents_is_told_when_there_is_none_of_that_name_or_no_use_for_it() {
    let step = |terms: &str| format!("name: x\nversion: 1.0.0\nsteps:\n  - {{id: a, {terms}}}\n");
    assert_eq!(told(&step("capability: x, allocation: contract_net")), Vec::<String>::new());
    let unknown = told(&step("capability: x, allocation: quickest"));
    assert!(unknown.iter().any(|fault| fault.contains("least_loaded")), "{unknown:?}");
    let several = told(&step("capability: x, mode: consensus, allocation: auction"));
    assert!(several[0].contains("/steps/0/allocation: found auction: expected measured"));
    let named = told(&step("agents: [b, c], mode: parallel, allocation: random"));
    assert!(named[0].contains("each of the named agents takes part"), "{named:?}");
    let idle = told(&step("transform: 1, allocation: random"));
    assert!(idle[0].contains("'allocation' has no effect"), "{idle:?}");
}
