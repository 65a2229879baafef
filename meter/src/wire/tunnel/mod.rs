//! Headers that wrap a whole packet, and the path that they make.

pub mod erspan;
pub mod geneve;
pub mod gre;
pub mod gtp;
pub mod l2tp;
pub mod macsec;
pub mod mpls;
pub mod pbb;
pub mod teredo;
pub mod vxlan;

use std::fmt;

use super::Behind;

/// What a tunnel's header leads to.
#[derive(Clone, Copy)]
pub struct Inside<'a> {
    pub shim: Shim,
    /// The virtual network's id, if the tunnel has such a thing.
    pub network_id: Option<u32>,
    pub behind: Behind,
    pub rest: &'a [u8],
}

/// Whether a UDP port is a tunnel's: all that an ordinary datagram pays for tunnels.
#[inline]
pub fn is_udp_port(port: u16) -> bool {
    matches!(
        port,
        vxlan::PORT
            | vxlan::PORT_LINUX
            | vxlan::PORT_GPE
            | geneve::PORT
            | gtp::PORT
            | teredo::PORT
            | l2tp::PORT
    )
}

/// What is in a datagram from or to this port, if it has the header of the port's tunnel.
pub fn over_udp(port: u16, data: &[u8]) -> Option<Inside<'_>> {
    let network = |shim, (id, behind, rest)| Inside { shim, network_id: Some(id), behind, rest };
    let plain = |shim, behind, rest| Inside { shim, network_id: None, behind, rest };
    Some(match port {
        vxlan::PORT | vxlan::PORT_LINUX => network(Shim::Vxlan, vxlan::next(data)?),
        vxlan::PORT_GPE => network(Shim::VxlanGpe, vxlan::next_gpe(data)?),
        geneve::PORT => network(Shim::Geneve, geneve::next(data)?),
        gtp::PORT => plain(Shim::Gtp, Behind::Ip, gtp::next(data)?),
        teredo::PORT => plain(Shim::Teredo, Behind::Ip, teredo::next(data)?),
        l2tp::PORT => plain(Shim::L2tp, Behind::Ppp, l2tp::next(data)?),
        _ => return None,
    })
}

/// One wrapping of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Shim {
    /// RFC 3032.
    Mpls = 1,
    /// IEEE 802.1ah.
    Pbb,
    /// IEEE 802.1AE.
    Macsec,
    /// RFC 2516.
    Pppoe,
    /// RFC 2784, RFC 2637.
    Gre,
    /// draft-foschiano-erspan.
    Erspan,
    /// RFC 7637.
    Nvgre,
    /// RFC 7348.
    Vxlan,
    /// draft-ietf-nvo3-vxlan-gpe.
    VxlanGpe,
    /// RFC 8926.
    Geneve,
    /// 3GPP TS 29.281.
    Gtp,
    /// RFC 4380.
    Teredo,
    /// RFC 2661.
    L2tp,
    /// An Ethernet frame inside another packet.
    Eth,
    /// An IP packet inside another packet.
    Ip,
}

impl Shim {
    const ALL: [Self; 15] = [
        Self::Mpls,
        Self::Pbb,
        Self::Macsec,
        Self::Pppoe,
        Self::Gre,
        Self::Erspan,
        Self::Nvgre,
        Self::Vxlan,
        Self::VxlanGpe,
        Self::Geneve,
        Self::Gtp,
        Self::Teredo,
        Self::L2tp,
        Self::Eth,
        Self::Ip,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Mpls => "mpls",
            Self::Pbb => "pbb",
            Self::Macsec => "macsec",
            Self::Pppoe => "pppoe",
            Self::Gre => "gre",
            Self::Erspan => "erspan",
            Self::Nvgre => "nvgre",
            Self::Vxlan => "vxlan",
            Self::VxlanGpe => "vxlan-gpe",
            Self::Geneve => "geneve",
            Self::Gtp => "gtp",
            Self::Teredo => "teredo",
            Self::L2tp => "l2tp",
            Self::Eth => "eth",
            Self::Ip => "ip",
        }
    }
}

/// What a packet is wrapped in, outermost first: `gre/ip`. Four bits a shim, the outermost highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path(pub u32);

impl Path {
    /// One shim more, further in; `None` if there are too many.
    #[must_use]
    pub fn with(self, shim: Shim) -> Option<Self> {
        (self.0 >> 28 == 0).then_some(Self(self.0 << 4 | shim as u32))
    }

    /// Whether the packet stands in the frame as it is.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// This path, or the other where this is empty.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self.is_empty() { other } else { self }
    }

    /// The path that a text names, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split('/').try_fold(Self::default(), |path, name| {
            path.with(*Shim::ALL.iter().find(|shim| shim.name() == name)?)
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shims = (0..8).rev().filter_map(|place| {
            let number = (self.0 >> (4 * place) & 0xf) as usize;
            Shim::ALL.get(number.checked_sub(1)?)
        });
        for (place, shim) in shims.enumerate() {
            write!(f, "{}{}", if place > 0 { "/" } else { "" }, shim.name())?;
        }
        Ok(())
    }
}
