//! Joins rows of one flow that were metered apart.
//!
//! A flow's rows come apart where a capture was cut into pieces, and where time ran back after the
//! meter had freed the flow. The rule that joins them is the one that would have kept them together.

use hashbrown::HashMap;

use super::{Idle, Key, boundary};
use crate::table::Row;

/// Joins what belongs together. `rows` come in the order of the capture.
///
/// Returns the joined rows, in the order of each one's first piece, and for each input row the
/// index of the row that it went into.
#[must_use]
pub fn stitch(rows: impl IntoIterator<Item = Row>, idle: &Idle) -> (Vec<Row>, Vec<u32>) {
    let mut rows: Vec<Row> = rows.into_iter().collect();
    // Of each key the newest open row; only that takes more.
    let mut newest: HashMap<Key, usize, ahash::RandomState> = HashMap::default();
    // For an open row the older one below it.
    let mut below: Vec<Option<usize>> = Vec::with_capacity(rows.len());
    // Where each row went: to itself, or to an earlier one.
    let mut went_to: Vec<usize> = (0..rows.len()).collect();
    for row in 0..rows.len() {
        below.push(newest.insert(rows[row].key, row));
        let mut top = row;
        // A row that reaches back in time may close the gap between older ones.
        while let Some(earlier) = below[top] {
            let (before, after) = rows.split_at_mut(top);
            if !boundary::joins(&before[earlier], &after[0], idle) {
                break;
            }
            before[earlier].absorb(&after[0]);
            went_to[top] = earlier;
            top = earlier;
        }
        newest.insert(rows[row].key, top);
    }
    // A row never goes to a later one, so one pass resolves chains.
    let mut groups = vec![0; rows.len()];
    let mut kept = 0;
    for row in 0..rows.len() {
        if went_to[row] == row {
            rows[kept] = rows[row];
            groups[row] = kept as u32;
            kept += 1;
        } else {
            groups[row] = groups[went_to[row]];
        }
    }
    rows.truncate(kept);
    (rows, groups)
}
