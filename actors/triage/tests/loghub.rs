//! The miner's grouping accuracy over six real logs, and its speed, with one configuration.
//!
//! Grouping accuracy as in He et al. (ICWS 2017) and Zhu et al. (ICSE-SEIP 2019): the share of
//! lines whose group holds exactly the lines of one true template. The logs (Loghub, Zhu et al.,
//! ISSRE 2023) are read where they lie and never copied; where they are absent, the test says
//! so and passes. `cargo test --release -p synod-triage --test loghub -- --nocapture` prints
//! the table.

mod accuracy;

use std::error::Error;
use std::path::{Path, PathBuf};

use accuracy::{LOGS, Log, folder};
use synod_triage::{Digest, Input, Planner, TriageConfig, digest_chunk, read_chunk, survey};

#[test]
fn accuracy_over_six_real_logs_is_at_least_what_is_promised() {
    let Some(folder) = folder() else {
        println!("loghub is absent (set SYNOD_LOGHUB to its folder): accuracy is not measured");
        return;
    };
    let config = TriageConfig::default();
    let mut sum = 0.0;
    for (name, published) in LOGS {
        let Some(log) = Log::open(&folder, name) else {
            println!("{name} is absent: accuracy is not measured");
            return;
        };
        let accuracy = log.accuracy(&config).unwrap();
        println!("{name:<10} {accuracy:.4}   Drain, tuned for it: {published:.3}");
        sum += accuracy;
    }
    let mean = sum / LOGS.len() as f64;
    println!("mean       {mean:.4}");
    assert!(mean >= 0.88, "the mean is {mean:.4}");
}

#[test]
fn every_line_of_a_real_log_is_dated_and_counted() {
    let Some(folder) = folder() else {
        println!("loghub is absent: dates are not checked");
        return;
    };
    for (name, _) in LOGS {
        let Some(log) = Log::open(&folder, name) else { return };
        let digest = digest(&log.path, &TriageConfig::default()).unwrap();
        assert_eq!(digest.lines(), 2000, "{name}");
        assert_eq!(digest.files[&0].undated, 0, "{name}");
        let counted: u64 = digest.templates.values().map(|tally| tally.count).sum();
        assert_eq!(counted, 2000, "{name}");
    }
}

/// The digest of a whole log, as a run makes it.
fn digest(path: &Path, config: &TriageConfig) -> Result<Digest, Box<dyn Error>> {
    let mut whole = Digest::default();
    let sources = survey(&Input::Path(path.to_owned()), config)?;
    let mut planner = Planner::new(sources, PathBuf::new(), config);
    while let Some(chunk) = planner.next_chunk()? {
        let reading = read_chunk(&chunk, config)?;
        whole.merge(digest_chunk(&reading, config)?, &config.miner);
    }
    Ok(whole)
}
