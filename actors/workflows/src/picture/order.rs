//! Steps in an order in which each comes after those that it depends on.

/// The edges that can be kept without a cycle, and the nodes so ordered.
pub(super) struct Ordered {
    /// Every node once; those on a cycle last, as they stand.
    pub(super) nodes: Vec<usize>,
    /// The place of each node in `nodes`.
    pub(super) place: Vec<usize>,
}

/// Orders `count` nodes along `edges` (from, to), the first of the definition first (Kahn 1962).
/// A definition that is checked has no cycle; one that is not must not keep us here either.
pub(super) fn topological(count: usize, edges: &[(usize, usize)]) -> Ordered {
    let mut waits = vec![0_usize; count];
    let mut after = vec![Vec::new(); count];
    for (from, to) in edges.iter().filter(|(from, to)| *from < count && *to < count) {
        waits[*to] += 1;
        after[*from].push(*to);
    }
    let mut nodes: Vec<usize> = (0..count).filter(|node| waits[*node] == 0).collect();
    let mut next = 0;
    while let Some(node) = nodes.get(next).copied() {
        next += 1;
        for to in &after[node] {
            waits[*to] -= 1;
            if waits[*to] == 0 {
                nodes.push(*to);
            }
        }
    }
    nodes.extend((0..count).filter(|node| waits[*node] > 0));
    let mut place = vec![0; count];
    for (at, node) in nodes.iter().enumerate() {
        place[*node] = at;
    }
    Ordered { nodes, place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_comes_after_those_it_depends_on() {
        let ordered = topological(4, &[(3, 0), (0, 1), (3, 2), (2, 1)]);
        assert_eq!(ordered.nodes, [3, 0, 2, 1]);
        assert_eq!(ordered.place, [1, 3, 2, 0]);
    }

    #[test]
    fn a_cycle_comes_last_and_keeps_nobody() {
        assert_eq!(topological(3, &[(0, 1), (1, 0), (9, 9)]).nodes, [2, 0, 1]);
    }
}
