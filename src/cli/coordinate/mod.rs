//! `synod coordinate`: open, follow and move conversations of agents and people.

mod document;
mod messages;
mod shared;

use std::io;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use synod_coordination::desk::{ConversationPage, Summary};
use uuid::Uuid;

use crate::api::coordination::{Conversation, ConversationHistory, ConversationNote, Protocols};
use crate::cli::Session;
use crate::cli::client::{decode, segment};
use crate::cli::exit::{CliError, Exit};
use crate::cli::input::json_text;
use crate::cli::output::{Cell, Column, Paint, Screen, Table, ago, count, harmless};

use messages::MessageCommand;

use shared::SharedCommand;

/// Where conversations are in the API.
const COORDINATION: &str = "/api/v1/coordination";

/// Seconds that a follower asks the node to wait for news at a time.
const HOLD_S: u64 = 20;

#[derive(Debug, Subcommand)]
pub(crate) enum CoordinateCommand {
    /// List the protocols that the node offers
    Protocols,
    /// Open a conversation, such as a ballot, an auction or a call for proposals
    Open {
        /// The protocol, as `protocols` lists it
        protocol: String,
        /// What it is opened with: JSON, @FILE or @- for standard input
        setup: String,
        /// Makes it safe to repeat: the same key names the same conversation
        #[arg(long)]
        key: Option<String>,
        /// Follow it until it ends
        #[arg(long)]
        watch: bool,
    },
    /// Tell a conversation something: a vote, a bid, a release
    Tell {
        #[command(flatten)]
        target: Target,
        /// What: JSON, @FILE or @- for standard input
        input: String,
    },
    /// Show how a conversation stands
    Show(Target),
    /// List the conversations of a protocol, the newest first
    List {
        /// The protocol, as `protocols` lists it
        protocol: String,
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<State>,
        /// The most to list
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Go on after a page, as it says at its end
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show what happened in a conversation, by whom and why
    History {
        #[command(flatten)]
        target: Target,
        /// Only what came after this number
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Follow a conversation until it ends
    Watch(Target),
    #[command(flatten)]
    Message(MessageCommand),
    /// Documents that agents share: list, show and edit them
    #[command(subcommand)]
    Shared(SharedCommand),
}

/// A conversation.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The protocol, as `protocols` lists it
    protocol: String,
    /// The conversation's id, as `open` gave it
    #[arg(value_name = "ID")]
    conversation: Uuid,
}

impl Target {
    fn path(&self) -> String {
        format!("{COORDINATION}/{}/{}", segment(&self.protocol), self.conversation)
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum State {
    /// Goes on
    Open,
    /// Is over
    Ended,
}

/// Runs a command about conversations.
pub(crate) async fn run(command: CoordinateCommand, session: &Session) -> Result<Exit, CliError> {
    let client = &session.client;
    match command {
        CoordinateCommand::Protocols => {
            session.answer(client.get(COORDINATION, &[]).await?, protocols)?;
        }
        CoordinateCommand::Open { protocol, setup, key, watch } => {
            return open(&protocol, &setup, key.as_deref(), watch, session).await;
        }
        CoordinateCommand::Tell { target, input } => {
            let input = json_text("INPUT", &input)?;
            let told = client.send(Method::POST, &target.path(), &input).await?;
            session.answer(told, |told: Value, screen| document::show(&told["answer"], screen))?;
        }
        CoordinateCommand::Show(target) => {
            session.answer(client.get(&target.path(), &[]).await?, conversation)?;
        }
        CoordinateCommand::List { protocol, state, limit, cursor } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(state.map(|state| ("state", state.name().to_owned())));
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let path = format!("{COORDINATION}/{}", segment(&protocol));
            session.answer(client.get(&path, &query).await?, page)?;
        }
        CoordinateCommand::History { target, after } => {
            history(&target, after, session).await?;
        }
        CoordinateCommand::Watch(target) => return watch(&target, session).await,
        CoordinateCommand::Message(command) => messages::run(command, session).await?,
        CoordinateCommand::Shared(command) => return shared::run(command, session).await,
    }
    Ok(Exit::Done)
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended => "ended",
        }
    }
}

async fn open(
    protocol: &str,
    setup: &str,
    key: Option<&str>,
    follow: bool,
    session: &Session,
) -> Result<Exit, CliError> {
    let setup = json_text("SETUP", setup)?;
    let path = format!("{COORDINATION}/{}", segment(protocol));
    let opened = session.client.send_once(&path, &setup, key).await?;
    if !follow {
        session.answer(opened, conversation)?;
        return Ok(Exit::Done);
    }
    let Conversation { summary, .. } = decode(opened)?;
    let target = Target { protocol: protocol.to_owned(), conversation: summary.id };
    watch(&target, session).await
}

/// Prints all that happened, page by page.
async fn history(target: &Target, after: u64, session: &Session) -> Result<(), CliError> {
    let mut after = after;
    loop {
        let page = read(target, after, 0, session).await?;
        let Some(last) = page.notes.last() else { return Ok(()) };
        after = last.number;
        page.notes.iter().try_for_each(|note| tell(note, &session.screen))?;
    }
}

/// Prints what happens as it happens, then how it ended.
async fn watch(target: &Target, session: &Session) -> Result<Exit, CliError> {
    let mut after = 0;
    loop {
        let page = read(target, after, HOLD_S, session).await?;
        page.notes.iter().try_for_each(|note| tell(note, &session.screen))?;
        after = page.notes.last().map_or(after, |note| note.number);
        if page.ended && page.notes.is_empty() {
            let stands = session.client.get(&target.path(), &[]).await?;
            session.answer(stands, conversation)?;
            return Ok(Exit::Done);
        }
    }
}

async fn read(
    target: &Target,
    after: u64,
    hold_s: u64,
    session: &Session,
) -> Result<ConversationHistory, CliError> {
    let query = [("after", after.to_string()), ("wait", hold_s.to_string())];
    decode(session.client.get(&format!("{}/history", target.path()), &query).await?)
}

/// One line for what happened.
fn tell(note: &ConversationNote, screen: &Screen) -> Result<(), CliError> {
    if screen.is_json() {
        return Ok(screen.json_line(note)?);
    }
    let at = note.at.strftime("%H:%M:%S%.3f");
    let kind = screen.paint(Paint::Strong, &harmless(&note.kind));
    let words = [&note.who, &note.why].map(|word| harmless(word));
    let words = words.iter().filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>();
    let at = screen.paint(Paint::Faint, &at.to_string());
    Ok(screen.line(format!("{at}  {kind}  {}", words.join(": ")))?)
}

fn protocols(all: Protocols, screen: &Screen) -> io::Result<()> {
    let mut table = Table::new([
        Column::words("PROTOCOL"),
        Column::number("OPEN"),
        Column::number("ENDED"),
        Column::note("ACCEPTING"),
    ]);
    for one in all.protocols {
        let accepting = match &one.reason {
            None if one.accepting => Cell::new("yes", Paint::Good),
            None => Cell::new("no", Paint::Bad),
            Some(reason) => Cell::new(format!("no: {reason}"), Paint::Bad),
        };
        table.row([one.kind.into(), count(one.open).into(), count(one.ended).into(), accepting]);
    }
    screen.table(&table, "no protocol")
}

fn page(page: ConversationPage, screen: &Screen) -> io::Result<()> {
    let now = Timestamp::now();
    let mut table = Table::new([
        Column::words("ID"),
        Column::words("STATE"),
        Column::elastic("OPENED BY"),
        Column::words("OPENED"),
        Column::number("NOTES"),
        Column::elastic("KEY").spare(),
    ]);
    for one in page.conversations {
        table.row([
            one.id.to_string().into(),
            standing(&one),
            one.by.into(),
            ago(one.opened_at, now).into(),
            count(one.notes).into(),
            one.key.unwrap_or_default().into(),
        ]);
    }
    screen.table(&table, "no conversation")?;
    match page.next {
        Some(next) => screen.line(format!("more: add --cursor {next}")),
        None => Ok(()),
    }
}

fn standing(summary: &Summary) -> Cell {
    match summary.ended_at {
        None => Cell::new("open", Paint::Good),
        Some(_) => Cell::new("ended", Paint::Faint),
    }
}

fn conversation(shown: Conversation, screen: &Screen) -> io::Result<()> {
    let Conversation { protocol, summary, view } = shown;
    screen.facts(&[
        ("protocol", protocol.into()),
        ("id", summary.id.to_string().into()),
        ("conversation", standing(&summary)),
        ("opened by", summary.by.into()),
    ])?;
    document::show(&view, screen)
}
