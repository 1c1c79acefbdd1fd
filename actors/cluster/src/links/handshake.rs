//! How two nodes become acquainted: `Hello`, `Welcome`, `Ready`, or a refusal with its reason.
//!
//! ```text
//!  caller                              called
//!    Hello (who, nonce) ───────────────▶  admit?
//!    admit? ◀──────────── Welcome (who, nonce, echo)
//!    Ready (echo) ─────────────────────▶  the connection stands
//! ```

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::admission::{Own, admit};
use super::channel::Window;
use super::error::LinkError;
use super::peer::Claim;
use super::refusals::By;
use super::shared::Shared;
use super::transport::BoxedStream;
use crate::node::{NodeId, NodeRecord};
use crate::wire::{
    FORMAT, Frame, GREETING_LIMIT, Greeting, GreetingFault, Kind, Ready, Refusal, RefusalCode,
    StreamKind, decode, head,
};

/// Two nodes that know one another, and their connection.
pub(crate) struct Acquaintance {
    pub(crate) stream: BoxedStream,
    /// What has been read beyond the handshake.
    pub(crate) read: BytesMut,
    pub(crate) theirs: Greeting,
    /// Who has called.
    pub(crate) caller: NodeId,
    /// Keeps the place of the connection until it stands.
    pub(crate) claim: Option<Claim>,
}

/// What has come of a call.
pub(crate) enum Met {
    /// A connection.
    New(Box<Acquaintance>),
    /// Nothing but who is there: a connection stands, or is about to.
    Known(NodeRecord),
}

impl Acquaintance {
    /// What the other side takes.
    pub(crate) fn window(&self) -> Window {
        let Greeting { window_frames, window_bytes, max_body, .. } = self.theirs;
        Window { frames: window_frames, bytes: window_bytes, max_body }
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Broken(String),
    #[error("refused: {0}")]
    Refused(Refusal),
    /// A connection stands, or is about to because the other node has called.
    #[error("the other node has called")]
    Crossed,
    #[error("the other side did not finish its handshake in time")]
    Late,
}

impl Failure {
    /// Both nodes have called one another: the other connection is about to stand.
    pub(crate) fn is_crossed(&self) -> bool {
        match self {
            Self::Crossed => true,
            Self::Refused(refusal) => refusal.code == RefusalCode::Crossed,
            _ => false,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<Failure> for LinkError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::Refused(refusal.reason),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// Calls the node at `address`, `expected` there unless nobody knows who it is.
pub(crate) async fn call_out(
    shared: &Arc<Shared>,
    address: &str,
    expected: Option<NodeId>,
    stream: StreamKind,
) -> Result<Met, Failure> {
    let connecting = shared.transport.connect(address);
    let connected = timeout(shared.config.connect(), connecting).await;
    let connection = match connected {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return Err(shared.note_failed_call(By::Us, address, &error)),
        Err(_) => return Err(Failure::Broken(format!("{address}: no answer from there"))),
    };
    let claim = match expected {
        Some(node) => shared.claim_call(node, stream)?,
        None => None,
    };
    let greeting = greet(shared, connection, expected, stream, claim);
    timeout(shared.config.handshake(), greeting).await.unwrap_or(Err(Failure::Late))
}

async fn greet(
    shared: &Arc<Shared>,
    mut stream: BoxedStream,
    expected: Option<NodeId>,
    kind: StreamKind,
    claim: Option<Claim>,
) -> Result<Met, Failure> {
    let nonce = shared.nonce();
    let hello = greeting(shared, expected, kind, nonce, 0);
    send(&mut stream, Kind::Hello, &encoded(&hello)?).await?;
    let mut read = BytesMut::new();
    let party = || expected.map_or_else(|| "a seed".to_owned(), |node| shared.name_of(node));
    let frame = match next_frame(&mut stream, &mut read).await {
        // With TLS 1.3 the other side's word about a certificate comes with its first bytes.
        Err(Heard::Io(error)) => return Err(shared.note_failed_call(By::Them, &party(), &error)),
        Err(Heard::Nonsense(refusal)) => {
            return Err(reject(shared, &mut stream, &party(), refusal).await);
        }
        Ok(frame) => frame,
    };
    let theirs = match understand(&frame, Kind::Welcome) {
        Ok(theirs) => theirs,
        Err(Told::Refusal(refusal)) => {
            if refusal.code != RefusalCode::Crossed {
                shared.refusals.note(By::Them, &party(), &refusal);
            }
            return Err(Failure::Refused(refusal));
        }
        Err(Told::Nonsense(refusal)) => {
            return Err(reject(shared, &mut stream, &party(), refusal).await);
        }
    };
    if let Err(refusal) = judge_welcome(shared, &theirs, &stream, expected, nonce, kind) {
        return Err(reject(shared, &mut stream, &party(), refusal).await);
    }
    // Who called an address alone knows only now whose it is.
    let claim = match claim {
        Some(claim) => Some(claim),
        None => match shared.claim_call(theirs.record.id, kind) {
            Ok(claim) => claim,
            Err(_) => return Ok(Met::Known(theirs.record)),
        },
    };
    send(&mut stream, Kind::Ready, &Ready { echo: theirs.nonce }.encode()).await?;
    let caller = shared.own.id;
    Ok(Met::New(Box::new(Acquaintance { stream, read, theirs, caller, claim })))
}

fn judge_welcome(
    shared: &Shared,
    theirs: &Greeting,
    stream: &BoxedStream,
    expected: Option<NodeId>,
    nonce: u64,
    kind: StreamKind,
) -> Result<(), Refusal> {
    if theirs.echo != nonce || theirs.stream != kind {
        let reason = "the welcome is not an answer to this hello: replayed";
        return Err(Refusal::new(RefusalCode::Malformed, reason));
    }
    if let Some(expected) = expected
        && expected != theirs.record.id
    {
        let found = theirs.record.id;
        let reason = format!("node {found} answers where {expected} was expected");
        return Err(Refusal::new(RefusalCode::Stranger, reason));
    }
    judge(shared, theirs, stream)
}

/// Becomes acquainted with whoever has called, `from` this address.
pub(crate) async fn take_call(
    shared: &Arc<Shared>,
    mut stream: BoxedStream,
    from: &str,
) -> Result<Acquaintance, Failure> {
    let mut read = BytesMut::new();
    let frame = match next_frame(&mut stream, &mut read).await {
        Err(Heard::Io(error)) => return Err(shared.note_failed_call(By::Us, from, &error)),
        Err(Heard::Nonsense(refusal)) => {
            return Err(reject(shared, &mut stream, from, refusal).await);
        }
        Ok(frame) => frame,
    };
    let theirs = match understand(&frame, Kind::Hello) {
        Ok(theirs) => theirs,
        Err(Told::Refusal(refusal) | Told::Nonsense(refusal)) => {
            return Err(reject(shared, &mut stream, from, refusal).await);
        }
    };
    let party = format!("{} ({})", theirs.record.name, theirs.record.id);
    let judged = judge(shared, &theirs, &stream).and_then(|()| shared.claim_answer(&theirs));
    let claim = match judged {
        Ok(claim) => claim,
        Err(refusal) => return Err(reject(shared, &mut stream, &party, refusal).await),
    };
    let nonce = shared.nonce();
    let welcome = greeting(shared, Some(theirs.record.id), theirs.stream, nonce, theirs.nonce);
    send(&mut stream, Kind::Welcome, &encoded(&welcome)?).await?;
    let frame = match next_frame(&mut stream, &mut read).await {
        Err(Heard::Io(error)) => return Err(error.into()),
        Err(Heard::Nonsense(refusal)) => {
            return Err(reject(shared, &mut stream, &party, refusal).await);
        }
        Ok(frame) => frame,
    };
    match (frame.kind, Ready::decode(&frame.body)) {
        (Kind::Ready, Some(ready)) if ready.echo == nonce => {}
        (Kind::Refusal, _) => {
            let refusal = Refusal::decode(&frame.body);
            shared.refusals.note(By::Them, &party, &refusal);
            return Err(Failure::Refused(refusal));
        }
        _ => {
            let reason = "the hello was not said to this node now: replayed";
            let refusal = Refusal::new(RefusalCode::Malformed, reason);
            return Err(reject(shared, &mut stream, &party, refusal).await);
        }
    }
    let caller = theirs.record.id;
    Ok(Acquaintance { stream, read, theirs, caller, claim })
}

fn judge(shared: &Shared, theirs: &Greeting, stream: &BoxedStream) -> Result<(), Refusal> {
    let own = Own { record: &shared.own, cluster: shared.cluster.id() };
    let known = shared.acquainted(theirs.record.id);
    admit(&own, known.as_ref(), theirs, stream.peer.as_deref())
}

/// What was said instead of a greeting.
enum Told {
    Refusal(Refusal),
    Nonsense(Refusal),
}

fn understand(frame: &Frame, expected: Kind) -> Result<Greeting, Told> {
    if frame.kind == Kind::Refusal {
        return Err(Told::Refusal(Refusal::decode(&frame.body)));
    }
    if frame.kind != expected {
        let reason = format!("a frame of kind {:?} instead of {expected:?}", frame.kind);
        return Err(Told::Nonsense(Refusal::new(RefusalCode::Malformed, reason)));
    }
    Greeting::decode(&frame.body).map_err(|fault| {
        let code = match fault {
            GreetingFault::Major { .. } => RefusalCode::Version,
            GreetingFault::Magic | GreetingFault::Codec(_) => RefusalCode::Malformed,
        };
        Told::Nonsense(Refusal::new(code, fault.to_string()))
    })
}

/// Tells the other side why, as far as it listens, and notes it here.
async fn reject(
    shared: &Shared,
    stream: &mut BoxedStream,
    party: &str,
    refusal: Refusal,
) -> Failure {
    if refusal.code != RefusalCode::Crossed {
        shared.refusals.note(By::Us, party, &refusal);
    }
    // It may be gone; what it did is known all the same.
    let _ = send(stream, Kind::Refusal, &refusal.encode()).await;
    Failure::Refused(refusal)
}

fn greeting(
    shared: &Shared,
    expects: Option<NodeId>,
    stream: StreamKind,
    nonce: u64,
    echo: u64,
) -> Greeting {
    let config = &shared.config;
    Greeting {
        format: FORMAT,
        cluster: shared.cluster.id(),
        record: shared.own.clone(),
        expects,
        stream,
        nonce,
        echo,
        window_frames: config.window_frames,
        window_bytes: config.window_bytes,
        max_body: config.max_body_bytes,
    }
}

fn encoded(greeting: &Greeting) -> Result<Vec<u8>, Failure> {
    greeting.encode().map_err(|error| Failure::Broken(error.to_string()))
}

async fn send(stream: &mut BoxedStream, kind: Kind, body: &[u8]) -> io::Result<()> {
    let mut frame = head(kind, 0, 0, body.len()).to_vec();
    frame.extend_from_slice(body);
    stream.bytes.write_all(&frame).await?;
    stream.bytes.flush().await
}

/// What came instead of a frame.
enum Heard {
    Io(io::Error),
    Nonsense(Refusal),
}

async fn next_frame(stream: &mut BoxedStream, read: &mut BytesMut) -> Result<Frame, Heard> {
    loop {
        match decode(read, GREETING_LIMIT) {
            Ok(Some(frame)) => return Ok(frame),
            Ok(None) => {}
            Err(fault) => {
                let refusal = Refusal::new(RefusalCode::Malformed, fault.to_string());
                return Err(Heard::Nonsense(refusal));
            }
        }
        if stream.bytes.read_buf(read).await.map_err(Heard::Io)? == 0 {
            let reason = "the other side closed the connection during the handshake";
            return Err(Heard::Io(io::Error::new(io::ErrorKind::UnexpectedEof, reason)));
        }
    }
}
