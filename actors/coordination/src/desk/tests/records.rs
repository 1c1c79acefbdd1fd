//! The bytes of what is stored: released shapes are frozen.

use bytes::Bytes;
use synod_agents::{Envelope, Payload, Performative, Recipient};
use synod_journal::{Record, StoredRecord, Stream};
use synod_runtime::Principal;
use uuid::Uuid;

use super::tally::{Say, Tally};
use crate::desk::records::{self, EntryV1, Reader};
use crate::protocol::{Heard, Moment, Note};

fn entries() -> Vec<EntryV1> {
    let id = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0001);
    let (at, by) = (Moment(1_767_225_600_000_000), Principal::agent("a"));
    let note = Note { kind: "k".into(), who: "w".into(), what: "{}".into(), why: "y".into() };
    let told = Some(vec![note]);
    let reply = Envelope {
        id,
        sender: "s".to_owned(),
        recipient: Recipient::Topic("t".to_owned()),
        performative: Performative::Inform,
        protocol: "p".to_owned(),
        conversation: Some(id),
        reply_with: None,
        in_reply_to: Some("1".to_owned()),
        reply_by_us: Some(5),
        sent_at_us: 4,
        trace: String::new(),
        content: Payload::text("x"),
    };
    let key = Some("key".to_owned());
    let (setup, input) = (Bytes::from_static(b"set"), Bytes::from_static(b"in"));
    vec![
        EntryV1::Began { at },
        EntryV1::Opened {
            id,
            by: by.clone(),
            at,
            seed: 7,
            key,
            version: 3,
            setup,
            told: told.clone(),
        },
        EntryV1::Stepped { id, by, at, version: 3, input, told: None },
        EntryV1::Woken { id, at, told },
        EntryV1::Heard { id, at, about: 2, heard: Heard::Reply(reply), told: None },
        EntryV1::Heard { id, at, about: 3, heard: Heard::Silent("q".to_owned()), told: None },
        EntryV1::Settled { id, at, number: 4, lost: Some("gone".to_owned()) },
        EntryV1::Forgotten { at, ids: vec![id] },
    ]
}

fn stored(record: &Record) -> StoredRecord {
    StoredRecord {
        position: Default::default(),
        partition: record.partition.unwrap_or_default(),
        stream: Stream::new("coordination.tally"),
        epoch: Default::default(),
        kind: record.kind.as_str().to_owned(),
        version: record.version,
        recorded_at_us: 0,
        bytes: record.bytes.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_shape_has_the_bytes_it_was_released_with() {
    let written: Vec<_> = entries()
        .iter_mut()
        .map(|entry| {
            let records = entry.encode(1 << 20, 1 << 20).unwrap();
            format!("{} {}", records[0].kind, hex(&records[0].bytes))
        })
        .collect();
    let golden: Vec<_> = include_str!("golden/entries_v1.txt").lines().collect();
    assert_eq!(written, golden);
}

#[test]
fn what_is_written_whole_or_in_pieces_is_read_again() {
    for piece in [1, 7, 1 << 20] {
        let mut reader = Reader::default();
        let mut read = Vec::new();
        for mut entry in entries() {
            let records = entry.encode(piece, 1 << 20).unwrap();
            assert!(records.iter().all(|record| record.bytes.len() <= piece));
            read.extend(records.iter().filter_map(|it| reader.read(&stored(it)).unwrap()));
        }
        assert_eq!(read, entries());
    }
}

#[test]
fn what_was_told_is_left_out_where_it_is_too_much_and_nothing_else_is() {
    let mut entry = entries().swap_remove(3);
    let records = entry.encode(1 << 20, 28).unwrap();
    let read = Reader::default().read(&stored(&records[0])).unwrap();
    assert!(matches!(read, Some(EntryV1::Woken { told: None, .. })), "{read:?}");
}

#[test]
fn what_this_program_did_not_write_is_no_record() {
    let record = entries()[0].encode(1 << 20, 1 << 20).unwrap().remove(0);
    let strange = [
        StoredRecord { kind: "coordination.other".to_owned(), ..stored(&record) },
        StoredRecord { version: 2, ..stored(&record) },
        StoredRecord { bytes: Bytes::from_static(&[99, 1]), ..stored(&record) },
        StoredRecord { bytes: Bytes::new(), ..stored(&record) },
    ];
    for strange in strange {
        assert!(Reader::default().read(&strange).is_err(), "{strange:?}");
    }
}

#[test]
fn an_input_of_a_version_that_its_protocol_does_not_read_is_named_so() {
    let bytes = synod_journal::RecordCodec::encode(&Say::Add(3)).unwrap();
    assert_eq!(records::input::<Tally>(1, &bytes), Ok(Say::Add(3)));
    assert_eq!(records::input::<Tally>(0, &[3]), Ok(Say::Add(3)), "an older shape");
    let newer = records::input::<Tally>(2, &bytes).unwrap_err();
    assert!(newer.to_string().starts_with("an input of version 2"), "{newer}");
    assert!(records::setup::<Tally>(2, &bytes).is_err());
}
