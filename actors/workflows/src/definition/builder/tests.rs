//! The patterns as definitions.

use super::*;
use crate::definition::{Fault, Known, check_definition};

fn whole(workflow: Workflow) -> Definition {
    let checked = check_definition(workflow.build(), &Known::default());
    assert_eq!(checked.errors().collect::<Vec<_>>(), Vec::<&Fault>::new());
    checked.definition.unwrap()
}

#[test]
fn every_pattern_is_a_definition_without_errors() {
    let echo = |id: &str| Step::agent(id, "echo").input(json!({"from": "${inputs}"}));
    assert_eq!(whole(Workflow::linear("l", [echo("a"), echo("b")])).order, Order::Sequential);
    assert_eq!(whole(Workflow::parallel("p", [echo("a"), echo("b")])).steps.len(), 2);
    let branches = [echo("error"), echo("warning")];
    let choice = whole(Workflow::conditional("c", echo("a"), branches, "outputs.a.kind"));
    assert_eq!(choice.steps[2].when.as_deref(), Some("(outputs.a.kind) == \"warning\""));
    let map = whole(Workflow::map("m", json!("${inputs.list}"), Work::agent("echo")));
    assert_eq!(map.steps[0].for_each.as_ref().unwrap().concurrency, 8);
    whole(Workflow::race("r", [Work::agent("echo"), Work::capability("text.count")]));
    let saga = whole(Workflow::saga("s", [(echo("book"), Work::agent("echo"))]));
    assert!(saga.steps[0].compensate_with.is_some());
}
