//! Headers of many logs, learned from a few invented lines of each.

use super::*;

fn written() -> WrittenAt {
    // 2024-02-10
    WrittenAt::from_ms(1_707_560_000_000)
}

fn layout(lines: &[&str]) -> Layout {
    Layout::detect(lines.iter().copied(), written())
}

fn contents<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let layout = layout(lines);
    lines.iter().map(|line| layout.apply(line, written()).content).collect()
}

#[test]
fn syslog_lines_lose_time_host_and_tag() {
    let lines = [
        "Jan  9 06:55:46 mira sshd[24200]: Connection closed by 10.0.0.1",
        "Jan  9 06:55:47 mira cron[7]: job 17 started",
        "Jan  9 06:55:48 mira syslogd 1.4.1: restart.",
        "Jan  9 06:55:49 mira kernel: usb 1-1: new device",
    ];
    let expected =
        ["Connection closed by 10.0.0.1", "job 17 started", "restart.", "usb 1-1: new device"];
    assert_eq!(contents(&lines), expected);
    let parts = layout(&lines).apply(lines[0], written());
    assert_eq!((parts.host, parts.component), (Some("mira"), Some("sshd")));
    assert!(parts.time_ms.is_some());
}

#[test]
fn a_level_ends_the_words_before_it() {
    let lines = [
        "081109 203615 148 INFO store.Node$Worker: Worker 1 for part 7 ends",
        "081109 203617 22 WARN store.Node: part 8 is late",
        "081109 203619 35 INFO store.Names: part 9 added",
    ];
    let expected = ["Worker 1 for part 7 ends", "part 8 is late", "part 9 added"];
    assert_eq!(contents(&lines), expected);
    let parts = layout(&lines).apply(lines[1], written());
    assert_eq!(parts.severity, Some(Severity::Warning));
    assert_eq!(parts.component, Some("store.Node"));
}

#[test]
fn brackets_dashes_and_repeated_stamps_are_header() {
    let lines = [
        "2015-07-29 17:41:44,747 - INFO  [Peer[myid=1]/0:0:0:0:Election@774] - Notification 3200",
        "2015-07-29 17:41:45,001 - WARN  [Send Worker:188@688] - Interrupted while waiting",
        "2015-07-29 17:41:46,100 - INFO  [main:Config@101] - tick set to 2000",
    ];
    let expected = ["Notification 3200", "Interrupted while waiting", "tick set to 2000"];
    assert_eq!(contents(&lines), expected);
    let lines = [
        "- 1117838570 2005.06.03 R02-M1 2005-06-03-15.42.50.675872 R02-M1 RAS KERNEL INFO parity",
        "X 1117838573 2005.06.03 R03-M0 2005-06-03-15.42.53.276129 R03-M0 RAS APP FATAL ciod: died",
    ];
    assert_eq!(contents(&lines), ["parity", "ciod: died"]);
    assert_eq!(layout(&lines).apply(lines[0], written()).host, Some("R02-M1"));
}

#[test]
fn usual_application_formats_are_understood() {
    let formats: [(&[&str], &[&str]); 6] = [
        (
            &["[Sun Dec 04 04:47:44 2005] [notice] ready", "[Sun Dec 04 04:47:45 2005] [error] no"],
            &["ready", "no"],
        ),
        (
            &[
                "2024-01-31 10:00:00.123  INFO 71 --- [main] o.e.App   : started in 3 s",
                "2024-01-31 10:00:01.200  WARN 71 --- [http-1] o.e.Db   : pool is full",
            ],
            &["started in 3 s", "pool is full"],
        ),
        (
            &[
                "2024-01-31 10:00:00 INFO org.example.App - up",
                "2024-01-31 10:00:01 ERROR a.B - no",
            ],
            &["up", "no"],
        ),
        (
            &["20240131-10:0:5:606|Steps|3000|count 17", "20240131-10:0:6:1|Steps|3000|count 18"],
            &["count 17", "count 18"],
        ),
        (
            &[
                "01-31 10:00:00.811  1702  2395 D Windows: opens",
                "01-31 10:00:01.0 1 2 E Power: off",
            ],
            &["opens", "off"],
        ),
        (
            &[
                "time=\"2024-01-31T10:00:00Z\" level=info msg=\"up\"",
                "time=\"2024-01-31T10:00:01Z\" level=warning msg=\"slow\"",
            ],
            &["msg=\"up\"", "msg=\"slow\""],
        ),
    ];
    for (lines, expected) in formats {
        assert_eq!(contents(lines), expected, "{lines:?}");
    }
}

#[test]
fn objects_in_json_are_read_by_the_names_of_their_fields() {
    let lines = [
        r#"{"ts":"2024-01-31T10:00:00Z","level":"warn","logger":"a.B","msg":"pool \"x\" is full"}"#,
        r#"{"level":"info","time":1706695201,"nested":{"msg":"no"},"message":"up","host":"mira"}"#,
    ];
    let layout = layout(&lines);
    assert!(layout.json);
    let parts = layout.apply(lines[0], written());
    assert_eq!(parts.content, r#"pool \"x\" is full"#);
    assert_eq!((parts.severity, parts.component), (Some(Severity::Warning), Some("a.B")));
    assert_eq!(parts.time_ms, Some(1_706_695_200_000));
    let parts = layout.apply(lines[1], written());
    assert_eq!((parts.content, parts.host), ("up", Some("mira")));
    assert_eq!(parts.time_ms, Some(1_706_695_201_000));
    assert_eq!(layout.apply("{torn", written()).content, "{torn");
}

#[test]
fn lines_of_a_trace_stay_whole_and_undated() {
    let lines = [
        "2024-01-31 10:00:00 ERROR a.B: failed",
        "java.io.IOException: gone",
        "\tat a.B.run(B.java:17)",
        "2024-01-31 10:00:01 INFO a.B: again",
    ];
    let layout = layout(&lines);
    assert!(layout.is_dated());
    let parts = layout.apply(lines[1], written());
    assert_eq!((parts.time_ms, parts.content), (None, lines[1]));
}

#[test]
fn a_log_without_header_is_all_message() {
    let lines = ["the quick brown fox", "jumps over the lazy dog", "again and again"];
    assert_eq!(layout(&lines), Layout::default());
    assert_eq!(contents(&lines), lines);
}

#[test]
fn a_header_alone_has_an_empty_message() {
    let lines = ["2024-01-31 10:00:00 INFO", "2024-01-31 10:00:01 INFO ready", "", "x"];
    assert_eq!(contents(&lines)[0], "");
}
