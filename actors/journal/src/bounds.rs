//! How much those who gather records put into one append.

use crate::messages::{AppendLimits, Record};

/// How much is gathered for one append: what the journal takes, and no more than is good for who
/// waits for its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendBounds {
    /// Records of an append; a batch with more becomes several.
    pub records: usize,
    /// Bytes of an append of several records, their overhead included.
    pub bytes: usize,
    /// Bytes above which a record is not added to.
    pub record: usize,
}

impl Default for AppendBounds {
    /// More would make those at the front wait for those behind them.
    fn default() -> Self {
        Self { records: 2_048, bytes: 512 << 10, record: 192 << 10 }
    }
}

impl AppendBounds {
    /// These, as far as the journal takes so much. What a record takes is estimated while it is
    /// gathered, hence the half.
    #[must_use]
    pub fn within(limits: AppendLimits) -> Self {
        let most = Self::default();
        let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            records: most.records.min(limits.records as usize),
            bytes: most.bytes.min(bytes(limits.bytes)),
            record: most.record.min(bytes(limits.record_bytes / 2)),
        }
    }

    /// Splits records into appends, in order; one that is larger than an append of several has its
    /// own. There is always one append, which may be empty.
    #[must_use]
    pub fn split(self, records: Vec<Record>) -> Vec<Vec<Record>> {
        let mut appends = Vec::with_capacity(1);
        let (mut append, mut bytes) = (Vec::with_capacity(records.len().min(self.records)), 0);
        for record in records {
            let weight = record.weight();
            if !append.is_empty() && (append.len() == self.records || bytes + weight > self.bytes) {
                appends.push(std::mem::take(&mut append));
                bytes = 0;
            }
            bytes += weight;
            append.push(record);
        }
        appends.push(append);
        appends
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::RecordKind;

    const KIND: RecordKind = RecordKind::new("test.happened");

    fn sizes(bounds: AppendBounds, lengths: &[usize]) -> Vec<usize> {
        let record = |length: &usize| Record::new(KIND, 1, vec![0; *length]);
        bounds.split(lengths.iter().map(record).collect()).iter().map(Vec::len).collect()
    }

    #[test]
    fn appends_hold_no_more_than_the_bounds_say_but_for_one_large_record() {
        let bounds = AppendBounds { records: 2, bytes: 1_000, record: 500 };
        assert_eq!(sizes(bounds, &[]), [0]);
        assert_eq!(sizes(bounds, &[1, 1, 1]), [2, 1]);
        assert_eq!(sizes(bounds, &[400, 400, 1]), [1, 2]);
        assert_eq!(sizes(bounds, &[5_000, 1]), [1, 1]);
    }

    #[test]
    fn the_bounds_are_never_above_what_the_journal_takes() {
        let limits = AppendLimits { records: 3, record_bytes: 4_096, bytes: 8_192 };
        let bounds = AppendBounds::within(limits);
        assert_eq!(bounds, AppendBounds { records: 3, bytes: 8_192, record: 2_048 });
        let roomy = AppendLimits { records: u32::MAX, record_bytes: u64::MAX, bytes: u64::MAX };
        assert_eq!(AppendBounds::within(roomy), AppendBounds::default());
    }
}
