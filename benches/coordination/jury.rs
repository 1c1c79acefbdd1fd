//! A jury against its members: which lines of a labelled log tell of an alert.
//!
//! The log is BGL_2k of Loghub, whose label (a tag of an alert, or `-`) stands before each line; it
//! is taken off before anybody sees the log. Jurors are the detectors and the judges of the triage
//! team: a detector says "alert" of the lines of its findings, a judge of the lines of the
//! findings, of whichever detector, that it confirms. Each line is a ballot of its own. Weights,
//! and which member is best, come from the other half of the log, and the halves take turns: once
//! the earlier and the later half, once every other stretch of 50 lines.
//!
//! It is the jurors' nature to look for what is unusual, and an alert need not be: so none of the
//! figures says how good the triage team is at its own task.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use synod_coordination::ballot::{
    BallotInput, BallotOutcome, BallotProtocol, Paper, Proposal, VoterEntry,
};
use synod_coordination::{Effects, Moment, Protocol as _};
use synod_runtime::Principal;
use synod_triage::{
    Case, Criterion, Digest, Finding, FindingKind, Input, Masker, Planner, Severity, TriageConfig,
    Verdict, detect_failures, detect_rare, detect_spikes, digest_chunk, group, rank, read_chunk,
    survey,
};

use crate::figures::load;
use crate::ground::opened;

const LOG: &str = "BGL_2k";
const NAMES: [&str; 6] = [
    "detector of rare messages",
    "detector of rate spikes",
    "detector of repeated failures",
    "judge of strength",
    "judge of impact",
    "judge of novelty",
];
const MEMBERS: usize = NAMES.len();

/// What each member says of a line.
type Said = [bool; MEMBERS];

/// How the log is halved: its lines, in stretches of which every other is in the same half.
const SPLITS: [(&str, usize); 2] = [("earlier and later", 1_000), ("stretches of 50 lines", 50)];

pub(crate) fn print(scratch: &Path) {
    println!("\n## A jury and its members: alerts of {LOG}, by line\n");
    let Some(folder) = folder() else {
        return println!("loghub is absent: no labelled log, no accuracy");
    };
    let lines = Lines::read(&folder, scratch).expect("a log that can be read");
    let begun = Instant::now();
    let jury = Jury::of(&lines);
    let looked = begun.elapsed();
    let alerts = lines.0.iter().filter(|line| line.alert).count();
    println!("{} lines, {alerts} of them alerts; load {}", lines.0.len(), load());
    println!("six members looked at them in {:.1} ms\n", looked.as_secs_f64() * 1e3);
    print_head();
    for (member, name) in NAMES.iter().enumerate() {
        jury.row(name, |_, said| said[member]);
    }
    jury.row("any member (no ballot)", |_, said| said.contains(&true));
    let begun = Instant::now();
    let equal = [1.0; MEMBERS];
    jury.row("**jury, majority**", |_, said| verdict(&equal, said));
    let one = begun.elapsed() / u32::try_from(lines.0.len()).unwrap_or(1).max(1);
    let severe = |at: usize| lines.0[at].severity >= Some(Severity::Error);
    Score::of((0..lines.0.len()).map(|at| (lines.0[at].alert, severe(at))))
        .print("no member: the line's own level, error or worse");
    Score::of(lines.0.iter().map(|line| (line.alert, false))).print("nobody says anything");
    println!("\none ballot of six takes {:.1} µs (pure)", one.as_secs_f64() * 1e6);
    for (name, stretch) in SPLITS {
        jury.print_halved(name, stretch);
    }
}

fn print_head() {
    println!("| who | precision | recall | F1 | accuracy |");
    println!("|---|--:|--:|--:|--:|");
}

fn print_weights(name: &str, weights: &[[f64; MEMBERS]; 2]) {
    for (half, weights) in weights.iter().enumerate() {
        let weights: Vec<String> = weights.iter().map(|weight| format!("{weight:.2}")).collect();
        println!("weights by {name} for half {}: {}", half + 1, weights.join(", "));
    }
}

/// The folder of the logs, where it is present.
fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("SYNOD_LOGHUB").map(PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/loghub");
    given.into_iter().chain([here]).find(|folder| folder.is_dir())
}

/// A line and what it is.
struct Line {
    text: String,
    template: String,
    time_ms: Option<i64>,
    severity: Option<Severity>,
    /// By the label.
    alert: bool,
}

/// The log, and what the team makes of it as a whole.
struct Lines(Vec<Line>, Digest, TriageConfig);

impl Lines {
    fn read(folder: &Path, scratch: &Path) -> Result<Self, Box<dyn Error>> {
        let labelled = fs::read_to_string(folder.join(format!("{LOG}.log")))?;
        let split = |line: &'_ str| {
            let (label, rest) = line.split_once(' ').unwrap_or((line, ""));
            (label != "-", rest.to_owned())
        };
        let (alerts, texts): (Vec<bool>, Vec<String>) = labelled.lines().map(split).unzip();
        let path = scratch.join("unlabelled.log");
        fs::write(&path, texts.join("\n") + "\n")?;
        let config = TriageConfig::default();
        let digest = digest(&path, &config)?;
        let sources = survey(&Input::Path(path), &config)?;
        let file = sources.files.first().ok_or("no log")?;
        let mut masker = Masker::new(config.miner.max_message_bytes);
        let read = |(alert, text): (bool, String)| {
            let parts = file.layout.apply(&text, file.written);
            let masked = masker.mask(parts.content.as_bytes());
            let template = String::from_utf8_lossy(masked).into_owned();
            let (time_ms, severity) = (parts.time_ms, parts.severity);
            Line { template, time_ms, severity, alert, text }
        };
        let mut lines: Vec<Line> = alerts.into_iter().zip(texts).map(read).collect();
        name_templates(&mut lines, &config);
        let known = lines.iter().filter(|line| digest.templates.contains_key(&line.template));
        assert_eq!(known.count(), lines.len(), "each line has a template of the digest");
        Ok(Self(lines, digest, config))
    }
}

/// What was masked becomes the template that it belongs to.
fn name_templates(lines: &mut [Line], config: &TriageConfig) {
    let mut masked: Vec<String> = lines.iter().map(|line| line.template.clone()).collect();
    masked.sort_unstable();
    masked.dedup();
    let texts: Vec<&str> = masked.iter().map(String::as_str).collect();
    let mut template_of = vec![String::new(); masked.len()];
    for group in group(&texts, &config.miner.drain) {
        for member in group.members {
            template_of[member].clone_from(&group.template);
        }
    }
    for line in lines {
        let at = masked.binary_search(&line.template).expect("it is there");
        line.template.clone_from(&template_of[at]);
    }
}

fn digest(path: &Path, config: &TriageConfig) -> Result<Digest, Box<dyn Error>> {
    let sources = survey(&Input::Path(path.to_owned()), config)?;
    let mut planner = Planner::new(sources, PathBuf::new(), config);
    let mut whole = Digest::default();
    while let Some(chunk) = planner.next_chunk()? {
        let reading = read_chunk(&chunk, config)?;
        whole.merge(digest_chunk(&reading, config)?, &config.miner);
    }
    Ok(whole.grouped(&config.miner))
}

/// What the members say, line by line.
struct Jury(Vec<(bool, Said)>);

impl Jury {
    fn of(Lines(lines, digest, config): &Lines) -> Self {
        let detectors = [detect_rare, detect_spikes, detect_failures];
        let by_detector = detectors.map(|detect| detect(digest, &config.detectors));
        let mut all = by_detector.concat();
        rank(&mut all);
        let confirmed = Criterion::ALL.map(|criterion| {
            let is_confirmed = |at: &usize| {
                let before = all[..*at].iter().map(Into::into).collect();
                let case = Case { finding: all[*at].clone(), before };
                criterion.judge(&case).vote == Verdict::Confirm
            };
            (0..all.len()).filter(is_confirmed).map(|at| all[at].clone()).collect::<Vec<_>>()
        });
        let [a, b, c] = by_detector;
        let [d, e, f] = confirmed;
        let findings = [a, b, c, d, e, f];
        let is_rare = |template: &str| {
            let tally = digest.templates.get(template);
            tally.is_some_and(|tally| tally.count <= config.detectors.rare_count)
        };
        let said = |line: &Line| {
            let says = |of: &Vec<Finding>| of.iter().any(|it| covers(it, line, &is_rare));
            (line.alert, std::array::from_fn(|member| says(&findings[member])))
        };
        Self(lines.iter().map(said).collect())
    }

    /// What is learnt on one half and tried on the other.
    fn print_halved(&self, name: &str, stretch: usize) {
        let halves = Halves { jury: self, stretch };
        let counts = [0, 1].map(|half| halves.of(half).filter(|(alert, _)| *alert).count());
        println!("\nHalves: {name}; {} and {} alerts\n", counts[0], counts[1]);
        print_head();
        let best = [0, 1].map(|half| halves.best(half));
        let half = |at| halves.half(at);
        self.row("best member by F1 on the other half", |at, said| said[best[half(at)]]);
        let plain = halves.weights(Score::accuracy);
        let by_accuracy = "**jury, weighted by accuracy**";
        self.row(by_accuracy, |at, said| verdict(&plain[half(at)], said));
        let fair = halves.weights(Score::balanced);
        let by_balance = "**jury, weighted by balanced accuracy**";
        self.row(by_balance, |at, said| verdict(&fair[half(at)], said));
        println!();
        print_weights("accuracy", &plain);
        print_weights("balanced accuracy", &fair);
    }

    /// What somebody says of each line who goes by the members.
    fn row(&self, name: &str, says: impl Fn(usize, &Said) -> bool) {
        let lines = self.0.iter().enumerate();
        Score::of(lines.map(|(at, (alert, said))| (*alert, says(at, said)))).print(name);
    }
}

/// The log in two halves.
struct Halves<'a> {
    jury: &'a Jury,
    stretch: usize,
}

impl Halves<'_> {
    fn half(&self, at: usize) -> usize {
        at / self.stretch % 2
    }

    fn of(&self, half: usize) -> impl Iterator<Item = &(bool, Said)> {
        let lines = self.jury.0.iter().enumerate();
        lines.filter(move |(at, _)| self.half(*at) == half).map(|(_, line)| line)
    }

    /// How a member does on the half that is not this one.
    fn elsewhere(&self, half: usize, member: usize) -> Score {
        Score::of(self.of(1 - half).map(|(alert, said)| (*alert, said[member])))
    }

    /// The member that is best elsewhere.
    fn best(&self, half: usize) -> usize {
        let f1 = |member: &usize| self.elsewhere(half, *member).f1();
        (0..MEMBERS).max_by(|a, b| f1(a).total_cmp(&f1(b))).unwrap_or(0)
    }

    /// The best weights of independent jurors who are right with this probability (Nitzan and
    /// Paroush 1982): its log-odds. Who is right half the time or less weighs next to nothing.
    fn weights(&self, right: impl Fn(&Score) -> f64) -> [[f64; MEMBERS]; 2] {
        let weight = |half, member| {
            let right = right(&self.elsewhere(half, member)).clamp(0.001, 0.999);
            (right / (1.0 - right)).ln().max(0.000_001)
        };
        std::array::from_fn(|half| std::array::from_fn(|member| weight(half, member)))
    }
}

/// Whether the line is one of those that the finding is about.
fn covers(finding: &Finding, line: &Line, is_rare: &impl Fn(&str) -> bool) -> bool {
    let inside = || match (finding.span, line.time_ms) {
        (Some(span), Some(at)) => (span.first_ms..=span.last_ms).contains(&at),
        _ => true,
    };
    let named = || finding.templates.contains(&line.template);
    match finding.kind {
        FindingKind::RareTemplate => finding.subject == line.template,
        FindingKind::RareSequence => inside() && is_rare(&line.template),
        FindingKind::RateSpike => inside() && named(),
        FindingKind::RepeatedFailure => inside() && named() && comes_from(finding, &line.text),
    }
}

/// Whether the source of the failures stands in the text; one finding about many names them not.
fn comes_from(finding: &Finding, text: &str) -> bool {
    let Some((kind, name)) = finding.subject.split_once(' ') else { return true };
    let one = ["address", "remote", "component"].contains(&kind);
    !one || name.split(" on ").all(|part| text.contains(part))
}

/// What the jury decides about a line.
fn verdict(weights: &[f64; MEMBERS], said: &Said) -> bool {
    let voter = |member: usize| {
        let weight = weights[member];
        VoterEntry { weight, ..VoterEntry::user(format!("member-{member}")) }
    };
    let voters = (0..MEMBERS).map(voter).collect();
    let proposal = Proposal::new("an alert?", &["normal", "alert"], voters);
    let proposal =
        Proposal { status_quo: Some("normal".to_owned()), early_close: false, ..proposal };
    let mut out = Effects::default();
    let mut ballot: BallotProtocol = opened(proposal, &mut out);
    for (member, alert) in said.iter().enumerate() {
        let ballot_paper = Paper::Choice(if *alert { "alert" } else { "normal" }.to_owned());
        let (voter, reason) = (format!("member-{member}"), String::new());
        let vote = BallotInput::Vote { voter, ballot: ballot_paper, reason };
        ballot.step(Moment(1), Principal::anonymous(), vote, &mut out).expect("a vote");
    }
    matches!(ballot.outcome(), Some(BallotOutcome::Chosen { option, .. }) if option == "alert")
}

/// How often somebody is right.
#[derive(Default)]
struct Score {
    hits: f64,
    misses: f64,
    false_alarms: f64,
    right_silences: f64,
}

impl Score {
    /// Of pairs: what is, and what was said.
    fn of(lines: impl Iterator<Item = (bool, bool)>) -> Self {
        let mut score = Self::default();
        for (is, said) in lines {
            *match (is, said) {
                (true, true) => &mut score.hits,
                (true, false) => &mut score.misses,
                (false, true) => &mut score.false_alarms,
                (false, false) => &mut score.right_silences,
            } += 1.0;
        }
        score
    }

    fn precision(&self) -> f64 {
        self.hits / (self.hits + self.false_alarms).max(1.0)
    }

    fn recall(&self) -> f64 {
        self.hits / (self.hits + self.misses).max(1.0)
    }

    fn f1(&self) -> f64 {
        2.0 * self.hits / (2.0 * self.hits + self.misses + self.false_alarms).max(1.0)
    }

    fn accuracy(&self) -> f64 {
        let wrong = self.misses + self.false_alarms;
        let right = self.hits + self.right_silences;
        right / (right + wrong).max(1.0)
    }

    /// The mean of the share right among alerts and among the others.
    fn balanced(&self) -> f64 {
        let quiet = self.right_silences / (self.right_silences + self.false_alarms).max(1.0);
        (self.recall() + quiet) / 2.0
    }

    fn print(&self, name: &str) {
        println!(
            "| {name} | {:.3} | {:.3} | {:.3} | {:.3} |",
            self.precision(),
            self.recall(),
            self.f1(),
            self.accuracy()
        );
    }
}
