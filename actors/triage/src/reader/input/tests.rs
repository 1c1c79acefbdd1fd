//! Files and folders as they lie about on real machines.

use super::*;

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn survey_of(path: &Path) -> Result<Sources, InputError> {
    survey(&Input::Path(path.to_owned()), &TriageConfig::default())
}

const DATED: &[u8] = b"2024-01-31 10:00:00 INFO up\n2024-01-31 10:00:01 INFO down\n";

#[test]
fn a_folder_gives_its_logs_and_says_what_it_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "b/app", DATED);
    write(folder.path(), "a.log", b"no date here\n");
    write(folder.path(), "syslog.1", b"neither here\n");
    write(folder.path(), "notes.md", b"some prose\n");
    write(folder.path(), "old.log.gz", b"\x1f\x8b\x08\0\0");
    write(folder.path(), "wtmp", &[0, 1, 2, 0]);
    write(folder.path(), "empty.log", b"");
    let sources = survey_of(folder.path()).unwrap();
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let files: Vec<String> = sources.files.iter().map(|file| name(&file.path)).collect();
    assert_eq!(files, ["a.log", "app", "syslog.1"]);
    let mut skipped: Vec<(String, &str)> =
        sources.skipped.iter().map(|s| (name(&s.path), s.reason.as_str())).collect();
    skipped.sort();
    let expected = [
        ("empty.log", "empty"),
        ("notes.md", "does not look like a log"),
        ("old.log.gz", "compressed with gzip"),
        ("wtmp", "binary"),
    ];
    assert_eq!(skipped, expected.map(|(path, reason)| (path.to_owned(), reason)));
}

#[test]
fn a_single_file_is_taken_even_without_dates() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "notes.md", b"some prose\n");
    assert_eq!(survey_of(&path).unwrap().files.len(), 1);
}

#[test]
fn what_cannot_be_read_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let missing = survey_of(&folder.path().join("none")).unwrap_err();
    assert!(matches!(missing, InputError::Unreadable { .. }), "{missing}");
    let packed = write(folder.path(), "x.gz", b"\x1f\x8b\x08\0");
    let error = survey_of(&packed).unwrap_err().to_string();
    assert!(error.contains("compressed with gzip") && error.contains("zcat"), "{error}");
    let error = survey_of(folder.path()).unwrap_err().to_string();
    assert!(error.contains("no log in") && error.contains("--input"), "{error}");
    assert!(missing.to_string().contains("--input"), "{missing}");
}

#[test]
fn a_stream_keeps_its_first_byte_and_an_empty_one_is_an_error() {
    let mut sources = survey_stream("<stdin>", DATED).unwrap();
    let mut all = Vec::new();
    sources.stream.as_mut().unwrap().1.read_to_end(&mut all).unwrap();
    assert_eq!(all, DATED);
    let error = survey_stream("<stdin>", io::empty()).err().unwrap().to_string();
    assert!(error.contains("<stdin> is empty"), "{error}");
}

#[test]
fn folders_deeper_than_the_limit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.log", DATED);
    write(folder.path(), "1/2/b.log", DATED);
    let config = TriageConfig { max_depth: 1, ..TriageConfig::default() };
    let sources = survey(&Input::Path(folder.path().to_owned()), &config).unwrap();
    assert_eq!(sources.files.len(), 1);
    assert_eq!(sources.skipped[0].reason, "deeper than max_depth");
}

#[test]
fn a_dash_is_standard_input() {
    assert_eq!("-".parse(), Ok(Input::Standard));
    assert_eq!("a.log".parse(), Ok(Input::Path("a.log".into())));
}
