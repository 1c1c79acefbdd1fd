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

use std::collections::BTreeMap;

use super::token::{Token, generalise, has_word};
use super::tree::ParseTree;
use crate::config::DrainConfig;

/// A template and the messages that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The template, with `<*>` where parameters stand.
    pub template: String,
    /// Places of its messages in the input.
    pub members: Vec<usize>,
}

/// Groups masked messages. The answer depends on their order only where similarities tie; give
/// them sorted to have it independent of who saw which first.
pub fn group(messages: &[&str], config: &DrainConfig) -> Vec<Group> {
    let mut groups = group_once(messages, config);
    for _ in 0..MAX_PASSES {
        let templates: Vec<&str> = groups.iter().map(|group| group.template.as_str()).collect();
        let merged = group_once(&templates, config);
        if merged.len() == groups.len() {
            break;
        }
        let member = |index: usize| std::mem::take(&mut groups[index].members);
        groups = regroup(merged, member);
    }
    groups
}

/// Groups of groups as groups of what is in them.
fn regroup(merged: Vec<Group>, mut members_of: impl FnMut(usize) -> Vec<usize>) -> Vec<Group> {
    let flatten = |group: Group| Group {
        template: group.template,
        members: group.members.into_iter().flat_map(&mut members_of).collect(),
    };
    merged.into_iter().map(flatten).collect()
}

fn group_once(messages: &[&str], config: &DrainConfig) -> Vec<Group> {
    let tokens: Vec<Vec<Token<'_>>> =
        messages.iter().map(|message| message.split(' ').map(Token::new).collect()).collect();
    let mut groups = Vec::new();
    for cluster in clusters(&tokens, config) {
        split(&tokens, cluster.members, config, &mut groups);
    }
    for place in 0..config.depth.saturating_sub(2) {
        groups = merge_at(place, groups, config);
    }
    groups
}

/// Further passes over the templates that were found, as long as some of them are alike.
const MAX_PASSES: usize = 3;

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

#[derive(Debug, Default)]
struct Cluster<'a> {
    /// `None` where members differ.
    template: Vec<Option<Token<'a>>>,
    members: Vec<usize>,
}

impl<'a> Cluster<'a> {
    /// Drain's simSeq: the share of places that are alike; 0 where it is below `least`. Places
    /// without a word on either side tell nothing and are left out.
    fn similarity(&self, tokens: &[Token<'_>], least: f64) -> f64 {
        let allowed = (1.0 - least) * tokens.len() as f64;
        let (mut same, mut counted, mut different) = (0, 0, 0);
        for (own, other) in self.template.iter().zip(tokens) {
            let alike = own.is_some_and(|own| own.is_like(*other));
            different += usize::from(!alike);
            if different as f64 > allowed {
                return 0.0;
            }
            if own.is_none_or(|own| own.word) || other.word {
                counted += 1;
                same += usize::from(alike);
            }
        }
        match (counted, different) {
            (0, 0) => 1.0,
            (0, _) => 0.0,
            _ => same as f64 / counted as f64,
        }
    }

    fn join(&mut self, tokens: &[Token<'a>], member: usize) {
        for (own, other) in self.template.iter_mut().zip(tokens) {
            match *own {
                Some(token) if other.covers(token) => *own = Some(*other),
                Some(token) if !token.is_like(*other) => *own = None,
                _ => {}
            }
        }
        self.members.push(member);
    }
}

fn clusters<'a>(messages: &[Vec<Token<'a>>], config: &DrainConfig) -> Vec<Cluster<'a>> {
    let mut tree = ParseTree::new(config);
    let mut clusters: Vec<Cluster<'a>> = Vec::new();
    for (member, tokens) in messages.iter().enumerate() {
        let leaf = tree.leaf(tokens);
        let mut best = None;
        let mut most = config.similarity;
        for index in leaf.iter().copied() {
            let similarity = clusters[index].similarity(tokens, config.similarity);
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
    messages: &[Vec<Token<'_>>],
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
    token: Token<'a>,
    members: Vec<usize>,
}

/// The classes of one place; none where there are so many that the place is a parameter.
fn classes<'a>(
    messages: &[Vec<Token<'a>>],
    members: &[usize],
    place: usize,
    limit: usize,
) -> Option<Vec<Class<'a>>> {
    let mut classes: Vec<Class<'a>> = Vec::new();
    // What holds a wildcard comes first, so that it takes in the literals that it covers.
    for masked in [true, false] {
        for member in members.iter().copied() {
            let token = messages[member][place];
            if token.masked != masked {
                continue;
            }
            match classes.iter_mut().find(|class| class.token.is_like(token)) {
                Some(class) => class.members.push(member),
                None => classes.push(Class { token, members: vec![member] }),
            }
            if classes.len() >= limit {
                return None;
            }
        }
    }
    Some(classes)
}

fn template_of(messages: &[Vec<Token<'_>>], members: &[usize]) -> String {
    let mut template = String::new();
    let first = members.first().map_or(&[][..], |first| &messages[*first][..]);
    for (place, token) in first.iter().enumerate() {
        if place > 0 {
            template.push(' ');
        }
        let tokens = members.iter().map(|member| messages[*member][place].text);
        if tokens.clone().all(|other| other == token.text) {
            template.push_str(token.text);
        } else {
            generalise(tokens, &mut template);
        }
    }
    template
}
