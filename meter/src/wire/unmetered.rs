//! Reasons why a packet is in no flow.

use std::fmt;

/// Why a packet is in no flow, in the order of the packet accounting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Unmetered {
    /// An unsupported link type.
    LinkType,
    /// Non-IP: ARP, LLDP, spanning tree, …
    NotIp,
    /// An unknown type number; see [`TypeNumber`].
    UnknownType,
    /// ICMP and ICMPv6.
    Icmp,
    /// IP with a protocol without ports (OSPF, IGMP, …).
    NoPorts,
    /// ESP, encrypted Wi-Fi or MACsec frames.
    Encrypted,
    /// An orphan fragment: the first fragment was not captured.
    LaterFragment,
    /// A duplicate, if duplicates are ignored.
    Duplicate,
    /// Headers nested too deeply.
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
    /// Every reason, in the order of the packet accounting.
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

    /// Returns the key of this reason in the packet accounting.
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

/// An unknown number for the type of what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TypeNumber {
    /// LINKTYPE_ number of the frame.
    Link(u16),
    /// EtherType. IEEE 802.3 §3.2.6.
    Ether(u16),
    /// Protocol type of GRE that is no known EtherType. RFC 2784 §2.4.
    Gre(u16),
    /// Network layer protocol of PPP. RFC 1661 §2.
    Ppp(u16),
}

impl TypeNumber {
    /// Returns the reason under which frames with such a number are counted.
    #[must_use]
    pub fn reason(self) -> Unmetered {
        if matches!(self, Self::Link(_)) { Unmetered::LinkType } else { Unmetered::UnknownType }
    }

    /// Returns the key of the kind in the packet accounting, and the number.
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

/// How a packet deviates from its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Irregularity {
    /// The frame is not of the declared link type; it was decoded as this one.
    ReadAs(u16),
    /// The version field contradicts the header before (IPv4, IPv6); the version field was used.
    IpVersion,
    /// The snap length cut the transport header after the ports.
    CutTransport,
}
