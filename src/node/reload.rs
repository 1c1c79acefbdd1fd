//! Reading the configuration again while the node runs: all or nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use synod_tasks::Reconfigure;
use tokio::runtime::Handle;

use super::{Engines, NodeBuilder};
use crate::config::reload::{Change, diff_live};
use crate::config::{NodeConfig, environment};
use crate::logging::LogLevel;
use crate::status::{Reload, ReloadRefused};

/// How long an engine may take to take a configuration over.
const ENGINE: Duration = Duration::from_secs(5);

struct Running {
    config: Mutex<NodeConfig>,
    log: Option<LogLevel>,
    engines: Engines,
}

/// What the status actor calls for a reload, on a thread that may block.
pub(super) fn reload(builder: &NodeBuilder, engines: Engines) -> Reload {
    let file = builder.file.clone();
    let config = Mutex::new(builder.config.clone());
    let running = Running { config, log: builder.log.clone(), engines };
    Arc::new(move || match &file {
        Some(file) => running.reload(file),
        None => Err(ReloadRefused::NoFile),
    })
}

impl Running {
    fn reload(&self, file: &Path) -> Result<Vec<Change>, ReloadRefused> {
        let invalid =
            |error: &dyn std::fmt::Display| ReloadRefused::Invalid(error.to_string(), Vec::new());
        let loaded = NodeConfig::load(Some(file), environment())
            .map_err(|faults| ReloadRefused::Invalid(faults.to_string(), faults.report()))?;
        let mut config = self.config.lock();
        let changes = diff_live(&config, &loaded.config)
            .map_err(|error| ReloadRefused::NeedsRestart(error.to_string()))?;
        // An engine may be too busy to answer, so they come first.
        let runtime = Handle::current();
        for set in self.engines.all() {
            let wanted = Reconfigure { config: loaded.config.tasks.clone() };
            runtime.block_on(set.tasks.ask(wanted, ENGINE)).map_err(|e| invalid(&e))?;
            let wanted = synod_workflows::Reconfigure { config: loaded.config.workflows.clone() };
            runtime.block_on(set.workflows.ask(wanted, ENGINE)).map_err(|e| invalid(&e))?;
        }
        if let Some(log) = &self.log {
            log.set(&loaded.config.log.level).map_err(|e| invalid(&e))?;
        }
        *config = loaded.config;
        Ok(changes)
    }
}
