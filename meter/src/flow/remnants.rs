//! Fragments and headers of datagrams that may lie across a cut, as columns for `astride`.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema};

use super::Key;
use super::fragments::{Header, Waiting};
use crate::table::{Column, Merge};
use crate::wire::{Content, Datagram, Ends, Flags, Path, Segment, Unmetered};

macro_rules! columns {
    ($( $name:ident: $type:ty, )+) => {
        /// A header of a datagram, or a fragment that waits for one.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct Remnant { $( $name: $type, )+ }

        /// Puts remnants into columns.
        ///
        /// # Errors
        /// None: all columns are of one length.
        pub fn batch(remnants: &[Remnant]) -> Result<RecordBatch, ArrowError> {
            let (mut fields, mut arrays) = (Vec::new(), Vec::new());
            $(
                let from = fields.len();
                <$type>::fields("", "", Merge::Key, &mut fields);
                for field in &mut fields[from..] {
                    *field = field.clone().with_name(format!("{}_{}", stringify!($name), field.name()));
                }
                let mut builder = <$type as Column>::Builder::default();
                for remnant in remnants {
                    remnant.$name.append(&mut builder);
                }
                <$type>::finish(&mut builder, &mut arrays);
            )+
            RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        }

        /// Returns the remnants of a batch.
        ///
        /// # Errors
        /// The columns of the batch differ.
        pub fn remnants_of(other: &RecordBatch) -> Result<Vec<Remnant>, ArrowError> {
            let schema = batch(&[])?.schema();
            let same = |(one, other): (&Arc<_>, &Arc<_>)| {
                let (one, other): (&arrow_schema::Field, &arrow_schema::Field) = (one, other);
                one.data_type() == other.data_type()
            };
            if other.num_columns() != schema.fields().len()
                || !schema.fields().iter().zip(other.schema().fields()).all(same)
            {
                return Err(ArrowError::SchemaError("not a table of fragment remnants".to_owned()));
            }
            let (arrays, mut at) = (other.columns(), 0);
            $( let $name = { let from = at; at += <$type>::WIDTH; &arrays[from..at] }; )+
            Ok((0..other.num_rows()).map(|row| Remnant { $( $name: <$type>::read($name, row), )+ }).collect())
        }
    };
}

columns! {
    // The datagram; its protocol and addresses in the key, whose endpoint `a` is the sender.
    datagram: Key,
    identification: u32,
    network_id: u32,
    time_ns: i64,
    // A waiting fragment.
    offset: u32,
    ip_bytes: u32,
    payload_bytes: u32,
    vlan: Option<u16>,
    tunnel: Path,
    // A header: its bytes; none in a waiting fragment.
    header_bytes: Option<u32>,
    // Its endpoints, `a` being the sender.
    ends: Key,
    ends_network_id: u32,
    flags: Option<u8>,
    sequence: u32,
    acknowledgement: u32,
    window: u16,
    // The number of the reason why the header has no ports.
    reason: Option<u8>,
}

fn key(ip_version: u8, proto: u8, [source, destination]: [u128; 2], [port_a, port_b]: [u16; 2]) -> Key {
    let (addr_a, addr_b) = (source.to_be_bytes(), destination.to_be_bytes());
    Key { addr_a, addr_b, port_a, port_b, proto, ip_version }
}

impl Remnant {
    fn new(datagram: &Datagram, time_ns: i64) -> Self {
        let addresses = [datagram.source, datagram.destination];
        Self {
            datagram: key(datagram.ip_version, datagram.protocol, addresses, [0; 2]),
            identification: datagram.identification,
            network_id: datagram.network_id,
            time_ns,
            offset: 0,
            ip_bytes: 0,
            payload_bytes: 0,
            vlan: None,
            tunnel: Path::default(),
            header_bytes: None,
            ends: key(0, 0, [0; 2], [0; 2]),
            ends_network_id: 0,
            flags: None,
            sequence: 0,
            acknowledgement: 0,
            window: 0,
            reason: None,
        }
    }

    /// Creates the remnant of a fragment that waits for its datagram's header.
    pub(super) fn of_waiting(datagram: &Datagram, waiting: &Waiting) -> Self {
        let Content { ip_bytes, payload_bytes, vlan, tunnel, .. } = waiting.content;
        let Waiting { offset, time_ns, .. } = *waiting;
        Self { offset, ip_bytes, payload_bytes, vlan, tunnel, ..Self::new(datagram, time_ns) }
    }

    /// Creates the remnant of a datagram's header.
    pub(super) fn of_header(datagram: &Datagram, header: Result<Header, Unmetered>, time_ns: i64) -> Self {
        let remnant = Self { header_bytes: Some(0), ..Self::new(datagram, time_ns) };
        let Header { ends, bytes, segment } = match header {
            Ok(header) => header,
            Err(reason) => return Self { reason: Some(reason as u8), ..remnant },
        };
        let (addresses, ports) = ([ends.source, ends.destination], [ends.source_port, ends.destination_port]);
        Self {
            header_bytes: Some(bytes),
            ends: key(ends.ip_version, ends.proto, addresses, ports),
            ends_network_id: ends.network_id,
            flags: segment.map(|segment| segment.flags.0),
            sequence: segment.map_or(0, |segment| segment.sequence),
            acknowledgement: segment.map_or(0, |segment| segment.acknowledgement),
            window: segment.map_or(0, |segment| segment.window),
            ..remnant
        }
    }

    /// Returns the identity of its datagram.
    pub(super) fn datagram(&self) -> (Key, u32, u32) {
        (self.datagram, self.identification, self.network_id)
    }

    /// Returns the capture time of it, or of its datagram's first fragment.
    pub(super) fn time_ns(&self) -> i64 {
        self.time_ns
    }

    /// Returns whether it is a header.
    pub(super) fn is_header(&self) -> bool {
        self.header_bytes.is_some()
    }

    /// Returns the waiting fragment.
    pub(super) fn waiting(&self) -> Waiting {
        let Self { ip_bytes, payload_bytes, vlan, tunnel, offset, time_ns, .. } = *self;
        Waiting { content: Content { ip_bytes, payload_bytes, vlan, tunnel, segment: None }, offset, time_ns }
    }

    /// Returns the header, or the reason why it has no ports.
    pub(super) fn header(&self) -> Result<Header, Unmetered> {
        if let Some(&reason) = self.reason.and_then(|reason| Unmetered::ALL.get(usize::from(reason))) {
            return Err(reason);
        }
        let Self { ends, ends_network_id, sequence, acknowledgement, window, .. } = *self;
        let segment =
            self.flags.map(|flags| Segment { flags: Flags(flags), sequence, acknowledgement, window });
        let ends = Ends {
            ip_version: ends.ip_version,
            proto: ends.proto,
            source: u128::from_be_bytes(ends.addr_a),
            destination: u128::from_be_bytes(ends.addr_b),
            source_port: ends.port_a,
            destination_port: ends.port_b,
            network_id: ends_network_id,
        };
        Ok(Header { ends, bytes: self.header_bytes.unwrap_or(0), segment })
    }
}
