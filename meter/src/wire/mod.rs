//! Decodes the bytes of a frame into the packet that a flow counts.
//!
//! One header per file: the constructor checks the length once, the accessors cannot fail.
//! Only this module does index arithmetic on packet bytes.
//!
//! [`decode`] walks from the link header inwards. Each header's parser returns what follows it ([`NextHeader`]);
//! only `walk` knows which parser that calls for.

mod checksum;
mod dccp;
mod ethernet;
mod ethertype;
mod icmp;
mod identity;
mod ieee80211;
mod ip_protocol;
mod ipv4;
mod ipv6;
mod link;
mod misdeclared;
mod ppp;
mod sctp;
mod tag;
mod tcp;
mod tunnel;
mod udp;
mod unmetered;
mod walk;

pub use checksum::BadChecksums;
pub use icmp::Quoted;
pub use identity::{Identity, Proof};
pub use tcp::Flags;
pub use tunnel::{Encapsulation, Path};
pub use unmetered::{Irregularity, TypeNumber, Unmetered};
pub use walk::{Aggregate, decode, decode_first, decode_verified};

/// A transport protocol with ports, by its IANA protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Transport {
    /// RFC 9293.
    Tcp = ip_protocol::TCP,
    /// RFC 768.
    Udp = ip_protocol::UDP,
    /// RFC 4340.
    Dccp = ip_protocol::DCCP,
    /// RFC 9260.
    Sctp = ip_protocol::SCTP,
    /// RFC 3828.
    UdpLite = ip_protocol::UDP_LITE,
}

/// Header fields of a connection-oriented transport, other than its ports.
///
/// SCTP and DCCP headers are mapped to the TCP fields of the same meaning, so the meter handles one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The control bits.
    pub flags: Flags,
    /// Sequence number; for SCTP the initiate tag.
    pub sequence: u32,
    /// Acknowledgement number: the next sequence number expected; meaningless without ACK.
    pub acknowledgement: u32,
    /// Window field of the header, not scaled; 0 if it was not captured.
    pub window: u16,
}

/// IPv6 address as an integer in network order; IPv4 as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2).
pub type Address = u128;

/// Endpoints of a packet: addresses, ports, transport, and virtual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// 4 or 6.
    pub ip_version: u8,
    /// IP protocol number of the transport.
    pub proto: u8,
    /// The sender's address.
    pub source: Address,
    /// The receiver's address.
    pub destination: Address,
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
    /// Network identifier (VNI, VSID) of VXLAN, Geneve or NVGRE; 0 outside of these.
    pub network_id: u32,
}

/// A packet with ports: its endpoints, and what a flow counts of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Addresses and ports.
    pub ends: Ends,
    /// What a flow counts of it.
    pub content: Content,
    /// Captured bytes after the transport header; empty where the payload is not contiguous (SCTP, fragments).
    pub payload: &'a [u8],
    /// Identifies duplicates of this packet.
    pub identity: Identity,
    /// Wrong checksums; none unless checksums are verified.
    pub bad_checksums: BadChecksums,
}

/// What a flow counts of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Bytes of the IP packet on the wire, by its own header: without Ethernet padding, regardless of the snap length.
    pub ip_bytes: u32,
    /// Bytes after the transport header, on the wire.
    pub payload_bytes: u32,
    /// Id of the outermost VLAN tag.
    pub vlan: Option<u16>,
    /// Encapsulations around the packet.
    pub tunnel: Path,
    /// For transports with connections only.
    pub segment: Option<Segment>,
}

/// Contents of a frame other than a single regular packet with ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAFlowPacket<'a> {
    /// No packet for a flow; counted under this reason.
    Unmetered(Unmetered),
    /// An unknown type number follows; counted by its reason and by the number.
    UnknownType(TypeNumber),
    /// A packet that deviates from its headers; the deviation is counted. Boxed, because it is large and rare.
    Irregular(Box<Packet<'a>>, Irregularity),
    /// Several packets.
    Aggregate(Aggregate<'a>),
    /// An IP fragment; the ports are in the first fragment.
    Fragment(Fragment<'a>),
    /// An ICMP error with the packet that it quotes; counted as ICMP.
    IcmpError(Quoted),
}

impl From<Unmetered> for NotAFlowPacket<'_> {
    fn from(reason: Unmetered) -> Self {
        Self::Unmetered(reason)
    }
}

/// A fragment of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Identifies the datagram.
    pub datagram: Datagram,
    /// Offset of its bytes in the datagram.
    pub offset: u32,
    /// More fragments follow.
    pub more: bool,
    /// Captured bytes after the IP header.
    pub body: &'a [u8],
    /// Bytes of the fragment on the wire, IP header included.
    pub ip_bytes: u32,
    /// Bytes after the IP header, on the wire.
    pub body_bytes: u32,
    /// Id of the outermost VLAN tag.
    pub vlan: Option<u16>,
    /// Encapsulations around the fragment.
    pub tunnel: Path,
}

impl Fragment<'_> {
    /// Returns whether the snap length cut this first fragment after `start`, so no more of the header will come.
    fn is_truncated_after(&self, start: &[u8]) -> bool {
        self.offset == 0 && start.len() == self.body.len() && self.body.len() < self.body_bytes as usize
    }
}

/// Identity of a fragmented datagram. RFC 791 §3.2, RFC 8200 §4.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Datagram {
    /// 4 or 6.
    pub ip_version: u8,
    /// Protocol of the datagram.
    pub protocol: u8,
    /// The sender's address.
    pub source: Address,
    /// The receiver's address.
    pub destination: Address,
    /// Identification, set by the sender.
    pub identification: u32,
    /// As in [`Ends`].
    pub network_id: u32,
}

/// Why a header cannot be parsed. Only the walk, which sees the whole frame, can determine whether a truncated
/// header was cut by the snap length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeaderError {
    /// More bytes are needed than the frame holds.
    Truncated,
    /// The bytes are present and invalid.
    Malformed,
}

/// What follows a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextHeader {
    /// A frame inside another packet, with a link header of this LINKTYPE_ number.
    Link(u16),
    /// The frame itself, with a link header of this LINKTYPE_ number.
    Frame(u16),
    /// The header of this EtherType.
    Ether(u16),
    /// An unknown GRE protocol type.
    UnknownGre(u16),
    /// An unknown PPP protocol number.
    UnknownPpp(u16),
    /// An LLC header. IEEE 802.2.
    Llc,
    /// A network layer protocol id.
    Nlpid,
    /// A PPP frame from its protocol field on.
    Ppp,
    /// An IP packet of the version in its header.
    Ip,
    /// Encrypted data.
    Encrypted,
    /// Anything but IP.
    Other,
}

/// What follows a header, and the bytes after it.
type Next<'a> = (NextHeader, &'a [u8]);

use ethertype::{IPV4 as ETHERTYPE_IPV4, IPV6 as ETHERTYPE_IPV6};

/// Reads two bytes in network order. The caller has checked the length.
#[inline]
fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Reads two bytes in little-endian order. The caller has checked the length.
fn le16(bytes: &[u8], at: usize) -> u16 {
    be16(bytes, at).swap_bytes()
}

/// Reads four bytes in network order. The caller has checked the length.
#[inline]
fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Returns the bytes after the first `count`.
fn skip(bytes: &[u8], count: usize) -> Result<&[u8], HeaderError> {
    bytes.get(count..).ok_or(HeaderError::Truncated)
}

#[cfg(test)]
mod tests;
