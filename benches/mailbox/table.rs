//! Prints samples as a table: median, spread, and the ratio to the first contender.

use crate::contender::Contender;
use crate::measure::Sample;

/// Whether a small figure is a good one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Less,
    More,
}

/// One figure of a sample.
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    pub(crate) better: Direction,
    pub(crate) of: &'a dyn Fn(&Sample) -> f64,
}

/// Prints one table per column; ratios above 1 are better than ractor, the first contender.
pub(crate) fn print_table(
    title: &str,
    contenders: &[Contender],
    samples: &[Vec<Sample>],
    columns: &[Column<'_>],
) {
    println!("## {title}\n");
    let header = columns.iter().map(|column| format!(" {} | min..max | vs ractor |", column.name));
    println!("| contender |{}", header.collect::<String>());
    println!("|---|{}", "--:|--:|--:|".repeat(columns.len()));
    for (contender, own) in contenders.iter().zip(samples).filter(|(_, own)| !own.is_empty()) {
        let cells = columns.iter().map(|column| cells(column, own, &samples[0]));
        println!("| {} |{}", contender.name, cells.collect::<String>());
    }
    println!();
}

fn cells(column: &Column<'_>, own: &[Sample], reference: &[Sample]) -> String {
    let figures: Vec<f64> = own.iter().map(column.of).collect();
    let ratios = figures.iter().zip(reference).map(|(own, reference)| {
        let reference = (column.of)(reference);
        if column.better == Direction::Less { reference / own } else { own / reference }
    });
    let ratio = median(ratios.collect());
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.iter().copied().fold(0.0, f64::max);
    let middle = median(figures);
    format!(" {} | {}..{} | {ratio:.2} |", short(middle), short(least), short(most))
}

/// The middle figure; of an even number the lower of the two.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// Three digits and a unit: 12.3M, 54.1.
pub(crate) fn short(figure: f64) -> String {
    match figure {
        f if f >= 1e6 => format!("{:.2}M", f / 1e6),
        f if f >= 1e4 => format!("{:.1}k", f / 1e3),
        f => format!("{f:.1}"),
    }
}
