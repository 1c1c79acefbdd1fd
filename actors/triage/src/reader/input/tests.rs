//! Files and folders as they lie about on real machines.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::*;

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// The last part of each path, with the reason.
fn left_out(sources: &Sources) -> Vec<(String, String)> {
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let mut all: Vec<_> =
        sources.skipped.iter().map(|s| (name(&s.path), s.reason.clone())).collect();
    all.sort();
    all
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

#[test]
fn links_are_followed_to_files_once_and_all_else_is_left_out_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(folder.path(), "pods/real.log", DATED);
    write(folder.path(), "sl/own.log", DATED);
    fs::create_dir(at("sl/empty")).unwrap();
    for (target, link) in [
        ("pods/real.log", "sl/1-outside.log"),
        ("pods/real.log", "sl/2-again.log"),
        ("sl/own.log", "sl/3-inside.log"),
        ("pods", "sl/4-folder"),
        ("sl", "sl/empty/5-up"),
        ("sl/6-loop", "sl/6-loop"),
        ("gone", "sl/7-nowhere.log"),
    ] {
        symlink(at(target), at(link)).unwrap();
    }
    let _socket = UnixListener::bind(at("sl/8-socket")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("sl/9-pipe"), 0o600.into()).unwrap();
    let sources = survey_of(&at("sl")).unwrap();
    let names: Vec<_> = sources.files.iter().map(|file| file.path.rsplit('/').next()).collect();
    assert_eq!(names, [Some("1-outside.log"), Some("own.log")]);
    assert_eq!(sources.linked, [fs::canonicalize(at("pods/real.log")).unwrap()]);
    let reasons = left_out(&sources);
    let expected = [
        ("2-again.log", "another name of a file that is read"),
        ("3-inside.log", "another name of a file that is read"),
        ("4-folder", "a link to a folder"),
        ("5-up", "a link to a folder"),
        ("6-loop", "a link that can't be followed"),
        ("7-nowhere.log", "a link that can't be followed"),
        ("8-socket", "a socket"),
        ("9-pipe", "a named pipe"),
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for ((name, reason), expected) in reasons.iter().zip(expected) {
        assert!(name == expected.0 && reason.starts_with(expected.1), "{name}: {reason}");
    }
}

#[test]
fn files_beyond_the_limit_are_counted_and_the_first_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..9 {
        write(folder.path(), &format!("{number}.log"), DATED);
    }
    let config = TriageConfig { max_files: 2, ..TriageConfig::default() };
    let sources = survey(&Input::Path(folder.path().to_owned()), &config).unwrap();
    assert_eq!(sources.files.len(), 2);
    assert!(sources.files[1].path.ends_with("1.log"), "the first by name");
    let reasons: Vec<&str> = sources.skipped.iter().map(|s| s.reason.as_str()).collect();
    let beyond = "more files than max_files";
    assert_eq!(reasons, [beyond, beyond, "5 more are left out that are not named"]);
}

#[test]
fn a_pipe_that_is_given_is_read_as_a_stream_and_a_device_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, DATED).unwrap()
    });
    let mut all = Vec::new();
    survey_of(&pipe).unwrap().stream.unwrap().1.read_to_end(&mut all).unwrap();
    assert_eq!(all, DATED);
    writer.join().unwrap();
    let error = survey_of(Path::new("/dev/zero")).unwrap_err().to_string();
    assert!(error.contains("/dev/zero is a device"), "{error}");
}
