//! Whole runs, with an engine of the tests in place of the node's.

mod engine;

use std::fs;
use std::path::Path;

use super::*;
use crate::judges::Verdict;
use crate::severity::Severity;
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

fn options(folder: &Path) -> TriageOptions {
    TriageOptions {
        run: "test".into(),
        config: TriageConfig { chunk_bytes: 16 << 10, ..TriageConfig::default() },
        spool: folder.join("spool"),
        rehearse_crash: false,
        readable: Readable::below([]),
        principal: Principal::anonymous().clone(),
    }
}

async fn triage(
    input: Input,
    options: TriageOptions,
    engine: &Engine,
) -> (Result<TriageReport, TriageError>, Vec<Progress>) {
    let mut seen = Vec::new();
    let report = run(&input, &engine.address(), options, |progress| seen.push(progress)).await;
    (report, seen)
}

#[tokio::test]
async fn an_attack_is_found_judged_and_told_and_every_line_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, attacked()).unwrap();
    let options = options(folder.path());
    let engine = Engine::new(&options.config);
    let (report, progress) = triage(Input::Path(path), options, &engine).await;
    let report = report.unwrap();
    assert_eq!(report.totals.lines, 2880 + 160);
    let attack = &report.findings[0];
    assert_eq!(attack.finding.subject, "address 203.0.113.9");
    assert_eq!((attack.finding.count, attack.finding.severity), (160, Severity::Error));
    assert!(attack.votes.iter().filter(|vote| vote.vote == Verdict::Confirm).count() >= 2);
    assert!(report.account.paragraphs.join(" ").contains(&attack.finding.id));
    assert!(report.totals.chunks > 10 && report.crash.is_none());
    let modes: Vec<&str> = report.modes.iter().map(|line| line.mode.as_str()).collect();
    for mode in ["sequential", "parallel", "pipeline", "consensus", "competitive"] {
        assert!(modes.contains(&mode), "{mode} is not in {modes:?}");
    }
    assert_eq!(report.ledger.lost(), 0);
    assert_eq!(report.ledger.accepted, report.ledger.completed);
    assert_eq!(report.ledger.acknowledged, report.ledger.accepted);
    assert!(matches!(progress[0], Progress::Surveyed { files: 1, .. }));
    assert_eq!(progress.last(), Some(&Progress::Reporting));
}

#[tokio::test]
async fn a_crash_midway_costs_one_execution_and_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, attacked()).unwrap();
    let calm = options(folder.path());
    let crashing = TriageOptions { rehearse_crash: true, ..options(folder.path()) };
    let engine = Engine::new(&calm.config);
    let (without, _) = triage(Input::Path(path.clone()), calm, &engine).await;
    let (with, progress) = triage(Input::Path(path), crashing, &engine).await;
    let (without, with) = (without.unwrap(), with.unwrap());
    let crash = with.crash.unwrap();
    assert!(crash.agent.starts_with("log-reader@"), "{crash:?}");
    assert_eq!((crash.lost_executions, crash.done_by_attempt), (1, 2));
    assert!(progress.iter().any(|p| matches!(p, Progress::Recovered { .. })));
    assert_eq!(with.totals, without.totals);
    assert_eq!(with.findings, without.findings);
    assert_eq!(with.ledger.lost(), 0);
}

#[tokio::test]
async fn tasks_carry_no_text_of_the_log_but_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, attacked()).unwrap();
    let options = options(folder.path());
    let engine = Engine::new(&options.config);
    triage(Input::Path(path), options, &engine).await.0.unwrap();
    for request in engine.seen(synod_tasks::TaskMode::Pipeline) {
        let input = request.payload.unwrap();
        assert!(input.get().len() < 1000 && !input.get().contains("heartbeat"), "{input}");
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
    let options = options(folder.path());
    let engine = Engine::new(&options.config);
    let report = triage(Input::Path(path), options, &engine).await.0.unwrap();
    let all = report.findings.iter().chain(&report.rejected);
    let spike = all.map(|judged| &judged.finding).find(|f| f.id.starts_with('P')).unwrap();
    let span = spike.span.unwrap();
    let inside = |ms: i64| (span.first_ms..=span.last_ms).contains(&ms);
    assert!(!spike.evidence.is_empty());
    assert!(spike.evidence.iter().all(|line| line.time_ms.is_some_and(inside)), "{spike:?}");
}

#[tokio::test]
async fn a_folder_without_logs_is_refused_before_any_task() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let engine = Engine::new(&options.config);
    let input = Input::Path(folder.path().to_owned());
    let error = triage(input, options, &engine).await.0.unwrap_err();
    assert!(matches!(error, TriageError::Input(_)), "{error}");
    assert!(engine.seen(synod_tasks::TaskMode::Pipeline).is_empty());
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_with_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.config.in_flight = 0;
    let engine = Engine::new(&TriageConfig::default());
    let error = triage(Input::Machine, options, &engine).await.0.unwrap_err().to_string();
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
    let error = run(&Input::Path(path), &address, options(folder.path()), |_| {}).await;
    assert!(matches!(error, Err(TriageError::Engine(_))), "{error:?}");
}

#[tokio::test]
async fn a_file_that_the_team_was_not_given_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("given.log"), attacked()).unwrap();
    fs::write(at("other.log"), attacked()).unwrap();
    let options = options(folder.path());
    let readable = Readable::of(&Input::Path(at("given.log")), &options.spool);
    let engine = Engine::that_reads(&options.config, &readable);
    let (given, _) = triage(Input::Path(at("given.log")), options.clone(), &engine).await;
    assert_eq!(given.unwrap().totals.lines, 2880 + 160);
    let (other, _) = triage(Input::Path(at("other.log")), options, &engine).await;
    let skipped = other.map(|report| report.totals.lines);
    assert!(!matches!(skipped, Ok(lines) if lines > 0), "{skipped:?}");
}

#[tokio::test]
async fn a_log_that_is_a_link_to_elsewhere_is_read_and_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("logs")).unwrap();
    fs::create_dir(at("elsewhere")).unwrap();
    fs::write(at("elsewhere/real.log"), attacked()).unwrap();
    fs::write(at("elsewhere/beside.log"), attacked()).unwrap();
    std::os::unix::fs::symlink(at("elsewhere/real.log"), at("logs/pod.log")).unwrap();
    let input = Input::Path(at("logs"));
    let spool = at("spool");
    let readable = Readable::of(&input, &spool);
    let options = TriageOptions { readable: readable.clone(), ..options(folder.path()) };
    let engine = Engine::that_reads(&options.config, &readable);
    let (report, _) = triage(input, options, &engine).await;
    let report = report.unwrap();
    assert_eq!(report.totals.lines, 2880 + 160);
    assert!(report.files[0].path.ends_with("logs/pod.log") && report.skipped.is_empty());
    assert!(readable.check(at("elsewhere/beside.log").to_str().unwrap()).is_err());
}
