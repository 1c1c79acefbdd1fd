//! What version 2 of the records of runs has beside version 1.

use synod_agents::Usage;

use super::samples::{record, records, run, spot, text, value};
use super::*;

fn second() -> RunRecord {
    record(
        RunState::Waiting,
        vec![
            Event::HandedBack,
            Event::Spent { spot: spot(), usage: Usage { tokens: 1_200, money_micros: 3_500 } },
            Event::MessageKept { topic: text("paid"), key: Some(text("k")), payload: value() },
            Event::MessageKept { topic: text("paid"), key: None, payload: value() },
            Event::MessageDropped,
            Event::MessageTaken { spot: spot(), number: 2 },
            Event::Unwound,
        ],
    )
}

#[test]
fn golden_records_of_version_2_decode_and_are_what_is_written_today() {
    let today = encode(&second(), INLINE).unwrap().piece;
    assert_eq!(today.version, 2);
    let bytes = golden_bytes("run.second.v2.bin", &today.bytes);
    let decoded = decode(&stored("run.events", 2, &bytes)).unwrap();
    assert_eq!(decoded, Decoded::Run(second()));
    assert_eq!(today.bytes, bytes);
}

#[test]
fn a_record_that_needs_nothing_of_version_2_is_written_in_version_1() {
    for (name, record) in records() {
        assert_eq!(encode(&record, INLINE).unwrap().piece.version, 1, "{name}");
    }
}

#[test]
fn a_cut_record_of_version_2_is_an_error_and_a_large_message_is_in_a_blob() {
    let bytes = encode(&second(), INLINE).unwrap().piece.bytes;
    for cut in 0..bytes.len() {
        assert!(decode(&stored("run.events", 2, &bytes[..cut])).is_err(), "at {cut}");
    }
    let encoded = encode(&second(), 1).unwrap();
    let blobs = encoded.blobs.iter();
    let blobs = blobs.map(|(id, bytes)| (*id, Json::stored(bytes.clone()).unwrap())).collect();
    let read = decode_run(&encoded.piece, &blobs).unwrap();
    assert_eq!((read.run, read.events), (run(), second().events));
}
