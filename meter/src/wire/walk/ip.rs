//! The walk from the IP header on: to the transport, or into a tunnel.

use super::{Encapsulation, Step, Walk};
use crate::wire::tunnel::{self, Inside, etherip, gre, mpls, pim};
use crate::wire::{
    Address, BadChecksums, Content, Datagram, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ends, Fragment, HeaderError,
    Identity, Irregularity, NextHeader, NotAFlowPacket, Packet, Segment, Transport, Unmetered, checksum,
    dccp, icmp, ipv6, link, sctp, tcp, udp,
};

/// What an IP header leads to.
#[derive(Debug)]
pub struct IpHeader<'a> {
    pub ip_version: u8,
    pub source: Address,
    pub destination: Address,
    pub protocol: u8,
    /// Bytes of the IP packet by its own header; `None`: left to segmentation offload, or a jumbogram.
    pub ip_bytes: Option<u32>,
    /// Bytes of the IP header and its extension headers.
    pub header_bytes: u32,
    /// Time to live, hop limit.
    pub hops: u8,
    /// Its checksum was verified, and is wrong.
    pub bad_header: bool,
    pub identification: u32,
    pub fragment_offset: u32,
    pub more_fragments: bool,
    pub rest: &'a [u8],
}

impl<'a> Walk<'a> {
    pub(super) fn ipv6(&mut self) -> Result<Step<'a>, NotAFlowPacket<'a>> {
        self.behind_ip(ipv6::internet(self.rest), 6)
    }

    #[inline]
    pub(super) fn behind_ip(
        &mut self,
        internet: Result<IpHeader<'a>, HeaderError>,
        announced: u8,
    ) -> Result<Step<'a>, NotAFlowPacket<'a>> {
        let mut internet = match internet {
            Ok(internet) => internet,
            Err(flaw) => return Err(self.of_other_version(flaw, announced)),
        };
        if self.verify && internet.ip_version == 4 {
            let header = &self.rest[..internet.header_bytes as usize];
            internet.bad_header = checksum::is_bad_header(header);
        }
        if self.inside_ip {
            self.in_shim(Encapsulation::Ip)?;
        }
        let ip_bytes = internet.ip_bytes.unwrap_or(self.wire_bytes);
        let body_bytes = ip_bytes.saturating_sub(internet.header_bytes);
        let body = &internet.rest[..internet.rest.len().min(body_bytes as usize)];
        if internet.fragment_offset != 0 || internet.more_fragments {
            return Err(self.fragment(&internet, body, ip_bytes, body_bytes));
        }
        self.rest = body;
        self.wire_bytes = body_bytes;
        self.headers += 1;
        self.inside_ip = true;
        self.transport(&internet, ip_bytes)
    }

    #[cold]
    fn fragment(
        &self,
        internet: &IpHeader<'a>,
        body: &'a [u8],
        ip_bytes: u32,
        body_bytes: u32,
    ) -> NotAFlowPacket<'a> {
        NotAFlowPacket::Fragment(Fragment {
            datagram: Datagram {
                ip_version: internet.ip_version,
                protocol: internet.protocol,
                source: internet.source,
                destination: internet.destination,
                identification: internet.identification,
                network_id: self.network_id,
            },
            offset: internet.fragment_offset,
            more: internet.more_fragments,
            body,
            ip_bytes,
            body_bytes,
            vlan: self.vlan,
            tunnel: self.tunnel,
        })
    }

    /// What is there instead of a transport header: its ports, if the snap length left them.
    #[cold]
    fn ports_alone(&self, flaw: HeaderError, internet: &IpHeader<'a>, ip_bytes: u32) -> NotAFlowPacket<'a> {
        let reason = self.blame(flaw, Unmetered::DamagedTransport);
        let Ok(ports) = udp::Udp::new(self.rest) else { return reason.into() };
        if reason != Unmetered::CutShort {
            return reason.into();
        }
        let (source_port, destination_port) = ports.ports();
        let ends = Ends {
            ip_version: internet.ip_version,
            proto: internet.protocol,
            source: internet.source,
            destination: internet.destination,
            source_port,
            destination_port,
            network_id: self.network_id,
        };
        // Where its header ends isn't known, so neither is how much of it is payload.
        let content =
            Content { ip_bytes, payload_bytes: 0, vlan: self.vlan, tunnel: self.tunnel, segment: None };
        let identity = Identity::new(internet, ip_bytes, self.rest, false);
        let bad_checksums = BadChecksums { ipv4_header: internet.bad_header, transport: false };
        NotAFlowPacket::Irregular(
            Box::new(Packet { ends, content, payload: &[], identity, bad_checksums }),
            Irregularity::CutTransport,
        )
    }

    /// From the transport header on. The walk has the body of the IP packet.
    #[inline]
    fn transport(&mut self, internet: &IpHeader<'a>, ip_bytes: u32) -> Result<Step<'a>, NotAFlowPacket<'a>> {
        let packet =
            |transport: Transport, ports: (u16, u16), header_bytes: u32, segment: Option<Segment>| {
                let ends = Ends {
                    ip_version: internet.ip_version,
                    proto: transport as u8,
                    source: internet.source,
                    destination: internet.destination,
                    source_port: ports.0,
                    destination_port: ports.1,
                    network_id: self.network_id,
                };
                let payload_bytes =
                    self.wire_bytes.checked_sub(header_bytes).ok_or(Unmetered::DamagedTransport)?;
                let content =
                    Content { ip_bytes, payload_bytes, vlan: self.vlan, tunnel: self.tunnel, segment };
                let bad_checksums = if self.verify {
                    checksum::bad(internet, self.rest, self.wire_bytes)
                } else {
                    BadChecksums::default()
                };
                let sequenced = transport == Transport::Tcp
                    && (payload_bytes > 0
                        || segment.is_some_and(|segment| segment.flags.syn() || segment.flags.fin()));
                let identity = Identity::new(internet, ip_bytes, self.rest, sequenced);
                // SCTP's is in chunks.
                let in_one_piece = transport != Transport::Sctp;
                let payload = self.rest.get(header_bytes as usize..).filter(|_| in_one_piece);
                Ok(Packet { ends, content, payload: payload.unwrap_or_default(), identity, bad_checksums })
            };
        match internet.protocol {
            6 => {
                let tcp =
                    tcp::Tcp::new(self.rest).map_err(|flaw| self.ports_alone(flaw, internet, ip_bytes))?;
                packet(Transport::Tcp, tcp.ports(), tcp.header_bytes(), Some(tcp.segment())).map(Step::At)
            }
            17 => {
                let ports = udp::Udp::new(self.rest)
                    .map_err(|flaw| self.ports_alone(flaw, internet, ip_bytes))?
                    .ports();
                let packet = packet(Transport::Udp, ports, udp::HEADER_BYTES, None)?;
                let may_be_tunnel = tunnel::is_udp_port(ports.0) || tunnel::is_udp_port(ports.1);
                if may_be_tunnel && self.decapsulate { self.over_udp(packet) } else { Ok(Step::At(packet)) }
            }
            132 => {
                let sctp =
                    sctp::Sctp::new(self.rest).map_err(|flaw| self.ports_alone(flaw, internet, ip_bytes))?;
                let (data, segment) = sctp.segment();
                let all = if data { sctp::HEADER_BYTES as u32 } else { self.wire_bytes };
                packet(Transport::Sctp, sctp.ports(), all, Some(segment)).map(Step::At)
            }
            136 => {
                let ports = udp::Udp::new(self.rest)
                    .map_err(|flaw| self.ports_alone(flaw, internet, ip_bytes))?
                    .ports();
                packet(Transport::UdpLite, ports, udp::HEADER_BYTES, None).map(Step::At)
            }
            33 => {
                let dccp =
                    dccp::Dccp::new(self.rest).map_err(|flaw| self.ports_alone(flaw, internet, ip_bytes))?;
                packet(Transport::Dccp, dccp.ports(), dccp.header_bytes(), Some(dccp.segment())).map(Step::At)
            }
            protocol => self.over_ip(protocol, internet, ip_bytes),
        }
    }

    /// What else an IP packet may hold: ICMP, and tunnels that have an IP protocol of their own.
    #[cold]
    fn over_ip(
        &mut self,
        protocol: u8,
        internet: &IpHeader<'a>,
        ip_bytes: u32,
    ) -> Result<Step<'a>, NotAFlowPacket<'a>> {
        const IPV4_IN_IP: u8 = 4;
        const IPV6_IN_IP: u8 = 41;
        const GRE: u8 = 47;
        const ENCRYPTED: u8 = 50;
        const AUTHENTICATION: u8 = 51;
        const ETHER_IP: u8 = 97;
        const PIM: u8 = 103;
        const MPLS_IN_IP: u8 = 137;
        /// Of segment routing. RFC 8986 §4.9.
        const ETHERNET: u8 = 143;
        Ok(Step::Into(match protocol {
            icmp::ICMP | icmp::ICMP_V6 => {
                return Err(match icmp::unreachable(internet, self.rest, self.network_id) {
                    Some(quoted) => NotAFlowPacket::IcmpError(quoted),
                    None => Unmetered::Icmp.into(),
                });
            }
            ENCRYPTED => return Err(Unmetered::Encrypted.into()),
            AUTHENTICATION => {
                let (protocol, rest) = ipv6::behind_authentication(self.rest)
                    .map_err(|flaw| self.blame(flaw, Unmetered::DamagedIp))?;
                self.on((NextHeader::Ip, rest))?;
                return self.transport(&IpHeader { protocol, rest, ..*internet }, ip_bytes);
            }
            _ if !self.decapsulate => return Err(Unmetered::NoPorts.into()),
            IPV4_IN_IP => NextHeader::Ether(ETHERTYPE_IPV4),
            IPV6_IN_IP => NextHeader::Ether(ETHERTYPE_IPV6),
            GRE => {
                let inside = self.checked(gre::next(self.rest))?;
                self.inside(inside)?
            }
            MPLS_IN_IP => {
                self.in_shim(Encapsulation::Mpls)?;
                self.pass(mpls::next(self.rest))?
            }
            ETHERNET => NextHeader::Link(link::ETHERNET),
            ETHER_IP => {
                self.in_shim(Encapsulation::EtherIp)?;
                self.pass(etherip::next(self.rest))?
            }
            PIM => match self.checked(pim::next(self.rest))? {
                (NextHeader::Other, _) => return Err(Unmetered::NoPorts.into()),
                register => {
                    self.in_shim(Encapsulation::Pim)?;
                    self.on(register)?
                }
            },
            _ => return Err(Unmetered::NoPorts.into()),
        }))
    }

    /// A datagram whose port is a tunnel's: what is inside, if it has the header of one.
    #[cold]
    fn over_udp(&mut self, datagram: Packet<'a>) -> Result<Step<'a>, NotAFlowPacket<'a>> {
        let data = self.rest.get(udp::HEADER_BYTES as usize..);
        let inside = data.and_then(|data| {
            tunnel::over_udp(datagram.ends.destination_port, data)
                .or_else(|| tunnel::over_udp(datagram.ends.source_port, data))
        });
        let Some(inside) = inside else { return Ok(Step::At(datagram)) };
        self.datagram = Some(datagram);
        Ok(Step::Into(self.inside(inside)?))
    }

    fn inside(&mut self, inside: Inside<'a>) -> Result<NextHeader, Unmetered> {
        self.network_id = inside.network_id.unwrap_or(self.network_id);
        self.in_shim(inside.shim)?;
        self.on((inside.behind, inside.rest))
    }
}

/// The packet that a datagram's first bytes show: of its first fragment, or of more put together.
///
/// Tunnels stay closed: what they carry can't be told from a part.
///
/// # Errors
/// The reason under which the datagram's fragments are counted; `CutShort` if more bytes may help.
pub fn decode_first(fragment: &Fragment<'_>, start: &[u8]) -> Result<Packet<'static>, Unmetered> {
    let datagram = fragment.datagram;
    let mut internet = IpHeader {
        ip_version: datagram.ip_version,
        source: datagram.source,
        destination: datagram.destination,
        protocol: datagram.protocol,
        ip_bytes: None,
        header_bytes: 0,
        hops: 0,
        bad_header: false,
        identification: datagram.identification,
        fragment_offset: 0,
        more_fragments: false,
        rest: start,
    };
    if datagram.ip_version == 6 {
        ipv6::pass_extensions(&mut internet).map_err(|flaw| match flaw {
            HeaderError::Truncated => Unmetered::CutShort,
            HeaderError::Malformed => Unmetered::DamagedIp,
        })?;
    }
    if internet.more_fragments || internet.fragment_offset != 0 {
        return Err(Unmetered::NoPorts); // a fragment of a fragment
    }
    let passed = (start.len() - internet.rest.len()) as u32;
    let mut walk = Walk {
        vlan: fragment.vlan,
        tunnel: fragment.tunnel,
        network_id: datagram.network_id,
        inside_ip: true,
        // The rest is in other fragments.
        ..Walk::new(internet.rest, u32::MAX - passed, false)
    };
    match walk.transport(&internet, fragment.ip_bytes) {
        Ok(Step::At(packet)) => Ok(Packet { payload: &[], ..packet }),
        Err(NotAFlowPacket::Unmetered(reason)) => Err(reason),
        Err(NotAFlowPacket::IcmpError(_)) => Err(Unmetered::Icmp),
        // More may be in the next fragment, unless the snap length cut this one.
        Err(NotAFlowPacket::Irregular(packet, _)) if fragment.is_cut_behind(start) => {
            Ok(Packet { payload: &[], ..*packet })
        }
        Err(NotAFlowPacket::Irregular(..)) => Err(Unmetered::CutShort),
        // None can be: tunnels stay closed, and fragments don't nest.
        Ok(Step::Into(_))
        | Err(NotAFlowPacket::Fragment(_) | NotAFlowPacket::UnknownType(_) | NotAFlowPacket::Aggregate(_)) => {
            Err(Unmetered::NoPorts)
        }
    }
}
