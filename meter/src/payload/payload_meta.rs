//! Metadata that few flows have: server name, application protocols, announced endpoints. Columns beside the flow
//! facts.

use std::sync::Arc;

use arrow_array::builder::{FixedSizeBinaryBuilder, ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field};

use super::announce::Announced;

/// Maximum announced endpoints kept of one flow.
pub const MAX_ANNOUNCED: usize = 32;

/// Metadata extracted from a flow's messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadMeta {
    /// Name that the client requested: in a TLS or QUIC `ClientHello`, else the Host of an HTTP request.
    pub server_name: Option<Box<str>>,
    /// Application protocols that the client offers, separated by commas.
    pub alpn: Option<Box<str>>,
    /// Endpoints announced on a control connection, in order, packed.
    pub announced: Vec<[u8; Announced::BYTES]>,
}

impl PayloadMeta {
    /// Adds an endpoint, unless it is known or there is no room.
    pub fn announce(&mut self, endpoint: [u8; Announced::BYTES]) {
        if self.announced.len() < MAX_ANNOUNCED && !self.announced.contains(&endpoint) {
            self.announced.push(endpoint);
        }
    }

    /// Adds the metadata of a later piece of the same flow.
    pub fn absorb(&mut self, later: Self) {
        self.server_name = self.server_name.take().or(later.server_name);
        self.alpn = self.alpn.take().or(later.alpn);
        later.announced.into_iter().for_each(|endpoint| self.announce(endpoint));
    }
}

/// Builders of the metadata columns of a record batch.
pub struct PayloadMetas {
    server_name: StringBuilder,
    alpn: StringBuilder,
    announced: ListBuilder<FixedSizeBinaryBuilder>,
}

impl Default for PayloadMetas {
    fn default() -> Self {
        Self {
            server_name: StringBuilder::new(),
            alpn: StringBuilder::new(),
            announced: ListBuilder::new(FixedSizeBinaryBuilder::new(WIDTH)),
        }
    }
}

/// [`Announced::BYTES`] in Arrow's type.
const WIDTH: i32 = 20;
const _: () = assert!(WIDTH as usize == Announced::BYTES);

const COLUMNS: [&str; 3] = ["server_name", "alpn", "announced"];

impl PayloadMetas {
    /// Adds the metadata of the next row.
    ///
    /// # Panics
    /// Never: all endpoints have the same width.
    pub fn push(&mut self, meta: Option<&PayloadMeta>) {
        self.server_name.append_option(meta.and_then(|meta| meta.server_name.as_deref()));
        self.alpn.append_option(meta.and_then(|meta| meta.alpn.as_deref()));
        for endpoint in meta.map_or(&[][..], |meta| &meta.announced) {
            self.announced.values().append_value(endpoint).expect("the width of all");
        }
        self.announced.append(true);
    }

    /// Returns `rows` with the metadata columns of all rows since the last call appended.
    ///
    /// # Panics
    /// The number of metadata entries pushed differs from the number of rows.
    pub fn beside(&mut self, rows: &RecordBatch) -> RecordBatch {
        let arrays: [ArrayRef; 3] = [
            Arc::new(self.server_name.finish()),
            Arc::new(self.alpn.finish()),
            Arc::new(self.announced.finish()),
        ];
        let schema = rows.schema();
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        fields.extend(COLUMNS.iter().zip(&arrays).map(|(name, array)| {
            Arc::new(Field::new(*name, array.data_type().clone(), array.data_type() == &DataType::Utf8))
        }));
        let columns = rows.columns().iter().cloned().chain(arrays).collect();
        RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields)), columns)
            .expect("one meta was pushed for each row")
    }
}

/// Returns the metadata of a record batch's rows.
///
/// # Errors
/// A column is missing or of another type.
pub fn notes_of(batch: &RecordBatch) -> Result<Vec<PayloadMeta>, ArrowError> {
    let column = |name: &str| {
        batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))
    };
    let wrong = |name: &str| ArrowError::SchemaError(format!("column {name} has another type"));
    let texts = |name: &str| column(name)?.as_string_opt::<i32>().ok_or_else(|| wrong(name));
    let (server_name, alpn) = (texts("server_name")?, texts("alpn")?);
    let announced = column("announced")?.as_list_opt::<i32>().ok_or_else(|| wrong("announced"))?;
    let endpoints = announced.values().as_fixed_size_binary_opt().ok_or_else(|| wrong("announced"))?;
    if endpoints.value_length() != WIDTH {
        return Err(wrong("announced"));
    }
    let text = |texts: &arrow_array::StringArray, row| texts.is_valid(row).then(|| texts.value(row).into());
    let meta = |row: usize| {
        let here = announced.value(row);
        let packed = here.as_fixed_size_binary().iter().flatten();
        PayloadMeta {
            server_name: text(server_name, row),
            alpn: text(alpn, row),
            announced: packed.filter_map(|endpoint| endpoint.try_into().ok()).collect(),
        }
    };
    Ok((0..batch.num_rows()).map(meta).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::FlowRecords;

    #[test]
    fn metadata_survives_a_batch() {
        let meta = PayloadMeta {
            server_name: Some("example.com".into()),
            alpn: None,
            announced: vec![[1; 20], [2; 20]],
        };
        let mut metas = PayloadMetas::default();
        metas.push(Some(&meta));
        metas.push(None);
        let rows = arrow_array::UInt8Array::from(vec![1, 2]);
        let rows = RecordBatch::try_from_iter([("rows", Arc::new(rows) as ArrayRef)]).expect("a batch");
        let batch = metas.beside(&rows);
        assert_eq!(notes_of(&batch).expect("its own columns"), [meta, PayloadMeta::default()]);
        assert!(notes_of(&FlowRecords::default().take()).is_err());
    }

    #[test]
    fn the_earlier_metadata_counts_and_endpoints_add_up() {
        let mut meta = PayloadMeta { announced: vec![[1; 20]], ..PayloadMeta::default() };
        let later = PayloadMeta {
            server_name: Some("b".into()),
            alpn: Some("h2".into()),
            announced: vec![[1; 20], [2; 20]],
        };
        meta.absorb(later.clone());
        meta.absorb(PayloadMeta { server_name: Some("c".into()), ..PayloadMeta::default() });
        assert_eq!(meta, later);
        (0..100).for_each(|number| meta.announce([number; 20]));
        assert_eq!(meta.announced.len(), MAX_ANNOUNCED);
    }
}
