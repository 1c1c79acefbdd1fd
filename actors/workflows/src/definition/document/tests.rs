//! Texts that are read, and those that are refused.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn value(text: &str) -> Value {
    read(text).unwrap().value()
}

fn fault(text: &str) -> (u32, u32, String) {
    let fault = read(text).unwrap_err();
    (fault.line, fault.column, fault.message)
}

#[test]
fn yaml_and_json_of_the_same_value_are_the_same() {
    let yaml = "name: a\nlist:\n  - 1\n  - two\n  - {x: 0x10, y: 1.5, z: ~}\n\
        text: |\n  line 1\n  line 2\nno: no\nversion: 1.0.0\nyes: true\n";
    let json = "{\t\"name\": \"a\", \"list\": [1, \"two\", {\"x\": 16, \"y\": 1.5, \"z\": null}],\n\
        \"text\": \"line 1\\nline 2\\n\", \"no\": \"no\", \"version\": \"1.0.0\", \"yes\": true}";
    assert_eq!(value(yaml), value(json));
    assert_eq!(value("\u{feff}{\"a\": \"\\ud83d\\ude00\"}"), json!({"a": "😀"}));
    assert_eq!(value("{a: b, c: [d]}"), json!({"a": "b", "c": ["d"]}), "YAML's flow style");
    assert_eq!(
        value("a: 18446744073709551615\nb: -1\nc: 1e3\nd: +2\ne: 1_0"),
        json!({
            "a": 18_446_744_073_709_551_615_u64, "b": -1, "c": 1000.0, "d": 2, "e": "1_0"
        })
    );
}

#[test]
fn each_value_knows_where_it_stands() {
    for text in [
        "steps:\n  - id: \"read\"\n    when: x",
        "{\"steps\": [\n  {\"id\":1,\n    \"when\": \"x\"}]}",
    ] {
        let node = read(text).unwrap();
        let spot = node.nearest("/steps/0/when").spot;
        assert_eq!(spot.line, 3, "{text}");
        let id = node.nearest("/steps/0/id").spot;
        assert_eq!((id.line, id.column), (2, 9), "{text}");
        assert_eq!(node.nearest("/steps/0/nothing/more").spot, node.nearest("/steps/0").spot);
    }
}

#[test]
fn a_place_inside_of_a_text_is_told_where_the_text_is_as_written() {
    let column = |text: &str| {
        let node = read(text).unwrap();
        let fault = node.place(Fault::error("/a", "").at_offset(4));
        (fault.line, fault.column)
    };
    assert_eq!(column("a: 0123456"), (1, 8));
    assert_eq!(column("a: '0123456'"), (1, 9));
    assert_eq!(column("{\"a\": \"0123456\"}"), (1, 12));
    assert_eq!(column("a: \"\\x30123456\""), (1, 4), "with an escape, the text's own place");
}

#[test]
fn what_makes_one_text_stand_for_another_is_refused() {
    assert_eq!(fault("a: &x 1\nb: *x"), (1, 4, "anchors (&name) are not supported".to_owned()));
    assert!(fault("a: !!str 1").2.contains("tags"));
    assert!(fault("a: 1\n---\nb: 2").2.contains("second document"));
    let (line, column, message) = fault("a: 1\nb: 2\na: 3");
    assert_eq!((line, column, message.as_str()), (3, 1, "the key 'a' is there twice"));
    assert!(fault("{\"a\": 1, \"a\": 2}").2.contains("twice"));
    assert!(fault("? [a]\n: 1").2.contains("a key is a text"));
    assert!(fault("a: .nan").2.contains("JSON can't say"));
}

#[test]
fn what_is_neither_yaml_nor_json_is_refused_with_its_place() {
    assert_eq!(fault("a: b\0c").0, 1);
    assert_eq!(fault("a: b\0c").1, 5);
    let tabs = read("a:\n\t- b").unwrap_err();
    assert!(tabs.suggestion.unwrap().contains("spaces"));
    let (line, column, message) = fault("{\"a\": [1,\n 2,, 3]}");
    assert_eq!((line, column), (2, 4), "{message}");
    assert!(message.contains("found ',', expected a value"), "{message}");
    for text in
        ["", "   \n", "# only a comment", "\"", "{\"a", "[1", "{", "a: [", "a: \"", "- a\nb: 1"]
    {
        assert!(read(text).is_err(), "{text:?}");
    }
}

/// Texts that are large, deep, or expand.
fn hostile() -> Vec<String> {
    let bomb: String = (0..9)
        .map(|level| {
            format!("l{level}: &l{level} [{}]\n", format!("*l{}, ", level.max(1) - 1).repeat(9))
        })
        .collect();
    let open =
        ["[", "{\"a\":", "{a: ", "- ", "? ", "- - ", "a: [", "[[", "[{", "!a ", "&a ", "'", "\"\\"];
    let mut texts: Vec<String> = open.iter().map(|open| open.repeat(1_000)).collect();
    texts.extend(open.iter().map(|open| open.repeat((4 << 20) / open.len())));
    let nested: String = (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    texts.extend([
        bomb,
        nested,
        "a".repeat(100 << 20),
        format!("[{}]", "1,".repeat(500_000)),
        format!("[{}1]", "1,".repeat(500_000)),
        "- a\n".repeat(250_000),
        (0..60_000).map(|at| format!("k{at}: v\n")).collect(),
        format!("a: [{}]", "x, ".repeat(300_000)),
        format!("{{{}}}", "a: {".repeat(200_000)),
        "# comment\n".repeat(100_000),
        "a: |\n".to_owned() + &"  text\n".repeat(140_000),
        "a: >\n".to_owned() + &"  text\n\n".repeat(120_000),
        "a: \"".to_owned() + &"\\n".repeat(500_000) + "\"",
        "a: ".to_owned() + &"b c ".repeat(250_000),
        "a: ".to_owned() + &"b: ".repeat(250_000),
        " ".repeat(1 << 20),
        "\n".repeat(1 << 20),
        "\t".repeat(1 << 20),
        "%".repeat(1 << 20),
        "---\n".repeat(250_000),
        "a:\r".repeat(300_000),
        "%TAG ! tag:\n---\n!a b".to_owned(),
    ]);
    texts
}

#[test]
fn hostile_texts_are_refused_soon_and_in_bounded_space() {
    for text in hostile() {
        let begun = Instant::now();
        let outcome = read(&text);
        let took = begun.elapsed();
        let shown: String = text.chars().take(40).collect();
        assert!(took < Duration::from_secs(20), "{shown:?}: {took:?}");
        if let Err(fault) = outcome {
            assert!(fault.line > 0 && fault.message.len() < 500, "{shown:?}: {fault:?}");
        }
    }
    assert!(fault(&"[".repeat(1_000)).2.contains("deeper than 64"));
    assert!(fault(&"a".repeat(100 << 20)).2.contains("at most 4194304"));
}

proptest! {
    #[test]
    fn noise_is_never_more_than_refused(
        text in "[\\-\\[\\]{}:,?!&*#|>'\"%@` \\n\\ta-c0-9ä]{0,60}",
    ) {
        if let Ok(node) = read(&text) {
            node.value();
        }
    }

    #[test]
    fn json_is_read_as_by_any_other_reader(text in "[\\[\\]{}:,\"\\\\ \\ntrue0-9.eE\\-]{0,40}") {
        let theirs: Result<Value, _> = serde_json::from_str(&text);
        if let (Ok(theirs), true) = (theirs, text.trim_start().starts_with(['{', '['])) {
            match read(&text) {
                Ok(ours) => prop_assert_eq!(ours.value(), theirs),
                Err(fault) => prop_assert!(fault.message.contains("twice"), "{text:?}: {fault}"),
            }
        }
    }
}
