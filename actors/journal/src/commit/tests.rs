//! The group commit machine alone: nothing is written anywhere.

use super::*;
use crate::messages::{Expected, Record};
use crate::names::RecordKind;

const TASKS: Stream = Stream::new("tasks");
const KIND: RecordKind = RecordKind::new("test.happened");

fn machine(config: JournalConfig) -> GroupCommit<u32> {
    let end = LogEnd { segment: Position(1), offset: 100, next: Position(1) };
    GroupCommit::new(config, [7; 16], Heads::default(), end)
}

fn append(records: usize) -> Append {
    Append {
        partition: Partition::default(),
        stream: TASKS,
        expected: Expected::Any,
        epoch: Epoch(0),
        records: vec![Record::new(KIND, 1, vec![1; 100]); records],
    }
}

fn step(machine: &mut GroupCommit<u32>, input: Input<u32>) -> Vec<Command<u32>> {
    let mut out = Vec::new();
    machine.step(input, &mut out);
    out
}

fn submit(machine: &mut GroupCommit<u32>, token: u32, append: Append) -> Vec<Command<u32>> {
    step(machine, Input::Append { token, append, now_us: 0 })
}

fn flush(machine: &mut GroupCommit<u32>) -> Vec<Command<u32>> {
    step(machine, Input::Flush { now_us: 0 })
}

fn done(machine: &mut GroupCommit<u32>, result: Result<(), WriteFault>) -> Vec<Command<u32>> {
    step(machine, Input::Done { result, now_us: 0 })
}

/// The group that is to be written.
fn written(commands: &[Command<u32>]) -> Option<&GroupWrite> {
    commands.iter().find_map(|command| match command {
        Command::Write(group) => Some(group),
        _ => None,
    })
}

/// Who is answered what.
fn answers(commands: Vec<Command<u32>>) -> Vec<(u32, Result<Committed, AppendError>)> {
    let answers = commands.into_iter().filter_map(|command| match command {
        Command::Answer(token, answer) => Some((token, answer)),
        _ => None,
    });
    answers.collect()
}

fn refusal(commands: Vec<Command<u32>>) -> Option<AppendError> {
    answers(commands).pop().and_then(|(_, answer)| answer.err())
}

#[test]
fn an_idle_log_begins_a_group_at_once_and_answers_after_its_sync() {
    let mut machine = machine(JournalConfig::default());
    assert!(submit(&mut machine, 1, append(2)).is_empty());
    let commands = flush(&mut machine);
    assert_eq!(
        written(&commands).map(|group| (group.first, group.records)),
        Some((Position(1), 2))
    );
    let committed = Committed { first: Position(1), last: Position(2), stream_version: 2 };
    assert_eq!(answers(done(&mut machine, Ok(()))), [(1, Ok(committed))]);
}

#[test]
fn appends_gather_while_a_group_is_under_way() {
    let mut machine = machine(JournalConfig::default());
    submit(&mut machine, 1, append(1));
    flush(&mut machine);
    for token in 2..=9 {
        submit(&mut machine, token, append(1));
        assert!(flush(&mut machine).is_empty());
    }
    assert_eq!(machine.waiting(), 9);
    let commands = done(&mut machine, Ok(()));
    let group = written(&commands).unwrap();
    assert_eq!((group.first, group.records, group.offset), (Position(2), 8, 100 + 170));
    assert_eq!(answers(commands).len(), 1);
    assert_eq!(answers(done(&mut machine, Ok(()))).len(), 8);
    assert_eq!((machine.waiting(), machine.last()), (0, Position(9)));
}

#[test]
fn a_group_is_bounded_by_count_and_by_bytes() {
    for config in [
        JournalConfig { max_group_appends: 3, ..Default::default() },
        JournalConfig { max_group_bytes: 3 * 170, ..Default::default() },
    ] {
        let mut machine = machine(config);
        (0..7).for_each(|token| drop(submit(&mut machine, token, append(1))));
        let mut sizes = vec![written(&flush(&mut machine)).map(|group| group.records)];
        for _ in 0..3 {
            sizes.push(written(&done(&mut machine, Ok(()))).map(|group| group.records));
        }
        assert_eq!(sizes, [Some(3), Some(3), Some(1), None]);
    }
}

#[test]
fn what_waits_is_bounded() {
    let config = JournalConfig { max_pending_appends: 2, ..Default::default() };
    let mut by_count = machine(config);
    let config = JournalConfig { max_pending_bytes: 2 * 170, ..Default::default() };
    let mut by_bytes = machine(config);
    for machine in [&mut by_count, &mut by_bytes] {
        assert_eq!(refusal(submit(machine, 1, append(1))), None);
        assert_eq!(refusal(submit(machine, 2, append(1))), None);
        assert_eq!(refusal(submit(machine, 3, append(1))), Some(AppendError::Overloaded));
        flush(machine);
        assert_eq!(refusal(submit(machine, 4, append(1))), None);
    }
}

#[test]
fn limits_are_refused_with_what_was_found() {
    let config =
        JournalConfig { max_record_bytes: 99, max_append_records: 2, ..Default::default() };
    let mut machine = machine(config);
    let too_large = |what, found, limit| Some(AppendError::TooLarge { what, found, limit });
    assert_eq!(refusal(submit(&mut machine, 1, append(1))), too_large("record", 100, 99));
    let expected = too_large("number of records", 3, 2);
    assert_eq!(refusal(submit(&mut machine, 1, append(3))), expected);
    assert!(matches!(refusal(submit(&mut machine, 1, append(0))), Some(AppendError::Invalid(_))));
}

#[test]
fn one_stream_too_many_is_refused() {
    let mut machine = machine(JournalConfig { max_streams: 1, ..Default::default() });
    assert_eq!(refusal(submit(&mut machine, 1, append(1))), None);
    let other = Append { stream: Stream::new("other"), ..append(1) };
    assert!(matches!(refusal(submit(&mut machine, 2, other)), Some(AppendError::Invalid(_))));
}

#[test]
fn an_expected_version_counts_what_is_under_way() {
    let mut machine = machine(JournalConfig::default());
    let exact = |version| Append { expected: Expected::Exact(version), ..append(2) };
    assert_eq!(refusal(submit(&mut machine, 1, exact(0))), None);
    let wrong = AppendError::WrongExpected { stream: TASKS, expected: 0, found: 2 };
    assert_eq!(refusal(submit(&mut machine, 2, exact(0))), Some(wrong));
    assert_eq!(refusal(submit(&mut machine, 3, exact(2))), None);
}

#[test]
fn a_lower_epoch_is_fenced_off_in_each_partition_concerned() {
    let mut machine = machine(JournalConfig::default());
    let other = Partition::from_low_bits(9);
    let at = |epoch| {
        let records = vec![Record::new(KIND, 1, vec![1]).in_partition(other)];
        Append { epoch: Epoch(epoch), records, ..append(0) }
    };
    assert_eq!(refusal(submit(&mut machine, 1, at(5))), None);
    let fenced = AppendError::Fenced { partition: other, current: Epoch(5) };
    assert_eq!(refusal(submit(&mut machine, 2, at(4))), Some(fenced));
    // The append's own partition had no record, so its epoch wasn't raised.
    assert_eq!(refusal(submit(&mut machine, 3, append(1))), None);
}

#[test]
fn a_full_disk_refuses_all_and_forgets_what_was_not_stored() {
    let mut machine = machine(JournalConfig::default());
    let raising = Append { epoch: Epoch(3), ..append(1) };
    submit(&mut machine, 1, raising.clone());
    flush(&mut machine);
    submit(&mut machine, 2, raising.clone());
    let full = AppendError::DiskFull("no room".into());
    let refused = done(&mut machine, Err(WriteFault::Full("no room".into())));
    assert_eq!(answers(refused), [(1, Err(full.clone())), (2, Err(full.clone()))]);
    assert_eq!(refusal(submit(&mut machine, 3, append(1))), Some(full));

    step(&mut machine, Input::SpaceBack);
    // Neither the version nor the epoch of what was refused is left, and its positions are free.
    let exact = Append { expected: Expected::Exact(0), ..append(1) };
    assert_eq!(refusal(submit(&mut machine, 4, exact)), None);
    let commands = flush(&mut machine);
    let group = written(&commands).unwrap();
    assert_eq!(group.first, Position(1));
    assert!(group.begins_segment.is_some());
}

#[test]
fn a_failed_sync_leaves_the_group_unknown_and_stops_the_log_for_good() {
    let mut machine = machine(JournalConfig::default());
    submit(&mut machine, 1, append(1));
    flush(&mut machine);
    submit(&mut machine, 2, append(1));
    let refused = done(&mut machine, Err(WriteFault::Failed("sync".into())));
    let failed = AppendError::Failed("sync".into());
    let expected = [(1, Err(AppendError::OutcomeUnknown)), (2, Err(failed.clone()))];
    assert_eq!(answers(refused), expected);
    step(&mut machine, Input::SpaceBack);
    assert_eq!(refusal(submit(&mut machine, 3, append(1))), Some(failed));
}

#[test]
fn a_group_that_does_not_fit_begins_a_segment() {
    let config = JournalConfig { segment_bytes: 1_000, max_group_bytes: 500, ..Default::default() };
    let mut machine = machine(config);
    let mut segments = Vec::new();
    for token in 0..8 {
        submit(&mut machine, token, append(2));
        let commands = flush(&mut machine);
        segments.extend(written(&commands).map(|group| group.segment.0));
        done(&mut machine, Ok(()));
    }
    assert_eq!(segments, [1, 1, 5, 5, 9, 9, 13, 13]);
}
