//! Groups masked messages into templates: Drain's fixed-depth parse tree, then a split of what it
//! merged too eagerly.
//!
//! From Drain (He, Zhu, Zheng, Lyu: "Drain: An Online Log Parsing Approach with Fixed Depth Tree",
//! ICWS 2017) come the tree (length, then the first tokens, at most `max_children` branches, the
//! rest below a wildcard) and the similarity by which a message joins a cluster of its leaf. Drain
//! then makes every place in which two messages of a cluster differ a parameter. That merges
//! "Bye Bye" with "disconnected by user", and "state LEADING" with "state LOOKING". So a cluster
//! here keeps its members, and a place becomes a parameter only where at least
//! `parameter_values` different values were seen, or where a masked value stands already; by the
//! other places the cluster is split, the one with the fewest values first, as IPLoM does
//! (Makanju, Zincir-Heywood, Milios, KDD 2009, "partition by token position").

use std::collections::{BTreeMap, HashMap};

use super::mask::WILDCARD;
use crate::config::DrainConfig;

/// A template and the messages that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The template, with [`WILDCARD`] where parameters stand.
    pub template: String,
    /// Places of its messages in the input.
    pub members: Vec<usize>,
}

/// Groups masked messages. The answer depends on their order only where similarities tie; give
/// them sorted to have it independent of who saw which first.
pub fn group(messages: &[&str], config: &DrainConfig) -> Vec<Group> {
    let tokens: Vec<Vec<&str>> = messages.iter().map(|m| m.split(' ').collect()).collect();
    let mut groups = Vec::new();
    for cluster in clusters(&tokens, config) {
        split(&tokens, cluster.members, config, &mut groups);
    }
    for place in 0..config.depth.saturating_sub(2) {
        groups = merge_at(place, groups, config);
    }
    groups
}

/// Words that must agree beside a differing first token for its values to be a parameter; with
/// fewer it takes three times as many values.
const SHARED_WORDS: usize = 3;

/// Merges templates that differ in nothing but the token at `place`, one by which the tree parts
/// them before any similarity is looked at ("alice logged in at noon", "bob logged in at noon").
fn merge_at(place: usize, groups: Vec<Group>, config: &DrainConfig) -> Vec<Group> {
    let mut alike: BTreeMap<(String, String), Vec<Group>> = BTreeMap::new();
    for group in groups {
        let (before, _, after) = around(&group.template, place);
        let key = (before.to_owned(), after.to_owned());
        alike.entry(key).or_default().push(group);
    }
    let mut merged = Vec::new();
    for ((before, after), parts) in alike {
        let words = before.split(' ').chain(after.split(' ')).filter(|t| has_word(t)).count();
        let needed = config.parameter_values * if words >= SHARED_WORDS { 1 } else { 3 };
        if parts.len() < needed || words == 0 {
            merged.extend(parts);
            continue;
        }
        let mut template = before;
        generalise(parts.iter().map(|part| around(&part.template, place).1), &mut template);
        template.push_str(&after);
        let members = parts.into_iter().flat_map(|part| part.members).collect();
        merged.push(Group { template, members });
    }
    merged
}

/// What stands before, at and after the token at `place`, the spaces with the outer parts.
fn around(template: &str, place: usize) -> (&str, &str, &str) {
    let start = match place {
        0 => 0,
        _ => match template.match_indices(' ').nth(place - 1) {
            Some((at, _)) => at + 1,
            None => return (template, "", ""),
        },
    };
    let length = template[start..].find(' ').unwrap_or(template.len() - start);
    (&template[..start], &template[start..start + length], &template[start + length..])
}

/// Finds the template that a masked message belongs to, without changing any.
#[derive(Debug)]
pub(crate) struct Matcher {
    tree: ParseTree,
    templates: Vec<Vec<String>>,
}

impl Matcher {
    pub(crate) fn new<'a>(templates: impl Iterator<Item = &'a str>, config: &DrainConfig) -> Self {
        let mut tree = ParseTree::new(config);
        let mut kept = Vec::new();
        for (index, template) in templates.enumerate() {
            let tokens: Vec<String> = template.split(' ').map(String::from).collect();
            let refs: Vec<&str> = tokens.iter().map(String::as_str).collect();
            tree.leaf(&refs).push(index);
            kept.push(tokens);
        }
        Self { tree, templates: kept }
    }

    /// The first template that covers every token of `message`.
    pub(crate) fn find(&self, message: &str) -> Option<usize> {
        let tokens: Vec<&str> = message.split(' ').collect();
        self.tree.search(&tokens, &|index| {
            let template = &self.templates[index];
            template.iter().zip(&tokens).all(|(own, other)| own == other || covers(own, other))
        })
    }
}

#[derive(Debug, Default)]
struct Cluster<'a> {
    /// `None` where members differ.
    template: Vec<Option<&'a str>>,
    members: Vec<usize>,
}

impl<'a> Cluster<'a> {
    /// Drain's simSeq: the share of places that are alike. Places without a word on either side
    /// tell nothing and are left out.
    fn similarity(&self, tokens: &[&str]) -> f64 {
        let (mut same, mut counted, mut all) = (0, 0, true);
        for (own, other) in self.template.iter().zip(tokens) {
            let alike = own.is_some_and(|own| alike(own, other));
            all &= alike;
            if own.is_none_or(has_word) || has_word(other) {
                counted += 1;
                same += usize::from(alike);
            }
        }
        if counted == 0 { f64::from(u8::from(all)) } else { same as f64 / counted as f64 }
    }

    fn join(&mut self, tokens: &[&'a str], member: usize) {
        for (own, other) in self.template.iter_mut().zip(tokens) {
            match own {
                Some(text) if covers(other, text) => *own = Some(other),
                Some(text) if !alike(text, other) => *own = None,
                _ => {}
            }
        }
        self.members.push(member);
    }
}

fn clusters<'a>(messages: &[Vec<&'a str>], config: &DrainConfig) -> Vec<Cluster<'a>> {
    let mut tree = ParseTree::new(config);
    let mut clusters: Vec<Cluster<'a>> = Vec::new();
    for (member, tokens) in messages.iter().enumerate() {
        let leaf = tree.leaf(tokens);
        let mut best = None;
        let mut most = config.similarity;
        for index in leaf.iter().copied() {
            let similarity = clusters[index].similarity(tokens);
            if similarity >= most && (best.is_none() || similarity > most) {
                most = similarity;
                best = Some(index);
            }
        }
        match best {
            Some(index) => clusters[index].join(tokens, member),
            None => {
                leaf.push(clusters.len());
                let template = tokens.iter().copied().map(Some).collect();
                clusters.push(Cluster { template, members: vec![member] });
            }
        }
    }
    clusters
}

/// Splits a cluster until each part differs only in places that are parameters.
fn split(
    messages: &[Vec<&str>],
    members: Vec<usize>,
    config: &DrainConfig,
    groups: &mut Vec<Group>,
) {
    let places = members.first().map_or(0, |first| messages[*first].len());
    let mut narrowest: Option<Vec<Class<'_>>> = None;
    for place in 0..places {
        let Some(classes) = classes(messages, &members, place, config.parameter_values) else {
            continue;
        };
        let fewer = narrowest.as_ref().is_none_or(|best| classes.len() < best.len());
        if classes.len() > 1 && fewer {
            narrowest = Some(classes);
        }
    }
    let Some(parts) = narrowest else {
        let template = template_of(messages, &members);
        groups.push(Group { template, members });
        return;
    };
    for part in parts {
        split(messages, part.members, config, groups);
    }
}

/// Members that have the same text in one place.
struct Class<'a> {
    text: &'a str,
    members: Vec<usize>,
}

/// The classes of one place; none where there are so many that the place is a parameter.
fn classes<'a>(
    messages: &[Vec<&'a str>],
    members: &[usize],
    place: usize,
    limit: usize,
) -> Option<Vec<Class<'a>>> {
    let mut classes: Vec<Class<'a>> = Vec::new();
    // What holds a wildcard comes first, so that it takes in the literals that it covers.
    for masked in [true, false] {
        for member in members.iter().copied() {
            let token = messages[member][place];
            if is_masked(token) != masked {
                continue;
            }
            match classes.iter_mut().find(|class| alike(class.text, token)) {
                Some(class) => class.members.push(member),
                None => classes.push(Class { text: token, members: vec![member] }),
            }
            if classes.len() >= limit {
                return None;
            }
        }
    }
    Some(classes)
}

fn template_of(messages: &[Vec<&str>], members: &[usize]) -> String {
    let mut template = String::new();
    let first = members.first().map_or(&[][..], |first| &messages[*first][..]);
    for (place, token) in first.iter().enumerate() {
        if place > 0 {
            template.push(' ');
        }
        let tokens = members.iter().map(|member| messages[*member][place]);
        if tokens.clone().all(|other| other == *token) {
            template.push_str(token);
        } else {
            generalise(tokens, &mut template);
        }
    }
    template
}

/// Writes a wildcard for differing tokens, with the punctuation that they share around it:
/// `user=root` and `user=ftp` become `user=<*>`.
fn generalise<'a>(mut tokens: impl Iterator<Item = &'a str>, out: &mut String) {
    let first = tokens.next().unwrap_or_default();
    let (mut prefix, mut suffix) = (first, first);
    for token in tokens {
        let same = |(a, b): &(char, char)| a == b;
        let front: usize =
            prefix.chars().zip(token.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
        prefix = &prefix[..front];
        let pairs = suffix.chars().rev().zip(token.chars().rev());
        let back: usize = pairs.take_while(same).map(|(c, _)| c.len_utf8()).sum();
        suffix = &suffix[suffix.len() - back..];
    }
    let prefix = prefix.split(WILDCARD).next().unwrap_or_default();
    let suffix = suffix.rsplit(WILDCARD).next().unwrap_or_default();
    let kept = prefix.rfind(is_mark).map_or(0, |at| at + 1);
    out.push_str(&prefix[..kept]);
    out.push_str(WILDCARD);
    if let Some(at) = suffix.find(is_mark) {
        out.push_str(&suffix[at..]);
    }
}

fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '_' | '-' | '.' | '<' | '>' | '*')
}

fn alike(one: &str, other: &str) -> bool {
    one == other
        || match (is_masked(one), is_masked(other)) {
            // Nearly always, and cheap to see.
            (false, false) => false,
            (true, false) => covers(one, other),
            (false, true) => covers(other, one),
            (true, true) => covers(one, other) || covers(other, one) || same_frame(one, other),
        }
}

fn is_masked(token: &str) -> bool {
    token.as_bytes().contains(&b'*') && token.contains(WILDCARD)
}

/// Whether a token has letters outside its wildcards.
fn has_word(token: &str) -> bool {
    token.bytes().any(|b| b.is_ascii_alphanumeric() || !b.is_ascii())
}

/// Whether both hold a wildcard between the same marks: `eth<*>:` and `sda<*>:` are two values,
/// `uid=<*>` and `gid=<*>` are not.
fn same_frame(one: &str, other: &str) -> bool {
    match (frame(one), frame(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// The text up to the last mark before the first wildcard, and from the first mark after the last.
fn frame(token: &str) -> Option<(&str, &str)> {
    let (first, last) = (token.find(WILDCARD)?, token.rfind(WILDCARD)?);
    let (prefix, suffix) = (&token[..first], &token[last + WILDCARD.len()..]);
    // A word before leaders (`enable.....1`) names the value, like a key.
    let led = prefix.rfind("..").map(|at| at + 2);
    let open = led.max(prefix.rfind(is_mark).map(|at| at + 1)).unwrap_or(0);
    let close = suffix.find(is_mark).unwrap_or(suffix.len());
    Some((&prefix[..open], &suffix[close..]))
}

/// Whether `masked` holds a wildcard and `token` is one of the texts that it stands for. Around
/// the wildcard only punctuation and whole keys count: `(<*>)` covers `(pwd)` and `()`, but
/// `ssh<*>` does not cover `sshd`.
fn covers(masked: &str, token: &str) -> bool {
    let (Some(first), Some(last)) = (masked.find(WILDCARD), masked.rfind(WILDCARD)) else {
        return false;
    };
    let (prefix, suffix) = (&masked[..first], &masked[last + WILDCARD.len()..]);
    !prefix.ends_with(|c: char| c.is_alphanumeric())
        && !suffix.starts_with(|c: char| c.is_alphanumeric())
        && token.len() >= prefix.len() + suffix.len()
        && token.starts_with(prefix)
        && token.ends_with(suffix)
}

/// Drain's tree: the number of tokens, then the first tokens, then a list of clusters.
#[derive(Debug)]
struct ParseTree {
    token_layers: usize,
    max_children: usize,
    lengths: HashMap<usize, Node>,
}

/// A node of the tree; leaves alone hold clusters.
#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, Node>,
    clusters: Vec<usize>,
}

impl ParseTree {
    fn new(config: &DrainConfig) -> Self {
        // The root and the length are the two layers that are no tokens.
        let token_layers = config.depth.saturating_sub(2);
        Self { token_layers, max_children: config.max_children, lengths: HashMap::new() }
    }

    /// The clusters of a message's leaf; the leaf is made where it is missing.
    fn leaf(&mut self, tokens: &[&str]) -> &mut Vec<usize> {
        let mut node = self.lengths.entry(tokens.len()).or_default();
        for token in tokens.iter().take(self.token_layers) {
            let full = node.children.len() >= self.max_children;
            let wild = is_masked(token) || (full && !node.children.contains_key(*token));
            let key = if wild { WILDCARD } else { token };
            node = node.children.entry(key.into()).or_default();
        }
        &mut node.clusters
    }

    /// The first cluster that `fits`, below the message's own tokens or below wildcards.
    fn search(&self, tokens: &[&str], fits: &dyn Fn(usize) -> bool) -> Option<usize> {
        self.lengths.get(&tokens.len())?.search(tokens, fits)
    }
}

impl Node {
    fn search(&self, tokens: &[&str], fits: &dyn Fn(usize) -> bool) -> Option<usize> {
        let below = |key: &str, rest| self.children.get(key).and_then(|n| n.search(rest, fits));
        let here = self.clusters.iter().copied().find(|index| fits(*index));
        here.or_else(|| {
            let (token, rest) = tokens.split_first()?;
            below(token, rest).or_else(|| below(WILDCARD, rest))
        })
    }
}
