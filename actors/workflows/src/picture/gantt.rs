//! When the steps of a run were at work, as SVG: a row for each, in the order in which they began.

use std::time::Duration;

use jiff::Timestamp;

use super::describe;
use super::palette::{self, FAINT, INK};
use super::svg::{document, text};
use super::text::{between, cut, span, xml};
use crate::messages::{RunStatusResponse, StepStatus};

const LABELS: f64 = 220.0;
const CHART: f64 = 880.0;
const ROW: f64 = 24.0;
const TOP: f64 = 76.0;
const MARGIN: f64 = 24.0;
/// Room for the words behind a bar.
const WORDS: f64 = 210.0;
/// Lines of time that are aimed at.
const TICKS: f64 = 8.0;

/// Draws the run; `now` ends what has not ended.
#[must_use]
pub fn gantt(run: &RunStatusResponse, now: Timestamp) -> String {
    let summary = &run.summary;
    let began = summary.started_at.unwrap_or(summary.accepted_at);
    let whole = between(began, summary.ended_at.unwrap_or(now));
    let axis = Axis { began, whole: whole.max(Duration::from_millis(1)) };
    let mut rows = rows(run);
    rows.sort_by_key(|row| (row.step.started_at.is_none(), row.step.started_at));
    let workflow = &summary.workflow;
    let title = format!(
        "{} {} · run {} · {} · {}",
        workflow.name,
        workflow.version,
        summary.run_id,
        summary.state,
        span(whole)
    );
    let bold = " font-weight=\"bold\"";
    let mut body = text((MARGIN, MARGIN + 6.0), 16, INK, bold, &cut(&title, 110));
    let bottom = TOP + ROW * rows.len() as f64;
    body += &axis.lines(bottom);
    for (at, row) in rows.iter().enumerate() {
        body += &row.draw(&axis, TOP + ROW * at as f64, now);
    }
    document(MARGIN * 2.0 + LABELS + CHART + WORDS, bottom + MARGIN, &title, &body)
}

/// A step and the plan it belongs to.
struct Row<'a> {
    plan: &'static str,
    step: &'a StepStatus,
}

fn rows(run: &RunStatusResponse) -> Vec<Row<'_>> {
    let plans = describe::plans(run).into_iter();
    plans.flat_map(|(plan, steps)| steps.iter().map(move |step| Row { plan, step })).collect()
}

impl Row<'_> {
    fn draw(&self, axis: &Axis, y: f64, now: Timestamp) -> String {
        let step = self.step;
        let of = if self.plan.is_empty() { "" } else { " · " };
        let label = cut(&format!("{}{of}{}", self.plan, step.id), 30);
        let mut drawn = text((MARGIN, y + 16.0), 12, INK, "", &label);
        let state = palette::name(step.state);
        let Some(from) = step.started_at else {
            return drawn + &text((MARGIN + LABELS, y + 16.0), 11, FAINT, "", state);
        };
        let to = step.ended_at.unwrap_or(now);
        let (x, end) = (axis.at(from), axis.at(to));
        let width = (end - x).max(2.0);
        let colours = palette::of(step.state);
        let open = if step.ended_at.is_none() { " stroke-dasharray=\"4 3\"" } else { "" };
        let words = [state.to_owned(), describe::standing(step, now)];
        let words = words.iter().filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>();
        let words = words.join(", ");
        drawn += &format!(
            "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" \
             height=\"{:.1}\" rx=\"3\" fill=\"{}\" stroke=\"{}\"{open}/></g>\n",
            xml(&format!("{}: {words}, from {from} to {to}", step.id)),
            y + 4.0,
            ROW - 8.0,
            colours.fill,
            colours.stroke
        );
        drawn + &text((x + width + 6.0, y + 16.0), 11, FAINT, "", &cut(&words, 36))
    }
}

/// The times of the chart.
struct Axis {
    began: Timestamp,
    whole: Duration,
}

impl Axis {
    /// Where a moment is, from the left; never outside of the chart.
    fn at(&self, moment: Timestamp) -> f64 {
        let share = between(self.began, moment).as_secs_f64() / self.whole.as_secs_f64();
        MARGIN + LABELS + CHART * share.clamp(0.0, 1.0)
    }

    /// Lines at round times, with their names above.
    fn lines(&self, bottom: f64) -> String {
        let every = round_up(self.whole.as_secs_f64() / TICKS);
        let mut drawn = String::new();
        let count = (self.whole.as_secs_f64() / every).floor() as u32;
        for tick in 0..=count {
            let seconds = every * f64::from(tick);
            let x = MARGIN + LABELS + CHART * seconds / self.whole.as_secs_f64();
            drawn +=
                &format!("<path d=\"M{x:.1} {:.1}V{bottom:.1}\" stroke=\"#d0d7de\"/>\n", TOP - 4.0);
            let name = span(Duration::try_from_secs_f64(seconds).unwrap_or_default());
            drawn += &text((x, TOP - 10.0), 11, FAINT, " text-anchor=\"middle\"", &name);
        }
        drawn
    }
}

/// The next round time in seconds: 1, 2 or 5 of a power of ten below a minute; above, parts of
/// hours and days that clocks show.
fn round_up(seconds: f64) -> f64 {
    const LONG: [f64; 14] = [
        60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 21_600.0,
        43_200.0, 86_400.0, 172_800.0, 604_800.0,
    ];
    if seconds > 30.0 {
        let weeks = (seconds / 604_800.0).ceil() * 604_800.0;
        return LONG.into_iter().find(|long| *long >= seconds).unwrap_or(weeks);
    }
    let power = 10_f64.powf(seconds.max(0.001).log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    factors.iter().map(|f| f * power).find(|tick| *tick >= seconds).unwrap_or(30.0)
}

#[cfg(test)]
mod tests {
    use super::round_up;

    #[test]
    fn times_are_rounded_to_what_clocks_show() {
        let rounded = [0.0001, 0.03, 3.0, 29.0, 45.0, 3_000.0, 700_000.0].map(round_up);
        let expected = [0.001, 0.05, 5.0, 50.0, 60.0, 3_600.0, 1_209_600.0];
        for (got, wanted) in rounded.into_iter().zip(expected) {
            assert!((got - wanted).abs() < 1e-9, "{got} is not {wanted}");
        }
    }
}
