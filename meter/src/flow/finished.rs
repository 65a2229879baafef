//! Finished flows, before they become a record batch.

use arrow_array::RecordBatch;

use super::bins::{self, Tracks};
use crate::payload::{PayloadMeta, PayloadMetas};
use crate::table::{FlowRecord, FlowRecords};

/// Finished flows put into columns together: their data lies far apart in memory.
pub const TOGETHER: usize = 16;

/// A finished flow.
pub struct Ended {
    pub row: FlowRecord,
    pub track: bins::Ended,
    pub meta: Option<PayloadMeta>,
}

/// Column builders of finished flows: rows, bins and payload metadata.
pub struct Finished {
    /// Rows of a full batch.
    batch_rows: usize,
    rows: FlowRecords,
    bins: bins::Columns,
    metas: PayloadMetas,
}

impl Finished {
    /// Creates builders without rows; a batch is full with `batch_rows` rows, or a few more.
    pub fn new(batch_rows: usize) -> Self {
        Self {
            batch_rows,
            rows: FlowRecords::default(),
            bins: bins::Columns::default(),
            metas: PayloadMetas::default(),
        }
    }

    /// Returns the number of rows not taken yet.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns the number of rows of a full batch.
    pub fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// Returns the number of rows until a batch is full.
    pub fn room(&self) -> usize {
        self.batch_rows.saturating_sub(self.rows.len())
    }

    /// Adds finished flows.
    pub fn collect(&mut self, ended: &mut Vec<Ended>, tracks: &mut Tracks) {
        for together in ended.chunks(TOGETHER) {
            let mut of_ended = [bins::Ended::default(); TOGETHER];
            for (track, ended) in of_ended.iter_mut().zip(together) {
                *track = ended.track;
            }
            tracks.fetch(of_ended);
            for Ended { row, track, meta } in together {
                self.rows.push(row);
                self.bins.push(tracks.of_ended(*track, row));
                self.metas.push(meta.as_ref());
            }
        }
        ended.clear();
    }

    /// Adds a copy of an active flow.
    pub fn copy(&mut self, row: &FlowRecord, bins: &bins::Bins, meta: Option<&PayloadMeta>) {
        self.rows.push(row);
        self.bins.push(bins);
        self.metas.push(meta);
    }

    /// Returns the rows since the last call.
    pub fn take(&mut self) -> RecordBatch {
        self.bins.beside(&self.metas.beside(&self.rows.take()))
    }

    /// Returns the rows if they make a full batch.
    #[inline]
    pub fn take_full(&mut self) -> Option<RecordBatch> {
        (self.rows.len() >= self.batch_rows).then(|| self.take())
    }
}

/// Returns a batch without rows.
#[must_use]
pub fn no_rows() -> RecordBatch {
    Finished::new(0).take()
}
