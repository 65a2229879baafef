//! Headers before an IP packet: link headers, encapsulations and tunnels.

use super::frames::*;
use super::wrappers;

/// Outer endpoints, distinct from the inner ones.
const OUTER: [(u8, u16); 2] = [(8, 50_000), (9, 0)];

/// Headers that carry an IP packet.
pub struct Carrier {
    pub link_type: u16,
    /// Encapsulations around the packet.
    pub path: &'static str,
    pub network_id: u32,
    /// Over UDP: a payload without a packet inside belongs to the outer flow.
    pub over_udp: bool,
    wrap: Wrap,
}

/// Wraps an IP packet into a frame.
type Wrap = Box<dyn Fn(&[u8]) -> Vec<u8>>;

impl Carrier {
    pub fn frame(&self, ip: &[u8]) -> Vec<u8> {
        (self.wrap)(ip)
    }
}

fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// LLC and SNAP with an EtherType.
pub fn snap(ethertype: u16) -> Vec<u8> {
    cat(&[&[0xaa, 0xaa, 3, 0, 0, 0], &be(ethertype)])
}

/// A Wi-Fi header of `bytes` bytes with this frame control.
pub fn wifi(control: [u8; 2], bytes: usize) -> Vec<u8> {
    with(vec![0; bytes], 0, &control)
}

/// An NFLOG header up to the packet, with attributes before it in the byte order of `order`.
fn nflog(family: u8, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let attribute = |length, kind| cat(&[&order(length), &order(kind)]);
    // A length that is smaller in the other byte order.
    let longest = attribute(0x0504, 9);
    cat(&[&[family, 0, 0, 3], &attribute(8, 1), &[8, 0, 1, 0], &attribute(5, 10), b"x\0\0\0", &longest])
}

/// An uncompressed PPP protocol field.
fn ppp(ethertype: u16) -> [u8; 2] {
    if ethertype == IPV4 { [0, 0x21] } else { [0, 0x57] }
}

/// Link type and header of every supported link type, before IPv4 or IPv6.
pub fn links(ethertype: u16) -> Vec<(u16, Vec<u8>)> {
    let v4 = ethertype == IPV4;
    let families: &[u8] = if v4 { &[2] } else { &[10, 24, 26, 28, 30] };
    let mut links = Vec::new();
    let mut link = |link_type: u16, parts: &[&[u8]]| links.push((link_type, parts.concat()));
    let (kind, snap, ppp) = (&be(ethertype)[..], &snap(ethertype)[..], &ppp(ethertype)[..]);

    link(ETHERNET, &[&ethernet(ethertype, &[])]);
    link(ETHERNET, &[&ethernet(1500, &[]), snap]);
    for raw in [12, 14, RAW, if v4 { 228 } else { 229 }] {
        link(raw, &[]);
    }
    for family in families {
        for loopback in [0, 108] {
            link(loopback, &[&[0, 0, 0, *family]]);
            link(loopback, &[&[*family, 0, 0, 0]]);
        }
    }
    link(113, &[&[0; 14], kind]);
    link(113, &[&[0; 14], &[0, 4], snap]);
    link(276, &[kind, &[0; 18]]);
    link(276, &[&[0, 4], &[0; 18], snap]);
    for hdlc in [9, 50] {
        link(hdlc, &[ppp]);
        link(hdlc, &[&ppp[1..]]);
        link(hdlc, &[&[0xff, 3], ppp]);
        link(hdlc, &[&[0xff, 3], &ppp[1..]]);
    }
    link(204, &[&[0, 0xff, 3], ppp]);
    link(204, &[&[1], ppp]);
    for cisco in [0x0f, 0x8f] {
        link(50, &[&[cisco, 0], kind]);
        link(104, &[&[cisco, 0], kind]);
    }
    for address in [&[0x18, 0x41][..], &[0x18, 0x40, 0x41], &[0x18, 0x40, 0x40, 0x41]] {
        link(107, &[address, if v4 { &[3, 0xcc] } else { &[3, 0x8e] }]);
        link(107, &[address, &[3, 0x80, 0, 0, 0], kind]);
        link(107, &[address, &[3, 0, 0x80, 0, 0, 0], kind]);
        link(107, &[address, kind]);
    }
    for (record, extensions) in [(2, &[][..]), (0x82, &[3, 0, 0, 0, 0, 0, 0, 0]), (20, &[])] {
        link(197, &[&[0; 8], &[record], &[0; 7], extensions, &[0; 2], &[0xee; 12], kind]);
    }
    let (long, last) = ([0x80, 0, 0, 0, 0, 0, 0, 0], [0; 8]);
    link(197, &[&[0; 8], &[0x81], &[0; 7], &long, &last, &[0x0f, 0], kind]);
    link(197, &[&[0; 8], &[if v4 { 22 } else { 23 }], &[0; 7]]);
    link(10, &[&[0x57], &[0; 12], snap]);
    link(6, &[&[0x10, 0x40], &[0; 12], snap]);
    link(6, &[&[0x10, 0x40], &[0; 6], &[0x80], &[0; 5], &[4, 0x30, 0, 0x10], snap]);
    link(226, &[&[1, if v4 { 2 } else { 26 }], &[0; 22]]);
    link(239, &[&nflog(if v4 { 2 } else { 10 }, u16::to_le_bytes)]);
    link(239, &[&nflog(if v4 { 2 } else { 10 }, u16::to_be_bytes)]);

    let plain = [wifi([0x08, 1], 24), snap.to_vec()].concat();
    let padded = [wifi([0x88, 1], 26), vec![0; 2], snap.to_vec()].concat();
    link(105, &[&plain]);
    link(105, &[&wifi([0x08, 3], 30), snap]); // four addresses
    link(105, &[&wifi([0x88, 2], 26), snap]); // QoS
    link(105, &[&wifi([0x88, 3], 32), snap]);
    link(105, &[&wifi([0x88, 0x82], 30), snap]); // HT control
    // Radiotap: no fields; flags; flags after a timestamp, with a second presence word.
    link(127, &[&[0, 0, 8, 0, 0, 0, 0, 0], &plain]);
    link(127, &[&[0, 0, 9, 0, 2, 0, 0, 0, 0x10], &plain]);
    link(127, &[&[0, 0, 9, 0, 2, 0, 0, 0, 0x20], &padded]);
    let extended = with(vec![0; 25], 2, &[25, 0, 3, 0, 0, 0x80]);
    link(127, &[&with(extended, 24, &[0x20]), &padded]);
    link(119, &[&[0; 144], &plain]);
    link(163, &[&[0, 0, 0, 1, 0, 0, 0, 64], &[0; 56], &plain]);
    for avs in [119, 163] {
        link(avs, &[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64], &[0; 56], &plain]);
    }
    link(192, &[&[0, 0, 8, 0, 1, 0, 0, 0], &ethernet(ethertype, &[])]);
    link(192, &[&[0, 0, 20, 0, 105, 0, 0, 0], &[0; 12], &plain]);
    links.extend(wrappers::links(ethertype));
    links
}

/// A GRE header: flags and version, protocol type, optional fields.
pub fn gre(flags: u16, protocol: u16, optional: &[u8]) -> Vec<u8> {
    cat(&[&be(flags), &be(protocol), optional])
}

/// A raw IPv4 frame with this body.
pub fn over_ip(protocol: u8, body: &[u8]) -> Vec<u8> {
    ipv4_between(OUTER, 0, protocol, body)
}

/// A raw IPv4 frame with a datagram to this port.
pub fn over_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = udp_between([OUTER[0], (OUTER[1].0, port)], payload.len());
    datagram.truncate(8);
    over_ip(UDP, &[&datagram, payload].concat())
}

/// The packet decoded from such a datagram if its tunnel is not opened.
pub fn outer(port: u16, ip_bytes: usize) -> super::Packet<'static> {
    let mut outer = packet(4, super::Transport::Udp, ip_bytes as u32, ip_bytes as u32 - 28);
    outer.ends.source += u128::from(OUTER[0].0 - ENDS[0].0);
    outer.ends.destination += u128::from(OUTER[1].0 - ENDS[1].0);
    (outer.ends.source_port, outer.ends.destination_port) = (OUTER[0].1, port);
    outer
}

/// An MPLS label; `bottom` is 1 for the last of a stack.
pub fn label(bottom: u8) -> [u8; 4] {
    [0, 0x06, 0x40 | bottom, 64]
}

/// A VXLAN header with network id 0x102.
pub fn vxlan(flags: u8, next_protocol: u8) -> [u8; 8] {
    [flags, 0, 0, next_protocol, 0, 1, 2, 0]
}

/// Encapsulations without an outer IP header.
fn encapsulations(ethertype: u16) -> Vec<Carrier> {
    let mut carriers = Vec::new();
    let mut carrier = |link_type, path, header: Vec<u8>| {
        let wrap = Box::new(move |ip: &[u8]| cat(&[&header, ip]));
        carriers.push(Carrier { link_type, path, network_id: 0, over_udp: false, wrap });
    };
    let (kind, frame, ppp) = (be(ethertype), ethernet(ethertype, &[]), ppp(ethertype));
    carrier(51, "pppoe", cat(&[&[0x11, 0, 0, 1, 0, 0], &ppp]));
    let mut encapsulation =
        |path, outer: u16, header: &[u8]| carrier(ETHERNET, path, ethernet(outer, header));
    encapsulation("mpls", 0x8847, &label(1));
    encapsulation("mpls", 0x8848, &cat(&[&label(0), &label(0), &label(1)]));
    encapsulation("mpls/eth", 0x8847, &cat(&[&label(1), &frame]));
    encapsulation("mpls/eth", 0x8847, &cat(&[&label(1), &[0; 4], &frame]));
    // A MAC address that begins with 0.
    encapsulation("mpls/eth", 0x8847, &cat(&[&label(1), &with(frame.clone(), 0, &[0])]));
    encapsulation("mpls/eth", 0x8847, &cat(&[&label(1), &[0; 4], &with(frame.clone(), 0, &[0])]));
    encapsulation("pbb/eth", 0x88e7, &cat(&[&[0; 4], &frame]));
    encapsulation("macsec", 0x88e5, &cat(&[&[0, 0, 0, 0, 0, 1], &kind]));
    encapsulation("macsec", 0x88e5, &cat(&[&[0x20, 0, 0, 0, 0, 1], &[0xcc; 8], &kind]));
    encapsulation("pppoe", 0x8864, &cat(&[&[0x11, 0, 0, 1, 0, 0], &ppp]));
    encapsulation("pppoe", 0x8864, &cat(&[&[0x11, 0, 0, 1, 0, 0], &ppp[1..]]));
    encapsulation("pppoe/mpls", 0x8864, &cat(&[&[0x11, 0, 0, 1, 0, 0, 2, 0x81], &label(1)]));
    for (path, outer, header) in wrappers::encapsulations(ethertype) {
        encapsulation(path, outer, &header);
    }
    carrier(219, "mpls", label(1).to_vec());
    carriers
}

/// Tunnels directly over IP, over IPv4 and over IPv6.
fn tunnels_over_ip(ethertype: u16) -> Vec<Carrier> {
    let mut carriers = Vec::new();
    let mut tunnel = |path, network_id, protocol: u8, header: Vec<u8>| {
        let v6_header = header.clone();
        let wrap_v4 = move |ip: &[u8]| over_ip(protocol, &cat(&[&header, ip]));
        let wrap_v6 = move |ip: &[u8]| ipv6_between(OUTER, protocol, &cat(&[&v6_header, ip]));
        for wrap in [Box::new(wrap_v4) as Wrap, Box::new(wrap_v6)] {
            carriers.push(Carrier { link_type: RAW, path, network_id, over_udp: false, wrap });
        }
    };
    let (version, frame, ppp) =
        (if ethertype == IPV4 { 4 } else { 41 }, ethernet(ethertype, &[]), ppp(ethertype));
    tunnel("ip", 0, version, vec![]);
    tunnel("ip", 0, AUTHENTICATION, extension(AUTHENTICATION, version, 1, &[]));
    tunnel("mpls/ip", 0, 137, label(1).to_vec());
    // GRE with every combination of checksum, key and sequence number.
    for flags in 0..8_u16 {
        let flags = (flags & 4) << 13 | (flags & 3) << 12;
        let optional = vec![0xfe; 4 * (flags.count_ones() as usize)];
        tunnel("gre/ip", 0, 47, gre(flags, ethertype, &optional));
    }
    // RFC 1701: a source route of one entry.
    let route = [0, 0, 0, 0, 8, 0, 0, 4, 10, 0, 0, 7, 0, 0, 0, 0];
    tunnel("gre/ip", 0, 47, gre(0x4000, ethertype, &route));
    tunnel("gre/eth/ip", 0, 47, [gre(0, 0x6558, &[]), frame.clone()].concat());
    tunnel("gre/eth/ip", 0, 47, [gre(0x3000, 0x6558, &[0, 0, 7, 1, 0, 0, 0, 0]), frame.clone()].concat());
    tunnel("nvgre/eth/ip", 7, 47, [gre(0x2000, 0x6558, &[0, 0, 7, 1]), frame.clone()].concat());
    tunnel("gre/mpls/ip", 0, 47, [gre(0, 0x8847, &[]), label(1).to_vec()].concat());
    // PPTP: a sequence number, then also an acknowledgement.
    tunnel("gre/ip", 0, 47, [gre(0x3001, 0x880b, &[0; 8]), ppp.to_vec()].concat());
    tunnel("gre/ip", 0, 47, [gre(0x3081, 0x880b, &[0; 12]), vec![0xff, 3], ppp.to_vec()].concat());
    tunnel("erspan/eth/ip", 0, 47, [gre(0, 0x88be, &[]), frame.clone()].concat());
    tunnel("erspan/eth/ip", 0, 47, [gre(0x1000, 0x88be, &[0; 4]), vec![0x10; 8], frame.clone()].concat());
    let type_3 = |last: u8| with(with(vec![0; 12], 0, &[0x20]), 11, &[last]);
    tunnel("erspan/eth/ip", 0, 47, [gre(0x1000, 0x22eb, &[0; 4]), type_3(0), frame.clone()].concat());
    let subheader = [type_3(1), vec![0; 8]].concat();
    tunnel("erspan/eth/ip", 0, 47, [gre(0x1000, 0x22eb, &[0; 4]), subheader, frame.clone()].concat());
    for (path, protocol, header) in wrappers::over_ip(ethertype) {
        tunnel(path, 0, protocol, header);
    }
    carriers
}

/// Tunnels over UDP.
fn tunnels_over_udp(ethertype: u16) -> Vec<Carrier> {
    let mut carriers = Vec::new();
    let mut tunnel = |path, network_id, port: u16, header: Vec<u8>| {
        let wrap = Box::new(move |ip: &[u8]| over_udp(port, &cat(&[&header, ip])));
        carriers.push(Carrier { link_type: RAW, path, network_id, over_udp: true, wrap });
    };
    let (v4, frame, ppp) = (ethertype == IPV4, ethernet(ethertype, &[]), ppp(ethertype));
    tunnel("vxlan/eth/ip", 0x102, 4789, cat(&[&vxlan(8, 0), &frame]));
    tunnel("vxlan/eth/ip", 0x102, 8472, cat(&[&vxlan(8, 0), &frame]));
    let policy = [0x88, 0x48, 0, 9, 0, 1, 2, 0];
    tunnel("vxlan/eth/ip", 0x102, 4789, [&policy, &frame[..]].concat());
    tunnel("vxlan-gpe/ip", 0x102, 4790, vxlan(0x0c, if v4 { 1 } else { 2 }).to_vec());
    tunnel("vxlan-gpe/eth/ip", 0x102, 4790, cat(&[&vxlan(0x0c, 3), &frame]));
    let geneve = |options: u8, protocol: u16| {
        cat(&[&[options, 0], &be(protocol), &[0, 1, 2, 0], &vec![0xfe; 4 * usize::from(options)]])
    };
    tunnel("geneve/eth/ip", 0x102, 6081, [geneve(0, 0x6558), frame.clone()].concat());
    tunnel("geneve/eth/ip", 0x102, 6081, [geneve(3, 0x6558), frame.clone()].concat());
    tunnel("geneve/ip", 0x102, 6081, geneve(1, ethertype));
    tunnel("gtp/ip", 0, 2152, vec![0x30, 255, 0, 0, 0, 0, 0, 1]);
    tunnel("gtp/ip", 0, 2152, vec![0x32, 255, 0, 0, 0, 0, 0, 1, 0, 7, 0, 0]);
    tunnel("gtp/ip", 0, 2152, vec![0x31, 255, 0, 0, 0, 0, 0, 1, 0, 0, 9, 0x85]);
    // Two extension headers, of four and of eight bytes.
    let extensions = [0x34, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 9, 0x20, 2, 1, 2, 3, 4, 5, 6, 0];
    tunnel("gtp/ip", 0, 2152, extensions.to_vec());
    if !v4 {
        let authentication = [0, 1, 2, 3, 0xcc, 0xcc, 0xaa, 0xaa, 0xaa, 1, 2, 3, 4, 5, 6, 7, 8, 0];
        let origin = [0; 8];
        tunnel("teredo/ip", 0, 3544, vec![]);
        tunnel("teredo/ip", 0, 3544, origin.to_vec());
        tunnel("teredo/ip", 0, 3544, authentication.to_vec());
        tunnel("teredo/ip", 0, 3544, cat(&[&authentication, &origin]));
    }
    let ppp_with_address = cat(&[&[0xff, 3], &ppp]);
    tunnel("l2tp/ip", 0, 1701, cat(&[&[0, 2, 0, 1, 0, 2], &ppp]));
    tunnel("l2tp/ip", 0, 1701, cat(&[&[0x40, 2, 0, 99, 0, 1, 0, 2], &ppp_with_address]));
    tunnel("l2tp/ip", 0, 1701, cat(&[&[0x48, 2, 0, 99, 0, 1, 0, 2, 0, 0, 0, 1], &ppp]));
    tunnel("l2tp/ip", 0, 1701, cat(&[&[2, 2, 0, 1, 0, 2, 0, 3, 1, 2, 3], &ppp]));
    for (path, network_id, port, header) in wrappers::over_udp(ethertype) {
        tunnel(path, network_id, port, header);
    }
    carriers
}

/// Tunnels within tunnels.
fn tunnels_in_tunnels(ethertype: u16) -> Vec<Carrier> {
    let inner = cat(&[&vxlan(8, 0), &ethernet(IPV4, &[])]);
    let gre_in_vxlan = move |ip: &[u8]| over_udp(4789, &cat(&[&inner, &over_ip(47, &gre(0, ethertype, ip))]));
    let gtp_in_ip = |ip: &[u8]| over_ip(4, &over_udp(2152, &cat(&[&[0x30, 255, 0, 0, 0, 0, 0, 1], ip])));
    let carrier = |path, network_id, wrap| Carrier { link_type: RAW, path, network_id, over_udp: true, wrap };
    vec![
        carrier("vxlan/eth/ip/gre/ip", 0x102, Box::new(gre_in_vxlan) as Wrap),
        carrier("ip/gtp/ip", 0, Box::new(gtp_in_ip)),
    ]
}

/// Every supported encapsulation, around IPv4 or IPv6.
pub fn tunnels(ethertype: u16) -> Vec<Carrier> {
    [encapsulations, tunnels_over_ip, tunnels_over_udp, tunnels_in_tunnels]
        .into_iter()
        .flat_map(|carriers| carriers(ethertype))
        .collect()
}

/// Every link header and encapsulation.
pub fn carriers(ethertype: u16) -> Vec<Carrier> {
    let plain = links(ethertype).into_iter().map(|(link_type, header)| {
        let wrap = Box::new(move |ip: &[u8]| cat(&[&header, ip]));
        Carrier { link_type, path: "", network_id: 0, over_udp: false, wrap }
    });
    plain.chain(tunnels(ethertype)).collect()
}
