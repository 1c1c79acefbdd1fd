//! `synod cluster certificates`: the private authority of a cluster, and what it issues.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;
use synod_security::{Authority, CertificateError, NodeRequest};

use crate::cli::exit::{CliError, Exit};
use crate::cli::output::Screen;

/// Seconds of a day.
const DAY: u64 = 86_400;

#[derive(Debug, Subcommand)]
pub(crate) enum CertificatesCommand {
    /// Make the authority of a new cluster
    ///
    /// Keep `authority.key` away from the nodes: who has it can make a node of this cluster.
    Init(Init),
    /// Make the certificate and the key of a node
    ///
    /// They serve the links between nodes, and as http.tls.certificate and http.tls.key of its API
    /// for the addresses that are given.
    Issue(Issue),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// What the cluster is called: 1 to 63 of a-z, 0-9 and `-`
    #[arg(long, default_value = "synod")]
    cluster: String,
    /// Where to write authority.pem and authority.key
    #[arg(long, default_value = "authority")]
    folder: PathBuf,
    /// Days for which it is valid
    #[arg(long, default_value_t = 3_650, value_parser = clap::value_parser!(u64).range(1..=36_500))]
    days: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Issue {
    /// The node's name, unique in its cluster: 1 to 63 of a-z, 0-9 and `-`
    name: String,
    /// A host name or IP address under which the node's API is asked (may be repeated)
    #[arg(long, value_name = "HOST")]
    address: Vec<String>,
    /// Where the authority is
    #[arg(long, default_value = "authority")]
    folder: PathBuf,
    /// Where to write node.pem, node.key and authority.pem; the default is a folder of its name
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Days for which the certificate is valid
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u64).range(1..=3_650))]
    days: u64,
}

/// Runs a command about certificates; no node is asked.
pub(super) fn run(command: CertificatesCommand, screen: &Screen) -> Result<Exit, CliError> {
    match command {
        CertificatesCommand::Init(init) => make(&init, screen)?,
        CertificatesCommand::Issue(wanted) => issue(&wanted, screen)?,
    }
    Ok(Exit::Done)
}

fn make(init: &Init, screen: &Screen) -> Result<(), CliError> {
    let valid = Duration::from_secs(init.days * DAY);
    let authority = Authority::init(&init.folder, &init.cluster, valid, Timestamp::now())?;
    let (cluster, folder) = (authority.cluster(), init.folder.display());
    if screen.is_json() {
        return Ok(screen.json(&json!({"cluster": cluster, "folder": init.folder}))?);
    }
    screen.line(format!("the authority of the cluster {cluster} is in {folder}"))?;
    let next = format!("synod cluster certificates issue NODE --folder {folder}");
    Ok(screen.line(format!("  issue a certificate for each node: {next}"))?)
}

fn issue(wanted: &Issue, screen: &Screen) -> Result<(), CliError> {
    let authority = Authority::load(&wanted.folder)?;
    let request = NodeRequest {
        name: wanted.name.clone(),
        addresses: wanted.address.clone(),
        valid: Duration::from_secs(wanted.days * DAY),
    };
    let files = authority.issue(&request, Timestamp::now())?;
    let out = wanted.out.clone().unwrap_or_else(|| PathBuf::from(&wanted.name));
    let [certificate, key, ca] = files.write(&out)?;
    if screen.is_json() {
        let told = json!({
            "cluster": authority.cluster(), "node": wanted.name, "expires_at": files.expires_at,
            "certificate": certificate, "key": key, "authority": ca,
        });
        return Ok(screen.json(&told)?);
    }
    let name = &wanted.name;
    screen.line(format!("the node {name} is known until {}", files.expires_at))?;
    let paths = [("certificate", &certificate), ("key", &key), ("authority", &ca)];
    for (what, path) in paths {
        screen.line(format!("  {what:<12} {}", path.display()))?;
    }
    Ok(())
}

impl From<CertificateError> for CliError {
    fn from(error: CertificateError) -> Self {
        Self::Usage(error.to_string())
    }
}
