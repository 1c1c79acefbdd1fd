//! Durations, sizes and counts as people say them.

use std::time::Duration;

use jiff::Timestamp;

/// `850 ms`, `1.4 s`, `2 min 5 s`, `3 h 12 min`, `4 d 3 h`: two units at most.
#[must_use]
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.is_zero() => "0 s".to_owned(),
        0 if time < Duration::from_millis(1) => format!("{} µs", time.as_micros()),
        0 => format!("{} ms", time.as_millis()),
        1..10 => format!("{}.{} s", seconds, time.subsec_millis() / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

/// How long `then` is before `now`: `5 s ago`, and `now` for what is less than a second away.
#[must_use]
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    match Duration::try_from(now.duration_since(then)) {
        Ok(past) if past >= Duration::from_secs(1) => format!("{} ago", duration(past)),
        // Clocks differ a little: what lies in the future is as good as now.
        _ => "now".to_owned(),
    }
}

/// `812 B`, `1.2 KiB`, `3.4 GiB`: powers of 1,024.
#[must_use]
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut tenths = bytes.saturating_mul(10);
    let mut unit = "B";
    for next in UNITS {
        if tenths < 10_240 {
            break;
        }
        (tenths, unit) = (tenths / 1_024, next);
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

/// `1,234,567`.
#[must_use]
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

/// `1 task`, `2 tasks`, `1,000 tasks`.
#[must_use]
pub(crate) fn counted(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", count(number))
}

/// `37 %` of a share between 0 and 1.
#[must_use]
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share.clamp(0.0, 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_two_units_at_most() {
        let told = |ms| duration(Duration::from_millis(ms));
        assert_eq!(told(0), "0 s");
        assert_eq!(told(850), "850 ms");
        assert_eq!(told(1_449), "1.4 s");
        assert_eq!(told(59_999), "59 s");
        assert_eq!(told(125_000), "2 min 5 s");
        assert_eq!(told(7_200_000), "2 h");
        assert_eq!(told(98 * 3_600_000), "4 d 2 h");
        assert_eq!(duration(Duration::from_micros(12)), "12 µs");
        assert!(duration(Duration::MAX).ends_with(" h"));
    }

    #[test]
    fn the_past_is_told_from_now() {
        let now = Timestamp::from_second(1_000).unwrap();
        let at = |second| ago(Timestamp::from_second(second).unwrap(), now);
        assert_eq!(at(875), "2 min 5 s ago");
        assert_eq!(at(1_000), "now");
        assert_eq!(at(1_010), "now");
    }

    #[test]
    fn sizes_and_counts_are_grouped() {
        assert_eq!(size(812), "812 B");
        assert_eq!(size(1_024), "1.0 KiB");
        assert_eq!(size(1_300_000), "1.2 MiB");
        assert_eq!(size(u64::MAX), "1638.3 PiB");
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "task"), "1 task");
        assert_eq!(counted(1_000, "task"), "1,000 tasks");
        assert_eq!(percent(0.371), "37 %");
    }
}
