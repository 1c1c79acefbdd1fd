//! A graph of steps as an outline: what follows a fork is indented below it, and what joins it
//! again stands at the level of the fork.
//!
//! ```text
//! read
//! ├─ count
//! ├─ classify
//! │  ├─ rare
//! │  └─ sudden
//! report
//! ```
//!
//! The levels come from the tree of dominators (Cooper, Harvey and Kennedy 2001): a step stands
//! below the last step that all ways to it pass.

use super::order::topological;
use crate::messages::StepStatus;

/// Steps beyond which the outline is flat.
const MOST: usize = 2_000;
/// Levels beyond which nothing is indented further.
const DEEPEST: usize = 16;

/// A line of an outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineRow {
    /// Which of the steps.
    pub step: usize,
    /// What stands before it: `│  ├─ `.
    pub prefix: String,
}

/// Orders steps and says how they are indented.
#[must_use]
pub fn outline(steps: &[StepStatus]) -> Vec<OutlineRow> {
    let before = dependencies(steps);
    let count = before.len();
    if count > MOST {
        return (0..count).map(|step| OutlineRow { step, prefix: String::new() }).collect();
    }
    let tree = dominators(&before);
    prefixed(&levels(&before, &tree))
}

fn dependencies(steps: &[StepStatus]) -> Vec<Vec<usize>> {
    let index: std::collections::HashMap<_, _> =
        steps.iter().enumerate().map(|(at, step)| (step.id.as_str(), at)).collect();
    let of = |step: &StepStatus| {
        step.depends_on.iter().filter_map(|id| index.get(id.as_str()).copied()).collect()
    };
    steps.iter().map(of).collect()
}

/// Children in the tree of dominators, each list in an order that respects dependencies; the last
/// list is of what nothing dominates.
fn dominators(before: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let count = before.len();
    let into = |(to, from): (usize, &'_ Vec<usize>)| -> Vec<_> {
        from.iter().map(|from| (*from, to)).collect()
    };
    let edges: Vec<(usize, usize)> = before.iter().enumerate().flat_map(into).collect();
    let order = topological(count, &edges);
    let root = count;
    let mut above = vec![root; count + 1];
    let mut depth = vec![0_usize; count + 1];
    let mut children = vec![Vec::new(); count + 1];
    for node in order.nodes {
        let earlier = |from: &&usize| order.place[**from] < order.place[node];
        let ways = before[node].iter().filter(earlier).copied();
        let common = ways.reduce(|a, b| nearest_common(a, b, &above, &depth)).unwrap_or(root);
        above[node] = common;
        depth[node] = depth[common] + 1;
        children[common].push(node);
    }
    children
}

fn nearest_common(mut a: usize, mut b: usize, above: &[usize], depth: &[usize]) -> usize {
    while a != b {
        if depth[a] >= depth[b] {
            a = above[a];
        } else {
            b = above[b];
        }
    }
    a
}

/// Steps in order with their levels.
fn levels(before: &[Vec<usize>], tree: &[Vec<usize>]) -> Vec<(usize, usize)> {
    let root = before.len();
    let mut rows = Vec::new();
    let mut open: Vec<(usize, usize)> = tree[root].iter().rev().map(|node| (*node, 0)).collect();
    while let Some((node, level)) = open.pop() {
        rows.push((node, level));
        let children = &tree[node];
        let (branches, joins): (Vec<usize>, Vec<usize>) = children
            .iter()
            .copied()
            .partition(|child| children.len() > 1 && before[*child].len() == 1);
        open.extend(joins.iter().rev().map(|child| (*child, level)));
        let below = (level + 1).min(DEEPEST);
        open.extend(branches.iter().rev().map(|child| (*child, below)));
    }
    rows
}

/// Draws the lines of the levels, from the last row to the first.
fn prefixed(levels: &[(usize, usize)]) -> Vec<OutlineRow> {
    // Whether a line goes on below, by level.
    let mut goes_on = [false; DEEPEST + 1];
    let mut rows: Vec<_> = levels
        .iter()
        .rev()
        .map(|(step, level)| {
            goes_on[level + 1..].fill(false);
            let mut prefix = String::new();
            for goes_on in &goes_on[1..(*level).max(1)] {
                prefix += if *goes_on { "│  " } else { "   " };
            }
            if *level > 0 {
                prefix += if goes_on[*level] { "├─ " } else { "└─ " };
            }
            goes_on[*level] = true;
            OutlineRow { step: *step, prefix }
        })
        .collect();
    rows.reverse();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &[&[usize]]) -> Vec<String> {
        let before: Vec<Vec<usize>> = before.iter().map(|one| one.to_vec()).collect();
        let rows = prefixed(&levels(&before, &dominators(&before)));
        rows.iter().map(|row| format!("{}{}", row.prefix, row.step)).collect()
    }

    #[test]
    fn a_chain_is_not_indented() {
        assert_eq!(told(&[&[], &[0], &[1]]), ["0", "1", "2"]);
    }

    #[test]
    fn what_joins_a_fork_stands_at_its_level() {
        let rows = told(&[&[], &[0], &[0], &[2], &[2], &[1, 3, 4]]);
        assert_eq!(rows, ["0", "├─ 1", "└─ 2", "   ├─ 3", "   └─ 4", "5"]);
    }

    #[test]
    fn lines_go_on_beside_inner_forks() {
        let rows = told(&[&[], &[0], &[1], &[1], &[0]]);
        assert_eq!(rows, ["0", "├─ 1", "│  ├─ 2", "│  └─ 3", "└─ 4"]);
    }

    #[test]
    fn every_step_is_told_once_also_of_a_cycle() {
        assert_eq!(told(&[&[1], &[0], &[]]).len(), 3);
        assert_eq!(told(&[]).len(), 0);
    }
}
