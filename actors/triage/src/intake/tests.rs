//! Whole intakes, with an engine of the tests in place of the node's.

mod engine;

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::agents::{Quoted, Quoting, Ranking};
use crate::detectors::{detect_failures, detect_spikes};
use crate::reader::cite;
use engine::Engine;

/// A day of a machine that is attacked at noon.
fn attacked() -> String {
    let mut text = String::new();
    for i in 0..2880 {
        let (hour, minute, second) = (i / 120, i / 2 % 60, i % 2 * 30);
        let at = |second: u32| format!("2024-01-31 {hour:02}:{minute:02}:{second:02}");
        text.push_str(&format!("{} INFO [w] a.Beat: heartbeat {i} is fine\n", at(second)));
        if (1440..1460).contains(&i) {
            for port in 0..8 {
                let line = format!(
                    "{} WARN [w] a.Door: Failed password for root from 203.0.113.9 port {port}\n",
                    at(second)
                );
                text.push_str(&line);
            }
        }
    }
    text
}

fn intake(folder: &Path) -> Intake {
    Intake {
        key: "test".into(),
        config: TriageConfig { chunk_bytes: 16 << 10, ..TriageConfig::default() },
        spool: folder.join("spool"),
        rehearse_crash: false,
        readable: Readable::below([]),
        follows_links: true,
        principal: Principal::anonymous().clone(),
    }
}

async fn taken_in(
    input: Input,
    intake: Intake,
    engine: &Engine,
) -> (Result<Reading, TriageError>, Vec<Progress>) {
    let seen = Mutex::new(Vec::new());
    let told = |progress| seen.lock().unwrap().push(progress);
    let reading = take_in(&input, &engine.address(), intake, told).await;
    (reading, seen.into_inner().unwrap())
}

#[tokio::test]
async fn every_line_is_counted_and_an_attack_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, attacked()).unwrap();
    let intake = intake(folder.path());
    let config = intake.config.clone();
    let engine = Engine::new(&config);
    let (reading, progress) = taken_in(Input::Path(path), intake, &engine).await;
    let reading = reading.unwrap();
    assert_eq!(reading.totals.lines, 2880 + 160);
    assert!(reading.totals.chunks > 10 && reading.crash.is_none());
    assert_eq!(reading.tasks.completed, reading.totals.chunks);
    assert_eq!(reading.audited.audit().unwrap().lines, 2880 + 160);
    assert!(matches!(progress[0], Progress::Surveyed { files: 1, .. }));
    let digest = reading.audited.digest.grouped(&config.miner);
    let findings = detect_failures(&digest, &config.detectors);
    assert_eq!(findings[0].subject, "address 203.0.113.9");
    assert_eq!(findings[0].count, 160);
}

#[tokio::test]
async fn a_crash_midway_costs_one_execution_and_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, attacked()).unwrap();
    let calm = intake(folder.path());
    let crashing = Intake { rehearse_crash: true, ..intake(folder.path()) };
    let engine = Engine::new(&calm.config);
    let (without, _) = taken_in(Input::Path(path.clone()), calm, &engine).await;
    let (with, progress) = taken_in(Input::Path(path), crashing, &engine).await;
    let (without, with) = (without.unwrap(), with.unwrap());
    let crash = with.crash.unwrap();
    assert!(crash.agent.starts_with("log-reader@"), "{crash:?}");
    assert_eq!((crash.lost_executions, crash.done_by_attempt), (1, 2));
    assert!(progress.iter().any(|p| matches!(p, Progress::Recovered { .. })));
    assert_eq!((with.totals, with.audited), (without.totals, without.audited));
}

#[tokio::test]
async fn tasks_carry_no_text_of_the_log_and_have_a_key_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, attacked()).unwrap();
    let intake = intake(folder.path());
    let engine = Engine::new(&intake.config);
    taken_in(Input::Path(path), intake, &engine).await.0.unwrap();
    for (request, number) in engine.seen(synod_tasks::TaskMode::Pipeline).into_iter().zip(0..) {
        let input = request.payload.unwrap();
        assert!(input.get().len() < 1000 && !input.get().contains("heartbeat"), "{input}");
        assert_eq!(request.idempotency_key, Some(format!("test/chunk/{number}")));
    }
}

#[tokio::test]
async fn a_spike_is_shown_by_lines_from_its_own_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let mut text = String::new();
    for i in 0..2000 {
        let (hour, minute, second) = (i / 90, i / 2 % 45, i % 2 * 30);
        let line = format!("2024-01-31 {hour:02}:{minute:02}:{second:02} INFO a.Cache: miss {i}\n");
        text.push_str(&line);
        if i == 1200 {
            let burst = |k| {
                format!("2024-01-31 {hour:02}:{minute:02}:{:02} INFO a.Cache: miss {k}\n", k % 60)
            };
            (0..400).for_each(|k| text.push_str(&burst(k)));
        }
    }
    fs::write(&path, text).unwrap();
    let intake = intake(folder.path());
    let config = intake.config.clone();
    let engine = Engine::new(&config);
    let reading = taken_in(Input::Path(path), intake, &engine).await.0.unwrap();
    let digest = reading.audited.digest.grouped(&config.miner);
    let findings = vec![detect_spikes(&digest, &config.detectors)];
    let ranked = Ranking { digest, findings }.rank(40);
    let quoting = Quoting { findings: ranked.findings, places: reading.places };
    let Quoted { cases } = quoting.quote(|citation| cite(citation, &config).ok());
    let spike = &cases.iter().find(|case| case.case.finding.id.starts_with('P')).unwrap().case;
    let span = spike.finding.span.unwrap();
    let inside = |ms: i64| (span.first_ms..=span.last_ms).contains(&ms);
    let evidence = &spike.finding.evidence;
    assert!(!evidence.is_empty());
    assert!(evidence.iter().all(|line| line.time_ms.is_some_and(inside)), "{evidence:?}");
}

#[tokio::test]
async fn a_folder_without_logs_is_refused_before_any_task() {
    let folder = tempfile::tempdir().unwrap();
    let intake = intake(folder.path());
    let engine = Engine::new(&intake.config);
    let input = Input::Path(folder.path().to_owned());
    let error = taken_in(input, intake, &engine).await.0.unwrap_err();
    assert!(matches!(error, TriageError::Input(_)), "{error}");
    assert!(engine.seen(synod_tasks::TaskMode::Pipeline).is_empty());
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_with_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let mut intake = intake(folder.path());
    intake.config.in_flight = 0;
    let engine = Engine::new(&TriageConfig::default());
    let error = taken_in(Input::Machine, intake, &engine).await.0.unwrap_err().to_string();
    assert_eq!(error, "the configuration is wrong: in_flight is 0, expected 1 to 256");
}

#[tokio::test]
async fn an_engine_that_is_gone_is_an_error_and_no_hang() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, "2024-01-31 10:00:00 INFO up\n").unwrap();
    struct Gone;
    impl synod_runtime::Route<TasksMessage> for Gone {
        fn deliver(
            &self,
            message: TasksMessage,
            _: synod_runtime::Metadata,
        ) -> Result<(), synod_runtime::TrySendError<TasksMessage>> {
            Err(synod_runtime::TrySendError::Closed(message))
        }
    }
    let path_of_engine = synod_runtime::ActorPath::new("/tasks");
    let address = Address::routed(path_of_engine, std::sync::Arc::new(Gone));
    let error = take_in(&Input::Path(path), &address, intake(folder.path()), |_| {}).await;
    assert!(matches!(error, Err(TriageError::Engine(_))), "{error:?}");
}

#[tokio::test]
async fn a_file_that_the_team_was_not_given_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("given.log"), attacked()).unwrap();
    fs::write(at("other.log"), attacked()).unwrap();
    let intake = intake(folder.path());
    let readable = Readable::of(&Input::Path(at("given.log")), &intake.spool);
    let engine = Engine::that_reads(&intake.config, &readable);
    let (given, _) = taken_in(Input::Path(at("given.log")), intake.clone(), &engine).await;
    assert_eq!(given.unwrap().totals.lines, 2880 + 160);
    let (other, _) = taken_in(Input::Path(at("other.log")), intake, &engine).await;
    let other = other.unwrap();
    assert_eq!(other.totals.lines, 0, "its chunks are left out");
    assert_eq!(other.skipped.len() as u64, other.tasks.failed);
}

#[tokio::test]
async fn a_log_that_is_a_link_to_elsewhere_is_read_only_where_links_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("logs")).unwrap();
    fs::create_dir(at("elsewhere")).unwrap();
    fs::write(at("elsewhere/real.log"), attacked()).unwrap();
    fs::write(at("elsewhere/beside.log"), attacked()).unwrap();
    std::os::unix::fs::symlink(at("elsewhere/real.log"), at("logs/pod.log")).unwrap();
    for follows_links in [false, true] {
        let input = Input::Path(at("logs"));
        let readable = Readable::of(&input, &at("spool"));
        let intake = Intake { readable: readable.clone(), follows_links, ..intake(folder.path()) };
        let engine = Engine::that_reads(&intake.config, &readable);
        let reading = taken_in(input, intake, &engine).await.0.unwrap();
        assert!(reading.files[0].path.ends_with("logs/pod.log"));
        assert_eq!(reading.skipped.is_empty(), follows_links);
        assert_eq!(reading.totals.lines, if follows_links { 2880 + 160 } else { 0 });
        assert!(readable.check(at("elsewhere/beside.log").to_str().unwrap()).is_err());
    }
}
