//! The reasons why a packet is in no flow.

use std::fmt;

/// Why a packet is in no flow. The order is that of the accounting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Unmetered {
    /// A link type that this program doesn't read.
    LinkType,
    /// ARP, LLDP, spanning tree …: no IP in the frame.
    NotIp,
    /// A number that isn't known says what follows: see [`TypeNumber`].
    UnknownType,
    /// ICMP and ICMPv6.
    Icmp,
    /// IP carrying a protocol without ports (OSPF, IGMP …).
    NoPorts,
    /// ESP, encrypted Wi-Fi or MACsec frames.
    Encrypted,
    /// A fragment whose first one was not captured.
    LaterFragment,
    /// A copy of another packet, and copies are to be left out.
    Duplicate,
    /// More headers inside one another than are followed.
    TooDeep,
    /// The snap length cut the headers.
    CutShort,
    /// A link or tunnel header contradicts itself or its length.
    DamagedLink,
    /// The IP header contradicts itself or its length.
    DamagedIp,
    /// The transport header contradicts itself or its length.
    DamagedTransport,
}

impl Unmetered {
    /// Every reason, in the order of the accounting.
    pub const ALL: [Self; 13] = [
        Self::LinkType,
        Self::NotIp,
        Self::UnknownType,
        Self::Icmp,
        Self::NoPorts,
        Self::Encrypted,
        Self::LaterFragment,
        Self::Duplicate,
        Self::TooDeep,
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
            Self::UnknownType => "unknown_type",
            Self::Icmp => "icmp",
            Self::NoPorts => "no_ports",
            Self::Encrypted => "encrypted",
            Self::LaterFragment => "later_fragment",
            Self::Duplicate => "duplicate",
            Self::TooDeep => "too_deep",
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

/// A number that says what follows, and isn't known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TypeNumber {
    /// LINKTYPE_ number of the frame.
    Link(u16),
    /// EtherType. IEEE 802.3 §3.2.6.
    Ether(u16),
    /// Protocol type of GRE, where it is no EtherType that is known. RFC 2784 §2.4.
    Gre(u16),
    /// Protocol of PPP's network layer. RFC 1661 §2.
    Ppp(u16),
}

impl TypeNumber {
    /// The reason under which frames with such a number are counted.
    #[must_use]
    pub fn reason(self) -> Unmetered {
        if matches!(self, Self::Link(_)) { Unmetered::LinkType } else { Unmetered::UnknownType }
    }

    /// The kind's name in the accounting, and the number.
    #[must_use]
    pub fn parts(self) -> (&'static str, u16) {
        match self {
            Self::Link(number) => ("link_type", number),
            Self::Ether(number) => ("ethertype", number),
            Self::Gre(number) => ("gre", number),
            Self::Ppp(number) => ("ppp", number),
        }
    }
}

/// How a packet departs from what its headers announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Irregularity {
    /// The frame isn't of the link type that the capture declares: it was read as one of this.
    ReadAs(u16),
    /// The header before says IPv4, the version says IPv6, or the reverse: the version counts.
    IpVersion,
    /// The snap length cut the transport header behind its ports.
    CutTransport,
}
