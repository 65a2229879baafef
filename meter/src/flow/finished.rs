//! Flows that have ended and wait to be taken.

use arrow_array::RecordBatch;

use super::bins::{self, Tracks};
use crate::payload::{Note, Notes};
use crate::table::{Row, Rows};

/// So many ended flows are put into columns together: what is known of them lies far apart in memory.
const TOGETHER: usize = 16;

/// A flow that has ended.
struct Ended {
    row: Row,
    track: bins::Ended,
    note: Option<Note>,
}

/// Rows, bins and notes of flows that have ended.
#[derive(Default)]
pub struct Finished {
    ended: Vec<Ended>,
    rows: Rows,
    bins: bins::Columns,
    notes: Notes,
}

impl Finished {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.rows.len() + self.ended.len()
    }

    /// Adds a flow whose track has ended.
    pub fn push(&mut self, row: &Row, track: bins::Ended, note: Option<Note>, tracks: &mut Tracks) {
        self.ended.push(Ended { row: *row, track, note });
        if self.ended.len() == TOGETHER {
            self.collect(tracks);
        }
    }

    /// Puts the last ones into columns.
    pub fn collect(&mut self, tracks: &mut Tracks) {
        let mut of_ended = [bins::Ended::default(); TOGETHER];
        for (track, ended) in of_ended.iter_mut().zip(&self.ended) {
            *track = ended.track;
        }
        tracks.fetch(of_ended);
        for Ended { row, track, note } in self.ended.drain(..) {
            self.rows.push(&row);
            self.bins.push(tracks.of_ended(track, &row));
            self.notes.push(note.as_ref());
        }
    }

    /// Adds a flow that goes on.
    pub fn copy(&mut self, row: &Row, bins: &bins::Bins, note: Option<&Note>) {
        self.rows.push(row);
        self.bins.push(bins);
        self.notes.push(note);
    }

    /// The flows since the last call.
    pub fn take(&mut self, tracks: &mut Tracks) -> RecordBatch {
        self.collect(tracks);
        self.bins.beside(&self.notes.beside(&self.rows.take()))
    }
}
