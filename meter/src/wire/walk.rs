//! The walk from the link header inwards: what leads to what.

mod aggregate;
mod ip;

pub use aggregate::Aggregate;
pub use ip::{Internet, decode_first};

use super::tunnel::{Path, Shim, batman, fabricpath, macsec, mpls, nsh, pbb, trill};
use super::{
    Aside, Behind, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Flaw, Irregularity, Next, Packet, TypeNumber, Unmetered,
    ethernet, ethertype, ieee80211, ipv4, link, misdeclared, ppp, tag,
};

/// More headers than any network stacks inside one another.
const MOST_HEADERS: u32 = 32;

/// Where the walk stands: what is left of the frame, and what was passed on the way.
#[allow(clippy::struct_excessive_bools)] // each says something of its own
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
    /// Verify checksums.
    verify: bool,
    /// The innermost datagram whose port is a tunnel's. A port alone makes no tunnel: where it leads to
    /// nothing, the packet is this one.
    datagram: Option<Packet<'a>>,
}

/// Where one step of the walk leads.
enum Step<'a> {
    /// Further in, to what is now left of the frame.
    Into(Behind),
    /// To the packet.
    At(Packet<'a>),
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
    Walk::new(data, wire_bytes, decapsulate).packet(link_type)
}

/// The same, with checksums verified: that takes as long as all the rest.
///
/// # Errors
/// As those of [`decode`].
pub fn decode_verified(
    link_type: u16,
    data: &[u8],
    wire_bytes: u32,
    decapsulate: bool,
) -> Result<Packet<'_>, Aside<'_>> {
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
        }
    }

    #[inline]
    fn packet(mut self, link_type: u16) -> Result<Packet<'a>, Aside<'a>> {
        let (data, wire_bytes) = (self.rest, self.wire_bytes);
        let (decapsulate, verify) = (self.decapsulate, self.verify);
        let packet = match self.link(link_type) {
            Ok(behind) => self.run(behind),
            Err(aside) => Err(aside),
        };
        match packet {
            Err(
                Aside::Unmetered(
                    Unmetered::NotIp | Unmetered::DamagedLink | Unmetered::DamagedIp | Unmetered::CutShort,
                )
                | Aside::UnknownType(TypeNumber::Ether(_) | TypeNumber::Ppp(_)),
            ) => {
                // Too late for another look: `self` is no longer where it began.
                let whole = Walk { verify, ..Walk::new(data, wire_bytes, decapsulate) };
                whole.misdeclared(link_type).unwrap_or(packet)
            }
            packet => packet,
        }
    }

    /// Goes on from a header to the packet.
    #[inline]
    fn run(&mut self, mut behind: Behind) -> Result<Packet<'a>, Aside<'a>> {
        loop {
            behind = match self.step(behind) {
                Ok(Step::Into(behind)) => behind,
                Ok(Step::At(packet)) => return Ok(packet),
                Err(aside @ (Aside::Unmetered(_) | Aside::UnknownType(_))) => {
                    return self.datagram.ok_or(aside);
                }
                Err(aside) => return Err(aside),
            }
        }
    }

    /// The packet in a frame that isn't of the link type that the capture declares, if its bytes show one that fits.
    #[cold]
    fn misdeclared(mut self, link_type: u16) -> Option<Result<Packet<'a>, Aside<'a>>> {
        let shown = misdeclared::shown(link_type, self.rest, self.wire_bytes)?;
        let behind = self.link(shown).ok()?;
        match self.run(behind) {
            Ok(packet) => Some(Err(Aside::Irregular(packet, Irregularity::ReadAs(shown)))),
            Err(Aside::UnknownType(_)) => None,
            other => Some(other),
        }
    }

    /// Whether the wire or the snap length is to blame for a flaw.
    #[cold]
    fn blame(&self, flaw: Flaw, damaged: Unmetered) -> Unmetered {
        if flaw == Flaw::Short && self.cut && self.rest.len() < self.wire_bytes as usize {
            Unmetered::CutShort
        } else {
            damaged
        }
    }

    /// What a link header or a shim leads to, if nothing is wrong with it.
    #[inline]
    fn checked<T>(&self, next: Result<T, Flaw>) -> Result<T, Unmetered> {
        next.map_err(|flaw| self.blame(flaw, Unmetered::DamagedLink))
    }

    /// Goes on to what is behind a header; `rest` is a part of what was left.
    #[inline]
    fn on(&mut self, (behind, rest): Next<'a>) -> Result<Behind, Unmetered> {
        self.wire_bytes -= (self.rest.len() - rest.len()) as u32;
        self.rest = rest;
        self.headers += 1;
        if self.headers > MOST_HEADERS { Err(Unmetered::TooDeep) } else { Ok(behind) }
    }

    fn in_shim(&mut self, shim: Shim) -> Result<(), Unmetered> {
        self.tunnel = self.tunnel.with(shim).ok_or(Unmetered::TooDeep)?;
        Ok(())
    }

    #[inline]
    fn link(&mut self, link_type: u16) -> Result<Behind, Aside<'a>> {
        match link::next(link_type, self.rest) {
            Some(next) => {
                let next = self.checked(next)?;
                Ok(self.on(next)?)
            }
            None => self.wifi(link_type),
        }
    }

    /// Link types of Wi-Fi, which stack.
    #[cold]
    fn wifi(&mut self, link_type: u16) -> Result<Behind, Aside<'a>> {
        let (link_type, frame, padded) = self.checked(match link_type {
            link::IEEE802_11 => Ok((link_type, self.rest, false)),
            link::IEEE802_11_RADIOTAP => {
                ieee80211::behind_radiotap(self.rest).map(|(frame, padded)| (link::IEEE802_11, frame, padded))
            }
            link::IEEE802_11_PRISM => {
                ieee80211::behind_prism(self.rest).map(|frame| (link::IEEE802_11, frame, false))
            }
            link::IEEE802_11_AVS => {
                ieee80211::behind_avs(self.rest).map(|frame| (link::IEEE802_11, frame, false))
            }
            link::PPI => ieee80211::behind_ppi(self.rest).map(|(link_type, frame)| (link_type, frame, false)),
            _ => return Err(Aside::UnknownType(TypeNumber::Link(link_type))),
        })?;
        self.on((Behind::Link(link_type), frame))?;
        if link_type != link::IEEE802_11 {
            return self.link(link_type);
        }
        match self.checked(ieee80211::next(frame, padded))? {
            ieee80211::Body::One(next) => Ok(self.on(next)?),
            ieee80211::Body::Aggregate(subframes) => {
                self.on((Behind::Other, subframes))?;
                Err(Aside::Aggregate(Aggregate::new(self)))
            }
        }
    }

    /// One header, or what can be told at once: the IP header and the transport's behind it.
    #[inline]
    fn step(&mut self, behind: Behind) -> Result<Step<'a>, Aside<'a>> {
        match behind {
            Behind::Ether(ETHERTYPE_IPV4) => match ipv4::internet(self.rest) {
                Err(Flaw::Damaged) if self.version() == Some(6) => self.of_other_version(ETHERTYPE_IPV6),
                internet => self.behind_ip(internet),
            },
            Behind::Ether(ETHERTYPE_IPV6) => self.ipv6(),
            Behind::Ip => self.ip_of_either_version(),
            shim => Ok(Step::Into(self.shim(shim)?)),
        }
    }

    /// The version in an IP header.
    fn version(&self) -> Option<u8> {
        self.rest.first().map(|first| first >> 4)
    }

    /// IP of another version than the header before it announces.
    #[cold]
    fn of_other_version(&mut self, ethertype: u16) -> Result<Step<'a>, Aside<'a>> {
        // Only this function may call itself through `run`, and not for the same packet twice.
        let packet =
            self.on((Behind::Ip, self.rest)).map_err(Aside::from).and_then(|_| self.rerun(ethertype))?;
        Err(Aside::Irregular(packet, Irregularity::IpVersion))
    }

    #[inline(never)]
    fn rerun(&mut self, ethertype: u16) -> Result<Packet<'a>, Aside<'a>> {
        self.run(Behind::Ether(ethertype))
    }

    fn ip_of_either_version(&self) -> Result<Step<'a>, Aside<'a>> {
        let ethertype = match self.version() {
            Some(4) => ETHERTYPE_IPV4,
            Some(6) => ETHERTYPE_IPV6,
            Some(_) => return Err(Unmetered::DamagedIp.into()),
            None => return Err(self.blame(Flaw::Short, Unmetered::DamagedIp).into()),
        };
        Ok(Step::Into(Behind::Ether(ethertype)))
    }

    /// What may stand between the link header and IP.
    fn shim(&mut self, behind: Behind) -> Result<Behind, Aside<'a>> {
        match behind {
            Behind::Ether(ethertype) => self.ether(ethertype),
            Behind::Link(link_type) => {
                self.in_shim(match link_type {
                    link::ETHERNET => Shim::Eth,
                    link::FRAME_RELAY => Shim::FrameRelay,
                    _ => Shim::Wifi,
                })?;
                self.link(link_type)
            }
            Behind::Frame(link_type) => self.link(link_type),
            Behind::Llc => Ok(self.pass(ethernet::behind_llc(self.rest))?),
            Behind::Nlpid => {
                let next = self.rest.split_first().ok_or(Flaw::Short);
                Ok(self.pass(next.and_then(|(&nlpid, rest)| link::of_nlpid(nlpid, rest)))?)
            }
            Behind::Ppp => Ok(self.pass(ppp::next(self.rest))?),
            Behind::Unknown(number) => Err(Aside::UnknownType(number)),
            Behind::Encrypted => Err(Unmetered::Encrypted.into()),
            Behind::Ip | Behind::Other => Err(Unmetered::NotIp.into()),
        }
    }

    fn pass(&mut self, next: Result<Next<'a>, Flaw>) -> Result<Behind, Unmetered> {
        let next = self.checked(next)?;
        self.on(next)
    }

    fn ether(&mut self, number: u16) -> Result<Behind, Aside<'a>> {
        if ethertype::VLAN.contains(&number) {
            let (id, next) = self.checked(ethernet::behind_vlan(self.rest))?;
            self.vlan = self.vlan.or((id != 0).then_some(id)); // 0: a tag for the priority only
            return Ok(self.on(next)?);
        }
        if number < ethernet::LEAST_ETHERTYPE {
            // A length. What is behind is padding, or a trailer, also where the snap length cut it.
            self.rest = &self.rest[..self.rest.len().min(number.into())];
            self.wire_bytes = self.wire_bytes.min(number.into());
            return Ok(self.on((Behind::Llc, self.rest))?);
        }
        let (shim, next) = match number {
            ethertype::MPLS | ethertype::MPLS_MULTICAST => (Shim::Mpls, mpls::next(self.rest)),
            ethertype::PPPOE_SESSION => (Shim::Pppoe, ppp::behind_pppoe(self.rest)),
            ethertype::PPP => (Shim::Pppoe, Ok((Behind::Ppp, self.rest))),
            ethertype::MACSEC => (Shim::Macsec, macsec::next(self.rest)),
            ethertype::PBB => (Shim::Pbb, pbb::next(self.rest)),
            ethertype::FABRIC_PATH => (Shim::FabricPath, fabricpath::next(self.rest)),
            ethertype::TRILL => (Shim::Trill, trill::next(self.rest)),
            ethertype::BATMAN => (Shim::Batman, batman::next(self.rest)),
            ethertype::NSH => (Shim::Nsh, nsh::next(self.rest)),
            ethertype::TRANSPARENT_ETHERNET => return Ok(Behind::Link(link::ETHERNET)),
            ethertype::JUMBO_LLC => return Ok(Behind::Llc),
            number if ethertype::is_without_ip(number) => return Err(Unmetered::NotIp.into()),
            number => {
                let unknown = Aside::UnknownType(TypeNumber::Ether(number));
                return Ok(self.pass(tag::next(number, self.rest).ok_or(unknown)?)?);
            }
        };
        self.in_shim(shim)?;
        Ok(self.pass(next)?)
    }
}
