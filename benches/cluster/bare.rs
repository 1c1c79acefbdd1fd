//! What links are held against: frames of a length and a body over TCP, and nothing else. Many
//! small frames share one write, as they do on a link.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::far_end;
use crate::links::BODY;

/// Of a frame: its length, whether it wants to come back, its body.
const FRAME: usize = 4 + 1 + BODY;
const WRITE: usize = 64 << 10;

/// Counts what is sent one way, and sends back the rest.
pub(crate) async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    far_end::say(&listener.local_addr().expect("an address").to_string());
    let mut told = far_end::told();
    let (stream, _) = listener.accept().await.expect("a caller");
    tokio::select! {
        () = echo(stream) => {}
        _ = told.recv() => {}
    }
}

async fn echo(mut stream: TcpStream) {
    stream.set_nodelay(true).expect("a socket option");
    let (mut held, mut back) = (vec![0; WRITE * 2], Vec::with_capacity(WRITE));
    let mut filled = 0;
    loop {
        let read = stream.read(&mut held[filled..]).await.expect("bytes");
        if read == 0 {
            return;
        }
        filled += read;
        let mut at = 0;
        while filled - at >= FRAME {
            let frame = &held[at..at + FRAME];
            let length = u32::from_be_bytes(frame[..4].try_into().expect("four bytes"));
            assert_eq!(length as usize, FRAME - 4);
            if frame[4] == 1 {
                back.extend_from_slice(frame);
            }
            at += FRAME;
        }
        held.copy_within(at..filled, 0);
        filled -= at;
        if !back.is_empty() {
            stream.write_all(&back).await.expect("bytes");
            back.clear();
        }
    }
}

/// The near end.
pub(crate) struct Bare {
    stream: TcpStream,
}

fn frame(wants_back: bool) -> [u8; FRAME] {
    let mut frame = [7; FRAME];
    frame[..4].copy_from_slice(&(FRAME as u32 - 4).to_be_bytes());
    frame[4] = wants_back.into();
    frame
}

impl Bare {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the other process listens");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream }
    }

    /// Sends one way for so long; a second until all has arrived.
    pub(crate) async fn send(&mut self, counted: Duration) -> f64 {
        let (frame, begun) = (frame(false), Instant::now());
        let mut buffer = Vec::with_capacity(WRITE + FRAME);
        let mut sent = 0_u64;
        while begun.elapsed() < counted {
            while buffer.len() < WRITE {
                buffer.extend_from_slice(&frame);
                sent += 1;
            }
            self.stream.write_all(&buffer).await.expect("bytes");
            buffer.clear();
        }
        self.ask().await;
        sent as f64 / begun.elapsed().as_secs_f64()
    }

    /// Sends one and waits until it is back.
    pub(crate) async fn ask(&mut self) {
        let mut back = [0; FRAME];
        self.stream.write_all(&frame(true)).await.expect("bytes");
        self.stream.read_exact(&mut back).await.expect("bytes");
    }

    /// So many on their way at once, for so long; how many came back in a second.
    pub(crate) async fn ask_many(&mut self, at_once: usize, counted: Duration) -> f64 {
        let (begun, burst) = (Instant::now(), frame(true).repeat(at_once));
        let mut held = vec![0; burst.len()];
        self.stream.write_all(&burst).await.expect("bytes");
        let (mut bytes, mut on_the_way) = (0, burst.len());
        while on_the_way > 0 {
            let read = self.stream.read(&mut held).await.expect("bytes");
            bytes += read;
            on_the_way -= read;
            // As many frames again as have come back whole; the rest of one counts later.
            let again = (burst.len() - on_the_way) / FRAME * FRAME;
            if begun.elapsed() < counted && again > 0 {
                self.stream.write_all(&burst[..again]).await.expect("bytes");
                on_the_way += again;
            }
        }
        (bytes / FRAME) as f64 / begun.elapsed().as_secs_f64()
    }
}
