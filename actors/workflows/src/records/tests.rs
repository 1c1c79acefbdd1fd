//! The bytes of every version that was ever written still mean what they meant.
//!
//! Files are added with a new version, never changed; to write those that are not there yet, run
//! these tests with `SYNOD_WRITE_GOLDEN=1`.

mod samples;
mod second;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::json;
use synod_journal::{Epoch, Position};

use self::samples::{engine_events, index, kept_result, record, records, run, text, value};
use super::*;
use crate::history::KeptResult;
use crate::index::Index;
use crate::json::Json;
use crate::messages::RunState;
use crate::run::Event;

const INLINE: usize = 64 << 10;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The bytes in the file of this name; written first when that is wanted and it is not there.
fn golden_bytes(name: &str, today: &[u8]) -> Vec<u8> {
    let path = golden(name);
    if std::env::var_os("SYNOD_WRITE_GOLDEN").is_some() && !path.exists() {
        std::fs::write(&path, today).unwrap();
    }
    std::fs::read(path).unwrap()
}

fn stored(kind: &str, version: u16, bytes: &[u8]) -> StoredRecord {
    StoredRecord {
        position: Position(1),
        partition: ENGINE_PARTITION,
        stream: STREAM,
        epoch: Epoch(1),
        kind: kind.to_owned(),
        version,
        recorded_at_us: 0,
        bytes: bytes.to_vec().into(),
    }
}

#[test]
fn golden_records_of_runs_decode_and_are_what_is_written_today() {
    for (name, record) in records() {
        let today = encode(&record, INLINE).unwrap().piece;
        let bytes = golden_bytes(&format!("run.{name}.v1.bin"), &today.bytes);
        let decoded = decode(&stored("run.events", 1, &bytes)).unwrap();
        assert_eq!(decoded, Decoded::Run(record), "{name}");
        assert_eq!(today.bytes, bytes, "{name}");
    }
}

#[test]
fn golden_records_of_the_engine_decode_and_are_what_is_written_today() {
    for (name, event) in engine_events() {
        let today = encode_engine(&event).unwrap();
        let bytes = golden_bytes(&format!("{name}.v1.bin"), &today.bytes);
        let decoded = decode(&stored("workflows.engine", 1, &bytes)).unwrap();
        assert_eq!(decoded, Decoded::Engine(event), "{name}");
        assert_eq!(today.bytes, bytes, "{name}");
    }
}

#[test]
fn golden_snapshots_decode_to_what_was_written() {
    let index = index();
    let counted = (index.counters.accepted, index.counters.open(), index.counters.completed);
    assert_eq!(counted, (1, 0, 1));
    let mut today = encode_snapshot(&index).unwrap();
    for (version, file) in [(1, "snapshot.v1.bin"), (2, "snapshot.v2.bin")] {
        let read = decode_snapshot(version, &golden_bytes(file, &today)).unwrap();
        assert_eq!((read.len(), read.counters, read.sequence), (1, index.counters, 1));
        assert_eq!(read.run(run()), index.run(run()));
        let kept: Vec<_> = read.results.in_order().cloned().collect();
        assert_eq!(kept, [kept_result()][..usize::from(version - 1)]);
        let parent = Uuid::from_u128(5);
        assert_eq!(read.descendants(parent), u64::from(version - 1));
    }
    // Definitions are in no order, so what was read is compared again.
    today = encode_snapshot(&decode_snapshot(2, &today).unwrap()).unwrap();
    assert_eq!(decode_snapshot(2, &today).unwrap().run(run()), index.run(run()));
}

#[test]
fn a_golden_kept_result_decodes_and_is_what_is_written_today() {
    let large = KeptResult {
        output: Json::null(),
        size: 70_000,
        blob: Some(BlobId([7; 32])),
        ..kept_result()
    };
    for (name, result) in [("inline", kept_result()), ("large", large)] {
        let event = EngineEvent::Kept(Box::new(result));
        let today = encode_engine(&event).unwrap();
        let bytes = golden_bytes(&format!("result.{name}.v1.bin"), &today.bytes);
        let decoded = decode(&stored("workflows.results", 1, &bytes)).unwrap();
        assert_eq!(decoded, Decoded::Engine(event), "{name}");
        assert_eq!(today.bytes, bytes, "{name}");
    }
}

#[test]
fn a_value_above_the_limit_is_in_a_blob_and_comes_back_from_it() {
    let large = Json::from(json!("x".repeat(INLINE)));
    let event = Event::Began { variables: vec![(text("v"), large.clone()), (text("w"), value())] };
    let before = record(RunState::Running, vec![event]);
    let encoded = encode(&before, INLINE).unwrap();
    let (id, bytes) = encoded.blobs[0].clone();
    assert_eq!((encoded.blobs.len(), &bytes), (1, large.bytes()));
    assert!(encoded.piece.bytes.len() < 200);
    let without = decode_run(&encoded.piece, &Blobs::default()).unwrap();
    assert_eq!(without.blobs, [id]);
    let blobs = Blobs::from([(id, large)]);
    let after = decode_run(&encoded.piece, &blobs).unwrap();
    assert_eq!(after.events, before.events);
}

#[test]
fn a_cut_record_an_unknown_kind_and_a_newer_version_are_errors() {
    for (name, record) in records() {
        let bytes = encode(&record, INLINE).unwrap().piece.bytes;
        for cut in 0..bytes.len() {
            assert!(decode(&stored("run.events", 1, &bytes[..cut])).is_err(), "{name} at {cut}");
        }
    }
    assert!(matches!(decode(&stored("run.other", 1, &[])), Err(RecordError::UnknownKind(_))));
    assert!(decode(&stored("run.events", 3, &[])).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for kind in ["run.events", "workflows.engine", "workflows.results"] {
            let _refused = decode(&stored(kind, 1, &bytes));
        }
        let _refused = (decode_snapshot(1, &bytes), decode_snapshot(2, &bytes));
    }

    #[test]
    fn a_flipped_bit_gives_an_error_or_another_record_and_no_panic(
        which in 0..4_usize,
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut bytes = encode(&records()[which].1, INLINE).unwrap().piece.bytes.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(Decoded::Run(record)) = decode(&stored("run.events", 1, &bytes)) {
            // The journal's checksum finds it first; here it must only not bring anything down.
            let piece = Piece { version: 1, bytes: bytes.into() };
            let _unfitting = Index::default().apply(&record, piece);
        }
    }

    #[test]
    fn every_run_of_events_comes_back_as_it_was(
        picks in prop::collection::vec((0..4_usize, any::<prop::sample::Index>()), 0..20),
        at in any::<i64>(),
        inline in 0..64_usize,
    ) {
        let all = records();
        let events = picks.iter().map(|(which, event)| {
            let events = &all[*which].1.events;
            events[event.index(events.len())].clone()
        });
        let before = RunRecord { at, ..record(RunState::Running, events.collect()) };
        let encoded = encode(&before, inline).unwrap();
        let blobs = encoded.blobs.iter().map(|(id, bytes)| {
            (*id, Json::stored(bytes.clone()).unwrap())
        });
        let after = decode_run(&encoded.piece, &blobs.collect()).unwrap();
        prop_assert_eq!(after.events, before.events);
    }
}
