//! Formulas on JSON, hostile ones, and cel's own evaluator beside this one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::formula::Formula;
use super::super::path;
use super::*;

const ANYWHERE: Place =
    Place { steps: true, variables: true, item: true, error: true, message: true, primary: true };

fn inputs() -> Value {
    json!({
        "n": 7, "m": -3, "big": 18_446_744_073_709_551_615_u64, "d": 2.5, "t": "text", "u": "täxt",
        "yes": true, "no": false, "none": null, "l": [1, 2, 3], "e": [],
        "texts": ["b", "a", "text"],
        "o": {"a": 1, "b": {"c": [10, {"d": "deep"}]}, "t": "in o"}, "rows": [
            {"id": 1, "tags": ["x", "y"]}, {"id": 2, "tags": []}, {"id": 3, "tags": ["y"]}
        ],
    })
}

fn scope(root: &Root) -> Option<Json> {
    match root {
        Root::Inputs => Some(Json::from(inputs())),
        Root::ItemIndex => Some(Json::from(json!(4))),
        _ => None,
    }
}

fn compile(text: &str) -> Result<Formula, CompileError> {
    Formula::compile(text, &Names::default(), ANYWHERE)
}

fn value(text: &str) -> Result<Value, String> {
    let formula = compile(text).map_err(|fault| format!("{}: {}", fault.offset, fault.message))?;
    let value = formula.evaluate(&scope, 1 << 20).map_err(|error| error.message)?;
    Ok(value.value().clone())
}

#[test]
fn expressions_yield_what_cel_says() {
    for (text, expected) in [
        ("1 + 2 * 3", json!(7)),
        ("inputs.n % 4 == 3 && !inputs.no", json!(true)),
        ("inputs.t + \" and \" + string(inputs.n)", json!("text and 7")),
        ("size(inputs.u) + inputs.l.size()", json!(7)),
        ("inputs.l.map(x, x * 2)", json!([2, 4, 6])),
        ("inputs.l.map(x, x > 1, x * 2)", json!([4, 6])),
        ("inputs.rows.filter(r, 'y' in r.tags).map(r, r.id)", json!([1, 3])),
        ("inputs.rows.all(r, r.id > 0) && inputs.rows.exists(r, r.id == 2)", json!(true)),
        ("inputs.l.exists_one(x, x == 2)", json!(true)),
        ("has(inputs.o.b) && !has(inputs.o.z)", json!(true)),
        ("inputs.o.b.c[1].d == inputs.o['b'][\"c\"][1].d", json!(true)),
        ("inputs.o.map(k, k)", json!(["a", "b", "t"])),
        ("inputs.n > 5 ? 'many' : 'few'", json!("many")),
        ("{'a': inputs.n, 'b': [inputs.d, null]}", json!({"a": 7, "b": [2.5, null]})),
        ("inputs.missing == 1 || inputs.yes", json!(true)),
        ("1 == 1.0 && 1u == 1 && inputs.big > 1", json!(true)),
        ("inputs.texts.join('-').replace('a', 'A').split('-')", json!(["b", "A", "text"])),
        ("double(inputs.n) / 2.0", json!(3.5)),
        ("int('42') + int(2.9) + item_index", json!(48)),
        ("timestamp('2030-01-31T12:00:00Z') + duration('1h30m')", json!("2030-01-31T13:30:00Z")),
        ("timestamp('2030-01-31T12:00:00Z').getMonth()", json!(0)),
        ("duration('90s').getMinutes()", json!(1)),
        ("duration('1.5s') + duration('1s')", json!("2.5s")),
        ("inputs.rows.map(r, r.tags.map(t, t + string(r.id)))", json!([["x1", "y1"], [], ["y3"]])),
        ("type(inputs.d)", json!("double")),
    ] {
        assert_eq!(value(text), Ok(expected), "{text}");
    }
}

#[test]
fn faults_of_an_evaluation_say_what_was_found() {
    for (text, part) in [
        ("inputs.n + inputs.d", "no 'int + double' (write double(…))"),
        ("inputs.t + inputs.n", "no 'string + int' (write string(…))"),
        ("inputs.o.z + 1", "inputs.o.z: found an object without member 'z'"),
        ("inputs.l[3] + 1", "inputs.l[3]: found a list without element 3"),
        ("1 / (inputs.n - 7)", "division by zero"),
        ("inputs.n * 9223372036854775807", "out of range"),
        ("item + 1", "item: there is no such value here"),
        ("inputs.n ? 1 : 2", "expected true or false, found int"),
        ("-inputs.t", "'-' expects a number, found string"),
        ("int(inputs.t)", "the value is no int"),
    ] {
        let error = value(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn what_is_no_expression_is_refused_where_it_is() {
    for (text, offset, part) in [
        ("inputs.n +", 10, "it is no expression"),
        ("inputs.n = 1", 9, "it is no expression"),
        ("1 + sizee(inputs.l)", 4, "there is no function 'sizee'"),
        ("inputs.l.mapp(x, x)", 9, "there is no function 'mapp'"),
        ("1 + nothing.x", 4, "'nothing' is not known"),
        ("[1].map(inputs, 1) + inputs.l", 8, "'inputs' is a name already"),
        ("b'x' == inputs.t", 0, "bytes are not supported"),
        ("size(inputs.l, 1)", 0, "has 2 arguments"),
        ("inputs.l.size(", 14, "it is no expression"),
        ("", 0, "found no expression"),
        ("1/0", 0, "division by zero"),
    ] {
        let fault = compile(text).unwrap_err();
        assert!(fault.message.contains(part), "{text}: {fault:?}");
        assert_eq!(fault.offset, offset, "{text}: {fault:?}");
        assert!(fault.message.len() < 400, "{fault:?}");
    }
}

/// Texts that would loop, explode or nest without end.
fn hostile() -> Vec<String> {
    let ten = "[0,1,2,3,4,5,6,7,8,9]";
    let nest = |inner: &str, levels: usize| {
        (0..levels).fold(inner.to_owned(), |body, level| format!("{ten}.map(v{level}, {body})"))
    };
    let chain = |link: &str, many: usize| format!("inputs.n{}", link.repeat(many));
    let mut texts = vec![
        nest("1", 7),
        nest("inputs.n", 8),
        format!("{ten}.all(a, {ten}.all(b, {ten}.all(c, {})))", nest("inputs.yes", 5)),
        format!("['{}']{}", "x".repeat(64), ".map(t, t + t)".repeat(30)),
        format!("[inputs.t]{}", ".map(t, t + t)".repeat(39)),
        format!("[inputs.l]{}", ".map(l, l + l)".repeat(39)),
        format!("[inputs.l]{}", ".map(x, [x, x])".repeat(35)),
        format!("[inputs.l]{}", ".map(x, {'a': x, 'b': x})".repeat(25)),
        format!("[inputs.t]{}", ".map(t, t.replace('', t))".repeat(25)),
        format!("{}inputs.yes", "!".repeat(4_000)),
        format!("{}inputs.n", "-".repeat(4_000)),
        format!("{}inputs.n", "!-".repeat(2_000)),
        chain(" + 1", 1_000),
        chain(".a", 2_000),
        chain("[0]", 1_300),
        chain(" ? 1 : 2", 500),
        chain(" && true", 500),
        chain(" == 1", 800),
        "inputs.yes ? ".repeat(300),
        format!("inputs.n{}", ".map(x, x".repeat(400)),
        format!("'{}", "\\".repeat(4_000)),
        "\"\"\"".to_owned() + &"a".repeat(4_000),
        "// ".to_owned() + &"comment".repeat(500),
        "a".repeat(4_096),
        "9".repeat(4_000),
        "1e999999999 + inputs.d".to_owned(),
        "-9223372036854775808 / -1 + inputs.n".to_owned(),
        "has(has(has(inputs)))".to_owned(),
        "inputs.l.map(x)".to_owned(),
        "inputs.l.map(1, 1)".to_owned(),
        "@result + accu".to_owned(),
        "\u{0}".to_owned(),
        "ä".repeat(2_000),
        "x".repeat(1 << 20),
    ];
    for open in ["(", "[", "{", "{'a':", "inputs.l[", "size(", "has(", "-(", "!(", "a ? (", "f("] {
        texts.push(open.repeat(1_000));
        texts.push(open.repeat(1_000 / open.len()));
        texts.push(open.repeat(16));
    }
    texts
}

#[test]
fn hostile_expressions_end_soon_whatever_they_are() {
    for text in hostile() {
        let begun = Instant::now();
        let outcome = value(&text);
        let took = begun.elapsed();
        let shown: String = text.chars().take(80).collect();
        assert!(took < Duration::from_secs(10), "{shown}: {took:?}");
        if let Err(error) = outcome {
            assert!(error.len() < 600, "{shown}: {error}");
        }
    }
}

#[test]
fn loops_that_explode_are_refused_before_any_run() {
    for text in &hostile()[..4] {
        let fault = compile(text).unwrap_err();
        assert!(fault.message.contains("steps") || fault.message.contains("bytes"), "{fault:?}");
    }
}

#[test]
fn loops_over_large_values_stop_at_the_bound() {
    let large = Json::from(json!({"l": (0..2_000).collect::<Vec<_>>()}));
    let see = |_: &Root| Some(large.clone());
    let formula = compile("inputs.l.map(x, inputs.l.map(y, x * y))").unwrap();
    let error = formula.evaluate(&see, 1 << 30).unwrap_err();
    assert!(error.message.contains("more than 1000000 steps"), "{error}");
    let absorbed = compile("inputs.l.all(x, inputs.l.all(y, y >= 0)) || true").unwrap();
    assert!(absorbed.evaluate(&see, 1 << 30).is_err(), "nothing outvotes the bound");
    let formula = compile("inputs.l.filter(x, x % 2 == 0).map(x, x + 1)").unwrap();
    assert_eq!(formula.evaluate(&see, 1 << 20).unwrap().value().as_array().unwrap().len(), 1_000);
    assert_eq!(formula.evaluate(&see, 100).unwrap_err().kind.as_str(), "oversize");
}

/// cel's own value of an expression; `Err` also for kinds that JSON can't say.
fn cels(text: &str) -> Result<Value, String> {
    let program = ::cel::Program::compile(text).map_err(|error| error.to_string())?;
    let mut context = ::cel::Context::default();
    context.add_variable_from_value("inputs", cel_of(&inputs()));
    json_of(program.execute(&context).map_err(|error| error.to_string())?)
}

/// Whole numbers are ints, as they are here; cel's own conversion makes uints of most.
fn cel_of(value: &Value) -> ::cel::Value {
    match value {
        Value::Null => ::cel::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => int.into(),
            (_, Some(uint)) => uint.into(),
            _ => number.as_f64().unwrap().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(cel_of).collect::<Vec<_>>().into(),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| (key.clone(), cel_of(value)));
            members.collect::<HashMap<_, _>>().into()
        }
    }
}

fn json_of(value: ::cel::Value) -> Result<Value, String> {
    Ok(match value {
        ::cel::Value::Null => Value::Null,
        ::cel::Value::Bool(flag) => json!(flag),
        ::cel::Value::Int(int) => json!(int),
        ::cel::Value::UInt(uint) => json!(uint),
        ::cel::Value::Float(float) if float.is_finite() => json!(float),
        ::cel::Value::String(text) => json!(*text),
        ::cel::Value::List(items) => {
            Value::Array(items.iter().cloned().map(json_of).collect::<Result<_, _>>()?)
        }
        ::cel::Value::Map(map) => {
            let members: HashMap<String, Value> = map
                .map
                .iter()
                .map(|(key, value)| Ok((key.to_string(), json_of(value.clone())?)))
                .collect::<Result<_, String>>()?;
            json!(members)
        }
        other => return Err(format!("{other:?}")),
    })
}

/// Expressions without parts.
#[rustfmt::skip]
const LEAVES: &[&str] = &[
    "inputs.n", "inputs.m", "inputs.big", "inputs.d", "inputs.t", "inputs.u", "inputs.yes",
    "inputs.no", "inputs.none", "inputs.l", "inputs.e", "inputs.texts", "inputs.o",
    "inputs.rows", "inputs.o.b.c", "inputs.o.b.c[1].d", "inputs.missing", "inputs.l[1]", "0",
    "1", "2", "3u", "1.5", "-1", "'t'", "''", "true", "false", "null", "[]", "{}", "x", "y",
    "9223372036854775807", "inputs['n']", "inputs.rows[0].tags",
];

/// Expressions over `inputs` of all kinds; most are well formed, many fail.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(LEAVES);
    let leaf = leaf.prop_map(|leaf| (*leaf).to_owned());
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operators = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in",
        ]);
        let calls = prop::sample::select(vec![
            "size", "int", "uint", "double", "has_a", "not", "minus", "list", "map",
        ]);
        let macros = prop::sample::select(vec!["all", "exists", "exists_one", "map", "filter"]);
        let methods = prop::sample::select(vec!["contains", "startsWith", "endsWith"]);
        let three = (inner.clone(), inner.clone(), inner.clone());
        prop_oneof![
            4 => (inner.clone(), operators, inner.clone())
                .prop_map(|(one, operator, other)| format!("({one} {operator} {other})")),
            2 => (calls, inner.clone()).prop_map(|(call, of)| match call {
                "has_a" => format!("has(inputs.o.a) && {of}"),
                "not" => format!("!({of})"),
                "minus" => format!("-({of})"),
                "list" => format!("[{of}, 1]"),
                "map" => format!("{{'k': {of}}}"),
                call => format!("{call}({of})"),
            }),
            2 => (inner.clone(), macros, prop::bool::ANY, inner.clone()).prop_map(
                |(of, what, x, body)| {
                    let name = if x { "x" } else { "y" };
                    format!("({of}).{what}({name}, {body})")
                }
            ),
            1 => (inner.clone(), methods, inner.clone())
                .prop_map(|(of, method, other)| format!("({of}).{method}({other})")),
            1 => three.prop_map(|(flag, yes, no)| format!("({flag} ? {yes} : {no})")),
            1 => (inner.clone(), inner).prop_map(|(of, at)| format!("({of})[{at}]")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn both_evaluators_agree(text in expressions()) {
        // An unknown name is a fault of the definition here, and of the evaluation there.
        let text = format!("[1, 2].map(x, ['t', 2].map(y, {text}))");
        match (value(&text), cels(&text)) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs, "{}", text),
            (Err(_), Err(_)) => {}
            // cel adds the keys of a map to a list, which the language does not have.
            (Err(ours), Ok(_)) if ours.contains("'list + map'") => {}
            (ours, theirs) => prop_assert!(false, "{text}: ours {ours:?}, cel's {theirs:?}"),
        }
    }

    #[test]
    fn a_plain_path_yields_what_the_evaluator_yields(
        parts in prop::collection::vec(prop::sample::select(vec![
            ".n", ".o", ".b", ".c", ".rows", ".tags", "[0]", "[1]", "[9]", "['o']", "[\"t\"]", ".d",
        ]), 0..5),
    ) {
        let text = format!("inputs{}", parts.concat());
        let segments = path::parse(&text).unwrap();
        let path = path::rooted(&segments, &text, &Names::default(), ANYWHERE).unwrap();
        let fast = path.resolve(&scope).map(|value| value.value().clone());
        let program = Program::compile(&text, &Names::default(), ANYWHERE).unwrap();
        let slow = program.evaluate(&scope, 1 << 20).map(|value| value.value().clone());
        prop_assert_eq!(&fast.clone().ok(), &cels(&text).ok(), "{}", text);
        prop_assert_eq!(fast.ok(), slow.ok(), "{}", text);
    }

    #[test]
    fn noise_is_never_more_than_refused(text in "[ -~äλ\\n]{0,80}") {
        let _ = value(&text);
        let words = text.replace(' ', " inputs.l.map(x, ").replace('a', "[1,2]");
        let words = words.replace('b', " ? ");
        let _ = value(&words);
    }
}
