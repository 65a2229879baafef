//! From the bytes of a frame to the one packet that a flow is made of.
//!
//! One header per file: its constructor checks the length once, its accessors cannot fail.
//! Only this module does index arithmetic on packet bytes.

mod ethernet;
mod ipv4;
mod ipv6;
mod link;
mod tcp;
mod udp;

use std::fmt;

pub use tcp::Flags;

/// A transport protocol with ports, by its IANA protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Transport {
    /// RFC 9293.
    Tcp = 6,
    /// RFC 768.
    Udp = 17,
}

/// What a TCP header says beyond its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The control bits.
    pub flags: Flags,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number; meaningless without ACK.
    pub acknowledgement: u32,
}

/// An IPv6 address as a number, the first byte the highest; IPv4 as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2).
pub type Address = u128;

/// A packet with ports: who sent it to whom, and what a flow takes from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// 4 or 6.
    pub ip_version: u8,
    /// Which transport the ports belong to.
    pub transport: Transport,
    /// The sender's address.
    pub source: Address,
    /// The receiver's address.
    pub destination: Address,
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
    /// What a flow takes from it.
    pub content: Content,
}

/// What a flow takes from one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Bytes of the IP packet on the wire, by its own header: no Ethernet padding, no snap length.
    pub ip_bytes: u32,
    /// Bytes behind the transport header on the wire.
    pub payload_bytes: u32,
    /// Id of the outermost VLAN tag.
    pub vlan: Option<u16>,
    /// For TCP only.
    pub segment: Option<Segment>,
}

/// Why a packet is in no flow. The order is that of the accounting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Unmetered {
    /// A link type that this program doesn't read.
    LinkType,
    /// ARP, LLDP, spanning tree …: no IP in the frame.
    NotIp,
    /// ICMP and ICMPv6.
    Icmp,
    /// IP carrying a protocol without ports (OSPF, ESP, GRE …).
    NoPorts,
    /// A fragment after the first: it carries no ports.
    LaterFragment,
    /// The snap length cut the headers.
    CutShort,
    /// The link header contradicts itself or its length.
    DamagedLink,
    /// The IP header contradicts itself or its length.
    DamagedIp,
    /// The TCP or UDP header contradicts itself or its length.
    DamagedTransport,
}

impl Unmetered {
    /// Every reason, in the order of the accounting.
    pub const ALL: [Self; 9] = [
        Self::LinkType,
        Self::NotIp,
        Self::Icmp,
        Self::NoPorts,
        Self::LaterFragment,
        Self::CutShort,
        Self::DamagedLink,
        Self::DamagedIp,
        Self::DamagedTransport,
    ];

    /// The key of this reason in the accounting.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LinkType => "link_type",
            Self::NotIp => "not_ip",
            Self::Icmp => "icmp",
            Self::NoPorts => "no_ports",
            Self::LaterFragment => "later_fragment",
            Self::CutShort => "cut_short",
            Self::DamagedLink => "damaged_link",
            Self::DamagedIp => "damaged_ip",
            Self::DamagedTransport => "damaged_transport",
        }
    }
}

impl fmt::Display for Unmetered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A header did not fit, or contradicts itself. Whether the wire or the snap length is to blame is
/// known only to [`decode`], which sees the whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// More bytes are needed than the frame holds.
    Short,
    /// The bytes are there and cannot be right.
    Damaged,
}

/// What a link header leads to.
struct Network<'a> {
    ethertype: u16,
    vlan: Option<u16>,
    rest: &'a [u8],
}

/// What an IP header leads to.
struct Internet<'a> {
    ip_version: u8,
    source: Address,
    destination: Address,
    protocol: u8,
    /// Bytes of the IP packet by its own header; `None`: left to segmentation offload, or a jumbogram.
    ip_bytes: Option<u32>,
    /// Bytes of the IP header and its extension headers.
    header_bytes: u32,
    later_fragment: bool,
    rest: &'a [u8],
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// The packet with ports in a frame, or why there is none.
///
/// `link_type` is a LINKTYPE_ number; `wire_bytes` the frame's length before any snap length.
///
/// # Errors
/// The reason under which the packet is counted.
#[inline]
pub fn decode(link_type: u16, data: &[u8], wire_bytes: u32) -> Result<Packet, Unmetered> {
    let cut = data.len() < wire_bytes as usize;
    let blame = |damaged: Unmetered| {
        move |flaw: Flaw| match flaw {
            Flaw::Short if cut => Unmetered::CutShort,
            _ => damaged,
        }
    };
    let network =
        link::network(link_type, data).ok_or(Unmetered::LinkType)?.map_err(blame(Unmetered::DamagedLink))?;
    let internet = match network.ethertype {
        ETHERTYPE_IPV4 => ipv4::internet(network.rest),
        ETHERTYPE_IPV6 => ipv6::internet(network.rest),
        _ => return Err(Unmetered::NotIp),
    }
    .map_err(blame(Unmetered::DamagedIp))?;
    if internet.later_fragment {
        return Err(Unmetered::LaterFragment);
    }
    let before_ip = (data.len() - network.rest.len()) as u32;
    let ip_bytes = internet.ip_bytes.unwrap_or_else(|| wire_bytes.saturating_sub(before_ip));
    let body_bytes = ip_bytes.saturating_sub(internet.header_bytes);
    let body = &internet.rest[..internet.rest.len().min(body_bytes as usize)];
    // A transport header that the IP length itself leaves no room for is damage, however the frame was cut.
    let blame_transport = |flaw: Flaw| match flaw {
        Flaw::Short if cut && body.len() < body_bytes as usize => Unmetered::CutShort,
        _ => Unmetered::DamagedTransport,
    };
    let (transport, ports, header_bytes, segment) = match internet.protocol {
        6 => {
            let tcp = tcp::Tcp::new(body).map_err(blame_transport)?;
            (Transport::Tcp, tcp.ports(), tcp.header_bytes(), Some(tcp.segment()))
        }
        17 => {
            let udp = udp::Udp::new(body).map_err(blame_transport)?;
            (Transport::Udp, udp.ports(), udp::HEADER_BYTES, None)
        }
        1 | 58 => return Err(Unmetered::Icmp),
        _ => return Err(Unmetered::NoPorts),
    };
    let payload_bytes = body_bytes.checked_sub(header_bytes).ok_or(Unmetered::DamagedTransport)?;
    Ok(Packet {
        ip_version: internet.ip_version,
        source: internet.source,
        destination: internet.destination,
        transport,
        source_port: ports.0,
        destination_port: ports.1,
        content: Content { ip_bytes, payload_bytes, vlan: network.vlan, segment },
    })
}

/// Two bytes in network order. The caller has checked the length.
#[inline]
fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Four bytes in network order. The caller has checked the length.
#[inline]
fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests;
