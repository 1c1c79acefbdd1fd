//! The registry and the host: what lasts, what is told, who is retired.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use synod_agents::{
    AddAgent, Agent, AgentCard, AgentChange, AgentContext, AgentError, AgentId, AgentKind,
    AgentSelector, AgentStatus, AgentsConfig, Assignment, AwaitAgents, Echo, FindAgents, Heartbeat,
    HostError, KindFactory, Listener, Payload, RegisterError, RegistryMessage, RetireAgent,
    RetireError, SetAgentStatus, factory,
};
use synod_journal::{JournalActor, SimulatedDisk};
use synod_runtime::{Control, MailboxConfig, Priority, SendOptions};
use synod_testkit::Probe;
use tokio::time::sleep;

use crate::stage::{PATIENCE, Settings, Stage, acting, healthy, perform, small, system};

/// Stands for the http agents of the layer above: known by its card alone.
struct Web(AgentCard);

impl Agent for Web {
    fn card(&self) -> AgentCard {
        self.0.clone()
    }

    async fn perform(
        &mut self,
        work: Assignment,
        _ctx: &mut AgentContext,
    ) -> Result<Payload, AgentError> {
        Ok(work.payload)
    }
}

/// Settings in which http agents can be added.
fn settings() -> Settings {
    let make: KindFactory = Arc::new(|card| {
        let card = card.clone();
        Ok(factory(move || Web(card.clone())))
    });
    let kinds = BTreeMap::from([(AgentKind::Http, make)]);
    Settings { kinds, ..Settings::default() }
}

/// A node whose journal is on this disk.
async fn node_on(disk: &SimulatedDisk) -> Stage {
    let system = system();
    let journal = JournalActor::simulated(small(), disk.clone());
    let journal = Some(system.spawn(journal).unwrap());
    Stage::on(system, Settings { journal, ..settings() }).await
}

fn web(id: &str) -> AgentCard {
    AgentCard::new(id, "1.0.0")
        .capability("web.read")
        .kind(AgentKind::Http)
        .endpoint("http://127.0.0.1:9/")
}

async fn add(stage: &Stage, card: AgentCard) -> Result<synod_agents::AgentEntry, HostError> {
    stage.host.ask(AddAgent { card }, PATIENCE).await.unwrap()
}

async fn retire(stage: &Stage, id: &str) -> Result<Vec<synod_agents::AgentKey>, RetireError> {
    let retire = RetireAgent { agents: select(id), reason: "enough".into(), only_removable: false };
    stage.registry.ask(retire, PATIENCE).await.unwrap()
}

fn select(id: &str) -> AgentSelector {
    AgentId::new(id).unwrap().into()
}

#[tokio::test(start_paused = true)]
async fn run_time_registrations_come_back_after_a_restart_of_the_node() {
    let disk = SimulatedDisk::new(1);
    let stage = node_on(&disk).await;
    let kept = add(&stage, web("kept")).await.unwrap();
    assert!(perform(&kept.address, "any").await.unwrap().is_ok());
    add(&stage, web("gone")).await.unwrap();
    let connected = AgentCard::new("connected", "1.0.0").capability("x");
    add(&stage, connected.kind(AgentKind::Websocket)).await.unwrap();
    assert_eq!(retire(&stage, "gone").await.unwrap().len(), 1);
    stage.system.stop(PATIENCE).await.unwrap();

    let stage = node_on(&disk).await;
    let kept = stage.until("kept", AgentStatus::Active).await;
    assert_eq!(*kept.card, web("kept"));
    assert!(perform(&kept.address, "any").await.unwrap().is_ok());
    stage.until("connected", AgentStatus::Disconnected).await;
    assert!(stage.show("gone").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_operator_retires_only_what_nothing_brings_back() {
    let disk = SimulatedDisk::new(1);
    let stage = node_on(&disk).await;
    let echo = stage.start(factory(|| Echo)).await.unwrap();
    add(&stage, web("there")).await.unwrap();
    let ask = |id: &str| RetireAgent {
        agents: select(id),
        reason: "retired by an operator".into(),
        only_removable: true,
    };
    stage.start(factory(|| Web(web("configured")))).await.unwrap();
    let refused = stage.registry.ask(ask("configured"), PATIENCE).await.unwrap().unwrap_err();
    assert!(matches!(refused, RetireError::NotRemovable { kind: AgentKind::Http, .. }));
    let refused = stage.registry.ask(ask("echo"), PATIENCE).await.unwrap().unwrap_err();
    let RetireError::NotRemovable { agent, kind } = refused else { panic!("{refused:?}") };
    assert_eq!(
        (agent.to_string().as_str(), kind),
        (echo.key().to_string().as_str(), AgentKind::Native)
    );
    assert_eq!(stage.show("echo").await.len(), 1, "it is as it was");
    assert_eq!(stage.registry.ask(ask("there"), PATIENCE).await.unwrap().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_registrations_survive_snapshots_and_the_records_after_them() {
    let disk = SimulatedDisk::new(2);
    let stage = node_on(&disk).await;
    for number in 0..300 {
        add(&stage, web(&format!("agent-{number}"))).await.unwrap();
    }
    sleep(Duration::from_secs(10)).await;
    for number in 0..10 {
        retire(&stage, &format!("agent-{number}")).await.unwrap();
    }
    stage.system.stop(PATIENCE).await.unwrap();
    let stage = node_on(&disk).await;
    stage.host.ask(AwaitAgents, PATIENCE).await.unwrap();
    let find = FindAgents { capability: "web.read".into(), min_version: None, limit: 1_000 };
    let found = stage.registry.ask(find, PATIENCE).await.unwrap();
    assert_eq!(found.len(), 290);
}

#[tokio::test(start_paused = true)]
async fn what_the_journal_does_not_take_is_not_registered_and_leaves_nothing() {
    let disk = SimulatedDisk::new(3);
    let stage = node_on(&disk).await;
    disk.fail_sync(1);
    let refused = add(&stage, web("a")).await.unwrap_err();
    assert!(matches!(refused, HostError::Register(RegisterError::NotDurable(_))), "{refused}");
    assert!(stage.show("a").await.is_empty());
    let tree = stage.system.observe();
    assert!(!tree.iter().any(|actor| actor.path.as_str().contains("a@1.0.0")), "no actor is left");
}

#[tokio::test(start_paused = true)]
async fn a_request_can_only_start_what_runs_no_code_here() {
    let stage = Stage::with(settings()).await;
    for kind in [AgentKind::Process, AgentKind::Native] {
        let card = AgentCard::new("a", "1.0.0").capability("x").kind(kind);
        let refused = add(&stage, card).await.unwrap_err();
        assert!(matches!(refused, HostError::Kind { .. }), "{refused}");
    }
    let faulty = add(&stage, AgentCard::new("A", "x").kind(AgentKind::Http)).await.unwrap_err();
    assert!(
        matches!(faulty, HostError::Register(RegisterError::Invalid(faults)) if faults.len() == 4)
    );
    let volatile = add(&stage, web("a")).await.unwrap_err();
    assert!(matches!(volatile, HostError::Register(RegisterError::NotDurable(_))), "{volatile}");
}

#[tokio::test(start_paused = true)]
async fn the_same_id_and_version_is_there_once_and_another_version_beside_it() {
    let stage = Stage::new(AgentsConfig::default()).await;
    stage.act(1).await;
    let again = stage.start(acting(1)).await.unwrap_err();
    assert!(matches!(again, HostError::Exists(key) if key.to_string() == "acting@1.0.0"));
    let newer = || Web(AgentCard::new("acting", "1.1.0").capability("act"));
    stage.start(factory(newer)).await.unwrap();
    let versions: Vec<_> =
        stage.show("acting").await.iter().map(|entry| entry.card.version.to_string()).collect();
    assert_eq!(versions, ["1.0.0", "1.1.0"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_has_no_more_agents_than_it_may_have() {
    let stage = Stage::new(AgentsConfig { max_agents: 1, ..AgentsConfig::default() }).await;
    stage.act(1).await;
    let refused = stage.start(factory(|| Echo)).await.unwrap_err();
    assert_eq!(refused, HostError::Register(RegisterError::Full(1)));
}

#[tokio::test(start_paused = true)]
async fn silent_run_time_agents_are_retired_and_a_heartbeat_keeps_one() {
    let disk = SimulatedDisk::new(4);
    let stage = node_on(&disk).await;
    for id in ["silent", "beating", "working"] {
        add(&stage, web(id)).await.unwrap();
    }
    let working = stage.show("working").await.remove(0).address;
    for _ in 0..4 {
        sleep(Duration::from_secs(600)).await;
        let beat = Heartbeat { agents: select("beating") };
        stage.registry.ask(beat, PATIENCE).await.unwrap().unwrap();
        assert!(perform(&working, "any").await.unwrap().is_ok());
    }
    stage.until_gone("silent").await;
    assert_eq!(stage.show("beating").await.len(), 1);
    assert_eq!(stage.show("working").await.len(), 1, "work that is done is a sign of life");
    stage.system.stop(PATIENCE).await.unwrap();
    let stage = node_on(&disk).await;
    stage.until("beating", AgentStatus::Active).await;
    assert!(stage.show("silent").await.is_empty(), "it does not come back");
}

#[tokio::test(start_paused = true)]
async fn listeners_get_a_snapshot_first_and_then_every_change_in_order() {
    let stage = Stage::new(AgentsConfig::default()).await;
    stage.act(1).await;
    let probe = Probe::new();
    let listener = Listener::to(&probe.address(), |change: AgentChange| change);
    stage.registry.send(RegistryMessage::Subscribe(listener)).await.unwrap();
    let AgentChange::Snapshot(all) = probe.expect().await else { panic!("no snapshot first") };
    assert_eq!(all.len(), 1);
    stage.start(factory(|| Echo)).await.unwrap();
    let set = SetAgentStatus { agents: select("echo"), status: AgentStatus::Paused };
    // What causes a change may be urgent; the change itself must not overtake the one before it.
    let urgent = SendOptions::new().priority(Priority::Critical);
    stage.registry.ask_with(set, PATIENCE, urgent).await.unwrap().unwrap();
    retire(&stage, "echo").await.unwrap();
    let AgentChange::Joined(entry) = probe.expect().await else { panic!("not joined") };
    assert_eq!(entry.key().id.as_str(), "echo");
    let AgentChange::StatusChanged { status, .. } = probe.expect().await else {
        panic!("no status")
    };
    assert_eq!(status, AgentStatus::Paused);
    let AgentChange::Left { reason, .. } = probe.expect().await else { panic!("it did not leave") };
    assert_eq!(reason, "enough");
    probe.expect_none(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_without_room_is_given_a_snapshot_when_it_has_some() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let probe = Probe::with_mailbox(MailboxConfig { reserve: 0, ..MailboxConfig::bounded(1) });
    let listener = Listener::to(&probe.address(), |change: AgentChange| change);
    stage.registry.send(RegistryMessage::Subscribe(listener)).await.unwrap();
    stage.act(1).await;
    stage.start(factory(|| Echo)).await.unwrap();
    assert!(matches!(probe.expect().await, AgentChange::Snapshot(all) if all.is_empty()));
    assert!(matches!(probe.expect().await, AgentChange::Snapshot(all) if all.len() == 2));
    probe.expect_none(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_of_the_registry_agents_and_listeners_are_back() {
    let stage = Stage::new(AgentsConfig::default()).await;
    stage.act(1).await;
    let probe = Probe::new();
    let listener = Listener::to(&probe.address(), |change: AgentChange| change);
    stage.registry.send(RegistryMessage::Subscribe(listener)).await.unwrap();
    assert!(matches!(probe.expect().await, AgentChange::Snapshot(all) if all.len() == 1));
    stage.system.control(&stage.registry.path(), Control::Restart).unwrap();
    assert!(matches!(probe.expect().await, AgentChange::Snapshot(_)));
    let agent = stage.until("acting", AgentStatus::Active).await;
    assert!(perform(&agent.address, "echo").await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_host_brings_every_agent_back() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let before = stage.act(1).await;
    stage.start(factory(|| Echo)).await.unwrap();
    stage.system.control(&stage.host.path(), Control::Restart).unwrap();
    sleep(Duration::from_secs(1)).await;
    stage.host.ask(AwaitAgents, PATIENCE).await.unwrap();
    let after = stage.until("acting", AgentStatus::Active).await;
    assert!(perform(&after.address, "echo").await.unwrap().is_ok());
    assert!(before.address.is_closed() || before.address == after.address);
    assert_eq!(stage.show("echo").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_paused_agent_is_told_and_shown_as_such() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(1).await.address;
    let set = |status| SetAgentStatus { agents: select("acting"), status };
    let shown = stage.registry.ask(set(AgentStatus::Paused), PATIENCE).await.unwrap().unwrap();
    let view = serde_json::to_value(shown[0].view()).unwrap();
    assert_eq!((&view["status"], &view["id"]), (&"paused".into(), &"acting".into()));
    healthy(&agent, |health| health.status == AgentStatus::Paused).await;
    stage.registry.ask(set(AgentStatus::Active), PATIENCE).await.unwrap().unwrap();
    healthy(&agent, |health| health.status == AgentStatus::Active).await;
    assert!(retire(&stage, "nobody").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_retired_agent_ends_its_work_first() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(1).await.address;
    let given = crate::stage::give(&agent, crate::stage::assignment("sleep"));
    healthy(&agent, |health| health.in_hand.len() == 1).await;
    retire(&stage, "acting").await.unwrap();
    assert!(stage.show("acting").await.is_empty(), "nobody finds it any more");
    assert!(given.await.unwrap().unwrap().is_ok());
    synod_testkit::eventually(|| agent.is_closed(), PATIENCE).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_an_operator_stops_is_gone_for_good() {
    let stage = Stage::new(AgentsConfig::default()).await;
    let agent = stage.act(1).await.address;
    stage.system.control(&agent.path(), Control::Stop).unwrap();
    stage.until_gone("acting").await;
    stage.act(1).await;
}
