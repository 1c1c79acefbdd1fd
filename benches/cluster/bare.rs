//! What links are held against: frames of a length and a body over TCP, as one would write them
//! with tokio alone. Buffered both ways; each body arrives in memory of its own, as a message has
//! to.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::far_end;
use crate::links::BODY;

/// Bytes of each buffer.
const BUFFER: usize = 64 << 10;
/// What a frame says before its body: whether it wants to come back.
const ONE_WAY: u8 = 0;
const BACK: u8 = 1;

/// Counts what is sent one way, and sends back the rest.
pub(crate) async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    far_end::say(&listener.local_addr().expect("an address").to_string());
    let mut told = far_end::told();
    let (stream, _) = listener.accept().await.expect("a caller");
    tokio::select! {
        () = echo(Bare::over(stream)) => {}
        _ = told.recv() => {}
    }
}

async fn echo(mut bare: Bare) {
    while let Some((kind, body)) = bare.receive().await {
        if kind == BACK {
            bare.write(kind, &body).await;
        }
        // Nothing more to read at once: what is written so far goes.
        if bare.reader.buffer().is_empty() {
            bare.writer.flush().await.expect("bytes");
        }
    }
}

/// One end.
pub(crate) struct Bare {
    reader: BufReader<OwnedReadHalf>,
    writer: BufWriter<OwnedWriteHalf>,
}

impl Bare {
    pub(crate) async fn connect(address: &str) -> Self {
        Self::over(TcpStream::connect(address).await.expect("the other process listens"))
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket option");
        let (reader, writer) = stream.into_split();
        let reader = BufReader::with_capacity(BUFFER, reader);
        Self { reader, writer: BufWriter::with_capacity(BUFFER, writer) }
    }

    async fn write(&mut self, kind: u8, body: &[u8]) {
        self.writer.write_u32(body.len() as u32).await.expect("bytes");
        self.writer.write_u8(kind).await.expect("bytes");
        self.writer.write_all(body).await.expect("bytes");
    }

    /// The next frame; none at the end.
    async fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let length = self.reader.read_u32().await.ok()?;
        let kind = self.reader.read_u8().await.ok()?;
        let mut body = vec![0; length as usize];
        self.reader.read_exact(&mut body).await.ok()?;
        Some((kind, body))
    }

    /// Sends one way for so long; a second until all has arrived.
    pub(crate) async fn send(&mut self, counted: Duration) -> f64 {
        let (begun, mut sent) = (Instant::now(), 0_u64);
        while begun.elapsed() < counted {
            // The clock is not read for each.
            for _ in 0..64 {
                self.write(ONE_WAY, &[7; BODY]).await;
            }
            sent += 64;
        }
        self.ask().await;
        sent as f64 / begun.elapsed().as_secs_f64()
    }

    /// Sends one and waits until it is back.
    pub(crate) async fn ask(&mut self) {
        self.write(BACK, &[7; BODY]).await;
        self.writer.flush().await.expect("bytes");
        self.receive().await.expect("an answer");
    }

    /// So many on their way at once, for so long; how many came back in a second.
    pub(crate) async fn ask_many(&mut self, at_once: usize, counted: Duration) -> f64 {
        for _ in 0..at_once {
            self.write(BACK, &[7; BODY]).await;
        }
        self.writer.flush().await.expect("bytes");
        let (begun, mut back, mut on_the_way) = (Instant::now(), 0_u64, at_once);
        while on_the_way > 0 {
            self.receive().await.expect("an answer");
            (back, on_the_way) = (back + 1, on_the_way - 1);
            if begun.elapsed() < counted {
                self.write(BACK, &[7; BODY]).await;
                on_the_way += 1;
                if self.reader.buffer().is_empty() {
                    self.writer.flush().await.expect("bytes");
                }
            }
        }
        back as f64 / begun.elapsed().as_secs_f64()
    }
}
