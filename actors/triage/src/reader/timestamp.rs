//! Reads the timestamps that logs carry, by hand: one pass, no allocation, no regex.
//!
//! Times are milliseconds since 1970 in UTC. A stamp without a zone is taken as if it were UTC,
//! so that the times of a report read as they stand in the log.

use serde::{Deserialize, Serialize};

/// The family of writings that a stamp belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestampForm {
    /// `2015-07-29 17:41:44,747`, RFC 3339, `2005-06-03-15.42.50.675872`, `2024/01/31 10:00:00`.
    Iso,
    /// `Jun 14 15:16:01` (RFC 3164), also with a year before the time.
    Syslog,
    /// `Sun Dec 04 04:47:44 2005`, also with a fraction.
    Asctime,
    /// `10/Oct/2000:13:55:36 -0700`, the Common Log Format.
    CommonLog,
    /// `081109 203615`, `17/06/09 20:10:40`, `20171223-22:15:29`.
    Compact,
    /// `03-17 16:13:38.811`, `10.30 16:49:06`: a month and a day without a year.
    MonthDay,
    /// `1117838570`, `1117838570.123`: seconds since 1970, in the years 2001 to 2099.
    EpochSeconds,
    /// `1117838570123`: milliseconds since 1970.
    EpochMillis,
}

/// A timestamp that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Milliseconds since 1970, UTC.
    pub ms: i64,
    /// Bytes that it took, with its brackets.
    pub length: usize,
}

/// When the log was last written: tells the year of stamps that carry none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenAt {
    year: i64,
    month: i64,
    day: i64,
}

impl WrittenAt {
    /// From milliseconds since 1970 (a file's modification time).
    pub fn from_ms(ms: i64) -> Self {
        let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
        Self { year, month, day }
    }

    /// The latest year in which `month` and `day` are not after the writing (a day of slack
    /// allows for zones).
    fn year_of(self, month: i64, day: i64) -> i64 {
        let later = (month, day) > (self.month, self.day + 1);
        let new_year = self.month == 12 && self.day == 31 && (month, day) == (1, 1);
        self.year - i64::from(later) + i64::from(new_year)
    }
}

impl TimestampForm {
    /// All forms, in the order in which they are tried; the strictest come first.
    pub const ALL: [Self; 8] = [
        Self::Iso,
        Self::Asctime,
        Self::Syslog,
        Self::CommonLog,
        Self::Compact,
        Self::MonthDay,
        Self::EpochMillis,
        Self::EpochSeconds,
    ];

    /// Reads a stamp of this form at the start of `text`, with opening marks or a key before it
    /// (`[`, `time="`) and closing marks after it.
    pub fn parse(self, text: &[u8], written: WrittenAt) -> Option<Stamp> {
        let mut scan = Scan { text, at: 0 };
        scan.skip_opening();
        let ms = match self {
            Self::Iso => scan.iso(),
            Self::Syslog => scan.syslog(written),
            Self::Asctime => scan.asctime(),
            Self::CommonLog => scan.common_log(),
            Self::Compact => scan.compact(),
            Self::MonthDay => scan.month_day(written),
            Self::EpochSeconds => scan.epoch(10),
            Self::EpochMillis => scan.epoch(13),
        }?;
        scan.skip_closing();
        scan.at_boundary().then_some(Stamp { ms, length: scan.at })
    }
}

const DAY_MS: i64 = 86_400_000;

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn one_of(&mut self, set: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|b| set.contains(b))?;
        self.at += 1;
        Some(byte)
    }

    fn skip_opening(&mut self) {
        if self.text.first().is_some_and(u8::is_ascii_alphabetic) {
            let key = self.text.iter().take(12).take_while(|b| b.is_ascii_alphanumeric()).count();
            if self.text.get(key) == Some(&b'=') {
                self.at = key + 1;
            }
        }
        while self.one_of(b"[(<\"'").is_some() {}
    }

    fn skip_closing(&mut self) {
        while self.one_of(b"])>\"',:;|").is_some() {}
    }

    fn at_boundary(&self) -> bool {
        self.peek().is_none_or(|b| b.is_ascii_whitespace() || b == b'[')
            || self.text[..self.at].last().is_some_and(|b| matches!(b, b'|' | b']'))
    }

    /// Exactly `width` digits.
    fn digits(&mut self, width: usize) -> Option<i64> {
        let run = self.text.get(self.at..self.at + width)?;
        let mut value = 0;
        for byte in run {
            value = value * 10 + i64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
        }
        self.at += width;
        Some(value)
    }

    fn spaces(&mut self) -> Option<()> {
        self.one_of(b" ")?;
        while self.one_of(b" ").is_some() {}
        Some(())
    }

    fn one_or_two_digits(&mut self) -> Option<i64> {
        self.digits(2).or_else(|| self.digits(1))
    }

    /// `hh:mm:ss` or `hh.mm.ss` with an optional fraction, as milliseconds.
    fn time(&mut self) -> Option<i64> {
        let hour = self.one_or_two_digits()?;
        self.one_of(b":.")?;
        let minute = self.one_or_two_digits()?;
        self.one_of(b":.")?;
        let second = self.one_or_two_digits()?;
        let whole = clock_ms(hour, minute, second)?;
        Some(whole + self.fraction())
    }

    fn fraction(&mut self) -> i64 {
        let begin = self.at;
        if self.one_of(b".,:").is_none() {
            return 0;
        }
        let mut ms = 0;
        let mut weight = 100;
        let first = self.at;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            ms += i64::from(digit - b'0') * weight;
            weight /= 10;
            self.at += 1;
        }
        if self.at == first {
            self.at = begin;
        }
        ms
    }

    /// `Z`, `+02:00`, ` -0700`; what is to be subtracted, in milliseconds.
    fn zone(&mut self) -> i64 {
        let begin = self.at;
        if self.one_of(b"Z").is_some() {
            return 0;
        }
        let spaced = self.one_of(b" ").is_some();
        let offset = self.one_of(b"+-").and_then(|sign| {
            let hours = self.digits(2)?;
            if self.one_of(b":").is_none() && self.peek().is_none_or(|b| !b.is_ascii_digit()) {
                return (!spaced).then_some((sign, hours * 60));
            }
            Some((sign, hours * 60 + self.digits(2)?))
        });
        let Some((sign, minutes)) = offset else {
            self.at = begin;
            return 0;
        };
        if sign == b'+' { minutes * 60_000 } else { -minutes * 60_000 }
    }

    fn iso(&mut self) -> Option<i64> {
        let year = self.digits(4)?;
        let separator = self.one_of(b"-/.")?;
        let month = self.digits(2)?;
        self.one_of(&[separator])?;
        let day = self.digits(2)?;
        if self.one_of(b"T -_")? == b' ' {
            while self.one_of(b" ").is_some() {}
        }
        let time = self.time()?;
        Some(date_ms(year, month, day)? + time - self.zone())
    }

    fn syslog(&mut self, written: WrittenAt) -> Option<i64> {
        let month = self.month_name()?;
        self.spaces()?;
        let day = self.one_or_two_digits()?;
        self.spaces()?;
        let year = match self.text.get(self.at + 4) {
            Some(b' ') => {
                let year = self.digits(4)?;
                self.spaces()?;
                year
            }
            _ => written.year_of(month, day),
        };
        Some(date_ms(year, month, day)? + self.time()?)
    }

    fn asctime(&mut self) -> Option<i64> {
        self.weekday()?;
        self.spaces()?;
        let month = self.month_name()?;
        self.spaces()?;
        let day = self.one_or_two_digits()?;
        self.spaces()?;
        let time = self.time()?;
        self.spaces()?;
        Some(date_ms(self.digits(4)?, month, day)? + time)
    }

    fn common_log(&mut self) -> Option<i64> {
        let day = self.digits(2)?;
        self.one_of(b"/")?;
        let month = self.month_name()?;
        self.one_of(b"/")?;
        let year = self.digits(4)?;
        self.one_of(b":")?;
        let time = self.time()?;
        Some(date_ms(year, month, day)? + time - self.zone())
    }

    fn compact(&mut self) -> Option<i64> {
        let head = self.text[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let (year, month, day) = match head {
            8 => (self.digits(4)?, self.digits(2)?, self.digits(2)?),
            6 => (2000 + self.digits(2)?, self.digits(2)?, self.digits(2)?),
            2 => {
                let year = 2000 + self.digits(2)?;
                self.one_of(b"/")?;
                let month = self.digits(2)?;
                self.one_of(b"/")?;
                (year, month, self.digits(2)?)
            }
            _ => return None,
        };
        self.one_of(b" T-_")?;
        let six = self.text.get(self.at..self.at + 6);
        let packed = six.is_some_and(|run| run.iter().all(u8::is_ascii_digit));
        let time = if packed {
            let (hour, minute, second) = (self.digits(2)?, self.digits(2)?, self.digits(2)?);
            clock_ms(hour, minute, second)? + self.fraction()
        } else {
            self.time()?
        };
        Some(date_ms(year, month, day)? + time)
    }

    fn month_day(&mut self, written: WrittenAt) -> Option<i64> {
        let month = self.digits(2)?;
        self.one_of(b"-./")?;
        let day = self.digits(2)?;
        self.spaces()?;
        let time = self.time()?;
        Some(date_ms(written.year_of(month, day), month, day)? + time)
    }

    fn epoch(&mut self, width: usize) -> Option<i64> {
        let value = self.digits(width)?;
        let ms = if width == 13 { value } else { value * 1000 + self.fraction() };
        // 2001-09-09, the first of ten digits, to the end of 2099.
        (1_000_000_000_000..4_102_444_800_000).contains(&ms).then_some(ms)
    }

    fn month_name(&mut self) -> Option<i64> {
        const MONTHS: [&[u8]; 12] = [
            b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
            b"Dec",
        ];
        let name = self.text.get(self.at..self.at + 3)?;
        let index = MONTHS.iter().position(|month| *month == name)?;
        self.at += 3;
        i64::try_from(index + 1).ok()
    }

    fn weekday(&mut self) -> Option<()> {
        let name = self.text.get(self.at..self.at + 3)?;
        let known = matches!(name, b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun");
        self.at += 3;
        known.then_some(())
    }
}

fn clock_ms(hour: i64, minute: i64, second: i64) -> Option<i64> {
    // 60 is a leap second.
    let real = hour < 24 && minute < 60 && second <= 60;
    real.then_some(((hour * 60 + minute) * 60 + second) * 1000)
}

fn date_ms(year: i64, month: i64, day: i64) -> Option<i64> {
    let real = (1..=12).contains(&month) && (1..=31).contains(&day) && (1970..2200).contains(&year);
    real.then(|| days_from_civil(year, month, day) * DAY_MS)
}

/// Days since 1970 of a date of the proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// Writes a time as `2005-06-14 15:16:01`.
pub fn format_time(ms: i64) -> String {
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    let second = ms.rem_euclid(DAY_MS) / 1000;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02}", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> WrittenAt {
        // 2024-02-10
        WrittenAt::from_ms(1_707_560_000_000)
    }

    fn read(form: TimestampForm, text: &str) -> Option<String> {
        form.parse(text.as_bytes(), written()).map(|stamp| format_time(stamp.ms))
    }

    #[test]
    fn each_form_reads_its_usual_writings() {
        use TimestampForm::*;
        let cases = [
            (Iso, "2015-07-29 17:41:44,747 - INFO", "2015-07-29 17:41:44"),
            (Iso, "2024-01-31T10:00:00.5Z x", "2024-01-31 10:00:00"),
            (Iso, "2024-01-31T10:00:00+02:00 x", "2024-01-31 08:00:00"),
            (Iso, "2024-01-31T10:00:00-0130", "2024-01-31 11:30:00"),
            (Iso, "2005-06-03-15.42.50.675872 R02", "2005-06-03 15:42:50"),
            (Iso, "2024/01/31 10:00:00 [error]", "2024-01-31 10:00:00"),
            (Iso, "time=\"2024-01-31T10:00:00Z\" level=info", "2024-01-31 10:00:00"),
            (Syslog, "Jan  9 06:55:46 host", "2024-01-09 06:55:46"),
            (Syslog, "Dec 10 06:55:46 host", "2023-12-10 06:55:46"),
            (Syslog, "Dec 10 2019 06:55:46 host", "2019-12-10 06:55:46"),
            (Asctime, "[Sun Dec 04 04:47:44 2005] [notice]", "2005-12-04 04:47:44"),
            (CommonLog, "[10/Oct/2000:13:55:36 -0700] \"GET", "2000-10-10 20:55:36"),
            (Compact, "081109 203615 148", "2008-11-09 20:36:15"),
            (Compact, "17/06/09 20:10:40 INFO", "2017-06-09 20:10:40"),
            (Compact, "20171223-22:15:29:606|Step", "2017-12-23 22:15:29"),
            (MonthDay, "03-17 16:13:38.811 1702", "2023-03-17 16:13:38"),
            (EpochSeconds, "1117838570 2005.06.03", "2005-06-03 22:42:50"),
            (EpochSeconds, "1117838570.25 x", "2005-06-03 22:42:50"),
            (EpochMillis, "1117838570123 x", "2005-06-03 22:42:50"),
        ];
        for (form, text, expected) in cases {
            assert_eq!(read(form, text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_only_resembles_a_stamp_is_refused() {
        use TimestampForm::*;
        for (form, text) in [
            (Iso, "2015-13-29 17:41:44"),
            (Iso, "2015-07-29 25:41:44"),
            (Iso, "2015-07-29"),
            (Syslog, "Jun 14 15:16"),
            (Syslog, "Jul"),
            (Compact, "99123 1"),
            (EpochSeconds, "1117838570123"),
            (EpochSeconds, "0000000001"),
            (Asctime, "Sun Dec 04 04:47:44 "),
        ] {
            assert_eq!(read(form, text), None, "{text}");
        }
    }

    #[test]
    fn the_length_covers_the_brackets() {
        let stamp = TimestampForm::Asctime.parse(b"[Sun Dec 04 04:47:44 2005] [x]", written());
        assert_eq!(stamp.map(|s| s.length), Some(26));
    }

    #[test]
    fn dates_survive_the_way_there_and_back() {
        for days in (-1000..80_000).step_by(7) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn a_fraction_keeps_its_milliseconds() {
        let stamp = TimestampForm::Iso.parse(b"2015-07-29 17:41:44,747 x", written());
        assert_eq!(stamp.map(|s| s.ms % 1000), Some(747));
    }
}
