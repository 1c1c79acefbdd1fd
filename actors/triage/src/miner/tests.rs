//! Masks, templates and bounds of the miner, on invented lines.

use proptest::prelude::*;

use super::*;
use crate::config::DrainConfig;

fn masked(line: &str) -> String {
    let mut masker = Masker::new(1024);
    String::from_utf8(masker.mask(line.as_bytes()).to_vec()).unwrap()
}

#[test]
fn values_are_masked_and_words_are_kept() {
    let cases = [
        ("took 17 ms at 10.0.0.7:8080", "took <*> ms at <*>:<*>"),
        ("block blk_-38865049064139660 of 2,048 bytes", "block blk_<*> of <*> bytes"),
        ("iar 003a90fc dear 0x00b360e8 word facade", "iar <*> dear <*> word facade"),
        ("from mail.example.org to java.io.File", "from <*> to java.io.File"),
        ("open /var/log/x.log: No such file", "open <*>: No such file"),
        ("see https://example.org/a?b=1, then", "see <*>, then"),
        ("uid=0 tty=ssh rhost=1.2.3.4 user=root", "uid=<*> tty=ssh rhost=<*> user=root"),
        (
            "Failed password for invalid user bob from x",
            "Failed password for invalid user <*> from x",
        ),
        ("at Fri Jun 17 07:07:00 2005", "at <*>"),
        ("May contain nuts", "May contain nuts"),
        ("mac FF:F2:9F:16:E2:23 ip fe80::1", "mac <*> ip <*>"),
        ("enable......................0", "enable......................<*>"),
        ("init2() calls f(x)", "init2() calls f(x)"),
        ("free 317.5 KB) of 2 GB", "free <*>) of <*>"),
        ("ids 1 2 3 4 end", "ids <*> end"),
        ("deadbeefcafe is hex, added is not", "<*> is hex, added is not"),
        ("  spaces\tand   tabs ", "spaces and tabs"),
        ("", ""),
    ];
    for (line, expected) in cases {
        assert_eq!(masked(line), expected, "{line}");
    }
}

proptest! {
    #[test]
    fn a_masked_line_is_text_of_bounded_length(line in "\\PC{0,300}") {
        let mut masker = Masker::new(64);
        let out = masker.mask(line.as_bytes());
        prop_assert!(std::str::from_utf8(out).is_ok());
        prop_assert!(out.len() <= 64 + line.len() + 8);
    }

    #[test]
    fn any_bytes_are_masked_without_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
        Masker::new(1024).mask(&line);
    }

    #[test]
    fn grouping_any_messages_keeps_each_in_one_group(
        messages in prop::collection::hash_set("[a-c]{1,2}( [a-c<*>]{1,3}){0,4}", 0..60),
    ) {
        let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
        let groups = group(&messages, &DrainConfig::default());
        let mut members: Vec<usize> = groups.into_iter().flat_map(|g| g.members).collect();
        members.sort_unstable();
        prop_assert_eq!(members, (0..messages.len()).collect::<Vec<_>>());
    }
}

fn templates(messages: &[&str]) -> Vec<String> {
    let mut sorted = messages.to_vec();
    sorted.sort_unstable();
    let mut templates: Vec<String> =
        group(&sorted, &DrainConfig::default()).into_iter().map(|g| g.template).collect();
    templates.sort();
    templates
}

#[test]
fn few_values_are_words_and_many_are_a_parameter() {
    let states = ["state of peer <*> is LEADING", "state of peer <*> is LOOKING"];
    assert_eq!(templates(&states), states);
    let users = ["ann", "bob", "cid", "dan", "eve"];
    let logins: Vec<String> =
        users.iter().map(|u| format!("login of user={u} from <*> refused")).collect();
    let logins: Vec<&str> = logins.iter().map(String::as_str).collect();
    assert_eq!(templates(&logins), ["login of user=<*> from <*> refused"]);
}

#[test]
fn a_value_that_was_masked_once_takes_in_what_was_not() {
    let messages =
        ["to open (<*>) failed now", "to open (pwd) failed now", "to open () failed now"];
    assert_eq!(templates(&messages), ["to open (<*>) failed now"]);
    let messages = ["tty=ssh rhost=<*> x", "tty=:<*> rhost= x"];
    assert_eq!(templates(&messages).len(), 2, "keys that differ stay apart");
}

#[test]
fn different_ends_of_one_beginning_stay_apart() {
    let messages = [
        "Received disconnect from <*>: Bye Bye [preauth]",
        "Received disconnect from <*>: disconnected by user",
    ];
    assert_eq!(templates(&messages), messages);
}

#[test]
fn a_first_word_that_varies_is_a_parameter_where_the_rest_agrees() {
    let messages: Vec<String> = ["ann", "bob", "cid", "dan", "eve", "fay"]
        .iter()
        .map(|name| format!("{name} opened a new session"))
        .collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    assert_eq!(templates(&messages), ["<*> opened a new session"]);
    let services = ["cupsd started", "named started", "sdpd started", "hcid started", "x started"];
    assert_eq!(templates(&services).len(), services.len(), "one word in common is not enough");
}

#[test]
fn groups_do_not_depend_on_the_order_of_the_lines() {
    let mut messages: Vec<String> = (0..40)
        .map(|i| {
            format!(
                "job {} of queue q{} ends",
                "abcdefgh".chars().nth(i % 8).unwrap(),
                "xyz".chars().nth(i % 3).unwrap()
            )
        })
        .collect();
    messages
        .extend((0..9).map(|i| format!("reader {} gave up after <*> tries", "r".repeat(i + 1))));
    let forward: Vec<&str> = messages.iter().map(String::as_str).collect();
    let backward: Vec<&str> = forward.iter().rev().copied().collect();
    assert_eq!(templates(&forward), templates(&backward));
}

fn line(content: &str, number: u64) -> DatedLine<'_> {
    let parts = Parts { time_ms: Some(number as i64 * 1000), content, ..Parts::default() };
    DatedLine { file: 0, number, text: content, parts }
}

fn mined(config: &MinerConfig, lines: impl Iterator<Item = String>) -> Digest {
    let mut miner = Miner::new(0, config);
    for (content, number) in lines.zip(1..) {
        miner.add(&line(&content, number));
    }
    miner.finish()
}

/// A word of letters that no other number gives.
fn word(number: usize) -> String {
    let letters = b"ghijklmnopqrstuvwxyz";
    let mut rest = number;
    let mut word = String::new();
    for _ in 0..6 {
        word.push(char::from(letters[rest % letters.len()]));
        rest /= letters.len();
    }
    word
}

#[test]
fn a_log_of_ever_new_lines_stays_within_the_bound() {
    let config = MinerConfig {
        max_messages: 100,
        max_templates: 50,
        max_sources: 20,
        ..MinerConfig::default()
    };
    let lines = (0..5000).map(|i| format!("{} {} failed {}", word(i), word(i * 7), word(i * 13)));
    let digest = mined(&config, lines);
    assert!(digest.templates.len() <= 100, "{}", digest.templates.len());
    assert_eq!(digest.templates.values().map(|t| t.count).sum::<u64>(), 5000);
}

#[test]
fn beyond_the_bound_the_rarest_are_counted_as_one() {
    let config = MinerConfig { max_messages: 30, max_templates: 16, ..MinerConfig::default() };
    let often = (0..300).map(|_| "the usual message".to_owned());
    // Of all lengths, so that nothing can be grouped.
    let rare = (1..60).map(|i| vec![word(i); i].join(" "));
    let digest = mined(&config, often.chain(rare));
    assert!(digest.templates.len() <= 30);
    assert_eq!(digest.templates["the usual message"].count, 300);
    assert!(digest.templates.contains_key(crate::digest::OVERFLOW));
    assert_eq!(digest.templates.values().map(|t| t.count).sum::<u64>(), 359);
}

#[test]
fn sources_stay_within_their_bound_and_the_worst_are_kept() {
    let config = MinerConfig { max_sources: 16, ..MinerConfig::default() };
    let lines = (0..400).flat_map(|i| {
        let other = format!("Failed password for root from 10.0.{}.{}", i / 250, i % 250);
        [other, "Failed password for root from 192.168.1.1".to_owned()]
    });
    let digest = mined(&config, lines);
    assert!(digest.sources.len() <= 16);
    let worst = digest.sources.values().map(|tally| tally.count).max();
    assert_eq!(worst, Some(400));
    let kept: u64 = digest.sources.values().map(|tally| tally.count).sum();
    assert_eq!(kept + digest.dropped_failures, 800);
}

#[test]
fn failures_are_counted_for_the_address_and_name_the_users() {
    let lines = ["root", "admin", "root"]
        .map(|user| format!("Failed password for {user} from 203.0.113.9 port 4711 ssh2"));
    let digest = mined(&MinerConfig::default(), lines.into_iter());
    let (source, tally) = digest.sources.iter().next().unwrap();
    assert_eq!(String::from(source.clone()), "address 203.0.113.9");
    assert_eq!((tally.count, tally.security), (3, true));
    assert_eq!(tally.users.iter().collect::<Vec<_>>(), ["admin", "root"]);
}

#[test]
fn an_informative_level_is_no_failure_unless_it_is_about_logins() {
    let mut miner = Miner::new(0, &MinerConfig::default());
    for content in ["retry failed in cache", "login failed for user bob"] {
        let mut line = line(content, 1);
        line.parts.severity = Some(Severity::Info);
        miner.add(&line);
    }
    let digest = miner.finish();
    assert_eq!(digest.sources.values().map(|tally| tally.count).sum::<u64>(), 1);
}
