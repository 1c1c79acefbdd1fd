//! What sections of different families must agree on: a limit of one that the other can't keep
//! would be found out only by the task that comes near it.

use synod_journal::JournalConfig;
use synod_runtime::ConfigFault;
use synod_tasks::TasksConfig;
use synod_workflows::WorkflowsConfig;

/// Bytes of a record beside what can be limited: names, times, numbers.
const FRAME: u64 = 4 << 10;

/// Bytes of a label, a required capability and a named agent of a task, at most.
const LABEL: u64 = 340;
const CAPABILITY: u64 = 240;
const AGENT: u64 = 72;

/// Bytes that the engine lets a task have at most beside its input.
const DESCRIPTION: u64 = 128 << 10;

/// Bytes of a pack of histories of runs, and of a run in a snapshot at least.
const PACK: u64 = 1 << 20;
const RUN: u64 = 256;

/// All keys of tasks and workflows that what the journal takes is too small for.
pub(super) fn disagreements(
    tasks: &TasksConfig,
    workflows: &WorkflowsConfig,
    journal: &JournalConfig,
) -> Vec<ConfigFault> {
    let mut all = of_tasks(tasks, journal);
    all.extend(of_workflows(workflows, journal));
    all
}

fn of_tasks(tasks: &TasksConfig, journal: &JournalConfig) -> Vec<ConfigFault> {
    let found = [input(tasks, journal), collected(tasks, journal), state(tasks, journal)];
    let blobs = [
        ("tasks.max_payload_bytes", tasks.max_payload_bytes),
        ("tasks.max_result_bytes", tasks.max_result_bytes),
    ];
    let blobs = blobs.map(|(key, bytes)| blob(key, bytes, tasks, journal));
    let all = found.into_iter().chain(blobs).chain([snapshot(tasks, journal)]);
    all.flatten().collect()
}

/// Values go into records or to blobs, texts of definitions and packs of histories are blobs, and
/// all runs are in the snapshot.
fn of_workflows(workflows: &WorkflowsConfig, journal: &JournalConfig) -> Vec<ConfigFault> {
    let WorkflowsConfig { inline_bytes, max_payload_bytes, .. } = *workflows;
    let why = "a quarter of `journal.max_record_bytes`, as a record holds several values";
    let inline = at_most("workflows.inline_bytes", inline_bytes, journal.max_record_bytes / 4, why);
    let most = journal.max_blob_bytes;
    let why = "`journal.max_blob_bytes`, as a value that is not inline is a blob";
    let payload = at_most("workflows.max_payload_bytes", max_payload_bytes, most, why);
    let why = "`journal.max_blob_bytes`, as a long text is a blob";
    let definition =
        at_most("workflows.max_definition_bytes", workflows.max_definition_bytes, most, why);
    let least = PACK.max(journal.max_record_bytes.saturating_add(FRAME));
    let pack = (most < least).then(|| {
        let reason = format!(
            "expected at least {least}, so that it takes a pack of histories of workflows, which \
             holds any record (`journal.max_record_bytes`), got {most}"
        );
        ConfigFault::new("journal.max_blob_bytes", reason)
    });
    let why = "so that the definitions fit into a snapshot (`journal.max_snapshot_bytes`)";
    let bytes = workflows.definitions_bytes;
    let most = journal.max_snapshot_bytes;
    let definitions = at_most("workflows.definitions_bytes", bytes, most, why);
    let most = (journal.max_snapshot_bytes / RUN).saturating_sub(workflows.keep_ended);
    let why = "so that all runs, with those of `workflows.keep_ended`, fit into a snapshot \
               (`journal.max_snapshot_bytes`)";
    let runs = at_most("workflows.max_open_runs", workflows.max_open_runs, most, why);
    [inline, payload, definition, pack, definitions, runs].into_iter().flatten().collect()
}

/// A task is accepted with one record, which holds its input unless that is a blob.
fn input(tasks: &TasksConfig, journal: &JournalConfig) -> Option<ConfigFault> {
    let TasksConfig { max_labels, max_capabilities, max_parts, inline_bytes, .. } = *tasks;
    let labels = LABEL * u64::from(max_labels);
    let names = CAPABILITY * u64::from(max_capabilities) + AGENT * u64::from(max_parts);
    let beside = FRAME + DESCRIPTION.min(labels + names);
    let most = journal.max_record_bytes.saturating_sub(beside);
    let why = format!(
        "so that an input fits into a record (`journal.max_record_bytes`) beside up to {beside} \
         bytes of labels and names (`tasks.max_labels`, `tasks.max_parts`, \
         `tasks.max_capabilities`)"
    );
    at_most("tasks.inline_bytes", inline_bytes, most, &why)
}

/// A result that was put together is one record, beside its names and times.
fn collected(tasks: &TasksConfig, journal: &JournalConfig) -> Option<ConfigFault> {
    let most = journal.max_record_bytes / 4 * 3;
    let why = "three quarters of `journal.max_record_bytes`";
    at_most("tasks.max_collected_bytes", tasks.max_collected_bytes, most, why)
}

/// What an agent saves is in the same record as the output it comes with.
fn state(tasks: &TasksConfig, journal: &JournalConfig) -> Option<ConfigFault> {
    let output = tasks.inline_bytes.max(tasks.max_collected_bytes);
    let most = journal.max_record_bytes.saturating_sub(FRAME + output);
    let why = "so that it fits into a record (`journal.max_record_bytes`) beside an output \
               (`tasks.inline_bytes`, `tasks.max_collected_bytes`)";
    // Told of the output already, when that alone is too large.
    let told = output > journal.max_record_bytes / 4 * 3;
    at_most("tasks.max_agent_state_bytes", tasks.max_agent_state_bytes, most, why).filter(|_| !told)
}

/// An input or output above `tasks.inline_bytes` is a blob.
fn blob(
    key: &str,
    bytes: u64,
    tasks: &TasksConfig,
    journal: &JournalConfig,
) -> Option<ConfigFault> {
    let most = journal.max_blob_bytes.max(tasks.inline_bytes);
    at_most(key, bytes, most, "`journal.max_blob_bytes`, as what is not inline is a blob")
}

/// A snapshot holds what the engine holds; while none can be saved, the log is never shortened.
fn snapshot(tasks: &TasksConfig, journal: &JournalConfig) -> Option<ConfigFault> {
    let most = journal.max_snapshot_bytes.saturating_sub(tasks.keep_ended_bytes);
    let why = "so that with `tasks.keep_ended_bytes` it fits into a snapshot \
               (`journal.max_snapshot_bytes`)";
    at_most("tasks.max_queued_bytes", tasks.max_queued_bytes, most, why)
}

fn at_most(key: &str, bytes: u64, most: u64, why: &str) -> Option<ConfigFault> {
    let reason = || format!("expected at most {most}, {why}, got {bytes}");
    (bytes > most).then(|| ConfigFault::new(key, reason()))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut TasksConfig, &mut JournalConfig);

    #[test]
    fn the_defaults_agree() {
        let (tasks, workflows) = (TasksConfig::default(), WorkflowsConfig::default());
        assert_eq!(disagreements(&tasks, &workflows, &JournalConfig::default()), []);
    }

    #[test]
    fn each_pair_that_does_not_agree_is_named_with_both_keys() {
        let cases: [(Change, &str, &str); 6] = [
            (|t, _| t.inline_bytes = 1 << 20, "tasks.inline_bytes", "journal.max_record_bytes"),
            (
                |t, _| t.max_collected_bytes = 1 << 20,
                "tasks.max_collected_bytes",
                "journal.max_record_bytes",
            ),
            (
                |t, _| t.max_agent_state_bytes = 1 << 20,
                "tasks.max_agent_state_bytes",
                "journal.max_record_bytes",
            ),
            (|_, j| j.max_blob_bytes = 2 << 20, "tasks.max_result_bytes", "journal.max_blob_bytes"),
            (
                |t, _| t.max_payload_bytes = 128 << 20,
                "tasks.max_payload_bytes",
                "journal.max_blob_bytes",
            ),
            (
                |t, _| t.max_queued_bytes = 1 << 30,
                "tasks.max_queued_bytes",
                "journal.max_snapshot_bytes",
            ),
        ];
        for (change, key, other) in cases {
            let (mut tasks, mut journal) = (TasksConfig::default(), JournalConfig::default());
            change(&mut tasks, &mut journal);
            let found = of_tasks(&tasks, &journal);
            let fault = found.iter().find(|fault| fault.key == key);
            let named = fault.is_some_and(|fault| fault.reason.contains(&format!("`{other}`")));
            assert!(named, "{key}: {found:?}");
        }
    }

    #[test]
    fn what_workflows_and_the_journal_do_not_agree_on_is_named_with_both_keys() {
        type Change = fn(&mut WorkflowsConfig, &mut JournalConfig);
        let cases: [(Change, &str, &str); 6] = [
            (
                |w, _| w.inline_bytes = 512 << 10,
                "workflows.inline_bytes",
                "journal.max_record_bytes",
            ),
            (
                |_, j| j.max_blob_bytes = 32 << 20,
                "workflows.max_payload_bytes",
                "journal.max_blob_bytes",
            ),
            (
                |w, j| (w.max_definition_bytes, j.max_blob_bytes) = (4 << 20, 2 << 20),
                "workflows.max_definition_bytes",
                "journal.max_blob_bytes",
            ),
            (
                |_, j| (j.max_record_bytes, j.max_blob_bytes) = (2 << 20, 1 << 20),
                "journal.max_blob_bytes",
                "journal.max_record_bytes",
            ),
            (
                |w, _| w.definitions_bytes = 1 << 30,
                "workflows.definitions_bytes",
                "journal.max_snapshot_bytes",
            ),
            (
                |w, _| w.max_open_runs = 5_000_000,
                "workflows.max_open_runs",
                "journal.max_snapshot_bytes",
            ),
        ];
        for (change, key, other) in cases {
            let (mut workflows, mut journal) = Default::default();
            change(&mut workflows, &mut journal);
            let found = of_workflows(&workflows, &journal);
            let fault = found.iter().find(|fault| fault.key == key);
            let named = fault.is_some_and(|fault| fault.reason.contains(&format!("`{other}`")));
            assert!(named, "{key}: {found:?}");
        }
    }

    #[test]
    fn labels_and_names_take_their_share_of_the_record() {
        let journal = JournalConfig { max_record_bytes: 256 << 10, ..JournalConfig::default() };
        let mut tasks = TasksConfig {
            inline_bytes: 192 << 10,
            max_collected_bytes: 64 << 10,
            max_agent_state_bytes: 0,
            ..TasksConfig::default()
        };
        assert_eq!(of_tasks(&tasks, &journal), []);
        tasks.max_labels = 1_024;
        assert_eq!(of_tasks(&tasks, &journal)[0].key, "tasks.inline_bytes");
    }
}
