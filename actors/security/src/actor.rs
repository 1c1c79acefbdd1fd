//! The actor of tokens: carries out what the API asks of the store, and tells the gate what others
//! (the command line, on the same folder) have changed.

use std::sync::Arc;
use std::time::Duration;

use synod_runtime::{Actor, ActorError, Context, Reply, Request, Spec};

use crate::messages::{IssueToken, ListTokens, Reread, RevokeToken, TokensMessage};
use crate::tokens::{TokenError, TokenGate, TokenStore};

/// How often the list is looked at: a token that was taken back is refused this soon.
const LOOK: Duration = Duration::from_secs(1);

/// Issues, takes back and lists tokens.
pub struct TokenActor {
    store: Arc<TokenStore>,
    gate: TokenGate,
    /// What the list looked like when it was read.
    known: Option<(std::time::SystemTime, u64)>,
    /// Nothing was read yet, or what was read last could not be used.
    stale: bool,
}

impl TokenActor {
    /// The actor, called `tokens`, between a store and the gate of its node.
    #[must_use]
    pub fn spec(store: TokenStore, gate: TokenGate) -> Spec<Self> {
        let store = Arc::new(store);
        Spec::new("tokens", move || Self {
            store: Arc::clone(&store),
            gate: gate.clone(),
            known: None,
            stale: true,
        })
    }

    /// Runs what blocks on a thread for that, and answers. Without a free slot the request is
    /// dropped, and who asked is told so at once.
    fn beside<T: Send + 'static>(
        &self,
        ctx: &mut Context<Self>,
        reply: Reply<T>,
        work: impl FnOnce(&TokenStore) -> T + Send + 'static,
    ) {
        let store = Arc::clone(&self.store);
        let answered = async move {
            if let Ok(answer) = tokio::task::spawn_blocking(move || work(&store)).await {
                reply.send(answer);
            }
        };
        if let Err(why) = ctx.attach(answered, TokensMessage::Answered) {
            tracing::warn!(%why, "a request about tokens was dropped");
        }
    }

    fn issue(&self, request: Request<IssueToken>, ctx: &mut Context<Self>) {
        let now = ctx.system().clock().utc();
        let (IssueToken(wanted), reply) = request.into_parts();
        self.beside(ctx, reply, move |store| store.issue(wanted, now));
    }

    fn revoke(&self, request: Request<RevokeToken>, ctx: &mut Context<Self>) {
        let now = ctx.system().clock().utc();
        let (RevokeToken(id), reply) = request.into_parts();
        let gate = self.gate.clone();
        self.beside(ctx, reply, move |store| {
            let revoked = store.revoke(id, now)?;
            // Whoever asked may rely on it when the answer is there.
            gate.publish(&store.book()?);
            Ok(revoked)
        });
    }

    fn list(&self, request: Request<ListTokens>, ctx: &mut Context<Self>) {
        let (ListTokens, reply) = request.into_parts();
        self.beside(ctx, reply, |store| Ok(store.book().map_err(TokenError::from)?.records()));
    }

    fn look(&self, ctx: &mut Context<Self>) {
        let (store, known, stale) = (Arc::clone(&self.store), self.known, self.stale);
        let looked = async move {
            let found = tokio::task::spawn_blocking(move || reread(&store, known, stale)).await;
            found.unwrap_or_default()
        };
        if let Err(why) = ctx.attach(looked, TokensMessage::Looked) {
            tracing::debug!(%why, "the list of tokens was not looked at");
        }
    }

    fn looked(&mut self, found: Reread, ctx: &mut Context<Self>) {
        match found {
            None => {}
            Some((known, Ok(book))) => {
                self.gate.publish(&book);
                (self.known, self.stale) = (known, false);
                ctx.describe(format!("{} tokens", book.len()));
            }
            Some((known, Err(why))) => {
                // What was revoked before stays revoked; said once for each change of the file.
                if !self.stale || self.known != known {
                    tracing::error!(%why, "the list of tokens can't be read: the one before holds");
                }
                (self.known, self.stale) = (known, true);
            }
        }
        ctx.send_after(LOOK, TokensMessage::Look);
    }
}

/// The list, if it has changed since it looked like `known`.
fn reread(store: &TokenStore, known: Option<(std::time::SystemTime, u64)>, stale: bool) -> Reread {
    let now = store.changed();
    if now == known && !stale {
        return None;
    }
    Some((now, store.book().map_err(TokenError::from)))
}

impl Actor for TokenActor {
    type Message = TokensMessage;
    const KIND: &'static str = "tokens";

    async fn start(&mut self, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        // Before anybody is let in: a list that can't be read must not make revoked tokens good.
        let store = Arc::clone(&self.store);
        let found = tokio::task::spawn_blocking(move || reread(&store, None, true)).await;
        match found {
            Ok(Some((known, Ok(book)))) => self.looked(Some((known, Ok(book))), ctx),
            Ok(Some((_, Err(why)))) => return Err(ActorError::new(why.to_string())),
            Ok(None) | Err(_) => return Err(ActorError::new("the list of tokens was not read")),
        }
        Ok(())
    }

    async fn handle(
        &mut self,
        message: TokensMessage,
        ctx: &mut Context<Self>,
    ) -> Result<(), ActorError> {
        match message {
            TokensMessage::Issue(request) => self.issue(request, ctx),
            TokensMessage::Revoke(request) => self.revoke(request, ctx),
            TokensMessage::List(request) => self.list(request, ctx),
            TokensMessage::Look => self.look(ctx),
            TokensMessage::Looked(found) => self.looked(found.unwrap_or_default(), ctx),
            TokensMessage::Answered(_) => {}
        }
        Ok(())
    }
}
