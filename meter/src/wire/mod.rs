//! From the bytes of a frame to the one packet that a flow is made of.
//!
//! One header per file: its constructor checks the length once, its accessors cannot fail.
//! Only this module does index arithmetic on packet bytes.
//!
//! [`decode`] walks from the link header inwards. Each header says what lies behind it ([`NextHeader`]);
//! `walk` is the only place that knows what leads to what.

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

/// What the header of a transport with connections says beyond its ports.
///
/// SCTP and DCCP say the same things in other words; they are translated, so that the meter knows one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The control bits.
    pub flags: Flags,
    /// Sequence number; of SCTP the initiate tag.
    pub sequence: u32,
    /// Acknowledgement number, the number expected next; meaningless without ACK.
    pub acknowledgement: u32,
    /// The window as it stands in the header, not scaled; 0 where it was not captured.
    pub window: u16,
}

/// An IPv6 address as a number, the first byte the highest; IPv4 as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2).
pub type Address = u128;

/// Who sent a packet to whom, and in which virtual network.
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
    /// VXLAN, Geneve or NVGRE network id; 0 outside of them.
    pub network_id: u32,
}

/// A packet with ports: who sent it to whom, and what a flow takes from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Who sent it to whom.
    pub ends: Ends,
    /// What a flow takes from it.
    pub content: Content,
    /// What was captured behind the transport header; empty where it isn't in one piece (SCTP, fragments).
    pub payload: &'a [u8],
    /// What it has in common with copies of it only.
    pub identity: Identity,
    /// None unless they were verified.
    pub bad_checksums: BadChecksums,
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
    /// What the packet was wrapped in.
    pub tunnel: Path,
    /// For transports with connections only.
    pub segment: Option<Segment>,
}

/// What a frame holds where it holds no packet with ports of its own, or not as its headers announce it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAFlowPacket<'a> {
    /// It is counted under this reason.
    Unmetered(Unmetered),
    /// It is counted under the reason that goes with this number, and under the number.
    UnknownType(TypeNumber),
    /// A packet all the same; how it departs from its headers is counted. In a box: it is as large as seldom.
    Irregular(Box<Packet<'a>>, Irregularity),
    /// Several packets.
    Aggregate(Aggregate<'a>),
    /// A fragment whose ports, if it has any, are in another one.
    Fragment(Fragment<'a>),
    /// An ICMP error: it is counted, and tells something of the packet it quotes.
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
    /// What the fragments of one datagram have in common.
    pub datagram: Datagram,
    /// Where its bytes belong in the datagram.
    pub offset: u32,
    /// It is not the last one.
    pub more: bool,
    /// The captured bytes behind the IP header.
    pub body: &'a [u8],
    /// Bytes of the fragment on the wire, IP header included.
    pub ip_bytes: u32,
    /// Bytes behind the IP header on the wire.
    pub body_bytes: u32,
    /// Id of the outermost VLAN tag.
    pub vlan: Option<u16>,
    /// What the fragment was wrapped in.
    pub tunnel: Path,
}

impl Fragment<'_> {
    /// Whether these are all of a datagram's first bytes, because the snap length cut its first fragment.
    fn is_truncated_after(&self, start: &[u8]) -> bool {
        self.offset == 0 && start.len() == self.body.len() && self.body.len() < self.body_bytes as usize
    }
}

/// What the fragments of one datagram have in common. RFC 791 §3.2, RFC 8200 §4.5.
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
    /// The identification that its sender gave it.
    pub identification: u32,
    /// As in [`Ends`].
    pub network_id: u32,
}

/// A header did not fit, or contradicts itself. Whether the wire or the snap length is to blame is
/// known only to the walk, which sees the whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeaderError {
    /// More bytes are needed than the frame holds.
    Truncated,
    /// The bytes are there and cannot be right.
    Malformed,
}

/// What lies behind a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextHeader {
    /// A frame inside another packet, with a link header of this LINKTYPE_ number.
    Link(u16),
    /// The frame itself, with a link header of this LINKTYPE_ number.
    Frame(u16),
    /// What this EtherType says.
    Ether(u16),
    /// Something that isn't known by this protocol type of GRE.
    UnknownGre(u16),
    /// Something that isn't known by this protocol of PPP.
    UnknownPpp(u16),
    /// An LLC header. IEEE 802.2.
    Llc,
    /// A network layer protocol id.
    Nlpid,
    /// A PPP frame from its protocol field on.
    Ppp,
    /// An IP packet; the version says which.
    Ip,
    /// Something encrypted.
    Encrypted,
    /// No IP.
    Other,
}

/// What a header leads to, and the bytes behind it.
type Next<'a> = (NextHeader, &'a [u8]);

use ethertype::{IPV4 as ETHERTYPE_IPV4, IPV6 as ETHERTYPE_IPV6};

/// Two bytes in network order. The caller has checked the length.
#[inline]
fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Two bytes in the order of the machine that captured, a PC. The caller has checked the length.
fn le16(bytes: &[u8], at: usize) -> u16 {
    be16(bytes, at).swap_bytes()
}

/// Four bytes in network order. The caller has checked the length.
#[inline]
fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// What is behind the first `count` bytes.
fn skip(bytes: &[u8], count: usize) -> Result<&[u8], HeaderError> {
    bytes.get(count..).ok_or(HeaderError::Truncated)
}

#[cfg(test)]
mod tests;
