//! How the steps of a level stand, in pieces that copies share: a checkpoint costs as much as the
//! steps that change after it.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

use super::level::Row;

/// Steps in one piece.
const PIECE: usize = 64;

/// One row for each step of a plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rows {
    /// All but the last one are full.
    pieces: Vec<Arc<Vec<Row>>>,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        let last = self.pieces.last().map_or(0, |piece| piece.len());
        self.pieces.len().saturating_sub(1) * PIECE + last
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Row> {
        self.pieces.get(at / PIECE)?.get(at % PIECE)
    }
}

impl Index<usize> for Rows {
    type Output = Row;

    fn index(&self, at: usize) -> &Row {
        &self.pieces[at / PIECE][at % PIECE]
    }
}

impl IndexMut<usize> for Rows {
    fn index_mut(&mut self, at: usize) -> &mut Row {
        &mut Arc::make_mut(&mut self.pieces[at / PIECE])[at % PIECE]
    }
}

impl FromIterator<Row> for Rows {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        let mut pieces: Vec<Arc<Vec<Row>>> = Vec::new();
        let mut piece = Vec::new();
        for row in rows {
            piece.push(row);
            if piece.len() == PIECE {
                pieces.push(Arc::new(std::mem::take(&mut piece)));
            }
        }
        if !piece.is_empty() {
            pieces.push(Arc::new(piece));
        }
        Self { pieces }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::StepState;

    #[test]
    fn rows_are_found_by_their_place_and_copies_do_not_see_changes() {
        for count in [0, 1, 63, 64, 65, 200] {
            let mut rows: Rows = (0..count).map(Row::new).collect();
            assert_eq!((rows.len(), rows.iter().count()), (count, count));
            let copy = rows.clone();
            for at in 0..count {
                assert_eq!(rows[at].missing as usize, at);
                rows[at].state = StepState::Skipped;
            }
            assert!(rows.iter().all(|row| row.state == StepState::Skipped));
            assert!(copy.iter().all(|row| row.state == StepState::Pending));
        }
    }
}
