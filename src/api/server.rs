//! The supervised actor that serves the API: it owns the accept loop, and stops it gracefully.

use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{Actor, ActorError, Context, ExitReason, Shutdown, Spec, TaskFailure};
use tokio::task::{AbortHandle, JoinError};

use super::connections::Connections;
use super::lifeline::Lifeline;
use super::listener::Listener;
use super::{ApiState, router};

/// Time between rounds of upkeep of the metrics: what was measured is folded into histograms.
const UPKEEP: Duration = Duration::from_secs(5);

/// Time for the actor itself beyond what clients get.
const MARGIN: Duration = Duration::from_secs(1);

/// The HTTP server.
pub struct HttpServer {
    listener: Arc<Listener>,
    state: ApiState,
    lifeline: Lifeline,
    serving: Option<Serving>,
}

/// The accept loop with all connections. It ends with the actor, but not before the actor's `stop`,
/// as a task attached to the actor would: what is open gets its time.
struct Serving(AbortHandle);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// From the server to itself.
#[derive(Debug)]
pub enum HttpServerMessage {
    /// The accept loop ended, which it must not while the server runs.
    Ended(Result<Result<(), JoinError>, TaskFailure>),
    /// Fold what was measured.
    Upkeep,
}

impl HttpServer {
    /// The server over an open socket. The socket stays open over its restarts.
    #[must_use]
    pub fn spec(listener: Listener, state: ApiState) -> Spec<Self> {
        let listener = Arc::new(listener);
        let within = state.config.shutdown() + MARGIN;
        Spec::new("http", move || Self {
            listener: Arc::clone(&listener),
            state: state.clone(),
            lifeline: Lifeline::default(),
            serving: None,
        })
        .shutdown(Shutdown::Within(within))
    }
}

impl Actor for HttpServer {
    type Message = HttpServerMessage;
    const KIND: &'static str = "http";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        let listener = self.listener.handle()?;
        let api = router(self.state.clone());
        let connections = Connections::new(&self.state.config, api, self.lifeline.clone())
            .with_tls(self.listener.tls());
        let serving = self.lifeline.open.spawn(connections.serve(listener));
        self.serving = Some(Serving(serving.abort_handle()));
        ctx.attach(serving, HttpServerMessage::Ended)?;
        ctx.send_every(UPKEEP, || HttpServerMessage::Upkeep);
        ctx.describe(self.listener.url());
        Ok(())
    }

    async fn handle(
        &mut self,
        message: HttpServerMessage,
        _: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            HttpServerMessage::Ended(Ok(Ok(()))) => Err(ActorError::new("the accept loop ended")),
            HttpServerMessage::Ended(Ok(Err(why))) => {
                Err(ActorError::new(format!("the accept loop failed: {why}")))
            }
            HttpServerMessage::Ended(Err(why)) => {
                Err(ActorError::new(format!("nobody watches the accept loop: {why}")))
            }
            HttpServerMessage::Upkeep => {
                self.state.metrics.upkeep();
                Ok(())
            }
        }
    }

    /// Takes no more connections, lets requests finish, ends streams with a reason, and waits for
    /// all that within the configured time.
    async fn stop(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        self.lifeline.stopping.cancel();
        self.lifeline.open.close();
        let within = self.state.config.shutdown();
        if tokio::time::timeout(within, self.lifeline.open.wait()).await.is_err() {
            let left = self.lifeline.open.len();
            tracing::warn!(left, "clients still connected are cut off");
        }
    }
}
