//! Where the boxes of a graph stand: layers by longest path, few crossings, straight long edges.
//!
//! The method of Sugiyama, Tagawa and Toda (1981): each node in the layer after its last
//! dependency; an edge over several layers passes through a point in each; the layers are ordered
//! by the mean place of their neighbours, down and up in turn; then each layer is moved as near to
//! its neighbours as order and distances allow (isotonic regression, pool adjacent violators).
//! Time is linear in nodes, points and edges, but for the sorting.

use super::order::topological;

/// Sweeps over all layers, of each kind.
const SWEEPS: usize = 8;
/// Points on long edges in a whole picture; beyond, long edges are drawn straight.
const MAX_POINTS: usize = 50_000;
/// The room that the point of a long edge takes, in boxes.
const POINT: f64 = 0.3;

/// A place: which layer, and how far along it, in boxes from the middle of the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spot {
    pub(super) layer: usize,
    pub(super) along: f64,
}

/// A graph that has been laid out.
#[derive(Debug)]
pub(super) struct Layout {
    /// Where each node stands.
    pub(super) nodes: Vec<Spot>,
    /// The way of each edge, from its first node to its last.
    pub(super) routes: Vec<Vec<Spot>>,
    /// How many layers there are.
    pub(super) layers: usize,
    /// The room that the widest layer takes, in boxes.
    pub(super) breadth: f64,
}

/// Lays out `count` nodes with these edges (from, to).
pub(super) fn layout(count: usize, edges: &[(usize, usize)]) -> Layout {
    let mut grid = Grid::new(count, edges);
    for sweep in 0..SWEEPS {
        grid.order(sweep % 2 == 0);
    }
    grid.pack();
    for sweep in 0..SWEEPS {
        grid.place(sweep % 2 == 0);
    }
    grid.finish()
}

/// Cells (nodes, and points of long edges) in layers.
struct Grid {
    count: usize,
    layer: Vec<usize>,
    layers: Vec<Vec<usize>>,
    /// Neighbours in the layer before, and in the one after.
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
    along: Vec<f64>,
    routes: Vec<Vec<usize>>,
}

impl Grid {
    fn new(count: usize, edges: &[(usize, usize)]) -> Self {
        let layer = longest_paths(count, edges);
        let mut grid = Self {
            count,
            layers: vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)],
            layer,
            before: vec![Vec::new(); count],
            after: vec![Vec::new(); count],
            along: Vec::new(),
            routes: Vec::new(),
        };
        let span = |(from, to): &(usize, usize)| grid.layer[*to].saturating_sub(grid.layer[*from]);
        let points: usize = edges.iter().map(|edge| span(edge).saturating_sub(1)).sum();
        for node in 0..count {
            grid.layers[grid.layer[node]].push(node);
        }
        for (from, to) in edges {
            let route = grid.route(*from, *to, points <= MAX_POINTS);
            grid.routes.push(route);
        }
        grid.along = vec![0.0; grid.layer.len()];
        grid
    }

    /// The cells that an edge passes, both ends included.
    fn route(&mut self, from: usize, to: usize, bend: bool) -> Vec<usize> {
        let mut route = vec![from];
        let (first, last) = (self.layer[from] + 1, self.layer[to]);
        if bend {
            for layer in first..last {
                let point = self.layer.len();
                self.layer.push(layer);
                self.before.push(Vec::new());
                self.after.push(Vec::new());
                self.layers[layer].push(point);
                route.push(point);
            }
        }
        route.push(to);
        let whole = first == last || (bend && first < last);
        for pair in route.windows(2).filter(|_| whole) {
            self.after[pair[0]].push(pair[1]);
            self.before[pair[1]].push(pair[0]);
        }
        route
    }

    fn room(&self, cell: usize) -> f64 {
        if cell < self.count { 1.0 } else { POINT }
    }

    /// Mean of the neighbours' places on one side; the cell's own where it has none.
    fn wished(&self, cell: usize, downwards: bool, place: &[f64]) -> f64 {
        let neighbours = if downwards { &self.before[cell] } else { &self.after[cell] };
        if neighbours.is_empty() {
            return place[cell];
        }
        neighbours.iter().map(|cell| place[*cell]).sum::<f64>() / neighbours.len() as f64
    }

    /// The layers in the order of a sweep.
    fn sweep(&self, downwards: bool) -> Vec<usize> {
        let layers = 0..self.layers.len();
        if downwards { layers.collect() } else { layers.rev().collect() }
    }

    /// Orders each layer by the places of its neighbours.
    fn order(&mut self, downwards: bool) {
        let mut place = vec![0.0; self.layer.len()];
        for cells in &self.layers {
            for (at, cell) in cells.iter().enumerate() {
                place[*cell] = at as f64;
            }
        }
        for layer in self.sweep(downwards) {
            let mut cells = std::mem::take(&mut self.layers[layer]);
            let mut keyed: Vec<_> =
                cells.drain(..).map(|cell| (self.wished(cell, downwards, &place), cell)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            cells.extend(keyed.into_iter().map(|(_, cell)| cell));
            for (at, cell) in cells.iter().enumerate() {
                place[*cell] = at as f64;
            }
            self.layers[layer] = cells;
        }
    }

    /// Distances of the cells of a layer from its first.
    fn offsets(&self, layer: usize) -> Vec<f64> {
        let mut at = 0.0;
        let mut before = None;
        let cells = self.layers[layer].iter();
        let offset = |cell: &usize| {
            let room = self.room(*cell);
            at += before.replace(room).map_or(0.0, |before| (before + room) / 2.0);
            at
        };
        cells.map(offset).collect()
    }

    /// Puts the cells of each layer next to each other.
    fn pack(&mut self) {
        for layer in 0..self.layers.len() {
            let offsets = self.offsets(layer);
            for (cell, offset) in self.layers[layer].iter().zip(offsets) {
                self.along[*cell] = offset;
            }
        }
    }

    /// Moves the cells of each layer as near to their neighbours as their order allows.
    fn place(&mut self, downwards: bool) {
        for layer in self.sweep(downwards) {
            let offsets = self.offsets(layer);
            let cells = &self.layers[layer];
            let wished = cells.iter().zip(&offsets).map(|(cell, offset)| {
                // Long edges are worth more: a bend in them is seen best.
                let weight = if *cell < self.count { 1.0 } else { 4.0 };
                (self.wished(*cell, downwards, &self.along) - offset, weight)
            });
            let placed = isotonic(wished);
            for ((cell, offset), value) in cells.iter().zip(&offsets).zip(placed) {
                self.along[*cell] = value + offset;
            }
        }
    }

    fn finish(self) -> Layout {
        let edges = |cell: usize| {
            let half = self.room(cell) / 2.0;
            (self.along[cell] - half, self.along[cell] + half)
        };
        let cells = 0..self.layer.len();
        let left = cells.clone().map(|cell| edges(cell).0).fold(f64::INFINITY, f64::min);
        let right = cells.map(|cell| edges(cell).1).fold(f64::NEG_INFINITY, f64::max);
        let spot =
            |cell: &usize| Spot { layer: self.layer[*cell], along: self.along[*cell] - left - 0.5 };
        Layout {
            nodes: (0..self.count).collect::<Vec<_>>().iter().map(spot).collect(),
            routes: self.routes.iter().map(|route| route.iter().map(spot).collect()).collect(),
            layers: self.layers.len(),
            breadth: if self.count == 0 { 0.0 } else { right - left },
        }
    }
}

/// The layer of each node: one after the last of those that it depends on.
fn longest_paths(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let ordered = topological(count, edges);
    let mut after = vec![Vec::new(); count];
    for (from, to) in edges.iter().filter(|(from, to)| ordered.place[*from] < ordered.place[*to]) {
        after[*from].push(*to);
    }
    let mut layer = vec![0; count];
    for node in ordered.nodes {
        for to in &after[node] {
            layer[*to] = layer[*to].max(layer[node] + 1);
        }
    }
    layer
}

/// The rising values that are nearest to the wished ones, by weighted squares: neighbours that are
/// out of order are pooled at their mean (Ayer et al. 1955).
fn isotonic(wished: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (value, weight) in wished {
        let mut pool = (value, weight, 1);
        while let Some(before) = pools.pop_if(|before| before.0 > pool.0) {
            let weight = before.1 + pool.1;
            let mean = (before.0 * before.1 + pool.0 * pool.1) / weight;
            pool = (mean, weight, before.2 + pool.2);
        }
        pools.push(pool);
    }
    pools.into_iter().flat_map(|(value, _, size)| std::iter::repeat_n(value, size)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_stands_one_layer_after_its_last_dependency() {
        let layout = layout(4, &[(0, 1), (1, 2), (0, 3), (2, 3)]);
        let layers: Vec<_> = layout.nodes.iter().map(|spot| spot.layer).collect();
        assert_eq!(layers, [0, 1, 2, 3]);
        assert_eq!(layout.routes[2].len(), 4, "a long edge passes each layer");
    }

    #[test]
    fn nothing_in_a_layer_overlaps_and_a_fork_is_symmetric() {
        let edges: Vec<_> = (1..=3).flat_map(|leaf| [(0, leaf), (leaf, 4)]).collect();
        let layout = layout(5, &edges);
        let along: Vec<_> = layout.nodes.iter().map(|spot| spot.along).collect();
        assert_eq!(along, [1.0, 0.0, 1.0, 2.0, 1.0]);
        assert_eq!((layout.layers, layout.breadth), (3, 3.0));
    }

    #[test]
    fn crossings_that_can_be_avoided_are() {
        // 0 and 1 feed 3 and 2: written crosswise, drawn straight.
        let layout = layout(4, &[(0, 3), (1, 2)]);
        let [a, b, c, d] = [0, 1, 2, 3].map(|node| layout.nodes[node].along);
        assert!((a < b) == (d < c), "{layout:?}");
    }

    #[test]
    fn values_out_of_order_are_pooled() {
        let wished = [(1.0, 1.0), (3.0, 1.0), (1.0, 1.0), (5.0, 1.0)];
        assert_eq!(isotonic(wished.into_iter()), [1.0, 2.0, 2.0, 5.0]);
    }

    #[test]
    fn nothing_and_cycles_are_laid_out_too() {
        assert_eq!(layout(0, &[]).layers, 0);
        assert_eq!(layout(2, &[(0, 1), (1, 0)]).nodes.len(), 2);
        assert_eq!(layout(1, &[(0, 0)]).nodes.len(), 1);
    }
}
