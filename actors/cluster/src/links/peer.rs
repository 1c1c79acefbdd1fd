//! Another node: its record, and what waits for it.

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::error::LinkError;
use super::view::{LinkState, LinkView};
use crate::node::NodeRecord;
use crate::wire::Service;

pub(crate) struct Peer {
    record: Mutex<NodeRecord>,
}

impl Peer {
    pub(crate) fn new(record: NodeRecord) -> Self {
        Self { record: Mutex::new(record) }
    }

    pub(crate) fn record(&self) -> NodeRecord {
        self.record.lock().clone()
    }

    pub(crate) fn learn(&self, record: NodeRecord) -> bool {
        let mut known = self.record.lock();
        let is_newer = record.incarnation > known.incarnation;
        if is_newer {
            *known = record;
        }
        is_newer
    }

    pub(crate) fn try_cast(&self, _: Service, body: Bytes) -> Result<(), (LinkError, Bytes)> {
        Err((LinkError::Unreachable("not connected".into()), body))
    }

    pub(crate) async fn cast(&self, _: Service, _: Bytes) -> Result<(), LinkError> {
        Err(LinkError::Unreachable("not connected".into()))
    }

    pub(crate) async fn call(&self, _: Service, _: Bytes, _: Instant) -> Result<Bytes, LinkError> {
        Err(LinkError::Unreachable("not connected".into()))
    }

    pub(crate) fn view(&self) -> LinkView {
        let record = self.record();
        LinkView {
            node: record.id,
            name: record.name,
            address: record.address,
            incarnation: record.incarnation,
            control: LinkState::Idle,
            data: LinkState::Idle,
            rtt_us: None,
            phi: None,
            queued: 0,
            queued_bytes: 0,
            pending: 0,
            sent: 0,
            received: 0,
            refused: 0,
            lost: 0,
            breaks: 0,
            last_error: None,
        }
    }
}
