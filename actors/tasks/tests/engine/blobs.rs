//! Contents that are too large for the records.

use synod_tasks::{SubmitError, TaskState, TasksConfig};

use crate::stage::{Ground, request, result};

fn config() -> TasksConfig {
    TasksConfig { inline_bytes: 1_000, ..TasksConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn a_large_input_and_a_large_result_pass_through_blobs_unchanged() {
    let ground = Ground::new(config());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let input = "i".repeat(50_000);
    let task = stage.accept(request("x").payload(&input).unwrap()).await;
    let output = format!("\"{}\"", "o".repeat(80_000));
    let assignment = agent.succeed(&output).await;
    assert_eq!(assignment.payload.to_text().unwrap(), input);
    let done = stage.wait(task).await.unwrap();
    assert_eq!(result(&done), output);
    assert_eq!(done.result_content_type.as_deref(), Some("application/json"));
    stage.cut(&ground).await;
    let stage = ground.start().await;
    assert_eq!(result(&stage.get(task).await.unwrap()), output);
}

#[tokio::test(start_paused = true)]
async fn a_queued_large_input_survives_a_power_cut() {
    let ground = Ground::new(config());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let first = stage.accept(request("x")).await;
    let input = "i".repeat(50_000);
    let second = stage.accept(request("x").payload(&input).unwrap()).await;
    stage.cut(&ground).await;
    drop(agent);
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    assert_eq!(agent.succeed("1").await.work.task, first);
    assert_eq!(agent.succeed("2").await.payload.to_text().unwrap(), input);
    assert_eq!(stage.wait(second).await.unwrap().state, TaskState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_hands_large_outputs_on() {
    let ground = Ground::new(config());
    let stage = ground.start().await;
    let (one, two) = (stage.agent("one", "x", 1).await, stage.agent("two", "y", 1).await);
    let pipeline = request("job")
        .mode(synod_tasks::TaskMode::Pipeline)
        .capability("x".parse().unwrap())
        .capability("y".parse().unwrap());
    let task = stage.accept(pipeline).await;
    let large = format!("\"{}\"", "m".repeat(30_000));
    one.succeed(&large).await;
    let assignment = two.succeed("2").await;
    assert_eq!(assignment.payload.bytes, large.as_bytes());
    assert_eq!(result(&stage.wait(task).await.unwrap()), "2");
}

#[tokio::test(start_paused = true)]
async fn an_input_over_the_limit_is_refused_before_anything_is_stored() {
    let ground = Ground::new(config());
    let stage = ground.start().await;
    let _agent = stage.agent("a", "x", 1).await;
    let refused = stage.submit(request("x").payload(&"i".repeat(2 << 20)).unwrap()).await;
    assert!(matches!(refused, Err(SubmitError::PayloadTooLarge { .. })), "{refused:?}");
    assert!(ground.disk.paths().iter().all(|path| !path.contains("blob")));
}

#[tokio::test(start_paused = true)]
async fn blobs_of_forgotten_tasks_are_swept() {
    let config = TasksConfig { keep_ended: 0, snapshot_records: 1_000, ..config() };
    let mut ground = Ground::new(config);
    ground.journal.blob_grace_s = 0;
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let large = stage.accept(request("x").payload(&"i".repeat(50_000)).unwrap()).await;
    let blobs = || ground.disk.paths().iter().filter(|path| path.contains("blob")).count();
    agent.succeed("1").await;
    stage.wait(large).await;
    assert!(blobs() > 0, "{:?}", ground.disk.paths());
    for _ in 0..700 {
        let task = stage.accept(request("x")).await;
        agent.succeed("1").await;
        stage.wait(task).await;
    }
    // The snapshot is encoded on a thread of the machine, not in virtual time.
    for _ in 0..1_000 {
        if blobs() == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{:?}", ground.disk.paths());
}

#[tokio::test(start_paused = true)]
async fn a_result_whose_blob_is_damaged_or_gone_says_so_instead_of_vanishing() {
    let ground = Ground::new(config());
    let stage = ground.start().await;
    let agent = stage.agent("a", "x", 1).await;
    let task = stage.accept(request("x")).await;
    let output = format!("\"{}\"", "o".repeat(80_000));
    agent.succeed(&output).await;
    assert_eq!(result(&stage.wait(task).await.unwrap()), output);
    let path = ground.disk.paths().into_iter().find(|path| path.starts_with("blobs/")).unwrap();
    let hash = path.rsplit('/').next().unwrap().to_owned();

    ground.disk.flip(&path, 40_000, 0x01);
    for status in [stage.get(task).await.unwrap(), stage.wait(task).await.unwrap()] {
        assert_eq!((status.state, status.result), (TaskState::Completed, None));
        let error = status.result_error.expect("it says why");
        assert_eq!(error.blob, hash);
        assert!(error.reason.contains("damaged") && error.reason.contains(&path), "{error:?}");
        assert!(error.advice.contains("backup"), "{error:?}");
    }
    ground.disk.flip(&path, 40_000, 0x01);
    let mended = stage.get(task).await.unwrap();
    assert_eq!((result(&mended), mended.result_error), (output, None));

    ground.disk.lose(&path);
    let error = stage.get(task).await.unwrap().result_error.expect("it says why");
    assert!(error.blob == hash && error.reason.contains("is not there"), "{error:?}");
}
