//! Blobs: stored once, checked on every read, removed only when nobody names them.

use super::*;
use crate::simulated::SimulatedDisk;

fn open(disk: &SimulatedDisk) -> Blobs {
    Blobs::new(Arc::new(disk.clone()), 1_000)
}

fn put(bytes: &[u8]) -> PutBlob {
    PutBlob { bytes: Bytes::copy_from_slice(bytes), expected: None }
}

#[test]
fn an_id_is_the_hash_of_the_content() {
    let id = BlobId::of(b"abc");
    let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(id.to_string(), text);
    assert_eq!(text.parse(), Ok(id));
    assert!("BA".repeat(32).parse::<BlobId>().is_err());
    assert!("ba".parse::<BlobId>().is_err());
}

#[test]
fn a_blob_survives_a_crash_and_is_stored_once() {
    let disk = SimulatedDisk::new(1);
    let id = open(&disk).put(&put(b"content")).unwrap();
    disk.crash();
    let blobs = open(&disk);
    assert_eq!(blobs.get(id).unwrap().unwrap(), &b"content"[..]);
    let syncs = disk.syncs();
    assert_eq!(blobs.put(&put(b"content")), Ok(id));
    assert_eq!((disk.syncs(), disk.paths().len()), (syncs, 1));
    assert_eq!(blobs.get(BlobId::of(b"other")), Ok(None));
}

#[test]
fn a_wrong_hash_or_too_much_is_refused() {
    let disk = SimulatedDisk::new(1);
    let blobs = open(&disk);
    let wrong = PutBlob { expected: Some(BlobId::of(b"other")), ..put(b"content") };
    assert!(matches!(blobs.put(&wrong), Err(BlobError::WrongHash { .. })));
    assert!(matches!(blobs.put(&put(&[0; 1_001])), Err(BlobError::TooLarge { .. })));
    disk.set_free_bytes(10);
    assert!(matches!(blobs.put(&put(&[0; 900])), Err(BlobError::DiskFull(_))));
    assert!(disk.paths().is_empty());
}

#[test]
fn a_damaged_blob_is_refused_and_replaced_by_the_next_put() {
    let disk = SimulatedDisk::new(1);
    let blobs = open(&disk);
    let id = blobs.put(&put(b"content")).unwrap();
    disk.flip(&disk.paths()[0], 3, 1);
    assert!(matches!(blobs.get(id), Err(BlobError::Damaged { .. })));
    blobs.put(&put(b"content")).unwrap();
    assert_eq!(blobs.get(id).unwrap().unwrap(), &b"content"[..]);
}

#[test]
fn a_sweep_spares_the_live_and_the_young() {
    let disk = SimulatedDisk::new(1);
    let blobs = open(&disk);
    let dead = blobs.put(&put(b"dead")).unwrap();
    let live = blobs.put(&put(b"live")).unwrap();
    let found_again = blobs.put(&put(b"found again")).unwrap();
    disk.set_contents("blobs/left.part", b"a crash left this");
    disk.set_now_us(100);
    let young = blobs.put(&put(b"young")).unwrap();
    blobs.put(&put(b"found again")).unwrap();

    let swept = blobs.sweep(&HashSet::from([live]), 50).unwrap();
    assert_eq!(swept, Swept { blobs: 2, bytes: 4 + 17 });
    assert_eq!(blobs.get(dead), Ok(None));
    for kept in [live, found_again, young] {
        assert!(blobs.get(kept).unwrap().is_some());
    }
}
