//! The log as JSON: one object per line, with what the spans around an event say beside it.
//!
//! ```text
//! {"timestamp":"…","level":"INFO","target":"synod::…","message":"…",
//!  FIELDS OF THE EVENT, "span":"task.attempt", FIELDS OF ITS SPANS, THE INNERMOST FIRST}
//! ```
//!
//! All members are on one level, so that `trace_id` is found at the same place in every line. No
//! name occurs twice: what is nearer to the event hides what is further out.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The name of the field that the text of an event has.
const MESSAGE: &str = "message";

/// Writes each event as a line of JSON.
pub(super) struct JsonLines<W> {
    writer: W,
}

impl<W> JsonLines<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer }
    }
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let mut members = Members(Vec::with_capacity(attributes.fields().len()));
        attributes.record(&mut members);
        span.extensions_mut().replace(members);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        if let Some(members) = span.extensions_mut().get_mut::<Members>() {
            values.record(members);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut line = heading(event);
        for (depth, span) in ctx.event_scope(event).into_iter().flatten().enumerate() {
            if depth == 0 {
                line.add("span", span.name().into());
            }
            if let Some(members) = span.extensions().get::<Members>() {
                members.0.iter().for_each(|(name, value)| line.add(name, value.clone()));
            }
        }
        let Ok(mut text) = serde_json::to_vec(&line) else { return };
        text.push(b'\n');
        // A log that can't be written has nowhere to say so.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(&text);
    }
}

/// The event itself, its text before its other fields.
fn heading(event: &Event<'_>) -> Members {
    let mut fields = Members::default();
    event.record(&mut fields);
    let metadata = event.metadata();
    let mut line = Members(Vec::with_capacity(fields.0.len() + 12));
    line.add("timestamp", format!("{:.6}", Timestamp::now()).into());
    line.add("level", metadata.level().as_str().into());
    line.add("target", metadata.target().into());
    let (message, rest): (Vec<_>, Vec<_>) =
        fields.0.into_iter().partition(|(name, _)| *name == MESSAGE);
    message.into_iter().chain(rest).for_each(|(name, value)| line.add(name, value));
    line
}

/// Members of an object in their order.
#[derive(Debug, Default)]
struct Members(Vec<(&'static str, Value)>);

impl Members {
    /// Adds a member, unless one of its name is there.
    fn add(&mut self, name: &'static str, value: Value) {
        if !self.0.iter().any(|(known, _)| *known == name) {
            self.0.push((name, value));
        }
    }

    /// Sets a member: a field of a span may be recorded again.
    fn set(&mut self, field: &Field, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == field.name()) {
            Some((_, known)) => *known = value,
            None => self.0.push((field.name(), value)),
        }
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // What can't print itself says as much as it could.
        let _ = write!(text, "{value:?}");
        self.set(field, text.into());
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            object.serialize_entry(name, value)?;
        }
        object.end()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io;
    use std::sync::{Arc, LazyLock};

    use parking_lot::Mutex;
    use tracing::Dispatch;
    use tracing::field::Empty;
    use tracing::subscriber::{DefaultGuard, NoSubscriber};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// What was logged, by clones of one writer.
    #[derive(Clone, Default)]
    pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

    /// While there is one dispatcher only, whoever meets an event first decides for all threads
    /// whether anybody hears it: a test beside would silence this one. A second one, deaf, makes
    /// tracing ask each dispatcher.
    static DEAF: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

    impl Written {
        /// Hears this thread, until what is returned is dropped.
        pub(crate) fn listen(&self) -> DefaultGuard {
            LazyLock::force(&DEAF);
            let written = self.clone();
            let lines = JsonLines::new(move || written.clone());
            tracing::subscriber::set_default(tracing_subscriber::registry().with(lines))
        }

        /// The lines that were written.
        pub(crate) fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().clone()).expect("UTF-8");
            text.lines().map(str::to_owned).collect()
        }
    }

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce()) -> String {
        let written = Written::default();
        let listening = written.listen();
        log();
        drop(listening);
        let mut lines = written.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }

    #[test]
    fn members_stand_on_one_level_and_in_one_order() {
        let line = logged(|| tracing::warn!(target: "here", count = 2, odd = f64::NAN, "a\nb"));
        let (stamp, rest) = line.split_once(",\"level\"").expect("a level after the time");
        let stamp = stamp.strip_prefix("{\"timestamp\":\"").expect("the time first");
        assert!(stamp.trim_end_matches('"').parse::<Timestamp>().is_ok(), "{stamp}");
        let expected = r#":"WARN","target":"here","message":"a\nb","count":2,"odd":null}"#;
        assert_eq!(rest, expected);
    }

    #[test]
    fn what_is_nearer_to_an_event_hides_what_is_further_out() {
        let line = logged(|| {
            let outer = tracing::info_span!("outer", trace_id = "t", span_id = "1", kept = true);
            let _outer = outer.enter();
            let inner = tracing::info_span!("inner", span_id = Empty, part = 7, level = "none");
            inner.record("span_id", "2");
            inner.record("span_id", "3");
            let _inner = inner.enter();
            tracing::info!(part = 8, "done");
        });
        let (_, rest) = line.split_once("\"message\"").expect("a message");
        let expected =
            r#":"done","part":8,"span":"inner","span_id":"3","trace_id":"t","kept":true}"#;
        assert_eq!(rest, expected);
        assert!(line.contains(r#""level":"INFO""#), "{line}");
    }
}
