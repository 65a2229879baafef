//! Builders of frames, one per header, and of the packets decoded from them.

use super::super::{
    Address, BadChecksums, Content, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ends, Flags, Identity, Packet, Path,
    Segment, Transport,
};

pub const IPV4: u16 = ETHERTYPE_IPV4;
pub const IPV6: u16 = ETHERTYPE_IPV6;
pub const ETHERNET: u16 = 1;
pub const RAW: u16 = 101;
pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const FRAGMENT: u8 = 44;
pub const AUTHENTICATION: u8 = 51;

/// Source and destination: last byte of the address, and port.
pub const ENDS: [(u8, u16); 2] = [(1, 40_000), (2, 443)];

pub fn be(number: u16) -> [u8; 2] {
    number.to_be_bytes()
}

pub fn ethernet(ethertype: u16, rest: &[u8]) -> Vec<u8> {
    [&[0xee; 12], &be(ethertype)[..], rest].concat()
}

/// A VLAN tag and what follows it, after its own EtherType.
pub fn tag(id: u16, ethertype: u16, rest: &[u8]) -> Vec<u8> {
    [&be(0xe000 | id), &be(ethertype), rest].concat() // with a priority of 7
}

pub fn ipv4_between(ends: [(u8, u16); 2], options: usize, protocol: u8, body: &[u8]) -> Vec<u8> {
    let header_bytes = 20 + 4 * options;
    let mut header = vec![0; header_bytes];
    header[0] = 0x40 | (header_bytes / 4) as u8;
    header[2..4].copy_from_slice(&be((header_bytes + body.len()) as u16));
    header[9] = protocol;
    header[12..16].copy_from_slice(&[10, 0, 0, ends[0].0]);
    header[16..20].copy_from_slice(&[10, 0, 0, ends[1].0]);
    [&header, body].concat()
}

pub fn ipv4(protocol: u8, body: &[u8]) -> Vec<u8> {
    ipv4_between(ENDS, 0, protocol, body)
}

pub fn ipv6_between(ends: [(u8, u16); 2], next_header: u8, body: &[u8]) -> Vec<u8> {
    let mut header = [0; 40];
    header[0] = 0x60;
    header[4..6].copy_from_slice(&be(body.len() as u16));
    header[6] = next_header;
    (header[8], header[23]) = (0xfd, ends[0].0);
    (header[24], header[39]) = (0xfd, ends[1].0);
    [&header, body].concat()
}

pub fn ipv6(next_header: u8, body: &[u8]) -> Vec<u8> {
    ipv6_between(ENDS, next_header, body)
}

/// An extension header of 8 × (`more` + 1) bytes; a fragment header or AH of its own length.
pub fn extension(kind: u8, next_header: u8, more: u8, body: &[u8]) -> Vec<u8> {
    let (length, bytes) = match kind {
        FRAGMENT => (0, 8),
        AUTHENTICATION => (2 * more + 1, 12 + 8 * usize::from(more)),
        _ => (more, 8 + 8 * usize::from(more)),
    };
    let mut header = vec![0; bytes];
    (header[0], header[1]) = (next_header, length);
    [&header, body].concat()
}

pub fn tcp_between(ends: [(u8, u16); 2], payload_bytes: usize) -> Vec<u8> {
    let numbers = [7_u32.to_be_bytes(), 9_u32.to_be_bytes()].concat();
    let offset_flags_window = [0x50, 0x12, 0xff, 0xff];
    [&be(ends[0].1), &be(ends[1].1), &numbers[..], &offset_flags_window, &[0; 4], &vec![0xda; payload_bytes]]
        .concat()
}

pub fn tcp(payload_bytes: usize) -> Vec<u8> {
    tcp_between(ENDS, payload_bytes)
}

pub fn udp_between(ends: [(u8, u16); 2], payload_bytes: usize) -> Vec<u8> {
    [&be(ends[0].1), &be(ends[1].1), &be(8 + payload_bytes as u16), &[0; 2], &vec![0xda; payload_bytes][..]]
        .concat()
}

pub fn udp(payload_bytes: usize) -> Vec<u8> {
    udp_between(ENDS, payload_bytes)
}

/// Overwrites the bytes at `at`.
pub fn with(mut frame: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

fn address(ip_version: u8, host: u8) -> Address {
    let network = if ip_version == 4 { 0xffff_0a00_0000 } else { 0xfd << 120 };
    network | Address::from(host)
}

/// The packet decoded from the builders above.
pub fn packet(ip_version: u8, transport: Transport, ip_bytes: u32, payload_bytes: u32) -> Packet<'static> {
    let segment = Segment { flags: Flags(0x12), sequence: 7, acknowledgement: 9, window: 0xffff };
    let segment = (transport == Transport::Tcp).then_some(segment);
    let ends = Ends {
        ip_version,
        proto: transport as u8,
        source: address(ip_version, ENDS[0].0),
        destination: address(ip_version, ENDS[1].0),
        source_port: ENDS[0].1,
        destination_port: ENDS[1].1,
        network_id: 0,
    };
    Packet {
        ends,
        content: Content { ip_bytes, payload_bytes, vlan: None, tunnel: Path::default(), segment },
        payload: &[],
        identity: Identity::default(),
        bad_checksums: BadChecksums::default(),
    }
}

/// The same packet in a VLAN.
pub fn in_vlan(id: u16, packet: Packet<'static>) -> Packet<'static> {
    Packet { content: Content { vlan: Some(id), ..packet.content }, ..packet }
}

/// The same packet in a tunnel.
pub fn in_tunnel(path: &str, network_id: u32, packet: Packet<'static>) -> Packet<'static> {
    let tunnel = if path.is_empty() { Path::default() } else { Path::parse(path).expect("a path") };
    let (ends, content) = (Ends { network_id, ..packet.ends }, Content { tunnel, ..packet.content });
    Packet { ends, content, ..packet }
}
