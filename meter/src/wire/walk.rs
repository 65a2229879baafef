//! The walk from the link header inwards: what leads to what.

use super::tunnel::{self, Inside, Path, Shim, gre, macsec, mpls, pbb};
use super::{
    Address, Aside, Behind, Content, Datagram, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ends, Flaw, Fragment, Next,
    Packet, Segment, Transport, Unmetered, dccp, ethernet, icmp, ieee80211, ipv4, ipv6, link, ppp, sctp, tcp,
    udp,
};

/// More headers than any network stacks inside one another.
const MOST_HEADERS: u32 = 32;

/// What an IP header leads to.
#[derive(Debug)]
pub struct Internet<'a> {
    pub ip_version: u8,
    pub source: Address,
    pub destination: Address,
    pub protocol: u8,
    /// Bytes of the IP packet by its own header; `None`: left to segmentation offload, or a jumbogram.
    pub ip_bytes: Option<u32>,
    /// Bytes of the IP header and its extension headers.
    pub header_bytes: u32,
    pub identification: u32,
    pub fragment_offset: u32,
    pub more_fragments: bool,
    pub rest: &'a [u8],
}

/// Where the walk stands: what is left of the frame, and what was passed on the way.
#[derive(Clone, Copy)]
struct Walk<'a> {
    rest: &'a [u8],
    /// Bytes from here on that were on the wire; more than `rest` has if the snap length cut it.
    wire_bytes: u32,
    /// The frame was captured in part.
    cut: bool,
    headers: u32,
    vlan: Option<u16>,
    tunnel: Path,
    network_id: u32,
    /// Inside an IP packet already.
    inside_ip: bool,
    decapsulate: bool,
}

/// The packet with ports in a frame, or what is there instead.
///
/// `link_type` is a LINKTYPE_ number; `wire_bytes` the frame's length before any snap length. Without
/// `decapsulate` tunnels over IP stay closed, and their packets are those of the outer flow.
///
/// # Errors
/// The reason under which the frame is counted, or a fragment or ICMP error, which tell something of a flow.
#[inline]
pub fn decode(
    link_type: u16,
    data: &[u8],
    wire_bytes: u32,
    decapsulate: bool,
) -> Result<Packet<'_>, Aside<'_>> {
    let walk = Walk {
        rest: data,
        wire_bytes: wire_bytes.max(data.len() as u32),
        cut: data.len() < wire_bytes as usize,
        headers: 0,
        vlan: None,
        tunnel: Path::default(),
        network_id: 0,
        inside_ip: false,
        decapsulate,
    };
    walk.link(link_type)
}

impl<'a> Walk<'a> {
    /// Whether the wire or the snap length is to blame for a flaw.
    fn blame(&self, flaw: Flaw, damaged: Unmetered) -> Unmetered {
        if flaw == Flaw::Short && self.cut && self.rest.len() < self.wire_bytes as usize {
            Unmetered::CutShort
        } else {
            damaged
        }
    }

    fn link_flaw(&self) -> impl Fn(Flaw) -> Unmetered + use<'a> {
        let walk = *self;
        move |flaw| walk.blame(flaw, Unmetered::DamagedLink)
    }

    /// The same walk, gone on to `rest`, which is a part of what was left.
    #[inline]
    fn on(mut self, rest: &'a [u8]) -> Result<Self, Unmetered> {
        self.wire_bytes -= (self.rest.len() - rest.len()) as u32;
        self.rest = rest;
        self.headers += 1;
        if self.headers > MOST_HEADERS { Err(Unmetered::TooDeep) } else { Ok(self) }
    }

    fn in_shim(mut self, shim: Shim) -> Result<Self, Unmetered> {
        self.tunnel = self.tunnel.with(shim).ok_or(Unmetered::TooDeep)?;
        Ok(self)
    }

    #[inline]
    fn link(self, link_type: u16) -> Result<Packet<'a>, Aside<'a>> {
        if let Some(next) = link::next(link_type, self.rest) {
            return self.follow(next.map_err(self.link_flaw())?);
        }
        self.wifi(link_type)
    }

    /// Link types of Wi-Fi, which stack.
    #[cold]
    fn wifi(self, link_type: u16) -> Result<Packet<'a>, Aside<'a>> {
        let (link_type, frame, padded) = match link_type {
            link::IEEE802_11 => (link_type, self.rest, false),
            link::IEEE802_11_RADIOTAP => {
                let (frame, padded) = ieee80211::behind_radiotap(self.rest).map_err(self.link_flaw())?;
                (link::IEEE802_11, frame, padded)
            }
            link::IEEE802_11_PRISM => {
                (link::IEEE802_11, ieee80211::behind_prism(self.rest).map_err(self.link_flaw())?, false)
            }
            link::IEEE802_11_AVS => {
                (link::IEEE802_11, ieee80211::behind_avs(self.rest).map_err(self.link_flaw())?, false)
            }
            link::PPI => {
                let (link_type, frame) = ieee80211::behind_ppi(self.rest).map_err(self.link_flaw())?;
                (link_type, frame, false)
            }
            _ => return Err(Unmetered::LinkType.into()),
        };
        let walk = self.on(frame)?;
        if link_type != link::IEEE802_11 {
            return walk.link(link_type);
        }
        match ieee80211::next(frame, padded) {
            Ok(next) => walk.follow(next),
            Err(None) => Err(Unmetered::Aggregate.into()),
            Err(Some(flaw)) => Err(walk.link_flaw()(flaw).into()),
        }
    }

    #[inline]
    fn follow(self, (behind, rest): Next<'a>) -> Result<Packet<'a>, Aside<'a>> {
        let walk = self.on(rest)?;
        match behind {
            Behind::Ether(ethertype) => walk.ether(ethertype),
            Behind::Ip => walk.ip(),
            Behind::Link(link_type) => walk.in_shim(Shim::Eth)?.link(link_type),
            Behind::Llc => walk.follow(ethernet::behind_llc(rest).map_err(walk.link_flaw())?),
            Behind::Ppp => walk.follow(ppp::next(rest).map_err(walk.link_flaw())?),
            Behind::Encrypted => Err(Unmetered::Encrypted.into()),
            Behind::Other => Err(Unmetered::NotIp.into()),
        }
    }

    #[inline]
    fn ether(mut self, ethertype: u16) -> Result<Packet<'a>, Aside<'a>> {
        let shim =
            |shim, next: Result<Next<'a>, Flaw>| self.in_shim(shim)?.follow(next.map_err(self.link_flaw())?);
        match ethertype {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => {
                self.ip_version(if ethertype == ETHERTYPE_IPV4 { 4 } else { 6 })
            }
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                let (id, next) = ethernet::behind_vlan(self.rest).map_err(self.link_flaw())?;
                self.vlan = self.vlan.or((id != 0).then_some(id)); // 0: a tag for the priority only
                self.follow(next)
            }
            0x8847 | 0x8848 => shim(Shim::Mpls, mpls::next(self.rest)),
            0x8864 => shim(Shim::Pppoe, ppp::behind_pppoe(self.rest)),
            0x880b => shim(Shim::Pppoe, Ok((Behind::Ppp, self.rest))),
            0x88e5 => shim(Shim::Macsec, macsec::next(self.rest)),
            0x88e7 => shim(Shim::Pbb, pbb::next(self.rest)),
            length if length < ethernet::LEAST_ETHERTYPE => {
                let length = usize::from(length).min(self.rest.len());
                self.follow((Behind::Llc, &self.rest[..length]))
            }
            _ => Err(Unmetered::NotIp.into()),
        }
    }

    fn ip(self) -> Result<Packet<'a>, Aside<'a>> {
        match self.rest.first() {
            Some(first) => self.ip_version(first >> 4),
            None => Err(self.blame(Flaw::Short, Unmetered::DamagedIp).into()),
        }
    }

    #[inline]
    fn ip_version(mut self, version: u8) -> Result<Packet<'a>, Aside<'a>> {
        let internet = match version {
            4 => ipv4::internet(self.rest),
            6 => ipv6::internet(self.rest),
            _ => Err(Flaw::Damaged),
        };
        let internet = internet.map_err(|flaw| self.blame(flaw, Unmetered::DamagedIp))?;
        if self.inside_ip {
            self.tunnel = self.tunnel.with(Shim::Ip).ok_or(Unmetered::TooDeep)?;
        }
        let ip_bytes = internet.ip_bytes.unwrap_or(self.wire_bytes);
        let body_bytes = ip_bytes.saturating_sub(internet.header_bytes);
        let body = &internet.rest[..internet.rest.len().min(body_bytes as usize)];
        if internet.fragment_offset != 0 || internet.more_fragments {
            return self.fragment(&internet, body, ip_bytes, body_bytes);
        }
        let inner =
            Self { rest: body, wire_bytes: body_bytes, headers: self.headers + 1, inside_ip: true, ..self };
        inner.transport(&internet, ip_bytes)
    }

    fn fragment(
        self,
        internet: &Internet<'a>,
        body: &'a [u8],
        ip_bytes: u32,
        body_bytes: u32,
    ) -> Result<Packet<'a>, Aside<'a>> {
        Err(Aside::Fragment(Fragment {
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
        }))
    }

    /// From the transport header on. The walk has the body of the IP packet.
    #[inline]
    fn transport(self, internet: &Internet<'a>, ip_bytes: u32) -> Result<Packet<'a>, Aside<'a>> {
        let flaw = |flaw| self.blame(flaw, Unmetered::DamagedTransport);
        let packet =
            |transport: Transport, ports: (u16, u16), header_bytes: u32, segment: Option<Segment>| {
                let in_one_piece = transport != Transport::Sctp;
                let payload = self.rest.get(header_bytes as usize..).filter(|_| in_one_piece);
                Ok(Packet {
                    payload: payload.unwrap_or_default(),
                    ends: Ends {
                        ip_version: internet.ip_version,
                        proto: transport as u8,
                        source: internet.source,
                        destination: internet.destination,
                        source_port: ports.0,
                        destination_port: ports.1,
                        network_id: self.network_id,
                    },
                    content: Content {
                        ip_bytes,
                        payload_bytes: self
                            .wire_bytes
                            .checked_sub(header_bytes)
                            .ok_or(Unmetered::DamagedTransport)?,
                        vlan: self.vlan,
                        tunnel: self.tunnel,
                        segment,
                    },
                })
            };
        match internet.protocol {
            6 => {
                let tcp = tcp::Tcp::new(self.rest).map_err(flaw)?;
                packet(Transport::Tcp, tcp.ports(), tcp.header_bytes(), Some(tcp.segment()))
            }
            17 => {
                let udp = udp::Udp::new(self.rest).map_err(flaw)?;
                let outer = packet(Transport::Udp, udp.ports(), udp::HEADER_BYTES, None)?;
                let (source, destination) = udp.ports();
                if !self.decapsulate || !(tunnel::is_udp_port(source) || tunnel::is_udp_port(destination)) {
                    return Ok(outer);
                }
                // A port alone makes no tunnel: what leads to nothing belongs to the outer flow.
                self.over_udp(udp.ports()).unwrap_or(Ok(outer))
            }
            132 => {
                let sctp = sctp::Sctp::new(self.rest).map_err(flaw)?;
                let (data, segment) = sctp.segment();
                let all = if data { sctp::HEADER_BYTES as u32 } else { self.wire_bytes };
                packet(Transport::Sctp, sctp.ports(), all, Some(segment))
            }
            136 => packet(
                Transport::UdpLite,
                udp::Udp::new(self.rest).map_err(flaw)?.ports(),
                udp::HEADER_BYTES,
                None,
            ),
            33 => {
                let dccp = dccp::Dccp::new(self.rest).map_err(flaw)?;
                packet(Transport::Dccp, dccp.ports(), dccp.header_bytes(), Some(dccp.segment()))
            }
            icmp::ICMP | icmp::ICMP_V6 => {
                Err(match icmp::unreachable(internet, self.rest, self.network_id) {
                    Some(quoted) => Aside::IcmpError(quoted),
                    None => Unmetered::Icmp.into(),
                })
            }
            50 => Err(Unmetered::Encrypted.into()),
            protocol => self.over_ip(protocol, internet, ip_bytes),
        }
    }

    /// Tunnels that have an IP protocol of their own.
    #[cold]
    fn over_ip(self, protocol: u8, internet: &Internet<'a>, ip_bytes: u32) -> Result<Packet<'a>, Aside<'a>> {
        const IPV4_IN_IP: u8 = 4;
        const IPV6_IN_IP: u8 = 41;
        const GRE: u8 = 47;
        const AUTHENTICATION: u8 = 51;
        const MPLS_IN_IP: u8 = 137;
        match protocol {
            AUTHENTICATION => {
                let (protocol, rest) = ipv6::behind_authentication(self.rest)
                    .map_err(|flaw| self.blame(flaw, Unmetered::DamagedIp))?;
                self.on(rest)?.transport(&Internet { protocol, rest, ..*internet }, ip_bytes)
            }
            _ if !self.decapsulate => Err(Unmetered::NoPorts.into()),
            IPV4_IN_IP => self.ip_version(4),
            IPV6_IN_IP => self.ip_version(6),
            GRE => self.inside(gre::next(self.rest).map_err(self.link_flaw())?),
            MPLS_IN_IP => self.in_shim(Shim::Mpls)?.follow(mpls::next(self.rest).map_err(self.link_flaw())?),
            _ => Err(Unmetered::NoPorts.into()),
        }
    }

    /// Tunnels over UDP: what is inside, if the header is one of a tunnel and a packet is inside, or something
    /// that tells of one.
    #[cold]
    fn over_udp(self, (source_port, destination_port): (u16, u16)) -> Option<Result<Packet<'a>, Aside<'a>>> {
        let data = self.rest.get(udp::HEADER_BYTES as usize..)?;
        let inside =
            tunnel::over_udp(destination_port, data).or_else(|| tunnel::over_udp(source_port, data))?;
        match self.inside(inside) {
            Err(Aside::Unmetered(_)) => None,
            told => Some(told),
        }
    }

    fn inside(mut self, inside: Inside<'a>) -> Result<Packet<'a>, Aside<'a>> {
        self.network_id = inside.network_id.unwrap_or(self.network_id);
        self.in_shim(inside.shim)?.follow((inside.behind, inside.rest))
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
    let mut internet = Internet {
        ip_version: datagram.ip_version,
        source: datagram.source,
        destination: datagram.destination,
        protocol: datagram.protocol,
        ip_bytes: None,
        header_bytes: 0,
        identification: datagram.identification,
        fragment_offset: 0,
        more_fragments: false,
        rest: start,
    };
    if datagram.ip_version == 6 {
        ipv6::pass_extensions(&mut internet).map_err(|flaw| match flaw {
            Flaw::Short => Unmetered::CutShort,
            Flaw::Damaged => Unmetered::DamagedIp,
        })?;
    }
    if internet.more_fragments || internet.fragment_offset != 0 {
        return Err(Unmetered::NoPorts); // a fragment of a fragment
    }
    let passed = (start.len() - internet.rest.len()) as u32;
    let walk = Walk {
        rest: internet.rest,
        wire_bytes: u32::MAX - passed, // the rest is in other fragments
        cut: true,
        headers: 0,
        vlan: fragment.vlan,
        tunnel: fragment.tunnel,
        network_id: datagram.network_id,
        inside_ip: true,
        decapsulate: false,
    };
    match walk.transport(&internet, fragment.ip_bytes) {
        Ok(packet) => Ok(Packet { payload: &[], ..packet }),
        Err(Aside::Unmetered(reason)) => Err(reason),
        Err(Aside::IcmpError(_)) => Err(Unmetered::Icmp),
        Err(Aside::Fragment(_)) => Err(Unmetered::NoPorts),
    }
}
