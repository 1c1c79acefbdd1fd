//! The numbers of a desk.

use metrics::{Counter, Gauge, counter, gauge};

/// Metrics of one desk, by its protocol.
pub(super) struct Gauges {
    pub opened: Counter,
    pub stepped: Counter,
    pub refused: Counter,
    pub notes: Counter,
    pub delivered: Counter,
    pub undelivered: Counter,
    open: Gauge,
    ended: Gauge,
    deliveries: Gauge,
}

impl Gauges {
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            opened: counter!("synod_conversations_opened_total", "protocol" => kind),
            stepped: counter!("synod_conversation_inputs_total", "protocol" => kind),
            refused: counter!("synod_conversation_refusals_total", "protocol" => kind),
            notes: counter!("synod_conversation_notes_total", "protocol" => kind),
            delivered: counter!("synod_conversation_deliveries_total", "protocol" => kind,
                "outcome" => "taken"),
            undelivered: counter!("synod_conversation_deliveries_total", "protocol" => kind,
                "outcome" => "failed"),
            open: gauge!("synod_conversations", "protocol" => kind, "state" => "open"),
            ended: gauge!("synod_conversations", "protocol" => kind, "state" => "ended"),
            deliveries: gauge!("synod_conversation_deliveries_open", "protocol" => kind),
        }
    }

    pub(super) fn update(&self, open: u64, ended: u64, deliveries: usize) {
        self.open.set(open as f64);
        self.ended.set(ended as f64);
        self.deliveries.set(deliveries as f64);
    }
}
