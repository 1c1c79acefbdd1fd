//! Server-sent events taken from a stream of bytes (WHATWG HTML, section 9.2).

/// Longest line a node may send; more than that is no event of ours.
const MAX_LINE: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServerEvent {
    /// Where to take up the stream again after this event.
    pub(crate) id: Option<String>,
    /// The event's type; empty for `message`.
    pub(crate) kind: String,
    /// Its payload.
    pub(crate) data: String,
}

/// The peer sent a line longer than a megabyte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

/// Turns bytes into events, whatever pieces they come in.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    line: Vec<u8>,
    event: ServerEvent,
    any_data: bool,
}

impl EventReader {
    /// Takes more bytes and gives the events they complete.
    ///
    /// # Errors
    /// [`LineTooLong`]; the stream can't be read any further.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<ServerEvent>, LineTooLong> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > MAX_LINE {
                return Err(LineTooLong);
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line);
                events.extend(self.take(line.trim_end_matches(['\n', '\r'])));
            }
        }
        Ok(events)
    }

    fn take(&mut self, line: &str) -> Option<ServerEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.any_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.event.kind),
            "data" => {
                if self.any_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.any_data = true;
            }
            // Comments keep the connection alive; `retry` is for browsers.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nid: 7\nevent: task\ndata: {\"a\":\ndata: 1}\n\ndata:x\r\n\r\n";

    #[test]
    fn events_are_the_same_in_any_pieces() {
        let expected = [
            ServerEvent { id: Some("7".into()), kind: "task".into(), data: "{\"a\":\n1}".into() },
            ServerEvent { data: "x".into(), ..ServerEvent::default() },
        ];
        for size in 1..STREAM.len() {
            let mut reader = EventReader::default();
            let pieces = STREAM.as_bytes().chunks(size);
            let events: Vec<_> = pieces.flat_map(|piece| reader.push(piece).unwrap()).collect();
            assert_eq!(events, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut reader = EventReader::default();
        assert_eq!(reader.push(&vec![b'x'; MAX_LINE]), Ok(Vec::new()));
        assert_eq!(reader.push(b"x"), Err(LineTooLong));
    }
}
