//! Definitions that are made to cost time or memory.

use std::time::{Duration, Instant};

use super::{checked, steps};

/// A text is refused for this reason, in few words and in bounded time.
fn refused_soon(text: &str, part: &str) {
    let begun = Instant::now();
    let checked = checked(text);
    let took = begun.elapsed();
    assert!(checked.plan.is_none() && checked.faults.len() <= 101);
    assert!(
        checked.errors().any(|fault| fault.message.contains(part)),
        "{part}: {:?}",
        checked.faults.first()
    );
    assert!(took < Duration::from_secs(30), "{part}: {took:?}");
}

#[test]
fn poisoned_definitions_are_refused_soon() {
    let many = |count: usize| -> String {
        let steps = (0..count).map(|at| format!("{{\"id\": \"s{at}\", \"transform\": 1}}"));
        format!("{{\"name\": \"a\", \"steps\": [{}]}}", steps.collect::<Vec<_>>().join(","))
    };
    let ring = |count: usize| -> String {
        let steps = (0..count)
            .map(|at| format!("{{id: s{at}, transform: 1, depends_on: [s{}]}}", (at + 1) % count));
        format!("name: a\nsteps: [{}]", steps.collect::<Vec<_>>().join(","))
    };
    let ten = "[0,1,2,3,4,5,6,7,8,9]";
    let loops = (0..8).fold("inputs.x".to_owned(), |body, at| format!("{ten}.map(v{at}, {body})"));
    let unknown: String = (0..9_000).map(|at| format!("{{id: s{at}, agnet: b}}\n")).collect();
    for (text, part) in [
        (many(10_001), "found 10001 steps: expected at most 10000"),
        (ring(9_000), "wait for each other"),
        (steps(&format!("{{id: a, transform: \"${{{loops}}}\"}}")), "steps or more"),
        (steps(&unknown), "is not known here"),
        (format!("name: a\nsteps: {}", "[".repeat(1_000)), "deeper than 64"),
        ("x".repeat(100 << 20), "at most 4194304"),
        (
            "name: a\nsteps: [{id: a, transform: 1}]\n".to_owned()
                + &(0..6).fold(
                    "fallback: {name: f, steps: [{id: a, transform: 1}]}".to_owned(),
                    |inner, _| {
                        format!("fallback: {{name: f, steps: [{{id: a, transform: 1}}], {inner}}}")
                    },
                ),
            "nested deeper than 4",
        ),
    ] {
        refused_soon(&text, part);
    }
    let begun = Instant::now();
    assert!(checked(&many(10_000)).plan.is_some());
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn names_without_end_are_refused_and_looked_for_in_bounded_time() {
    let missing = |step: fn(usize) -> String| steps(&(0..9_000).map(step).collect::<String>());
    let texts = |count: usize, value: &str| -> String {
        let all = (0..count).map(|at| format!("\"n{at}\": \"{value}\""));
        format!("{{{}}}", all.collect::<Vec<_>>().join(","))
    };
    let with = |key: &str, value: String| {
        format!(
            "{{\"name\": \"a\", \"steps\": [{{\"id\": \"a\", \"transform\": 1}}], {key}: {value}}}"
        )
    };
    for (text, part) in [
        (
            missing(|at| format!("{{id: a{at}, transform: 1, depends_on: [b{at}]}}\n")),
            "there is no step",
        ),
        (
            missing(|at| format!("{{id: a{at}, transform: '${{outputs.b{at}}}'}}\n")),
            "there is no step",
        ),
        (with("\"variables\"", texts(40_000, "")), "found 40000 names: expected at most 1000"),
        (with("\"outputs\"", texts(1_001, "")), "found 1001 names: expected at most 1000"),
        (with("\"labels\"", texts(33, "")), "found 33 labels: expected at most 32"),
        (with("\"labels\"", texts(1, &"x".repeat(256))), "a value of 256 bytes"),
        (
            with(
                "\"k\"",
                "1, ".to_owned() + texts(20_000, "")[1..].strip_suffix('}').unwrap_or(""),
            ),
            "is not known here",
        ),
    ] {
        refused_soon(&text, part);
    }
}
