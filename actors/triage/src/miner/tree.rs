//! Drain's fixed-depth parse tree, and the search for the template of a message in it.

use std::collections::HashMap;

use super::mask::WILDCARD;
use super::token::{Token, covers};
use crate::config::DrainConfig;

/// Drain's tree: the number of tokens, then the first tokens, then a list of clusters.
#[derive(Debug)]
pub(super) struct ParseTree {
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
    pub(super) fn new(config: &DrainConfig) -> Self {
        // The root and the length are the two layers that are no tokens.
        let token_layers = config.depth.saturating_sub(2);
        Self { token_layers, max_children: config.max_children, lengths: HashMap::new() }
    }

    /// The clusters of a message's leaf; the leaf is made where it is missing.
    pub(super) fn leaf(&mut self, tokens: &[Token<'_>]) -> &mut Vec<usize> {
        let mut node = self.lengths.entry(tokens.len()).or_default();
        for token in tokens.iter().take(self.token_layers) {
            let full = node.children.len() >= self.max_children;
            let wild = token.masked || (full && !node.children.contains_key(token.text));
            let key = if wild { WILDCARD } else { token.text };
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

/// Finds the template that a masked message belongs to, without changing any.
#[derive(Debug)]
pub(crate) struct Matcher {
    tree: ParseTree,
    /// Tokens, and whether they hold a wildcard.
    templates: Vec<Vec<(String, bool)>>,
}

impl Matcher {
    pub(crate) fn new<'a>(templates: impl Iterator<Item = &'a str>, config: &DrainConfig) -> Self {
        let mut tree = ParseTree::new(config);
        let mut kept = Vec::new();
        for (index, template) in templates.enumerate() {
            let tokens: Vec<Token<'_>> = template.split(' ').map(Token::new).collect();
            tree.leaf(&tokens).push(index);
            kept.push(tokens.iter().map(|token| (token.text.to_owned(), token.masked)).collect());
        }
        Self { tree, templates: kept }
    }

    /// The first template that covers every token of `message`.
    pub(crate) fn find(&self, message: &str) -> Option<usize> {
        let tokens: Vec<&str> = message.split(' ').collect();
        self.tree.search(&tokens, &|index| {
            let template = &self.templates[index];
            let fits = |((own, masked), other): (&(String, bool), &&str)| {
                own == other || (*masked && covers(own, other))
            };
            template.iter().zip(&tokens).all(fits)
        })
    }
}
