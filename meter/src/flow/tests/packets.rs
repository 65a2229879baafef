//! Packets that read like a trace: `tcp(3, "a>b", "SA", 500, 101, 0)`; and their rows, abbreviated to their history.

use std::sync::Arc;

use std::fmt;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use crate::capture::Frame;
use crate::flow::{Events, Idle, Key, Meter, Options, stitch};
use crate::payload::{Rule, Signatures};
use crate::table::{FlowRecord, rows_of};
use crate::wire::{Unmetered, decode};

/// Short enough to count with.
pub const IDLE: Idle = Idle { tcp_ns: 100, udp_ns: 10 };

/// Returns options without a cap that any test would reach.
pub fn options(idle: Idle) -> Options {
    Options { idle, most_flows: 1 << 20, decapsulate: true, dedup: false, verify_checksums: false }
}

/// Bytes of the IPv4 and the TCP header.
pub const TCP_HEADERS: u64 = 40;

/// A packet of IPv4: raw, or in a VLAN.
#[derive(Clone)]
pub struct Sent {
    pub time_ns: i64,
    source: End,
    destination: End,
    transport: Header,
    payload_bytes: u16,
    vlan: Option<u16>,
    /// IP identification, different for each packet: none is a duplicate.
    identification: u16,
}

#[derive(Clone, Copy)]
struct End {
    host: u8,
    port: u16,
}

#[derive(Clone, Copy)]
enum Header {
    Tcp { flags: u8, sequence: u32, acknowledgement: u32 },
    Udp,
}

const FLAGS: &str = "FSRPA";

/// Returns a segment: time, direction (`a>b`, with a port `a1024>b`), flags out of `FSRPA`, sequence and
/// acknowledgement number, bytes of payload.
pub fn tcp(
    time_ns: i64,
    ends: &str,
    flags: &str,
    sequence: u32,
    acknowledgement: u32,
    payload_bytes: u16,
) -> Sent {
    let bit = |flag| 1 << FLAGS.find(flag).expect("a TCP flag");
    let flags = flags.chars().map(bit).sum();
    let transport = Header::Tcp { flags, sequence, acknowledgement };
    Sent { transport, payload_bytes, ..udp(time_ns, ends) }
}

/// Returns a datagram with 7 bytes of payload.
pub fn udp(time_ns: i64, ends: &str) -> Sent {
    static IDENTIFICATION: AtomicU16 = AtomicU16::new(1);
    let end = |name: &str| End { host: name.as_bytes()[0], port: name[1..].parse().unwrap_or(80) };
    let (source, destination) = ends.split_once('>').expect("source>destination");
    Sent {
        time_ns,
        source: end(source),
        destination: end(destination),
        transport: Header::Udp,
        payload_bytes: 7,
        vlan: None,
        identification: IDENTIFICATION.fetch_add(1, Relaxed).max(1),
    }
}

/// As it is written in a test.
impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time_ns, source, destination, transport, payload_bytes, vlan, .. } = self;
        let name = |end: &End| format!("{}{}", char::from(end.host), end.port);
        let ends = format!("{}>{}", name(source), name(destination));
        match *transport {
            Header::Udp => write!(f, "udp({time_ns}, {ends:?})")?,
            Header::Tcp { flags, sequence, acknowledgement } => {
                let set = FLAGS.char_indices().filter(|(bit, _)| flags >> bit & 1 != 0);
                let flags: String = set.map(|(_, letter)| letter).collect();
                write!(
                    f,
                    "tcp({time_ns}, {ends:?}, {flags:?}, {sequence}, {acknowledgement}, {payload_bytes})"
                )?;
            }
        }
        vlan.map_or(Ok(()), |vlan| write!(f, ".in_vlan(Some({vlan}))"))
    }
}

impl Sent {
    /// Returns the same packet at another time.
    pub fn at(self, time_ns: i64) -> Self {
        Self { time_ns, ..self }
    }

    /// Returns the same packet in a VLAN, or in none.
    pub fn in_vlan(self, vlan: Option<u16>) -> Self {
        Self { vlan, ..self }
    }

    /// Returns whether a host sent it.
    pub fn is_from(&self, host: char) -> bool {
        char::from(self.source.host) == host
    }

    /// Returns the same packet in the other direction.
    pub fn mirrored(&self) -> Self {
        Self { source: self.destination, destination: self.source, ..self.clone() }
    }

    /// Returns the bytes of the IP packet.
    pub fn ip(&self) -> Vec<u8> {
        let (protocol, header) = match self.transport {
            Header::Udp => (17, vec![0; 4]), // length and checksum
            Header::Tcp { flags, sequence, acknowledgement } => {
                let numbers = [sequence.to_be_bytes(), acknowledgement.to_be_bytes()].concat();
                (6, [&numbers, &[0x50, flags][..], &[0; 6]].concat())
            }
        };
        let ports = [self.source.port.to_be_bytes(), self.destination.port.to_be_bytes()].concat();
        let total_length = 20 + 4 + header.len() as u16 + self.payload_bytes;
        let [high, low] = total_length.to_be_bytes();
        let [id_high, id_low] = self.identification.to_be_bytes();
        let ip = [0x45, 0, high, low, id_high, id_low, 0, 0, 64, protocol, 0, 0];
        let addresses = [10, 0, 0, self.source.host, 10, 0, 0, self.destination.host];
        [&ip[..], &addresses, &ports, &header, &vec![0; self.payload_bytes.into()]].concat()
    }

    /// Returns the part of the key space of its flow.
    pub fn part(&self) -> usize {
        let ip = self.ip();
        let decoded = decode(101, &ip, ip.len() as u32, true).expect("a packet");
        Key::of(&decoded.ends).0.part()
    }

    /// Returns the link type and the bytes of the frame.
    pub fn frame(&self) -> (u16, Vec<u8>) {
        let Some(vlan) = self.vlan else { return (101, self.ip()) };
        let [high, low] = vlan.to_be_bytes();
        (1, [&[0xee; 12], &[0x81, 0, high, low, 0x08, 0][..], &self.ip()].concat())
    }

    /// Passes it to a meter.
    pub fn pass_to(&self, meter: &mut Meter) {
        let (link_type, data) = self.frame();
        frame(meter, link_type, self.time_ns, &data);
    }
}

/// Passes a frame to a meter.
pub fn frame(meter: &mut Meter, link_type: u16, time_ns: i64, data: &[u8]) {
    meter.frame(&Frame { interface: 0, link_type, time_ns, wire_bytes: data.len() as u32, data });
}

/// Returns the rows of a meter at the end of its capture.
pub fn finished(meter: &mut Meter) -> Vec<FlowRecord> {
    let mut rows = Vec::new();
    loop {
        let none_left = meter.finish(7);
        rows.extend(rows_of(&meter.take()).expect("the meter's own table"));
        if none_left {
            return rows;
        }
    }
}

/// Returns signatures that distinguish payloads by their lengths: the packets contain only zeros.
pub fn signatures() -> Arc<Signatures> {
    let of_length = |length: u32| Rule {
        transports: vec![6, 17],
        patterns: vec!["00".to_owned()],
        conditions: vec![format!("length = {length}")],
        settles: length % 3 == 0,
        ..Rule::default()
    };
    let rules: Vec<Rule> = (1..10).map(of_length).collect();
    Arc::new(Signatures::new(&rules).expect("rules"))
}

/// Returns the rows of packets, metered but not stitched.
pub fn metered(packets: &[Sent]) -> Vec<FlowRecord> {
    let mut meter = Meter::new(options(IDLE), signatures());
    pass_together(packets, &mut meter);
    finished(&mut meter)
}

/// Passes packets to a meter several at a time, as a file's are.
pub fn pass_together(packets: &[Sent], meter: &mut Meter) {
    let frames: Vec<(i64, (u16, Vec<u8>))> =
        packets.iter().map(|packet| (packet.time_ns, packet.frame())).collect();
    meter.frames(frames.iter().map(|(time_ns, (link_type, data))| Frame {
        interface: 0,
        link_type: *link_type,
        time_ns: *time_ns,
        wire_bytes: data.len() as u32,
        data,
    }));
}

/// Returns the flows of a capture.
pub fn flows(packets: &[Sent]) -> Vec<FlowRecord> {
    stitch(metered(packets), &IDLE, true).0
}

/// Returns the flows of a capture, each as its history: `S` SYN, `H` SYN+ACK, `A` pure ACK, `D` data, `F` FIN, `R`
/// RST, `U` unreachable, of endpoint `a`; in lower case of endpoint `b`.
pub fn histories(packets: &[Sent]) -> Vec<String> {
    flows(packets).iter().map(history).collect()
}

pub fn history(row: &FlowRecord) -> String {
    let letter = |place| char::from(b"?SHADFRU?shadfru"[(row.events.order() >> (4 * place) & 0xf) as usize]);
    (0..row.events.times_ns().len()).map(letter).collect()
}

/// Sorts rows by every column, for comparison as sets. Duplicates are left out: the law doesn't cover a pair that
/// lies across a cut.
pub fn as_set(mut rows: Vec<FlowRecord>) -> Vec<FlowRecord> {
    for row in &mut rows {
        row.duplicates = 0;
    }
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows
}

/// Returns a row as if all its packets had gone in the other direction.
pub fn mirrored(row: &FlowRecord) -> FlowRecord {
    let ends_swapped = row.events.order() ^ row.events.times_ns().iter().fold(0, |mask, _| mask << 4 | 8);
    FlowRecord {
        first_from_b: !row.first_from_b,
        packets_ab: row.packets_ba,
        packets_ba: row.packets_ab,
        bytes_ab: row.bytes_ba,
        bytes_ba: row.bytes_ab,
        payload_bytes_ab: row.payload_bytes_ba,
        payload_bytes_ba: row.payload_bytes_ab,
        hits_a: row.hits_b,
        hits_b: row.hits_a,
        last_data_from_b: row.last_data_from_b.map(|from_b| !from_b),
        numbers: row.numbers.mirrored(),
        ack_moved_a: row.ack_moved_b,
        ack_moved_b: row.ack_moved_a,
        events: Events::new(ends_swapped, row.events.times_ns()),
        ..*row
    }
}

/// Returns the number of packets that are in no flow.
pub fn unmetered(meter: &Meter) -> u64 {
    meter.unmetered().map(|(_, packets): (Unmetered, u64)| packets).sum()
}
