//! Blobs: stored once, checked on every read, removed only when nobody names them.

use super::*;
use crate::simulated::SimulatedDisk;

fn open(disk: &SimulatedDisk) -> Blobs {
    Blobs::open(Arc::new(disk.clone()), 1_000).unwrap()
}

const TASKS: Stream = Stream::new("tasks");
const RUNS: Stream = Stream::new("workflows");

fn put(bytes: &[u8]) -> PutBlob {
    put_by(TASKS, bytes)
}

fn put_by(owner: Stream, bytes: &[u8]) -> PutBlob {
    PutBlob { owner, bytes: Bytes::copy_from_slice(bytes), expected: None }
}

fn sweep<const N: usize>(owner: Stream, live: [BlobId; N]) -> SweepBlobs {
    SweepBlobs { owner, live: HashSet::from(live) }
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
    assert_eq!(blobs.get(TASKS, id).unwrap().unwrap(), &b"content"[..]);
    let syncs = disk.syncs();
    assert_eq!(blobs.put(&put(b"content")), Ok(id));
    assert_eq!((disk.syncs(), disk.paths().len()), (syncs, 1));
    assert_eq!(blobs.get(TASKS, BlobId::of(b"other")), Ok(None));
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
    assert!(matches!(blobs.get(TASKS, id), Err(BlobError::Damaged { .. })));
    blobs.put(&put(b"content")).unwrap();
    assert_eq!(blobs.get(TASKS, id).unwrap().unwrap(), &b"content"[..]);
}

#[test]
fn a_sweep_spares_the_live_and_the_young() {
    let disk = SimulatedDisk::new(1);
    let blobs = open(&disk);
    let dead = blobs.put(&put(b"dead")).unwrap();
    let live = blobs.put(&put(b"live")).unwrap();
    let found_again = blobs.put(&put(b"found again")).unwrap();
    disk.set_contents("blobs/tasks/left.part", b"a crash left this");
    disk.set_now_us(100);
    let young = blobs.put(&put(b"young")).unwrap();
    blobs.put(&put(b"found again")).unwrap();

    let swept = blobs.sweep(&sweep(TASKS, [live]), 50).unwrap();
    assert_eq!(swept, Swept { blobs: 2, bytes: 4 + 17 });
    assert_eq!(blobs.get(TASKS, dead), Ok(None));
    for kept in [live, found_again, young] {
        assert!(blobs.get(TASKS, kept).unwrap().is_some());
    }
}

#[test]
fn an_owner_reads_and_sweeps_its_own_blobs_and_no_others() {
    let disk = SimulatedDisk::new(1);
    let blobs = open(&disk);
    let shared = blobs.put(&put_by(TASKS, b"the same")).unwrap();
    assert_eq!(blobs.get(RUNS, shared), Ok(None));
    assert_eq!(blobs.put(&put_by(RUNS, b"the same")), Ok(shared));
    let of_tasks = blobs.put(&put_by(TASKS, b"of tasks alone")).unwrap();

    let swept = blobs.sweep(&sweep(RUNS, []), 50).unwrap();
    assert_eq!(swept, Swept { blobs: 1, bytes: 8 });
    assert_eq!(blobs.get(RUNS, shared), Ok(None));
    for kept in [shared, of_tasks] {
        assert!(blobs.get(TASKS, kept).unwrap().is_some());
    }
    assert_eq!(blobs.sweep(&sweep(Stream::new("nobody"), []), 50), Ok(Swept::default()));
}

#[test]
fn blobs_of_the_former_layout_are_moved_to_the_tasks_whatever_crash_comes_between() {
    let contents: Vec<Vec<u8>> = (0..5_u8).map(|byte| vec![byte; 100]).collect();
    for crash_at in 1..=12 {
        let disk = SimulatedDisk::new(crash_at);
        for content in &contents {
            disk.set_contents(&format!("blobs/{}", BlobId::of(content)), content);
        }
        disk.set_contents("blobs/left.0.part", b"a crash left this");
        disk.crash_at(crash_at);
        let _moved = Blobs::open(Arc::new(disk.clone()), 1_000);
        disk.crash();
        let blobs = open(&disk);
        for content in &contents {
            let read = blobs.get(TASKS, BlobId::of(content)).unwrap().unwrap();
            assert_eq!(read, content, "crash at {crash_at}");
        }
        assert!(disk.paths().iter().all(|path| path.starts_with("blobs/tasks/")));
    }
}
