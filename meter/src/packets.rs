//! Reads besides the meter: the packets of one flow, and names from DNS answers.

use std::sync::Arc;

use arrow_array::{BooleanArray, Int64Array, RecordBatch, UInt8Array, UInt32Array};
use arrow_schema::ArrowError;

use crate::capture::{Capture, Frame};
use crate::flow::Key;
use crate::payload::DnsNames;
use crate::wire::{self, Content, Ends, NotAFlowPacket, Packet, Transport};

/// Selection of packets.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Packets of this flow …
    pub key: Key,
    /// … in this VLAN (0: none) and virtual network only …
    pub lane: Option<(u16, u32)>,
    /// … not before this time, in nanoseconds since 1970 UTC …
    pub first_ns: i64,
    /// … and not after this.
    pub last_ns: i64,
    /// Maximum number of packets.
    pub most: usize,
    /// Decapsulate tunnels over IP.
    pub decapsulate: bool,
}

impl Wanted {
    /// Returns whether a packet of the key is in the VLAN and virtual network.
    fn includes(&self, ends: &Ends, content: &Content) -> bool {
        self.lane.is_none_or(|lane| lane == (content.vlan.unwrap_or(0), ends.network_id))
    }
}

/// Columns of the packets found.
#[derive(Debug, Default)]
struct Packets {
    time_ns: Vec<i64>,
    from_b: Vec<bool>,
    flags: Vec<Option<u8>>,
    payload_bytes: Vec<u32>,
    icmp_error: Vec<bool>,
}

impl Packets {
    fn add(&mut self, time_ns: i64, from_a: bool, content: Option<&Content>) {
        self.time_ns.push(time_ns);
        self.from_b.push(!from_a);
        self.flags.push(content.and_then(|content| content.segment).map(|segment| segment.flags.0));
        self.payload_bytes.push(content.map_or(0, |content| content.payload_bytes));
        self.icmp_error.push(content.is_none());
    }

    fn batch(self) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_from_iter([
            ("time_ns", Arc::new(Int64Array::from(self.time_ns)) as _),
            ("from_b", Arc::new(BooleanArray::from(self.from_b)) as _),
            ("flags", Arc::new(UInt8Array::from(self.flags)) as _),
            ("payload_bytes", Arc::new(UInt32Array::from(self.payload_bytes)) as _),
            ("icmp_error", Arc::new(BooleanArray::from(self.icmp_error)) as _),
        ])
    }
}

/// Records the names that a frame gives to addresses, if it is a DNS answer.
pub fn record_names(names: &mut DnsNames, frame: &Frame<'_>, decapsulate: bool) {
    let decoded = wire::decode(frame.link_type, frame.data, frame.wire_bytes, decapsulate);
    for packet in each(decoded).filter_map(Result::ok) {
        if packet.ends.proto == Transport::Udp as u8 {
            names.datagram(packet.ends.source_port, packet.payload, frame.time_ns);
        }
    }
}

/// Returns the packets in a frame, or what it holds instead.
fn each<'a>(
    decoded: Result<Packet<'a>, NotAFlowPacket<'a>>,
) -> impl Iterator<Item = Result<Packet<'a>, NotAFlowPacket<'a>>> {
    let (one, aggregate) = match decoded {
        Err(NotAFlowPacket::Aggregate(aggregate)) => (None, Some(aggregate)),
        Err(NotAFlowPacket::Irregular(packet, _)) => (Some(Ok(*packet)), None),
        one => (Some(one), None),
    };
    one.into_iter().chain(aggregate.into_iter().flatten())
}

/// Returns the first packets of a flow in capture order, and the ICMP errors that quote them.
///
/// An ICMP error has the `from_b` of the packet that it quotes. Fragmented datagrams are left out. In a damaged
/// capture, the packets before the damage are returned.
///
/// # Errors
/// None that the input can cause: all columns have the same length.
pub fn packets(capture: &mut Capture, wanted: &Wanted) -> Result<RecordBatch, ArrowError> {
    let mut found = Packets::default();
    while found.time_ns.len() < wanted.most {
        let Ok(Some(frame)) = capture.next_frame() else { break };
        if !(wanted.first_ns..=wanted.last_ns).contains(&frame.time_ns) {
            continue;
        }
        let decoded = wire::decode(frame.link_type, frame.data, frame.wire_bytes, wanted.decapsulate);
        for packet in each(decoded) {
            let (ends, content) = match &packet {
                Ok(packet) => (&packet.ends, Some(&packet.content)),
                Err(NotAFlowPacket::IcmpError(quoted)) => (&quoted.ends, None),
                Err(_) => continue,
            };
            let (key, from_a) = Key::of(ends);
            if key == wanted.key && content.is_none_or(|content| wanted.includes(ends, content)) {
                found.add(frame.time_ns, from_a, content);
            }
        }
    }
    found.batch()
}
