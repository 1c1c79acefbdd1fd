//! Templates and conditions on constants and plain paths.

use serde_json::json;

use super::*;
use crate::plan::StepIndex;

const ANYWHERE: Place =
    Place { steps: true, variables: true, item: true, error: true, message: true, primary: true };

fn names() -> Names {
    Names::new(["read", "word-count"], ["greeting"])
}

fn scope(root: &Root) -> Option<Json> {
    Some(Json::from(match root {
        Root::Inputs => json!({"user": {"name": "Ada", "age": 36}, "tags": ["a", "b"]}),
        Root::Output(StepIndex(1)) => json!({"words": 7}),
        Root::State(StepIndex(0)) => json!("completed"),
        Root::Variable(name) if name.as_ref() == "greeting" => json!("hello"),
        Root::ItemIndex => json!(3),
        _ => return None,
    }))
}

fn yields(template: Value) -> Result<Value, String> {
    let template = Template::compile(&template, &names(), ANYWHERE)
        .map_err(|faults| faults.into_iter().map(|fault| fault.message).collect::<String>())?;
    let value = template.evaluate(&scope, 1_000).map_err(|error| error.to_string())?;
    Ok(value.value().clone())
}

#[test]
fn a_whole_expression_keeps_its_type_and_a_part_of_a_text_becomes_text() {
    let template = json!({
        "age": "${inputs.user.age}",
        "line": "${variables.greeting}, ${ inputs.user.name } (${outputs.word_count.words})",
        "tag": ["${inputs.tags[1]}", "${inputs[\"tags\"]}"],
        "state": "${steps.read.state}",
    });
    let expected = json!({
        "age": 36,
        "line": "hello, Ada (7)",
        "tag": ["b", ["a", "b"]],
        "state": "completed",
    });
    assert_eq!(yields(template).unwrap(), expected);
}

#[test]
fn a_doubled_dollar_is_a_plain_one() {
    assert_eq!(yields(json!("$${HOME} $5 ${item_index}")).unwrap(), json!("${HOME} $5 3"));
    assert_eq!(yields(json!({"a": ["$${x}"]})).unwrap(), json!({"a": ["${x}"]}));
}

#[test]
fn a_template_without_expressions_is_a_constant() {
    let value = json!({"a": [1, null, {"b": "text"}]});
    let template = Template::compile(&value, &names(), ANYWHERE).unwrap();
    assert_eq!(template.as_constant().unwrap().value(), &value);
    assert!(template.roots().is_empty());
}

#[test]
fn names_that_do_not_exist_are_told_with_the_nearest_that_does() {
    let faults = |template| Template::compile(&template, &names(), ANYWHERE).unwrap_err();
    let fault = &faults(json!({"a": ["x ${outputs.raed.lines}"]}))[0];
    assert_eq!((fault.path.as_str(), fault.offset), ("/a/0", 4));
    assert_eq!(fault.message, "there is no step 'raed'");
    assert_eq!(fault.suggestion.as_deref(), Some("did you mean 'read'?"));
    assert!(faults(json!("${input.x}"))[0].message.contains("'input' is not known"));
    assert!(faults(json!("${outputs}"))[0].message.contains("the id of a step"));
    let elsewhere = Template::compile(&json!("${item}"), &names(), Place::default()).unwrap_err();
    assert!(elsewhere[0].message.contains("does not exist here"), "{elsewhere:?}");
}

#[test]
fn an_open_expression_is_refused_where_it_begins() {
    let fault = &Template::compile(&json!("ab ${inputs.x"), &names(), ANYWHERE).unwrap_err()[0];
    assert_eq!(fault.offset, 3);
}

#[test]
fn what_is_missing_or_too_large_is_an_error_of_the_evaluation() {
    let error = yields(json!("${inputs.user.email}")).unwrap_err();
    assert_eq!(error, "inputs.user.email: found an object without member 'email'");
    assert!(yields(json!("${item}")).unwrap_err().contains("no such value here"));
    let large = Template::compile(&json!(["${inputs}"]), &names(), ANYWHERE).unwrap();
    assert_eq!(large.evaluate(&scope, 10).unwrap_err().kind.as_str(), "oversize");
}

#[test]
fn a_condition_yields_true_or_false_and_nothing_else() {
    let flag = |value: Value| move |_: &Root| Some(Json::from(value.clone()));
    let condition = Condition::compile("${inputs.go}", &names(), ANYWHERE).unwrap();
    assert_eq!(condition.evaluate(&flag(json!({"go": true}))), Ok(true));
    let error = condition.evaluate(&flag(json!({"go": 1}))).unwrap_err();
    assert!(error.message.contains("expected true or false, found 1"), "{error}");
}
