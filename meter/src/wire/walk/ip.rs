//! The walk from the IP header on: to the transport header, or into a tunnel.

use super::{Encapsulation, Step, Walk};
use crate::wire::tunnel::{self, Inside, etherip, gre, mpls, pim};
use crate::wire::{
    Address, BadChecksums, Content, Datagram, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ends, Fragment, HeaderError,
    Identity, Irregularity, NextHeader, NotAFlowPacket, Packet, Segment, Transport, Unmetered, checksum,
    dccp, icmp, ip_protocol, ipv6, link, sctp, tcp, udp,
};

/// Fields of an IP header, and what follows it.
#[derive(Debug)]
pub struct IpHeader<'a> {
    pub ip_version: u8,
    pub source: Address,
    pub destination: Address,
    pub protocol: u8,
    /// Bytes of the IP packet by its own header; `None` for 0 (segmentation offload, jumbogram).
    pub ip_bytes: Option<u32>,
    /// Bytes of the IP header and its extension headers.
    pub header_bytes: u32,
    /// Time to live (IPv4) or hop limit (IPv6).
    pub hops: u8,
    /// The header checksum was verified and is wrong.
    pub bad_header: bool,
    pub identification: u32,
    pub fragment_offset: u32,
    pub more_fragments: bool,
    pub rest: &'a [u8],
}

impl<'a> Walk<'a> {
    pub(super) fn ipv6(&mut self) -> Result<Step<'a>, NotAFlowPacket<'a>> {
        self.enter_ip(ipv6::parse(self.rest), 6)
    }

    #[inline]
    pub(super) fn enter_ip(
        &mut self,
        ip: Result<IpHeader<'a>, HeaderError>,
        announced: u8,
    ) -> Result<Step<'a>, NotAFlowPacket<'a>> {
        let mut ip = match ip {
            Ok(ip) => ip,
            Err(error) => return Err(self.read_as_other_version(error, announced)),
        };
        if self.verify && ip.ip_version == 4 {
            let header = &self.rest[..ip.header_bytes as usize];
            ip.bad_header = checksum::is_bad_header(header);
        }
        if self.inside_ip {
            self.push_encapsulation(Encapsulation::Ip)?;
        }
        let ip_bytes = ip.ip_bytes.unwrap_or(self.wire_bytes);
        let body_bytes = ip_bytes.saturating_sub(ip.header_bytes);
        let body = &ip.rest[..ip.rest.len().min(body_bytes as usize)];
        if ip.fragment_offset != 0 || ip.more_fragments {
            return Err(self.fragment(&ip, body, ip_bytes, body_bytes));
        }
        self.rest = body;
        self.wire_bytes = body_bytes;
        self.headers += 1;
        self.inside_ip = true;
        self.transport(&ip, ip_bytes)
    }

    #[cold]
    fn fragment(
        &self,
        ip: &IpHeader<'a>,
        body: &'a [u8],
        ip_bytes: u32,
        body_bytes: u32,
    ) -> NotAFlowPacket<'a> {
        NotAFlowPacket::Fragment(Fragment {
            datagram: Datagram {
                ip_version: ip.ip_version,
                protocol: ip.protocol,
                source: ip.source,
                destination: ip.destination,
                identification: ip.identification,
                network_id: self.network_id,
            },
            offset: ip.fragment_offset,
            more: ip.more_fragments,
            body,
            ip_bytes,
            body_bytes,
            vlan: self.vlan,
            tunnel: self.tunnel,
        })
    }

    /// Returns a packet with only its ports, if the snap length cut the transport header after them.
    #[cold]
    fn ports_only(&self, error: HeaderError, ip: &IpHeader<'a>, ip_bytes: u32) -> NotAFlowPacket<'a> {
        let reason = self.failure_reason(error, Unmetered::DamagedTransport);
        // All transports have their ports where UDP has them.
        let Ok(ports) = udp::Udp::new(self.rest) else { return reason.into() };
        if reason != Unmetered::CutShort {
            return reason.into();
        }
        let ends = Ends {
            ip_version: ip.ip_version,
            proto: ip.protocol,
            source: ip.source,
            destination: ip.destination,
            source_port: ports.source_port(),
            destination_port: ports.destination_port(),
            network_id: self.network_id,
        };
        // The header length is unknown, and with it the payload length.
        let content =
            Content { ip_bytes, payload_bytes: 0, vlan: self.vlan, tunnel: self.tunnel, segment: None };
        let identity = Identity::new(ip, ip_bytes, self.rest, false);
        let bad_checksums = BadChecksums { ipv4_header: ip.bad_header, transport: false };
        NotAFlowPacket::Irregular(
            Box::new(Packet { ends, content, payload: &[], identity, bad_checksums }),
            Irregularity::CutTransport,
        )
    }

    /// Passes the transport header, at which the walk stands.
    #[inline]
    fn transport(&mut self, ip: &IpHeader<'a>, ip_bytes: u32) -> Result<Step<'a>, NotAFlowPacket<'a>> {
        let packet = |transport: Transport,
                      source_port: u16,
                      destination_port: u16,
                      header_bytes: u32,
                      segment: Option<Segment>| {
            let ends = Ends {
                ip_version: ip.ip_version,
                proto: transport as u8,
                source: ip.source,
                destination: ip.destination,
                source_port,
                destination_port,
                network_id: self.network_id,
            };
            let payload_bytes =
                self.wire_bytes.checked_sub(header_bytes).ok_or(Unmetered::DamagedTransport)?;
            let content = Content { ip_bytes, payload_bytes, vlan: self.vlan, tunnel: self.tunnel, segment };
            let bad_checksums = if self.verify {
                checksum::bad(ip, self.rest, self.wire_bytes)
            } else {
                BadChecksums::default()
            };
            let sequenced = transport == Transport::Tcp
                && (payload_bytes > 0
                    || segment.is_some_and(|segment| segment.flags.syn() || segment.flags.fin()));
            let identity = Identity::new(ip, ip_bytes, self.rest, sequenced);
            // SCTP data is in chunks.
            let in_one_piece = transport != Transport::Sctp;
            let payload = self.rest.get(header_bytes as usize..).filter(|_| in_one_piece);
            Ok(Packet { ends, content, payload: payload.unwrap_or_default(), identity, bad_checksums })
        };
        match ip.protocol {
            ip_protocol::TCP => {
                let tcp = tcp::Tcp::new(self.rest).map_err(|error| self.ports_only(error, ip, ip_bytes))?;
                let segment = Some(tcp.segment());
                packet(Transport::Tcp, tcp.source_port(), tcp.destination_port(), tcp.header_bytes(), segment)
                    .map(Step::At)
            }
            ip_protocol::UDP => {
                let udp = udp::Udp::new(self.rest).map_err(|error| self.ports_only(error, ip, ip_bytes))?;
                let (source, destination) = (udp.source_port(), udp.destination_port());
                let packet = packet(Transport::Udp, source, destination, udp::HEADER_BYTES, None)?;
                let may_be_tunnel = tunnel::is_udp_port(source) || tunnel::is_udp_port(destination);
                if may_be_tunnel && self.decapsulate { self.over_udp(packet) } else { Ok(Step::At(packet)) }
            }
            ip_protocol::SCTP => {
                let sctp =
                    sctp::Sctp::new(self.rest).map_err(|error| self.ports_only(error, ip, ip_bytes))?;
                let (has_data, segment) = sctp.segment();
                // Without user data, all chunks are control information.
                let header_bytes = if has_data { sctp::HEADER_BYTES as u32 } else { self.wire_bytes };
                packet(
                    Transport::Sctp,
                    sctp.source_port(),
                    sctp.destination_port(),
                    header_bytes,
                    Some(segment),
                )
                .map(Step::At)
            }
            ip_protocol::UDP_LITE => {
                let udp = udp::Udp::new(self.rest).map_err(|error| self.ports_only(error, ip, ip_bytes))?;
                packet(Transport::UdpLite, udp.source_port(), udp.destination_port(), udp::HEADER_BYTES, None)
                    .map(Step::At)
            }
            ip_protocol::DCCP => {
                let dccp =
                    dccp::Dccp::new(self.rest).map_err(|error| self.ports_only(error, ip, ip_bytes))?;
                let segment = Some(dccp.segment());
                packet(
                    Transport::Dccp,
                    dccp.source_port(),
                    dccp.destination_port(),
                    dccp.header_bytes(),
                    segment,
                )
                .map(Step::At)
            }
            protocol => self.over_ip(protocol, ip, ip_bytes),
        }
    }

    /// Passes ICMP and the tunnels directly over IP.
    #[cold]
    fn over_ip(
        &mut self,
        protocol: u8,
        ip: &IpHeader<'a>,
        ip_bytes: u32,
    ) -> Result<Step<'a>, NotAFlowPacket<'a>> {
        Ok(Step::Into(match protocol {
            ip_protocol::ICMP | ip_protocol::ICMP_V6 => {
                return Err(match icmp::unreachable(ip, self.rest, self.network_id) {
                    Some(quoted) => NotAFlowPacket::IcmpError(quoted),
                    None => Unmetered::Icmp.into(),
                });
            }
            ip_protocol::ESP => return Err(Unmetered::Encrypted.into()),
            ip_protocol::AUTHENTICATION => {
                let (protocol, rest) = ipv6::after_authentication(self.rest)
                    .map_err(|error| self.failure_reason(error, Unmetered::DamagedIp))?;
                self.advance((NextHeader::Ip, rest))?;
                return self.transport(&IpHeader { protocol, rest, ..*ip }, ip_bytes);
            }
            _ if !self.decapsulate => return Err(Unmetered::NoPorts.into()),
            ip_protocol::IPV4 => NextHeader::Ether(ETHERTYPE_IPV4),
            ip_protocol::IPV6 => NextHeader::Ether(ETHERTYPE_IPV6),
            ip_protocol::GRE => {
                let inside = self.checked(gre::next(self.rest))?;
                self.enter_tunnel(inside)?
            }
            ip_protocol::MPLS_IN_IP => {
                self.push_encapsulation(Encapsulation::Mpls)?;
                self.advance_checked(mpls::next(self.rest))?
            }
            ip_protocol::ETHERNET => NextHeader::Link(link::ETHERNET),
            ip_protocol::ETHER_IP => {
                self.push_encapsulation(Encapsulation::EtherIp)?;
                self.advance_checked(etherip::next(self.rest))?
            }
            ip_protocol::PIM => match self.checked(pim::next(self.rest))? {
                (NextHeader::Other, _) => return Err(Unmetered::NoPorts.into()),
                register => {
                    self.push_encapsulation(Encapsulation::Pim)?;
                    self.advance(register)?
                }
            },
            _ => return Err(Unmetered::NoPorts.into()),
        }))
    }

    /// Enters the tunnel in a datagram with a tunnel's port, if the tunnel's header is there.
    #[cold]
    fn over_udp(&mut self, datagram: Packet<'a>) -> Result<Step<'a>, NotAFlowPacket<'a>> {
        let data = self.rest.get(udp::HEADER_BYTES as usize..);
        let inside = data.and_then(|data| {
            tunnel::over_udp(datagram.ends.destination_port, data)
                .or_else(|| tunnel::over_udp(datagram.ends.source_port, data))
        });
        let Some(inside) = inside else { return Ok(Step::At(datagram)) };
        self.datagram = Some(datagram);
        Ok(Step::Into(self.enter_tunnel(inside)?))
    }

    fn enter_tunnel(&mut self, inside: Inside<'a>) -> Result<NextHeader, Unmetered> {
        self.network_id = inside.network_id.unwrap_or(self.network_id);
        self.push_encapsulation(inside.encapsulation)?;
        self.advance((inside.next_header, inside.rest))
    }
}

/// Decodes the first bytes of a fragmented datagram: those of its first fragment, or of several reassembled.
///
/// Tunnels are not opened, since only a part of what they carry is at hand.
///
/// # Errors
/// The reason under which the datagram's fragments are counted; `CutShort` if more bytes may help.
pub fn decode_first(fragment: &Fragment<'_>, start: &[u8]) -> Result<Packet<'static>, Unmetered> {
    let datagram = fragment.datagram;
    let mut ip = IpHeader {
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
        ipv6::pass_extensions(&mut ip).map_err(|error| match error {
            HeaderError::Truncated => Unmetered::CutShort,
            HeaderError::Malformed => Unmetered::DamagedIp,
        })?;
    }
    if ip.more_fragments || ip.fragment_offset != 0 {
        return Err(Unmetered::NoPorts); // a fragment of a fragment
    }
    let passed = (start.len() - ip.rest.len()) as u32;
    let mut walk = Walk {
        vlan: fragment.vlan,
        tunnel: fragment.tunnel,
        network_id: datagram.network_id,
        inside_ip: true,
        // The rest of the datagram is in other fragments.
        ..Walk::new(ip.rest, u32::MAX - passed, false)
    };
    match walk.transport(&ip, fragment.ip_bytes) {
        Ok(Step::At(packet)) => Ok(Packet { payload: &[], ..packet }),
        Err(NotAFlowPacket::Unmetered(reason)) => Err(reason),
        Err(NotAFlowPacket::IcmpError(_)) => Err(Unmetered::Icmp),
        // The rest of the header may be in the next fragment, unless the snap length cut this one.
        Err(NotAFlowPacket::Irregular(packet, _)) if fragment.is_truncated_after(start) => {
            Ok(Packet { payload: &[], ..*packet })
        }
        Err(NotAFlowPacket::Irregular(..)) => Err(Unmetered::CutShort),
        // Impossible: tunnels are not opened, and fragments do not nest.
        Ok(Step::Into(_))
        | Err(NotAFlowPacket::Fragment(_) | NotAFlowPacket::UnknownType(_) | NotAFlowPacket::Aggregate(_)) => {
            Err(Unmetered::NoPorts)
        }
    }
}
