//! Joins rows of one flow that were metered apart.
//!
//! A flow's rows come apart where a capture was cut into pieces, and where time ran back after the
//! meter had freed the flow. The rule that joins them is the one that would have kept them together.

use std::collections::HashMap;

use super::{Idle, Key, boundary};
use crate::table::Row;

/// Joins what belongs together. `rows` come in the order of the capture.
///
/// Returns the joined rows, in the order of each one's first piece, and for each input row the
/// index of the row that it went into.
#[must_use]
pub fn stitch(rows: impl IntoIterator<Item = Row>, idle: &Idle) -> (Vec<Row>, Vec<u32>) {
    // Of each key the open rows, as places in `joined`; only the newest takes more.
    let mut open: HashMap<Key, Vec<usize>> = HashMap::new();
    let mut joined: Vec<Option<Row>> = Vec::new();
    let mut went_to: Vec<usize> = Vec::new();
    // Where a joined row went in its turn.
    let mut moved: Vec<usize> = Vec::new();
    for row in rows {
        let stack = open.entry(row.key).or_default();
        moved.push(joined.len());
        went_to.push(joined.len());
        stack.push(joined.len());
        joined.push(Some(row));
        // A row that reaches back in time may close the gap between older ones.
        while let [.., earlier, later] = stack[..] {
            let (Some(first), Some(second)) = (joined[earlier], joined[later]) else { break };
            if !boundary::joins(&first, &second, idle) {
                break;
            }
            let mut first = first;
            first.absorb(&second);
            joined[earlier] = Some(first);
            joined[later] = None;
            moved[later] = earlier;
            stack.pop();
        }
    }
    // `moved` always points to an earlier place, so one pass resolves chains.
    let mut place = vec![0; joined.len()];
    let mut kept = 0;
    for (at, row) in joined.iter().enumerate() {
        if row.is_some() {
            place[at] = kept;
            kept += 1;
        } else {
            place[at] = place[moved[at]];
        }
    }
    let groups = went_to.into_iter().map(|at| place[at]).collect();
    (joined.into_iter().flatten().collect(), groups)
}
