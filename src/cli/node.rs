//! `synod node`: a long-lived node in this process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use super::config::ConfigFile;
use super::exit::{CliError, Exit};
use crate::api::Metrics;
use crate::config::NodeConfig;
use crate::logging;
use crate::node::process::{self, Ended};
use crate::node::{Node, NodeBuilder, NodeError};

/// Upper bounds of the histograms of times, in seconds.
const SECONDS: [f64; 14] =
    [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Run a node until it is told to stop
///
/// SIGTERM and SIGINT stop it in order: it accepts no more, lets running work finish, hands back
/// what does not, and exits with 0. One that comes while it still starts ends it before it is
/// ready. A second one ends it at once. SIGHUP reads the configuration again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  synod node --config config/node.toml\n  \
    SYNOD_HTTP__LISTEN=127.0.0.1:8080 synod node\n  \
    synod node --name a --cluster\n  \
    synod node --name b --data b --listen 127.0.0.1:0 --cluster-listen 127.0.0.1:7968 \
    --join 127.0.0.1:7967")]
pub(crate) struct NodeOptions {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    place: Place,
}

/// What differs from node to node, so that one file serves them all.
#[derive(Debug, Args)]
struct Place {
    /// What the node is called; short for node.name
    #[arg(long)]
    name: Option<String>,
    /// Where it keeps its data; short for node.data_folder
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Where its API listens; short for http.listen
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Be one of several nodes: form a cluster, or go back to it
    #[arg(long)]
    cluster: bool,
    /// Where links of other nodes arrive; short for cluster.listen, and means --cluster
    #[arg(long, value_name = "ADDRESS")]
    cluster_listen: Option<SocketAddr>,
    /// A node of the cluster to join; several may be named, one that answers is enough
    #[arg(long, value_name = "ADDRESS")]
    join: Vec<String>,
}

impl Place {
    /// Lays what was said over the configuration.
    fn lay_over(&self, config: &mut NodeConfig) -> Result<(), CliError> {
        if let Some(name) = &self.name {
            config.node.name.clone_from(name);
        }
        if let Some(data) = &self.data {
            config.node.data_folder.clone_from(data);
        }
        if let Some(listen) = &self.listen {
            let parsed = listen.parse();
            config.http.listen = parsed.map_err(|_| {
                CliError::Usage(format!("--listen: expected address:port, got {listen:?}"))
            })?;
        }
        if let Some(listen) = self.cluster_listen {
            config.cluster.listen = listen;
        }
        config.cluster.seeds.extend(self.join.iter().cloned());
        config.cluster.enabled |=
            self.cluster || self.cluster_listen.is_some() || !self.join.is_empty();
        Ok(())
    }
}

pub(crate) fn run(options: &NodeOptions, builder: NodeBuilder) -> Result<Exit, CliError> {
    let mut config = options.file.load()?.config;
    options.place.lay_over(&mut config)?;
    let log = logging::init(&config.log).map_err(|error| CliError::Failed(error.to_string()))?;
    let mut builder = builder.config(config).log(log).metrics(recorder()?);
    if let Some(path) = options.file.path() {
        builder = builder.config_file(path.to_owned());
    }
    match process::run(builder, ready)? {
        Ended::Stopped => Ok(Exit::Done),
        Ended::AtOnce => Ok(Exit::Interrupted),
        Ended::Failed(reason) => Err(CliError::Failed(format!("the node gave up: {reason}"))),
    }
}

fn ready(node: &Node, took: Duration) {
    let took_ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
    tracing::info!(url = node.url(), took_ms, "ready");
}

/// Records what the node counts and measures, for `/metrics`.
fn recorder() -> Result<Metrics, CliError> {
    let failed = |error| CliError::Failed(format!("metrics can't be recorded: {error}"));
    let times = Matcher::Suffix("_seconds".to_owned());
    let builder = PrometheusBuilder::new();
    let builder = builder.set_buckets_for_metric(times, &SECONDS).map_err(failed)?;
    Ok(Metrics::new(builder.install_recorder().map_err(failed)?))
}

impl From<NodeError> for CliError {
    /// What the user can set right is wrong usage; the rest is a failure.
    fn from(error: NodeError) -> Self {
        let told = error.to_string();
        match error {
            NodeError::Config(_)
            | NodeError::DataFolder { .. }
            | NodeError::Agent(_)
            | NodeError::Security(_)
            | NodeError::Cluster { .. }
            | NodeError::Api(_) => Self::Usage(told),
            NodeError::Journal { source, .. } if source.is_lasting() => Self::Usage(told),
            NodeError::Journal { .. }
            | NodeError::Part { .. }
            | NodeError::Start(_)
            | NodeError::System { .. } => Self::Failed(told),
        }
    }
}
