//! Reads logs with ground truth, and measures how well the miner groups them.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use synod_triage::{Input, Masker, TriageConfig, group, survey};

/// The logs, and Drain's published grouping accuracy with a configuration for each (Zhu et al.).
pub(crate) const LOGS: [(&str, f64); 6] = [
    ("OpenSSH", 0.788),
    ("Linux", 0.690),
    ("Apache", 1.000),
    ("BGL", 0.963),
    ("HDFS", 0.998),
    ("Zookeeper", 0.967),
];

/// The folder of the logs, where it is present.
pub(crate) fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("SYNOD_LOGHUB").map(PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = here.ancestors().map(|folder| folder.join("../shared/data/loghub"));
    given.into_iter().chain(beside).find(|folder| folder.is_dir())
}

/// A log, and the true template of each of its lines.
pub(crate) struct Log {
    /// Where the log lies.
    pub(crate) path: PathBuf,
    truth: Vec<String>,
}

impl Log {
    /// Opens `NAME_2k.log` and the CSV beside it.
    pub(crate) fn open(folder: &Path, name: &str) -> Option<Self> {
        let path = folder.join(format!("{name}_2k.log"));
        let table =
            fs::read_to_string(folder.join(format!("{name}_2k.log_structured.csv"))).ok()?;
        let mut rows = table.lines().map(fields);
        let column = rows.next()?.iter().position(|name| name == "EventId")?;
        let truth = rows.map(|row| row.get(column).cloned().unwrap_or_default()).collect();
        path.is_file().then_some(Self { path, truth })
    }

    /// The share of lines whose group holds exactly the lines of one true template.
    pub(crate) fn accuracy(&self, config: &TriageConfig) -> Result<f64, Box<dyn Error>> {
        let predicted = self.groups(config)?;
        let mut together: HashMap<(usize, &str), usize> = HashMap::new();
        let mut by_group: HashMap<usize, usize> = HashMap::new();
        let mut by_truth: HashMap<&str, usize> = HashMap::new();
        for (group, truth) in predicted.iter().zip(&self.truth) {
            *together.entry((*group, truth)).or_default() += 1;
            *by_group.entry(*group).or_default() += 1;
            *by_truth.entry(truth).or_default() += 1;
        }
        let exact = |((group, truth), count): (&(usize, &str), &usize)| {
            (by_group[group] == *count && by_truth[truth] == *count).then_some(*count)
        };
        let right: usize = together.iter().filter_map(exact).sum();
        Ok(right as f64 / self.truth.len() as f64)
    }

    /// The group of each line: its header is found, its message masked and grouped as in a run.
    fn groups(&self, config: &TriageConfig) -> Result<Vec<usize>, Box<dyn Error>> {
        let sources = survey(&Input::Path(self.path.clone()), config)?;
        let file = sources.files.first().ok_or("no log")?;
        let text = fs::read(&self.path)?;
        let text = String::from_utf8_lossy(&text);
        let mut masker = Masker::new(config.miner.max_message_bytes);
        let messages: Vec<String> = text
            .lines()
            .map(|line| {
                let content = file.layout.apply(line, file.written).content;
                String::from_utf8_lossy(masker.mask(content.as_bytes())).into_owned()
            })
            .collect();
        let mut distinct: Vec<&str> = messages.iter().map(String::as_str).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let mut group_of: HashMap<&str, usize> = HashMap::new();
        for (index, group) in group(&distinct, &config.miner.drain).into_iter().enumerate() {
            group_of.extend(group.members.into_iter().map(|member| (distinct[member], index)));
        }
        Ok(messages.iter().map(|message| group_of[message.as_str()]).collect())
    }
}

/// The fields of a line of CSV (RFC 4180, without line breaks in fields).
fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            _ => field.push(c),
        }
    }
    fields.push(field);
    fields
}
