//! `synod tokens`: what callers of a node bring, made on its machine or, by an administrator,
//! through its API.

use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use synod_runtime::PrincipalKind;
use synod_security::{FileError, Role, Roles, TokenError, TokenRecord, TokenRequest};
use uuid::Uuid;

use super::config::ConfigFile;
use super::exit::{CliError, Exit};
use super::output::{Cell, Column, Paint, Screen, Table};
use super::{Global, Session, ask};
use crate::node::security::store;

/// Where tokens are in the API.
const TOKENS: &str = "/api/v1/tokens";

#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Make a token and print it; it is kept nowhere
    ///
    /// Without --url it is made from the files of the node on this machine, running or not: only
    /// who may read its data folder can do that.
    Issue(Issue),
    /// Take a token back; running nodes refuse it within seconds
    Revoke {
        /// The token's id, as `synod tokens list` shows it
        token_id: Uuid,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List the tokens that have not expired
    List {
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  SYNOD_TOKEN=$(synod tokens issue me --role admin)\n  \
    synod tokens issue ada --role approver --group finance --for 8h\n  \
    synod tokens issue worker-1 --agent --role agent --for 30d")]
pub(crate) struct Issue {
    /// Whose it is: the name that decisions and records carry
    subject: String,
    /// What it may do: viewer, submitter, approver, operator, admin, agent (may be repeated)
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<Role>,
    /// A name that definitions use as a role of approvals (may be repeated)
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// It is of a program that does work, not of a person
    #[arg(long)]
    agent: bool,
    /// The only node that takes it, by name
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// For how long it is valid: 90s, 30m, 12h, 7d [default: security.token_s]
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    valid: Option<Duration>,
    #[command(flatten)]
    config: ConfigFile,
}

/// A token as it is told.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    token_id: Uuid,
    subject: String,
    kind: PrincipalKind,
    roles: Roles,
    groups: Vec<String>,
    node: Option<String>,
    issued_at: Timestamp,
    not_before: Timestamp,
    expires_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

impl From<TokenRecord> for Told {
    fn from(record: TokenRecord) -> Self {
        Self {
            token_id: record.id,
            subject: record.subject,
            kind: record.kind,
            roles: record.roles,
            groups: record.groups,
            node: record.node,
            issued_at: record.issued_at,
            not_before: record.not_before,
            expires_at: record.expires_at,
            revoked_at: record.revoked_at,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Issued {
    token: String,
    #[serde(flatten)]
    about: Told,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    tokens: Vec<Told>,
}

/// Runs a command about tokens: with --url through the API, else on the files.
pub(super) fn execute(
    command: TokensCommand,
    global: &Global,
    screen: Screen,
) -> Result<Exit, CliError> {
    if global.url.is_some() {
        return ask(global, screen, async |session| there(command, &session).await);
    }
    here(command, &screen)?;
    Ok(Exit::Done)
}

fn here(command: TokensCommand, screen: &Screen) -> Result<(), CliError> {
    let open = |file: &ConfigFile| Ok::<_, CliError>(store(&file.load()?.config)?);
    let now = Timestamp::now();
    match command {
        TokensCommand::Issue(wanted) => {
            let store = open(&wanted.config)?;
            let issued = store.issue(wanted.request(), now)?;
            show_issued(&Issued { token: issued.token, about: issued.record.into() }, screen)
        }
        TokensCommand::Revoke { token_id, config } => {
            let revoked = open(&config)?.revoke(token_id, now)?;
            show_revoked(&revoked.into(), screen)
        }
        TokensCommand::List { config } => {
            let records = open(&config)?.book()?.records();
            show_list(&Listed { tokens: records.into_iter().map(Told::from).collect() }, screen)
        }
    }
}

async fn there(command: TokensCommand, session: &Session) -> Result<Exit, CliError> {
    let (client, screen) = (&session.client, &session.screen);
    match command {
        TokensCommand::Issue(wanted) => {
            let answer = client.send(Method::POST, TOKENS, &wanted.body()).await?;
            show_issued(&super::client::decode(answer)?, screen)?;
        }
        TokensCommand::Revoke { token_id, .. } => {
            let path = format!("{TOKENS}/{token_id}");
            let answer = client.send(Method::DELETE, &path, &json!({})).await?;
            show_revoked(&super::client::decode(answer)?, screen)?;
        }
        TokensCommand::List { .. } => {
            show_list(&super::client::decode(client.get(TOKENS, &[]).await?)?, screen)?;
        }
    }
    Ok(Exit::Done)
}

impl Issue {
    fn kind(&self) -> PrincipalKind {
        if self.agent { PrincipalKind::Agent } else { PrincipalKind::User }
    }

    fn request(self) -> TokenRequest {
        TokenRequest {
            kind: self.kind(),
            subject: self.subject,
            roles: self.roles.into_iter().collect(),
            groups: self.groups,
            node: self.node,
            valid: self.valid,
            not_before: None,
        }
    }

    fn body(&self) -> Value {
        let roles: Roles = self.roles.iter().copied().collect();
        let mut body = json!({
            "subject": self.subject, "kind": self.kind(), "roles": roles, "groups": self.groups,
        });
        if let Some(node) = &self.node {
            body["node"] = json!(node);
        }
        if let Some(valid) = self.valid {
            body["valid_s"] = json!(valid.as_secs());
        }
        body
    }
}

/// The token alone on standard output, so that `$(…)` takes it; what it is on standard error.
fn show_issued(issued: &Issued, screen: &Screen) -> Result<(), CliError> {
    if screen.is_json() {
        return Ok(screen.json(issued)?);
    }
    screen.line(&issued.token)?;
    let Told { token_id, subject, roles, expires_at, .. } = &issued.about;
    let told = format!("{subject} ({roles}) until {expires_at}; id {token_id}");
    Ok(writeln!(io::stderr(), "{}", super::output::harmless(&told))?)
}

fn show_revoked(revoked: &Told, screen: &Screen) -> Result<(), CliError> {
    if screen.is_json() {
        return Ok(screen.json(revoked)?);
    }
    let told = format!("the token {} of {} is revoked", revoked.token_id, revoked.subject);
    Ok(screen.line(super::output::harmless(&told))?)
}

fn show_list(list: &Listed, screen: &Screen) -> Result<(), CliError> {
    if screen.is_json() {
        return Ok(screen.json(list)?);
    }
    let columns = ["ID", "SUBJECT", "ROLES", "GROUPS"].map(Column::words);
    let mut table = Table::new([&columns[..], &[Column::words("UNTIL")]].concat());
    for token in &list.tokens {
        let plain = |text: &str| Cell::new(text, Paint::Plain);
        let until = match token.revoked_at {
            Some(at) => Cell::new(format!("revoked {at}"), Paint::Bad),
            None => plain(&token.expires_at.to_string()),
        };
        table.row([
            plain(&token.token_id.to_string()),
            plain(&token.subject),
            plain(&token.roles.to_string()),
            plain(&token.groups.join(",")),
            until,
        ]);
    }
    Ok(screen.table(&table, "no tokens")?)
}

/// A time such as `12h`.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a time such as 90s, 30m, 12h or 7d, got {text:?}");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

impl From<TokenError> for CliError {
    fn from(error: TokenError) -> Self {
        let told = error.to_string();
        match error {
            TokenError::Request(_) | TokenError::Files(_) => Self::Usage(told),
            TokenError::Unknown(_) => Self::NotFound(told),
            TokenError::TooMany { .. } | TokenError::Unsigned => Self::Failed(told),
        }
    }
}

impl From<FileError> for CliError {
    fn from(error: FileError) -> Self {
        TokenError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_with_a_unit() {
        assert_eq!(time("12h"), Ok(Duration::from_secs(43_200)));
        assert_eq!(time("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "h", "12", "1.5h", "12 h", "-1s", "1y", "é", "99999999999999999999d"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
