//! Joins rows of one flow that were metered separately.
//!
//! A flow is split into several rows where a capture was cut into pieces, and where time ran back after the meter had
//! freed the flow. The rule that joins them is the one that would have kept them together.

use hashbrown::HashMap;

use super::boundary::{self, Fit};
use super::{Idle, Key, settle};
use crate::table::FlowRecord;

/// Rows of one key that are compared with a later one, the newest first.
const MAX_OPEN: usize = 64;

/// Rows in the order of each one's first piece, and for each input row the index of the row it went into.
type Joined = (Vec<FlowRecord>, Vec<u32>);

/// Joins all rows of one flow, given the whole capture. `rows` come in the order of the capture.
///
/// This makes the decisions that further rows could change: whether an idle connection continues, and whether VLANs
/// and virtual networks separate conversations.
#[must_use]
pub fn stitch(rows: impl IntoIterator<Item = FlowRecord>, idle: &Idle, past_idle: bool) -> Joined {
    let (rows, groups) = join(rows, idle);
    let (rows, of_joined) = settle::settle(rows, idle, past_idle);
    (rows, groups.into_iter().map(|group| of_joined[group as usize]).collect())
}

/// Joins rows that belong together whatever else was captured. `rows` come in the order of the capture.
#[must_use]
pub fn join(rows: impl IntoIterator<Item = FlowRecord>, idle: &Idle) -> Joined {
    let mut rows: Vec<FlowRecord> = rows.into_iter().collect();
    // Open rows of each key in each lane, the newest last.
    let mut open: HashMap<(Key, (u16, u32)), Vec<usize>, ahash::RandomState> = HashMap::default();
    let mut went_to: Vec<usize> = (0..rows.len()).collect();
    for row in 0..rows.len() {
        let open = open.entry((rows[row].key, rows[row].lane())).or_default();
        let mut grown = row;
        // A row that has grown may close the gap between others.
        while let Some(other) = partner(&rows, open, grown, idle) {
            let (earlier, later) = (grown.min(other), grown.max(other));
            let (before, after) = rows.split_at_mut(later);
            before[earlier].absorb(&after[0]);
            went_to[later] = earlier;
            open.retain(|&place| place != later);
            grown = earlier;
        }
        if grown == row {
            open.push(row);
        }
    }
    gather(rows, &went_to)
}

/// Returns the open row that belongs together with the grown one.
fn partner(rows: &[FlowRecord], open: &[usize], grown: usize, idle: &Idle) -> Option<usize> {
    for &other in open.iter().rev().take(MAX_OPEN).filter(|&&other| other != grown) {
        match boundary::fit_rows(&rows[grown.min(other)], &rows[grown.max(other)], idle) {
            Fit::Belongs => return Some(other),
            Fit::Begins if other < grown => return None,
            Fit::Begins | Fit::Far | Fit::Apart => {}
        }
    }
    None
}

/// Removes the rows that went into earlier ones.
pub fn gather(mut rows: Vec<FlowRecord>, went_to: &[usize]) -> Joined {
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
