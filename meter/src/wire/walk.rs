//! The walk from the link header inwards: dispatches from each header to the next.

mod aggregate;
mod ip;

pub use aggregate::Aggregate;
pub use ip::{IpHeader, decode_first};

use super::tunnel::{Encapsulation, Path, batman, fabricpath, macsec, mpls, nsh, pbb, trill};
use super::{
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, HeaderError, Irregularity, Next, NextHeader, NotAFlowPacket, Packet,
    TypeNumber, Unmetered, ethernet, ethertype, ieee80211, ipv4, link, misdeclared, ppp, tag,
};

/// Headers followed in one frame at most: more than any network nests.
const MAX_HEADERS: u32 = 32;

/// Position of the walk: the rest of the frame, and what the headers before it have set.
#[allow(clippy::struct_excessive_bools)] // independent flags
struct Walk<'a> {
    rest: &'a [u8],
    /// Bytes from here on, on the wire; more than `rest` has if the snap length cut the frame.
    wire_bytes: u32,
    /// The frame is longer on the wire than captured.
    cut: bool,
    headers: u32,
    vlan: Option<u16>,
    tunnel: Path,
    network_id: u32,
    /// An IP header was passed.
    inside_ip: bool,
    decapsulate: bool,
    /// Verify checksums.
    verify: bool,
    /// The innermost datagram with a tunnel's port. A port alone is no proof of a tunnel: if no packet is found
    /// inside, the packet is this datagram.
    datagram: Option<Packet<'a>>,
    /// The number at which the walk stopped with [`Stop::Unknown`].
    unknown: TypeNumber,
}

/// Result of one step of the walk.
enum Step<'a> {
    /// This header comes next, in the rest of the frame.
    Into(NextHeader),
    /// The packet was found.
    At(Packet<'a>),
}

/// Why the walk stops.
#[derive(Clone, Copy)]
enum Stop {
    /// The frame is counted under this reason.
    Unmetered(Unmetered),
    /// The type number of what follows is unknown; see [`Walk::unknown`].
    Unknown,
    /// Several packets follow.
    Aggregate,
}

impl From<Unmetered> for Stop {
    fn from(reason: Unmetered) -> Self {
        Self::Unmetered(reason)
    }
}

/// Returns the packet with ports in a frame, or what the frame holds instead.
///
/// `link_type` is a LINKTYPE_ number, `wire_bytes` the frame's length on the wire. Without `decapsulate`, tunnels
/// over IP are not opened, and their packets belong to the outer flow.
///
/// # Errors
/// The reason under which the frame is counted; or a fragment, an ICMP error, or an irregular packet.
#[inline]
pub fn decode(
    link_type: u16,
    data: &[u8],
    wire_bytes: u32,
    decapsulate: bool,
) -> Result<Packet<'_>, NotAFlowPacket<'_>> {
    Walk::new(data, wire_bytes, decapsulate).packet(link_type)
}

/// Decodes like [`decode`] and verifies checksums, which doubles the time.
///
/// # Errors
/// The same as for [`decode`].
pub fn decode_verified(
    link_type: u16,
    data: &[u8],
    wire_bytes: u32,
    decapsulate: bool,
) -> Result<Packet<'_>, NotAFlowPacket<'_>> {
    Walk { verify: true, ..Walk::new(data, wire_bytes, decapsulate) }.packet(link_type)
}

impl<'a> Walk<'a> {
    #[inline]
    fn new(data: &'a [u8], wire_bytes: u32, decapsulate: bool) -> Self {
        Self {
            rest: data,
            wire_bytes: wire_bytes.max(data.len() as u32),
            cut: data.len() < wire_bytes as usize,
            headers: 0,
            vlan: None,
            tunnel: Path::default(),
            network_id: 0,
            inside_ip: false,
            decapsulate,
            verify: false,
            datagram: None,
            unknown: TypeNumber::Link(0),
        }
    }

    #[inline]
    fn packet(mut self, link_type: u16) -> Result<Packet<'a>, NotAFlowPacket<'a>> {
        let whole = (self.rest, self.wire_bytes);
        let mut next_header = match self.link(link_type) {
            Ok(next_header) => next_header,
            Err(stop) => return self.retry_as_shown(Err(self.stop_result(stop)), link_type, whole),
        };
        loop {
            next_header = match self.step(next_header) {
                Ok(Step::Into(next_header)) => next_header,
                Ok(Step::At(packet)) => return Ok(packet),
                Err(not_flow) => {
                    return self.retry_as_shown(self.or_outer_datagram(not_flow), link_type, whole);
                }
            }
        }
    }

    /// Continues from a header to the packet, as [`packet`](Self::packet) does.
    #[cold]
    fn run(&mut self, mut next_header: NextHeader) -> Result<Packet<'a>, NotAFlowPacket<'a>> {
        loop {
            next_header = match self.step(next_header) {
                Ok(Step::Into(next_header)) => next_header,
                Ok(Step::At(packet)) => return Ok(packet),
                Err(not_flow) => return self.or_outer_datagram(not_flow),
            }
        }
    }

    /// Returns the enclosing datagram if no packet was found in a tunnel over UDP.
    #[cold]
    fn or_outer_datagram(&self, not_flow: NotAFlowPacket<'a>) -> Result<Packet<'a>, NotAFlowPacket<'a>> {
        match not_flow {
            NotAFlowPacket::Unmetered(_) | NotAFlowPacket::UnknownType(_) => self.datagram.ok_or(not_flow),
            other => Err(other),
        }
    }

    #[cold]
    fn stop_at(&mut self, number: TypeNumber) -> Stop {
        self.unknown = number;
        Stop::Unknown
    }

    /// Converts the reason to stop into the result for the frame.
    #[cold]
    fn stop_result(&self, stop: Stop) -> NotAFlowPacket<'a> {
        match stop {
            Stop::Unmetered(reason) => NotAFlowPacket::Unmetered(reason),
            Stop::Unknown => NotAFlowPacket::UnknownType(self.unknown),
            Stop::Aggregate => NotAFlowPacket::Aggregate(Aggregate::new(self)),
        }
    }

    /// Decodes again by the link type that the bytes show, if the declared one found no packet. A declared link
    /// type that led to IP is correct.
    #[cold]
    fn retry_as_shown(
        &self,
        found: Result<Packet<'a>, NotAFlowPacket<'a>>,
        declared: u16,
        (data, wire_bytes): (&'a [u8], u32),
    ) -> Result<Packet<'a>, NotAFlowPacket<'a>> {
        use Unmetered::{CutShort, DamagedIp, DamagedLink, NotIp};
        let may_be = !self.inside_ip
            && matches!(
                found,
                Err(NotAFlowPacket::Unmetered(NotIp | DamagedLink | DamagedIp | CutShort)
                    | NotAFlowPacket::UnknownType(TypeNumber::Ether(_) | TypeNumber::Ppp(_)))
            );
        let shown = if may_be { misdeclared::shown(declared, data, wire_bytes) } else { None };
        let Some(shown) = shown else { return found };
        let mut walk = Walk { verify: self.verify, ..Walk::new(data, wire_bytes, self.decapsulate) };
        let Ok(next_header) = walk.link(shown) else { return found };
        match walk.run(next_header) {
            Ok(packet) => Err(NotAFlowPacket::Irregular(Box::new(packet), Irregularity::ReadAs(shown))),
            Err(NotAFlowPacket::UnknownType(_)) => found,
            other => other,
        }
    }

    /// Returns `CutShort` if the snap length explains the error, else `damaged`.
    #[cold]
    fn failure_reason(&self, error: HeaderError, damaged: Unmetered) -> Unmetered {
        if error == HeaderError::Truncated && self.cut && self.rest.len() < self.wire_bytes as usize {
            Unmetered::CutShort
        } else {
            damaged
        }
    }

    /// Converts an error of a link or tunnel header into the reason to count.
    #[inline]
    fn checked<T>(&self, next: Result<T, HeaderError>) -> Result<T, Unmetered> {
        next.map_err(|error| self.failure_reason(error, Unmetered::DamagedLink))
    }

    /// Advances past a header; `rest` is a tail of the current rest.
    #[inline]
    fn advance(&mut self, (next_header, rest): Next<'a>) -> Result<NextHeader, Unmetered> {
        self.wire_bytes -= (self.rest.len() - rest.len()) as u32;
        self.rest = rest;
        self.headers += 1;
        if self.headers > MAX_HEADERS { Err(Unmetered::TooDeep) } else { Ok(next_header) }
    }

    fn push_encapsulation(&mut self, encapsulation: Encapsulation) -> Result<(), Unmetered> {
        self.tunnel = self.tunnel.with(encapsulation).ok_or(Unmetered::TooDeep)?;
        Ok(())
    }

    #[inline]
    fn link(&mut self, link_type: u16) -> Result<NextHeader, Stop> {
        // The common case, without the table of link types.
        if link_type == link::ETHERNET {
            let next = self.checked(ethernet::next(self.rest))?;
            return Ok(self.advance(next)?);
        }
        self.link_by_table(link_type)
    }

    /// Passes a link header of any type.
    fn link_by_table(&mut self, link_type: u16) -> Result<NextHeader, Stop> {
        match link::next(link_type, self.rest) {
            Some(next) => {
                let next = self.checked(next)?;
                Ok(self.advance(next)?)
            }
            None => self.wifi(link_type),
        }
    }

    /// Passes the link headers of Wi-Fi, which nest.
    #[cold]
    fn wifi(&mut self, link_type: u16) -> Result<NextHeader, Stop> {
        let (link_type, frame, padded) = self.checked(match link_type {
            link::IEEE802_11 => Ok((link_type, self.rest, false)),
            link::IEEE802_11_RADIOTAP => {
                ieee80211::after_radiotap(self.rest).map(|(frame, padded)| (link::IEEE802_11, frame, padded))
            }
            link::IEEE802_11_PRISM => {
                ieee80211::after_prism(self.rest).map(|frame| (link::IEEE802_11, frame, false))
            }
            link::IEEE802_11_AVS => {
                ieee80211::after_avs(self.rest).map(|frame| (link::IEEE802_11, frame, false))
            }
            link::PPI => ieee80211::after_ppi(self.rest).map(|(link_type, frame)| (link_type, frame, false)),
            _ => return Err(self.stop_at(TypeNumber::Link(link_type))),
        })?;
        self.advance((NextHeader::Link(link_type), frame))?;
        if link_type != link::IEEE802_11 {
            return self.link(link_type);
        }
        match self.checked(ieee80211::next(frame, padded))? {
            ieee80211::Body::One(next) => Ok(self.advance(next)?),
            ieee80211::Body::Aggregate(subframes) => {
                self.advance((NextHeader::Other, subframes))?;
                Err(Stop::Aggregate)
            }
        }
    }

    /// Passes one header, or an IP header together with its transport header.
    #[inline(always)]
    #[allow(clippy::inline_always)] // `run`, its rare caller, would keep it from being inlined into `packet`
    fn step(&mut self, next_header: NextHeader) -> Result<Step<'a>, NotAFlowPacket<'a>> {
        match next_header {
            NextHeader::Ether(ETHERTYPE_IPV4) => self.enter_ip(ipv4::parse(self.rest), 4),
            NextHeader::Ether(ETHERTYPE_IPV6) => self.ipv6(),
            NextHeader::Ip => self.ip_of_either_version(),
            other => match self.enter(other) {
                Ok(next_header) => Ok(Step::Into(next_header)),
                Err(stop) => Err(self.stop_result(stop)),
            },
        }
    }

    /// Returns the version field of an IP header.
    fn version(&self) -> Option<u8> {
        self.rest.first().map(|first| first >> 4)
    }

    /// Decodes an IP header of the other version than announced, if its version field shows that.
    #[cold]
    fn read_as_other_version(&mut self, error: HeaderError, announced: u8) -> NotAFlowPacket<'a> {
        let ethertype = match (announced, self.version()) {
            (6, Some(4)) => ETHERTYPE_IPV4,
            (4, Some(6)) => ETHERTYPE_IPV6,
            (_, version) => {
                let reason = self.failure_reason(error, Unmetered::DamagedIp);
                self.inside_ip |= reason == Unmetered::CutShort && version == Some(announced);
                return reason.into();
            }
        };
        // Counts as a header, which bounds the recursion through `run`.
        match self
            .advance((NextHeader::Ip, self.rest))
            .map_err(NotAFlowPacket::from)
            .and_then(|_| self.run(NextHeader::Ether(ethertype)))
        {
            Ok(packet) => NotAFlowPacket::Irregular(Box::new(packet), Irregularity::IpVersion),
            Err(not_flow) => not_flow,
        }
    }

    fn ip_of_either_version(&self) -> Result<Step<'a>, NotAFlowPacket<'a>> {
        let ethertype = match self.version() {
            Some(4) => ETHERTYPE_IPV4,
            Some(6) => ETHERTYPE_IPV6,
            Some(_) => return Err(Unmetered::DamagedIp.into()),
            None => return Err(self.failure_reason(HeaderError::Truncated, Unmetered::DamagedIp).into()),
        };
        Ok(Step::Into(NextHeader::Ether(ethertype)))
    }

    /// Passes a header between the link header and IP.
    fn enter(&mut self, next_header: NextHeader) -> Result<NextHeader, Stop> {
        match next_header {
            NextHeader::Ether(ethertype) => self.ether(ethertype),
            NextHeader::Link(link_type) => {
                self.push_encapsulation(match link_type {
                    link::ETHERNET => Encapsulation::Eth,
                    link::FRAME_RELAY => Encapsulation::FrameRelay,
                    _ => Encapsulation::Wifi,
                })?;
                self.link(link_type)
            }
            NextHeader::Frame(link_type) => self.link(link_type),
            NextHeader::Llc => Ok(self.advance_checked(ethernet::after_llc(self.rest))?),
            NextHeader::Nlpid => {
                let next = self.rest.split_first().ok_or(HeaderError::Truncated);
                Ok(self.advance_checked(next.and_then(|(&nlpid, rest)| link::of_nlpid(nlpid, rest)))?)
            }
            NextHeader::Ppp => Ok(self.advance_checked(ppp::next(self.rest))?),
            NextHeader::UnknownGre(number) => Err(self.stop_at(TypeNumber::Gre(number))),
            NextHeader::UnknownPpp(number) => Err(self.stop_at(TypeNumber::Ppp(number))),
            NextHeader::Encrypted => Err(Unmetered::Encrypted.into()),
            NextHeader::Ip | NextHeader::Other => Err(Unmetered::NotIp.into()),
        }
    }

    fn advance_checked(&mut self, next: Result<Next<'a>, HeaderError>) -> Result<NextHeader, Unmetered> {
        let next = self.checked(next)?;
        self.advance(next)
    }

    fn ether(&mut self, number: u16) -> Result<NextHeader, Stop> {
        if ethertype::VLAN.contains(&number) {
            let (id, next) = self.checked(ethernet::after_vlan(self.rest))?;
            self.vlan = self.vlan.or((id != 0).then_some(id)); // 0: a priority tag
            return Ok(self.advance(next)?);
        }
        if number < ethernet::MIN_ETHERTYPE {
            // A length; what follows that many bytes is padding or a trailer.
            self.rest = &self.rest[..self.rest.len().min(number.into())];
            self.wire_bytes = self.wire_bytes.min(number.into());
            return Ok(self.advance((NextHeader::Llc, self.rest))?);
        }
        let (encapsulation, next) = match number {
            ethertype::MPLS | ethertype::MPLS_MULTICAST => (Encapsulation::Mpls, mpls::next(self.rest)),
            ethertype::PPPOE_SESSION => (Encapsulation::Pppoe, ppp::after_pppoe(self.rest)),
            ethertype::PPP => (Encapsulation::Pppoe, Ok((NextHeader::Ppp, self.rest))),
            ethertype::MACSEC => (Encapsulation::Macsec, macsec::next(self.rest)),
            ethertype::PBB => (Encapsulation::Pbb, pbb::next(self.rest)),
            ethertype::FABRIC_PATH => (Encapsulation::FabricPath, fabricpath::next(self.rest)),
            ethertype::TRILL => (Encapsulation::Trill, trill::next(self.rest)),
            ethertype::BATMAN => (Encapsulation::Batman, batman::next(self.rest)),
            ethertype::NSH => (Encapsulation::Nsh, nsh::next(self.rest)),
            ethertype::TRANSPARENT_ETHERNET => return Ok(NextHeader::Link(link::ETHERNET)),
            ethertype::JUMBO_LLC => return Ok(NextHeader::Llc),
            number if ethertype::is_without_ip(number) => return Err(Unmetered::NotIp.into()),
            number => match tag::next(number, self.rest) {
                Some(next) => return Ok(self.advance_checked(next)?),
                None => return Err(self.stop_at(TypeNumber::Ether(number))),
            },
        };
        self.push_encapsulation(encapsulation)?;
        Ok(self.advance_checked(next)?)
    }
}
