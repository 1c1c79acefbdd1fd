//! `synod agents`: who is there, what they can do, and whether they are given work.

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use synod_agents::{AgentStatus, AgentView};

use super::Session;
use super::client::segment;
use super::exit::{CliError, Exit};
use super::input::{json_file, lay_over, pair};
use super::output::{Cell, Column, Paint, Table, ago, count, duration, harmless};

/// Where agents are in the API.
const AGENTS: &str = "/api/v1/agents";

#[derive(Debug, Subcommand)]
pub(crate) enum AgentsCommand {
    /// List agents
    List(Filter),
    /// Show all that is known of an agent
    Show(Target),
    /// Find the agents that have a capability
    Find {
        /// The capability
        capability: String,
        /// The lowest version that will do
        #[arg(long, value_name = "VERSION")]
        min_version: Option<String>,
    },
    /// Register an agent that is an HTTP endpoint or connects by WebSocket
    Register(Registration),
    /// Give a sign of life on behalf of an agent
    Heartbeat(Target),
    /// Give an agent work, or no more
    SetStatus {
        #[command(flatten)]
        target: Target,
        /// How it is to stand
        status: Status,
    },
    /// Forget an agent, once its work has ended
    Retire(Target),
}

#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Only those with this capability
    #[arg(long, value_name = "NAME")]
    capability: Option<String>,
    /// Only those of this kind: native, process, http, websocket
    #[arg(long)]
    kind: Option<String>,
    /// Only those that stand so: active, draining, paused, disconnected
    #[arg(long)]
    status: Option<String>,
    /// Most agents to list
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
}

/// One version of an agent, or all of them.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The agent's id, with @VERSION if one version is meant
    agent: String,
}

/// What an operator may set.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Status {
    /// It is given work
    Active,
    /// It ends what it has and is given no more
    Draining,
    /// It is given none until it is active again
    Paused,
}

/// The card of an agent: a file, or options, or both.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    synod agents register --id translate --endpoint http://127.0.0.1:9000/perform \\\n      \
    --capability text.translate\n  synod agents register --file card.json")]
pub(crate) struct Registration {
    /// A card in JSON, from a file or `-`; options change it
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
    /// Its id: a-z, 0-9, `.`, `_`, `-`
    #[arg(long, required_unless_present = "file")]
    id: Option<String>,
    /// Its version
    #[arg(long, value_name = "VERSION")]
    agent_version: Option<String>,
    /// Where work is posted; without it the agent connects by WebSocket
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// What it can do; may be given more than once
    #[arg(long = "capability", value_name = "NAME")]
    capabilities: Vec<String>,
    /// What it does, in a sentence
    #[arg(long)]
    description: Option<String>,
    /// How many tasks it takes on at the same time
    #[arg(long, value_name = "NUMBER")]
    max_concurrent_tasks: Option<u32>,
    /// A pair to remember it by; may be given more than once
    #[arg(long = "metadata", value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
}

pub(crate) async fn run(command: AgentsCommand, session: &Session) -> Result<Exit, CliError> {
    match command {
        AgentsCommand::List(filter) => list(filter, session).await?,
        AgentsCommand::Show(target) => show(&target, session).await?,
        AgentsCommand::Find { capability, min_version } => {
            find(capability, min_version, session).await?;
        }
        AgentsCommand::Register(registration) => register(registration, session).await?,
        AgentsCommand::Heartbeat(target) => heartbeat(&target, session).await?,
        AgentsCommand::SetStatus { target, status } => set_status(&target, status, session).await?,
        AgentsCommand::Retire(target) => retire(&target, session).await?,
    }
    Ok(Exit::Done)
}

async fn list(filter: Filter, session: &Session) -> Result<(), CliError> {
    let given = [
        ("capability", filter.capability),
        ("kind", filter.kind),
        ("status", filter.status),
        ("limit", Some(filter.limit.to_string())),
        ("cursor", filter.cursor),
    ];
    let query: Vec<_> =
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let answer = session.client.get(AGENTS, &query).await?;
    session.answer(answer, |page: Page, screen| {
        screen.table(&table(&page.agents), "no such agent")?;
        match page.next {
            Some(next) => {
                let more = format!("more: add --cursor {}", harmless(&next));
                screen.line(screen.paint(Paint::Faint, &more))
            }
            None => Ok(()),
        }
    })
}

async fn find(
    capability: String,
    min_version: Option<String>,
    session: &Session,
) -> Result<(), CliError> {
    let mut query = vec![("capability", capability)];
    query.extend(min_version.map(|version| ("min_version", version)));
    let answer = session.client.get(AGENTS, &query).await?;
    session.answer(answer, |page: Page, screen| {
        screen.table(&table(&page.agents), "no agent has this capability in such a version")
    })
}

async fn show(target: &Target, session: &Session) -> Result<(), CliError> {
    let answer = session.client.get(&target.path(), &[]).await?;
    session.answer(answer, |page: Page, screen| {
        for (index, agent) in page.agents.iter().enumerate() {
            if index > 0 {
                screen.line("")?;
            }
            screen.facts(&facts(agent))?;
        }
        Ok(())
    })
}

async fn register(registration: Registration, session: &Session) -> Result<(), CliError> {
    let card = registration.card()?;
    let answer = session.client.send(Method::POST, AGENTS, &card).await?;
    session.answer(answer, |agent: AgentView, screen| {
        let done = screen.paint(Paint::Good, "registered");
        screen.line(format!("{}: {done}", agent.card.key()))
    })
}

async fn heartbeat(target: &Target, session: &Session) -> Result<(), CliError> {
    let path = format!("{}/heartbeat", target.path());
    let answer = session.client.act(Method::POST, &path, &[]).await?;
    session.answer(answer, |_: Value, screen| {
        screen.line(format!("{}: {}", harmless(&target.agent), screen.paint(Paint::Good, "heard")))
    })
}

async fn set_status(target: &Target, status: Status, session: &Session) -> Result<(), CliError> {
    let body = json!({"status": AgentStatus::from(status)});
    let answer = session.client.send(Method::PATCH, &target.path(), &body).await?;
    session.answer(answer, |page: Page, screen| screen.table(&table(&page.agents), "no agent"))
}

async fn retire(target: &Target, session: &Session) -> Result<(), CliError> {
    let answer = session.client.act(Method::DELETE, &target.path(), &[]).await?;
    session.answer(answer, |retired: Retired, screen| {
        let done = screen.paint(Paint::Faint, "retired");
        let mut each = retired.retired.iter();
        each.try_for_each(|agent| screen.line(format!("{}: {done}", harmless(agent))))
    })
}

/// Some agents, and where the next page begins.
#[derive(Debug, Deserialize)]
struct Page {
    agents: Vec<AgentView>,
    next: Option<String>,
}

/// Agents that were retired, each as `id@version`.
#[derive(Debug, Deserialize)]
struct Retired {
    retired: Vec<String>,
}

impl Target {
    fn path(&self) -> String {
        format!("{AGENTS}/{}", segment(&self.agent))
    }
}

impl From<Status> for AgentStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Draining => Self::Draining,
            Status::Paused => Self::Paused,
        }
    }
}

impl Registration {
    /// The card as JSON; fields that are not given are left to the node.
    fn card(self) -> Result<Value, CliError> {
        let mut card: Map<String, Value> = match &self.file {
            Some(source) => json_file(source)?,
            None => Map::new(),
        };
        let kind = if self.endpoint.is_some() { "http" } else { "websocket" };
        let single = [
            ("id", self.id.map(Value::from)),
            ("version", self.agent_version.map(Value::from)),
            ("endpoint", self.endpoint.map(Value::from)),
            ("description", self.description.map(Value::from)),
        ];
        for (field, value) in single {
            card.extend(value.map(|value| (field.to_owned(), value)));
        }
        if !self.capabilities.is_empty() {
            card.insert("capabilities".to_owned(), json!(self.capabilities));
        }
        card.entry("kind").or_insert_with(|| kind.into());
        let metadata = self.metadata.into_iter().map(|(key, value)| (key, Value::from(value)));
        lay_over(&mut card, "metadata", metadata)?;
        let most = self.max_concurrent_tasks;
        let most = most.map(|most| ("max_concurrent_tasks".to_owned(), Value::from(most)));
        lay_over(&mut card, "limits", most)?;
        Ok(Value::Object(card))
    }
}

fn table(agents: &[AgentView]) -> Table {
    let now = Timestamp::now();
    let mut table = Table::new([
        Column::elastic("AGENT"),
        Column::words("STATUS"),
        Column::words("KIND"),
        Column::number("TASKS AT ONCE").spare(),
        Column::words("HEARD OF"),
        Column::elastic("CAPABILITIES"),
    ]);
    for agent in agents {
        table.row([
            agent.card.key().to_string().into(),
            Cell::state(agent.status.as_str()),
            Cell::new(agent.card.kind.as_str(), Paint::Faint),
            count(agent.card.limits.max_concurrent_tasks.into()).into(),
            ago(agent.last_heartbeat, now).into(),
            capabilities(agent).into(),
        ]);
    }
    table
}

fn capabilities(agent: &AgentView) -> String {
    let names = agent.card.capabilities.iter().map(|capability| capability.name.as_str());
    names.collect::<Vec<_>>().join(", ")
}

fn facts(agent: &AgentView) -> Vec<(&'static str, Cell)> {
    let (card, now) = (&agent.card, Timestamp::now());
    let said = |text: &str| (!text.is_empty()).then(|| Cell::from(text));
    let metadata: Vec<String> =
        card.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut facts = vec![
        ("agent", Cell::new(card.key().to_string(), Paint::Strong)),
        ("status", Cell::state(agent.status.as_str())),
        ("kind", card.kind.as_str().into()),
        ("capabilities", capabilities(agent).into()),
        ("tasks at once", count(card.limits.max_concurrent_tasks.into()).into()),
        ("longest task", duration(card.limits.perform_timeout()).into()),
        ("cost", card.cost.to_string().into()),
        ("registered", ago(agent.registered_at, now).into()),
        ("heard of", ago(agent.last_heartbeat, now).into()),
    ];
    let optional = [
        ("name", said(&card.name)),
        ("does", said(&card.description)),
        ("endpoint", card.endpoint.as_deref().and_then(said)),
        ("metadata", said(&metadata.join(", "))),
    ];
    facts.extend(optional.into_iter().filter_map(|(name, cell)| Some((name, cell?))));
    facts
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        registration: Registration,
    }

    fn card(args: &[&str]) -> Value {
        let line = Line::try_parse_from([&["register"], args].concat()).unwrap();
        line.registration.card().unwrap()
    }

    #[test]
    fn a_card_is_made_of_options() {
        let args = ["--id", "a", "--endpoint", "http://x", "--capability", "b"];
        let limits = ["--max-concurrent-tasks", "4", "--metadata", "team=blue"];
        let expected = json!({
            "id": "a", "kind": "http", "endpoint": "http://x", "capabilities": ["b"],
            "limits": {"max_concurrent_tasks": 4}, "metadata": {"team": "blue"},
        });
        assert_eq!(card(&[&args[..], &limits[..]].concat()), expected);
        assert_eq!(card(&["--id", "a"]), json!({"id": "a", "kind": "websocket"}));
    }

    #[test]
    fn options_change_a_card_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card.json");
        std::fs::write(&path, r#"{"id": "a", "kind": "http", "cost": 2.0}"#).unwrap();
        let expected = json!({"id": "b", "kind": "http", "cost": 2.0});
        assert_eq!(card(&["--file", path.to_str().unwrap(), "--id", "b"]), expected);
    }

    #[test]
    fn an_agent_can_not_leave_its_place_in_the_path() {
        let target = Target { agent: "a@1.0.0/../x".to_owned() };
        assert_eq!(target.path(), "/api/v1/agents/a%401.0.0%2F..%2Fx");
    }
}
