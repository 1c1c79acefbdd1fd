//! Starts that wait, fail and are told to stop, with parts made for it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use synod_agents::{AgentHost, AgentsConfig, HostSettings, Programs, RegistryActor};
use synod_journal::{JournalActor, JournalConfig};
use synod_runtime::{Actor, ActorError, Backoff, Context, Strategy, SupervisorSpec, SystemConfig};
use tokio::sync::Notify;

use super::*;

/// What a part does when it starts.
#[derive(Clone)]
enum Does {
    /// Says that it has begun, and never comes to an end, like the recovery of a long log.
    Waits(Arc<Notify>),
    Fails,
}

struct Part(Does);

impl Actor for Part {
    type Message = ();
    const KIND: &'static str = "part";

    async fn start(&mut self, _: &mut Context<Self>) -> Result<(), ActorError> {
        match &self.0 {
            Does::Waits(begun) => {
                begun.notify_one();
                std::future::pending().await
            }
            Does::Fails => Err(ActorError::new("the last of `journal`: no such luck")),
        }
    }

    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> Result<(), ActorError> {
        Ok(())
    }
}

fn part(does: &Does) -> Spec<Part> {
    let does = does.clone();
    Spec::new("part", move || Part(does.clone())).backoff(Backoff::fixed(Duration::from_millis(1)))
}

/// A start on `folder` of a tree that holds a journal where it is `with_journal`.
fn start(folder: &Path, with_journal: bool) -> (System, Start, SupervisorSpec) {
    let system = System::new(SystemConfig::default());
    let config = Arc::new(AgentsConfig::default());
    let registry = RegistryActor::spec(Arc::clone(&config), None).address();
    let settings = HostSettings {
        config,
        registry,
        agents: Vec::new(),
        kinds: BTreeMap::new(),
        programs: Programs::default(),
    };
    let host = AgentHost::spec(settings).unwrap().address();
    let (journal, faults) = JournalActor::watched(JournalConfig::default(), folder);
    let start = Start::new(&system, host, faults, folder, Some("http://here".into()));
    let mut root = Supervisor::new(Strategy::RestForOne);
    if with_journal {
        root = root.child(journal);
    }
    (system, start, root)
}

/// Starts this tree, which must fail.
async fn refused(start: Start, root: Spec<Supervisor>) -> NodeError {
    let never = std::future::pending::<Infallible>();
    start.run(root, never).await.expect_err("it can't start")
}

#[tokio::test]
async fn a_node_told_to_stop_while_it_starts_stops_and_has_told_nobody_that_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (system, start, root) = start(folder.path(), true);
    let begun = Arc::new(Notify::new());
    let root = root.child(part(&Does::Waits(Arc::clone(&begun)))).into_spec("node");
    let up = start.run(root, begun.notified()).await.unwrap();
    assert!(up.is_break());
    system.ended().await;
    assert!(!folder.path().join("node.json").exists(), "nobody may be sent there");

    // What it left can be opened: the journal was closed, or killed as in a crash.
    let (_, start, root) = super::tests::start(folder.path(), true);
    let root = root.child(part(&Does::Fails)).into_spec("node");
    let failed = refused(start, root).await;
    assert!(matches!(failed, NodeError::Part { .. }), "{failed}");
}

#[tokio::test]
async fn a_part_that_can_not_start_is_named_whatever_its_reason_says() {
    let folder = tempfile::tempdir().unwrap();
    let (_, start, root) = start(folder.path(), false);
    let nest = Supervisor::new(Strategy::OneForOne).intensity(0, LEAVE_WITHIN);
    let nest = nest.child(part(&Does::Fails)).into_spec("nest");
    let root = root.intensity(0, LEAVE_WITHIN).child(nest).into_spec("node");
    let failed = refused(start, root).await;
    let expected = "the part could not be started: the last of `journal`: no such luck";
    assert_eq!(failed.to_string(), expected);
}

#[tokio::test]
async fn a_journal_that_no_retry_opens_is_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("log"), "a file stands in its way").unwrap();
    let (system, start, root) = start(folder.path(), true);
    let lives = system.subscribe_lifecycle(64);
    let failed = refused(start, root.into_spec("node")).await;
    let NodeError::Journal { source, .. } = &failed else { panic!("{failed}") };
    assert!(source.is_lasting());
    assert!(failed.to_string().starts_with("the journal could not be opened: "), "{failed}");
    let failures = lives.take().events.into_iter();
    let failures = failures.filter(|event| matches!(event.change, LifecycleChange::Failed { .. }));
    assert_eq!(failures.count(), 1, "it was tried once");
}
