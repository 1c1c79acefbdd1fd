//! The programs of a node: who runs, so that none outlives it.
//!
//! A program dies with the value that keeps its group, and [`Programs::kill_all`] ends them all
//! when the node leaves at once. A node that is killed can do neither, so each program is noted in
//! a file of its own; the next node on the same data kills the groups of those that still live,
//! before its agents join. A note names the process by what no other process shares: its id, when
//! it started, and the boot of the machine (proc(5): `stat` field 22, `random/boot_id`). Where
//! there is no `/proc` nothing is noted.
//!
//! A parent-death signal (prctl(2)) would do the same only for the first process of a group, and
//! at the end of the thread that started it, not of the node.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

/// How long killed programs may take to be gone; one that waits for a disk takes longer.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// Time between two looks whether they are.
const LOOK: Duration = Duration::from_millis(5);
/// How long a start that is under way is waited for when all are to be killed.
const START_WITHIN: Duration = Duration::from_secs(2);

/// The programs that the agents of a node run. Clones are the same programs.
#[derive(Debug, Clone, Default)]
pub struct Programs(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Where they are noted.
    folder: OnceLock<PathBuf>,
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    /// No more may start.
    over: bool,
    /// Groups by id, and their notes.
    groups: BTreeMap<i32, Option<PathBuf>>,
}

impl Programs {
    /// Notes each program in this folder while it runs. The first folder that is named stays.
    pub fn note_in(&self, folder: PathBuf) {
        self.0.folder.get_or_init(|| folder);
    }

    /// Kills all programs and what they started, and lets no more start. Returns soon, also when
    /// a start hangs.
    pub fn kill_all(&self) {
        let Some(mut running) = self.0.running.try_lock_for(START_WITHIN) else {
            return tracing::warn!("a program that starts may outlive the node");
        };
        running.over = true;
        for id in running.groups.keys().filter_map(|id| Pid::from_raw(*id)) {
            signal(id, Signal::KILL);
        }
    }

    /// Starts a program in a group of its own.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<(Child, Group)> {
        let (child, group) = {
            // Held meanwhile: a program that is not in the list yet would not be killed with it.
            let mut running = self.0.running.lock();
            if running.over {
                return Err(io::Error::other("the node ends"));
            }
            let child = command.process_group(0).kill_on_drop(true).spawn()?;
            let id = child
                .id()
                .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
                .ok_or_else(|| io::Error::other("the child has no process id"))?;
            running.groups.insert(id.as_raw_nonzero().get(), None);
            (child, Group { id, programs: self.clone() })
        };
        self.note(group.id);
        Ok((child, group))
    }

    /// Notes a program, before it is given anything to do.
    fn note(&self, id: Pid) {
        let Some(folder) = self.0.folder.get() else { return };
        let Some(note) = Note::of(id) else { return };
        match note.write(folder) {
            Ok(file) => {
                let mut running = self.0.running.lock();
                running.groups.insert(note.pid, Some(file));
            }
            Err(error) => {
                let folder = folder.display();
                tracing::warn!(%folder, %error, "a program can't be noted; if the node is killed \
                    it may live on");
            }
        }
    }

    fn forget(&self, id: Pid) {
        let note = self.0.running.lock().groups.remove(&id.as_raw_nonzero().get()).flatten();
        if let Some(file) = note {
            remove(&file);
        }
    }

    /// Kills what an earlier node on the same data left behind, and waits until it is gone. To be
    /// called by the one that holds these data, before anybody is given work.
    pub(crate) async fn kill_leftovers(&self) {
        if self.0.folder.get().is_none() {
            return;
        }
        let programs = self.clone();
        let killed = synod_runtime::beside(move || programs.kill_noted()).await;
        if let Err(error) = killed {
            tracing::warn!(%error, "programs of an earlier node may still run");
        }
    }

    fn kill_noted(&self) {
        let Some(folder) = self.0.folder.get() else { return };
        // No folder: nothing was ever noted.
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        let mut killed = Vec::new();
        for file in entries.flatten().map(|entry| entry.path()) {
            if self.0.running.lock().groups.values().flatten().any(|own| *own == file) {
                continue;
            }
            if let Some(note) = Note::read(&file).filter(Note::is_alive)
                && let Some(id) = Pid::from_raw(note.pid)
            {
                tracing::warn!(pid = note.pid, "a program of an earlier node still ran; killed");
                signal(id, Signal::KILL);
                killed.push(note);
            }
            remove(&file);
        }
        await_end(&killed);
    }
}

fn await_end(killed: &[Note]) {
    let until = Instant::now() + GONE_WITHIN;
    while let Some(note) = killed.iter().find(|note| note.is_alive()) {
        if Instant::now() >= until {
            return tracing::warn!(pid = note.pid, "a killed program is not gone yet");
        }
        thread::sleep(LOOK);
    }
}

fn remove(file: &Path) {
    // A note that stays names a process that is gone, which its reader finds out.
    if let Err(error) = std::fs::remove_file(file) {
        tracing::debug!(%error, file = %file.display(), "a note could not be removed");
    }
}

fn signal(group: Pid, signal: Signal) {
    // The group may be gone already, which is what is wanted.
    let _ = kill_process_group(group, signal);
}

/// The process group of a program; whoever is left in it dies with this value.
#[derive(Debug)]
pub(super) struct Group {
    id: Pid,
    programs: Programs,
}

impl Group {
    pub(super) fn signal(&self, what: Signal) {
        signal(self.id, what);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.programs.forget(self.id);
    }
}

/// What is noted of a program: enough to know that a process is this one and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The process, which is the first of its group.
    pid: i32,
    /// When it started, in ticks since the boot.
    started: u64,
    /// Which boot.
    boot: String,
}

impl Note {
    fn of(id: Pid) -> Option<Self> {
        let pid = id.as_raw_nonzero().get();
        Some(Self { pid, started: Stat::of(pid)?.started, boot: boot()? })
    }

    fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(file).ok()?).ok()
    }

    /// Writes it in one step: it is there as a whole or not at all.
    fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join(format!("{}-{}.json", self.pid, self.started));
        let draft = file.with_extension("new");
        std::fs::write(&draft, serde_json::to_vec(self)?)?;
        std::fs::rename(&draft, &file)?;
        Ok(file)
    }

    /// Whether this very process runs, and leads its group.
    fn is_alive(&self) -> bool {
        boot().as_ref() == Some(&self.boot)
            && Stat::of(self.pid).is_some_and(|stat| {
                stat.started == self.started && stat.group == self.pid && !stat.ended
            })
    }
}

/// What the system says of a process.
struct Stat {
    /// It has ended, and waits for somebody to take note.
    ended: bool,
    group: i32,
    started: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets before the third field, and may hold anything.
        let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            ended: matches!(field(3)?, "Z" | "X"),
            group: field(5)?.parse().ok()?,
            started: field(22)?.parse().ok()?,
        })
    }
}

fn boot() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn sleeper() -> Command {
        let mut command = Command::new("sleep");
        command.arg("600");
        command
    }

    fn noted(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).map(|entries| entries.flatten().collect());
        let entries: Vec<std::fs::DirEntry> = entries.unwrap_or_default();
        entries.into_iter().map(|entry| entry.path()).collect()
    }

    fn programs(folder: &Path) -> Programs {
        let programs = Programs::default();
        programs.note_in(folder.join("programs"));
        programs
    }

    #[tokio::test]
    async fn a_program_is_noted_while_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let programs = programs(folder.path());
        let (mut child, group) = programs.start(&mut sleeper()).unwrap();
        let notes = noted(&folder.path().join("programs"));
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(Note::read(&notes[0]).unwrap().is_alive());
        // Its own programs are none that were left behind.
        programs.kill_leftovers().await;
        assert!(child.try_wait().unwrap().is_none());
        drop(group);
        child.wait().await.unwrap();
        assert!(noted(&folder.path().join("programs")).is_empty());
    }

    #[tokio::test]
    async fn what_an_earlier_node_left_behind_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, _group) = programs(folder.path()).start(&mut sleeper()).unwrap();
        programs(folder.path()).kill_leftovers().await;
        let status = child.wait().await.unwrap();
        assert!(!status.success(), "{status}");
        assert!(noted(&folder.path().join("programs")).is_empty());
    }

    #[tokio::test]
    async fn a_stranger_that_has_the_id_of_a_program_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, group) = Programs::default().start(&mut sleeper()).unwrap();
        let note = Note::of(group.id).unwrap();
        let notes = folder.path().join("programs");
        for stranger in [
            Note { started: note.started + 1, ..note.clone() },
            Note { boot: "another".to_owned(), ..note.clone() },
        ] {
            stranger.write(&notes).unwrap();
            programs(folder.path()).kill_leftovers().await;
            assert!(child.try_wait().unwrap().is_none(), "{stranger:?}");
            assert!(noted(&notes).is_empty(), "a note about nobody goes");
        }
    }

    #[tokio::test]
    async fn once_all_are_killed_none_is_started() {
        let programs = Programs::default();
        let (mut child, _group) = programs.start(&mut sleeper()).unwrap();
        programs.kill_all();
        assert!(!child.wait().await.unwrap().success());
        assert!(programs.start(&mut sleeper()).is_err());
    }
}
