//! `synod coordinate send, publish, subscribe, ...`: messages between agents, and topics.

use std::io;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::document::{self, one_line};
use super::{COORDINATION, HOLD_S};
use crate::api::coordination::{FetchedMessages, PublishedTopic, SentMessage};
use crate::cli::Session;
use crate::cli::client::segment;
use crate::cli::exit::CliError;
use crate::cli::input::json_text;
use crate::cli::output::{Cell, Column, Paint, Screen, Table, count, counted, harmless};

#[derive(Debug, Subcommand)]
pub(crate) enum MessageCommand {
    /// Send a message to agents, and show what they say
    Send(Letter),
    /// Publish to a topic
    Publish {
        /// The topic: levels parted by `/`
        topic: String,
        /// What is told: JSON, @FILE or @- for standard input; `null` with --retain removes it
        payload: String,
        /// Keep it as the topic's last value, which later subscribers get first
        #[arg(long)]
        retain: bool,
    },
    /// Keep a durable subscription
    Subscribe {
        /// Its name
        name: String,
        /// Which topics: `+` is one level, `#` at the end all that follow
        filter: String,
        /// Give each message to this agent, instead of keeping them to be fetched
        #[arg(long)]
        agent: Option<String>,
        /// How it is kept and given, such as '{"max_attempts": 3}': JSON or @FILE
        #[arg(long)]
        terms: Option<String>,
    },
    /// End a durable subscription, and forget what it has to read
    Unsubscribe {
        /// Its name
        name: String,
    },
    /// List durable subscriptions
    Subscriptions,
    /// Fetch what a durable subscription has to read next
    Fetch {
        /// Its name
        name: String,
        /// The most to fetch
        #[arg(long, default_value_t = 100)]
        most: usize,
        /// Wait up to 20 seconds when there is nothing yet
        #[arg(long)]
        wait: bool,
        /// Acknowledge what is shown: it is not given again
        #[arg(long)]
        ack: bool,
    },
    /// Show what agents said in a conversation
    Messages {
        /// The conversation that the messages name
        conversation: Uuid,
        /// Only what came after this number
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// List messages that somebody has not read, the newest first
    Undelivered,
}

/// A message to be sent.
#[derive(Debug, Args)]
pub(crate) struct Letter {
    /// For whom: an agent, or with --capability who has it, or `everyone`
    to: String,
    /// What is said: JSON, @FILE or @- for standard input
    content: String,
    /// In whose name
    #[arg(long, value_name = "NAME", default_value = "cli")]
    from: String,
    /// TO is a capability: send to these of the agents that have it
    #[arg(long, value_enum, value_name = "REACH")]
    capability: Option<Reach>,
    /// What is done by saying it, as FIPA has it: inform, request, query-ref, ...
    #[arg(long = "as", value_name = "ACT", default_value = "request")]
    performative: String,
    /// The protocol that it belongs to
    #[arg(long, default_value = "")]
    protocol: String,
    /// The conversation that it belongs to
    #[arg(long)]
    conversation: Option<Uuid>,
    /// Milliseconds that its readers may take
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    within: u64,
}

/// Which of the agents with a capability.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Reach {
    /// One of them, by lot
    Any,
    /// All of them
    All,
    /// The one that has read best so far
    Best,
}

impl Letter {
    fn document(&self) -> Result<Value, CliError> {
        let recipient = match self.capability {
            None if self.to == "everyone" => json!("everyone"),
            None => json!({"agent": self.to}),
            Some(reach) => {
                let reach = match reach {
                    Reach::Any => "any",
                    Reach::All => "all",
                    Reach::Best => "best",
                };
                json!({"capability": {"name": self.to, "reach": reach}})
            }
        };
        let mut document = json!({
            "sender": self.from,
            "recipient": recipient,
            "performative": self.performative,
            "protocol": self.protocol,
            "content": {"json": json_text("CONTENT", &self.content)?},
        });
        if let Some(conversation) = self.conversation {
            document["conversation"] = json!(conversation);
        }
        Ok(document)
    }
}

fn named(name: &str) -> String {
    format!("{COORDINATION}/subscriptions/{}", segment(name))
}

/// Runs a command about messages or topics.
pub(super) async fn run(command: MessageCommand, session: &Session) -> Result<(), CliError> {
    let client = &session.client;
    match command {
        MessageCommand::Send(letter) => send(&letter, session).await,
        MessageCommand::Publish { topic, payload, retain } => {
            let payload = json_text("PAYLOAD", &payload)?;
            let body = json!({"topic": topic, "payload": payload, "retain": retain});
            let told = client.send(Method::POST, &format!("{COORDINATION}/topics"), &body).await?;
            session.answer(told, published)
        }
        MessageCommand::Subscribe { name, filter, agent, terms } => {
            let terms = terms.as_deref().map(|terms| json_text("--terms", terms)).transpose()?;
            let terms = terms.unwrap_or_else(|| json!({}));
            let body = json!({"name": name, "filter": filter, "agent": agent, "terms": terms});
            let path = format!("{COORDINATION}/subscriptions");
            session.answer(client.send(Method::POST, &path, &body).await?, shown)
        }
        MessageCommand::Unsubscribe { name } => unsubscribe(&name, session).await,
        MessageCommand::Subscriptions => {
            let query = [("limit", "1000".to_owned())];
            let path = format!("{COORDINATION}/subscriptions");
            session.answer(client.get(&path, &query).await?, subscriptions)
        }
        MessageCommand::Fetch { name, most, wait, ack } => {
            fetch(&name, most, wait, ack, session).await
        }
        MessageCommand::Messages { conversation, after } => {
            let query = [("after", after.to_string()), ("limit", "1000".to_owned())];
            let path = format!("{COORDINATION}/conversations/{conversation}");
            session.answer(client.get(&path, &query).await?, said)
        }
        MessageCommand::Undelivered => {
            let path = format!("{COORDINATION}/undelivered");
            session.answer(client.get(&path, &[]).await?, undelivered)
        }
    }
}

async fn send(letter: &Letter, session: &Session) -> Result<(), CliError> {
    let path = format!("{COORDINATION}/messages");
    let query = [("within_ms", letter.within.to_string())];
    let within = Duration::from_millis(letter.within);
    let sent = session.client.send_within(&path, &query, &letter.document()?, within).await?;
    session.answer(sent, sent_message)
}

async fn unsubscribe(name: &str, session: &Session) -> Result<(), CliError> {
    session.client.act(Method::DELETE, &named(name), &[]).await?;
    let gone = json!({"name": name, "kept": false});
    session.answer(gone, |_: Value, screen| screen.line(format!("{} is forgotten", harmless(name))))
}

async fn fetch(
    name: &str,
    most: usize,
    wait: bool,
    acknowledges: bool,
    session: &Session,
) -> Result<(), CliError> {
    let wait = if wait { HOLD_S } else { 0 };
    let query = [("most", most.to_string()), ("wait", wait.to_string())];
    let path = format!("{}/fetch", named(name));
    let given = session.client.act(Method::POST, &path, &query).await?;
    let last = given["messages"].as_array().and_then(|all| all.last()?["number"].as_u64());
    session.answer(given, fetched)?;
    // Only what was shown in full is done with.
    if let Some(last) = last.filter(|_| acknowledges) {
        let path = format!("{}/acknowledge", named(name));
        session.client.send(Method::POST, &path, &json!({"up_to": last})).await?;
    }
    Ok(())
}

/// What a payload holds, on one line.
fn content(payload: &Value) -> Cell {
    let held = ["json", "text", "base64"].iter().find_map(|form| payload.get(form));
    held.map(one_line).unwrap_or_default().into()
}

fn sent_message(sent: SentMessage, screen: &Screen) -> io::Result<()> {
    let mut table = Table::new([Column::words("AGENT"), Column::words("SAYS"), Column::note("")]);
    for answer in &sent.answers {
        let said = serde_json::to_value(answer).unwrap_or_default();
        table.row([
            harmless(&answer.sender).into(),
            Cell::new(one_line(&said["performative"]), Paint::Good),
            content(&said["content"]),
        ]);
    }
    for one in &sent.undelivered {
        table.row([
            harmless(&one.agent).into(),
            Cell::new("not read", Paint::Bad),
            harmless(&one.reason).into(),
        ]);
    }
    screen.line(format!("read by {}", counted(sent.reached, "agent")))?;
    if table.is_empty() { Ok(()) } else { screen.table(&table, "") }
}

fn published(told: PublishedTopic, screen: &Screen) -> io::Result<()> {
    let durable = format!("{} durable", count(told.durable));
    screen.line(format!("told to {}, {durable}", counted(told.subscribers, "subscriber")))
}

fn shown(subscription: Value, screen: &Screen) -> io::Result<()> {
    document::show(&subscription, screen)
}

fn subscriptions(page: Value, screen: &Screen) -> io::Result<()> {
    let mut table = Table::new([
        Column::words("NAME"),
        Column::elastic("TOPICS"),
        Column::words("GIVEN TO"),
        Column::number("TO READ"),
        Column::number("DEAD"),
    ]);
    for one in page["subscriptions"].as_array().into_iter().flatten() {
        let number = |name: &str| Cell::from(count(one[name].as_u64().unwrap_or_default()));
        let agent = one["agent"].as_str().map_or_else(|| "who fetches".to_owned(), harmless);
        table.row([
            one_line(&one["name"]).into(),
            one_line(&one["filter"]).into(),
            agent.into(),
            number("backlog"),
            number("dead"),
        ]);
    }
    screen.table(&table, "no durable subscription")
}

fn fetched(page: FetchedMessages, screen: &Screen) -> io::Result<()> {
    let mut table = Table::new([
        Column::number("NUMBER"),
        Column::elastic("TOPIC"),
        Column::words("FROM"),
        Column::number("ATTEMPT"),
        Column::note("CONTENT"),
    ]);
    for one in &page.messages {
        let payload = serde_json::to_value(&one.message.content).unwrap_or_default();
        table.row([
            one.message.number.to_string().into(),
            harmless(&one.message.topic).into(),
            harmless(&one.message.sender).into(),
            count(one.attempt.into()).into(),
            content(&payload),
        ]);
    }
    screen.table(&table, "nothing to read")
}

fn said(page: Value, screen: &Screen) -> io::Result<()> {
    let mut table = Table::new([
        Column::number("NUMBER"),
        Column::words("FROM"),
        Column::words("ACT"),
        Column::note("CONTENT"),
    ]);
    for one in page["said"].as_array().into_iter().flatten() {
        let envelope = &one["envelope"];
        table.row([
            one_line(&one["number"]).into(),
            one_line(&envelope["sender"]).into(),
            one_line(&envelope["performative"]).into(),
            content(&envelope["content"]),
        ]);
    }
    screen.table(&table, "nothing was said")
}

fn undelivered(page: Value, screen: &Screen) -> io::Result<()> {
    let mut table = Table::new([
        Column::number("NUMBER"),
        Column::words("FROM"),
        Column::elastic("FOR"),
        Column::note("WHY IT WAS NOT READ"),
    ]);
    for one in page["undelivered"].as_array().into_iter().flatten() {
        let cell = |name: &str| Cell::from(one_line(&one[name]));
        table.row([cell("number"), cell("sender"), cell("recipient"), cell("reason")]);
    }
    screen.table(&table, "every message was read")
}
