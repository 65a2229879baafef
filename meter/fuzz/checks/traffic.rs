//! Generates frames between a few hosts from a script, so that mutations give other valid traffic instead of noise.

use super::script::{Script, pick};

/// A generated frame.
#[derive(Clone)]
pub struct Sent {
    pub link_type: u16,
    pub time_ns: i64,
    pub wire_bytes: u32,
    pub data: Vec<u8>,
    /// Metering is interrupted before it.
    pub cut_before: bool,
}

const PROTOCOLS: [u8; 8] = [6, 6, 6, 17, 136, 132, 33, 6];
const PORTS: [u16; 8] = [80, 40_000, 4789, 2152, 3544, 1701, 6081, 40_001];
const NUMBERS: [u32; 8] = [100, 101, 500, 501, 0, u32::MAX, 90_000, 121];
const LINK_TYPES: [u16; 8] = [101, 1, 0, 113, 276, 9, 105, 999];
const OFFSETS: [u16; 8] = [0, 1, 2, 3, 8, 9, 185, 8191];
const RAW: u16 = 101;
const MAX_FRAMES: usize = 200;

/// Idle timeouts, around which time advances.
pub const IDLE_TCP_NS: i64 = 100;
pub const IDLE_UDP_NS: i64 = 10;

/// Generates the frames of a script.
pub fn generate(script: &mut Script<'_>) -> Vec<Sent> {
    let mut sent: Vec<Sent> = Vec::new();
    let (mut now_ns, mut ip, mut cut_before) = (0_i64, Vec::new(), false);
    while !script.is_empty() && sent.len() < MAX_FRAMES {
        let kind = script.byte();
        now_ns = later(now_ns, script);
        let mut frame = Sent { link_type: RAW, time_ns: now_ns, wire_bytes: 0, data: Vec::new(), cut_before };
        cut_before = false;
        match kind % 16 {
            0..=7 => {
                ip = packet(script);
                (frame.link_type, frame.data) = framed(kind >> 4, &ip);
            }
            8 | 9 => {
                ip = wrapped(script.byte(), &ip);
                ip.truncate(4000);
                (frame.link_type, frame.data) = framed(kind >> 4, &ip);
            }
            10 => (frame.link_type, frame.data) = framed(kind >> 4, &unreachable(script.byte(), &ip)),
            11 => {
                let Some(last) = sent.last() else { continue };
                (frame.link_type, frame.data) = (last.link_type, last.data.clone());
            }
            12 => {
                frame.link_type = pick(&LINK_TYPES, script.byte());
                let bytes = script.u16() % 2048;
                frame.data = script.bytes(bytes.into()).to_vec();
            }
            13 => {
                cut_before = true;
                continue;
            }
            _ => {
                let Some(last) = sent.last() else { continue };
                (frame.link_type, frame.data) = (last.link_type, last.data.clone());
                for _ in 0..=kind >> 6 {
                    let (at, value) = (script.byte(), script.byte());
                    if let Some(byte) = frame.data.get_mut(usize::from(at)) {
                        *byte = value;
                    }
                }
            }
        }
        frame.wire_bytes = frame.data.len() as u32;
        if kind & 0x88 == 0x80 {
            let lengths = script.byte();
            frame.data.truncate(frame.data.len().saturating_sub(usize::from(lengths)));
            if lengths == 255 {
                frame.wire_bytes = u32::MAX;
            }
        }
        sent.push(frame);
    }
    sent
}

/// Advances the time: mostly by small steps, sometimes by exactly a timeout or to the limits of time.
fn later(now_ns: i64, script: &mut Script<'_>) -> i64 {
    match script.byte() {
        step @ 0..=127 => now_ns.saturating_add(step.into()),
        step @ 128..=191 => now_ns.saturating_sub((step - 127).into()),
        192 => now_ns.saturating_add(IDLE_TCP_NS),
        193 => now_ns.saturating_add(IDLE_TCP_NS + 1),
        194 => now_ns.saturating_add(IDLE_UDP_NS),
        195 => now_ns.saturating_add(IDLE_UDP_NS + 1),
        196 => now_ns.saturating_sub(IDLE_TCP_NS),
        197 => now_ns.saturating_sub(IDLE_TCP_NS + 1),
        198 => i64::MIN,
        199 => i64::MAX,
        200 => 0,
        step @ 201..=210 => now_ns.saturating_add(i64::from(step) * 1_000_000_000),
        step @ 211..=220 => now_ns.saturating_sub(i64::from(step) * 1_000_000_000),
        _ => now_ns,
    }
}

/// An IP packet with a transport header.
fn packet(script: &mut Script<'_>) -> Vec<u8> {
    let (shape, addresses, ports, flags, numbers) =
        (script.byte(), script.byte(), script.byte(), script.byte(), script.byte());
    let protocol = pick(&PROTOCOLS, shape);
    let mut body = Vec::new();
    for port in [pick(&PORTS, ports & 7), pick(&PORTS, ports >> 3 & 7)] {
        body.extend(port.to_be_bytes());
    }
    let (sequence, acknowledgement) = (pick(&NUMBERS, numbers & 7), pick(&NUMBERS, numbers >> 3 & 7));
    match protocol {
        6 => {
            body.extend(sequence.to_be_bytes());
            body.extend(acknowledgement.to_be_bytes());
            body.extend([0x50, flags, 0, 0, 0, 0, 0, 0]);
        }
        132 => {
            body.extend(sequence.to_be_bytes());
            body.extend([0; 4]);
            body.extend([flags % 16, 0, 0, 20]);
            body.extend(acknowledgement.to_be_bytes());
            body.extend([0; 12]);
        }
        33 => {
            body.extend([6, 0, 0, 0, (flags % 16) << 1 | 1, 0, 0, 0]);
            body.extend(sequence.to_be_bytes());
            body.extend([0; 4]);
            body.extend(acknowledgement.to_be_bytes());
        }
        _ => body.extend([0, 8 + pick(&[0, 1, 8, 100], numbers >> 6), 0, 0]),
    }
    body.resize(body.len() + usize::from(pick(&[0_u8, 1, 8, 100], numbers >> 6)), b'x');
    let fragment = if shape & 0x40 == 0 { None } else { Some(script.byte()) };
    if let Some(fragment) = fragment {
        // Only the part at the offset.
        let from = usize::from(pick(&OFFSETS, fragment)) * 8;
        body.drain(..from.min(body.len()));
        let most = usize::from(fragment >> 4 & 3) * 8;
        if most > 0 {
            body.truncate(most);
        }
    }
    ip_packet(shape & 8 != 0, protocol, addresses, fragment, &body)
}

fn ip_packet(v6: bool, protocol: u8, addresses: u8, fragment: Option<u8>, body: &[u8]) -> Vec<u8> {
    let (source, destination) = (addresses & 3, addresses >> 2 & 3);
    let word =
        fragment.map_or((0, 0), |fragment| (pick(&OFFSETS, fragment) & 0x1fff, u16::from(fragment >> 3 & 1)));
    let mut ip = Vec::new();
    if v6 {
        let extension = if fragment.is_some() { 8 } else { 0 };
        ip.extend([0x60, 0, 0, 0]);
        ip.extend((body.len() as u16 + extension).to_be_bytes());
        ip.extend([if fragment.is_some() { 44 } else { protocol }, 64]);
        for end in [source, destination] {
            ip.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, end]);
        }
        if let Some(fragment) = fragment {
            ip.extend([protocol, 0]);
            ip.extend((word.0 << 3 | word.1).to_be_bytes());
            ip.extend([0, 0, 0, fragment >> 6]);
        }
    } else {
        ip.extend([0x45, 0]);
        // 0: segmentation offload.
        let total = if addresses & 0x80 == 0 { body.len() as u16 + 20 } else { 0 };
        ip.extend(total.to_be_bytes());
        ip.extend([0, fragment.unwrap_or(0) >> 6]);
        ip.extend((word.1 << 13 | word.0).to_be_bytes());
        ip.extend([64, protocol, 0, 0]);
        for end in [source, destination] {
            ip.extend([192, 0, 2, end]);
        }
    }
    ip.extend(body);
    ip
}

fn framed(link: u8, ip: &[u8]) -> (u16, Vec<u8>) {
    let v6 = ip.first().is_some_and(|first| first >> 4 == 6);
    let ethertype: [u8; 2] = if v6 { [0x86, 0xdd] } else { [8, 0] };
    let mut frame = vec![2; 12];
    match link & 3 {
        1 => frame.extend(ethertype),
        2 => {
            frame.extend([0x81, 0, 0, 1 + (link >> 2)]);
            frame.extend(ethertype);
        }
        _ => return (RAW, ip.to_vec()),
    }
    frame.extend(ip);
    (1, frame)
}

/// Encapsulates a packet.
fn wrapped(how: u8, ip: &[u8]) -> Vec<u8> {
    let v6 = ip.first().is_some_and(|first| first >> 4 == 6);
    let ethertype: [u8; 2] = if v6 { [0x86, 0xdd] } else { [8, 0] };
    let udp = |port: u16, header: &[u8], inner: &[u8]| {
        let mut body = [40_000_u16.to_be_bytes(), port.to_be_bytes()].concat();
        body.extend(((8 + header.len() + inner.len()) as u16).to_be_bytes());
        body.extend([0, 0]);
        body.extend(header);
        body.extend(inner);
        (17, body)
    };
    let ethernet = || framed(1, ip).1;
    let (protocol, body) = match how % 10 {
        0 => (if v6 { 41 } else { 4 }, ip.to_vec()),
        1 => (47, [&[0, 0], &ethertype[..], ip].concat()),
        2 => (47, [&[0x20, 0, 0x65, 0x58, 0, 0, how >> 6, 1], &ethernet()[..]].concat()),
        3 => udp(4789, &[8, 0, 0, 0, 0, 0, how >> 6, 0], &ethernet()),
        4 => udp(6081, &[0, 0, 0x65, 0x58, 0, 0, how >> 6, 0], &ethernet()),
        5 => udp(2152, &[0x30, 255, (ip.len() >> 8) as u8, ip.len() as u8, 0, 0, 0, how], ip),
        6 => udp(3544, &[], ip),
        7 => udp(1701, &[0, 2, 0, 0, 0, 0, 0xff, 3, 0, if v6 { 0x57 } else { 0x21 }], ip),
        8 => (137, [&[0, 0, 1, 64], ip].concat()),
        _ => (51, [&[if v6 { 41 } else { 4 }, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], ip].concat()),
    };
    ip_packet(how & 0x20 != 0, protocol, how >> 4, None, &body)
}

/// Builds an ICMP error that quotes a packet.
fn unreachable(what: u8, ip: &[u8]) -> Vec<u8> {
    let v6 = ip.first().is_some_and(|first| first >> 4 == 6);
    let quoted = &ip[..ip.len().min(if what & 0x40 == 0 { 28 } else { 128 })];
    let kind = if v6 { [1, 4] } else { [3, what & 15] };
    let body = [&kind[..], &[0; 6], quoted].concat();
    ip_packet(v6, if v6 { 58 } else { 1 }, what, None, &body)
}
