//! Encapsulation headers, and the path of encapsulations of a packet.

pub mod ayiya;
pub mod batman;
pub mod capwap;
pub mod erm;
pub mod erspan;
pub mod etherip;
pub mod fabricpath;
pub mod geneve;
pub mod gre;
pub mod gtp;
pub mod gue;
pub mod jmirror;
pub mod l2tp;
pub mod lisp;
pub mod macsec;
pub mod mpls;
pub mod nsh;
pub mod pbb;
pub mod peekremote;
pub mod pim;
pub mod teredo;
pub mod trill;
pub mod tzsp;
pub mod vxlan;

use std::fmt;

use super::NextHeader;

/// What follows a tunnel's header.
#[derive(Clone, Copy)]
pub struct Inside<'a> {
    pub encapsulation: Encapsulation,
    /// Identifier of the virtual network, if the tunnel has one.
    pub network_id: Option<u32>,
    pub next_header: NextHeader,
    pub rest: &'a [u8],
}

/// Returns whether a UDP port is a tunnel's; the only cost of tunnels for other datagrams.
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
            | ayiya::PORT
            | capwap::PORT
            | erm::PORT
            | gre::PORT
            | gue::PORT
            | jmirror::PORT
            | lisp::PORT
            | mpls::PORT
            | peekremote::PORT
            | peekremote::PORT_ARUBA
            | tzsp::PORT
    )
}

/// Returns what is in a datagram from or to this port, if it has the header of the port's tunnel.
pub fn over_udp(port: u16, data: &[u8]) -> Option<Inside<'_>> {
    let network = |encapsulation, (id, next_header, rest)| Inside {
        encapsulation,
        network_id: Some(id),
        next_header,
        rest,
    };
    let plain =
        |encapsulation, next_header, rest| Inside { encapsulation, network_id: None, next_header, rest };
    let framed = |encapsulation, (next_header, rest)| plain(encapsulation, next_header, rest);
    Some(match port {
        vxlan::PORT | vxlan::PORT_LINUX => network(Encapsulation::Vxlan, vxlan::next(data)?),
        vxlan::PORT_GPE => network(Encapsulation::VxlanGpe, vxlan::next_gpe(data)?),
        geneve::PORT => network(Encapsulation::Geneve, geneve::next(data)?),
        gtp::PORT => plain(Encapsulation::Gtp, NextHeader::Ip, gtp::next(data)?),
        teredo::PORT => plain(Encapsulation::Teredo, NextHeader::Ip, teredo::next(data)?),
        l2tp::PORT => plain(Encapsulation::L2tp, NextHeader::Ppp, l2tp::next(data)?),
        ayiya::PORT => plain(Encapsulation::Ayiya, NextHeader::Ip, ayiya::next(data)?),
        capwap::PORT => framed(Encapsulation::Capwap, capwap::next(data)?),
        erm::PORT => framed(Encapsulation::Erm, erm::next(data)?),
        gre::PORT => return gre::next(data).ok(),
        gue::PORT => framed(Encapsulation::Gue, gue::next(data)?),
        jmirror::PORT => plain(Encapsulation::Jmirror, NextHeader::Ip, jmirror::next(data)?),
        lisp::PORT => plain(Encapsulation::Lisp, NextHeader::Ip, lisp::next(data)?),
        mpls::PORT => framed(Encapsulation::Mpls, mpls::next(data).ok()?),
        peekremote::PORT | peekremote::PORT_ARUBA => framed(Encapsulation::Peek, peekremote::next(data)?),
        tzsp::PORT => framed(Encapsulation::Tzsp, tzsp::next(data).ok()?),
        _ => return None,
    })
}

/// One encapsulation of a packet.
///
/// The numbers are the codes in a [`Path`]: four bits for the common ones, eight for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Encapsulation {
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
    /// An Ethernet frame inside another packet.
    Eth,
    /// An IP packet inside another packet.
    Ip,
    /// RFC 4380.
    Teredo = 0xe0,
    /// RFC 2661.
    L2tp,
    /// An 802.11 frame inside another packet.
    Wifi,
    /// Cisco `FabricPath`.
    FabricPath,
    /// RFC 6325.
    Trill,
    /// B.A.T.M.A.N. advanced.
    Batman,
    /// RFC 8300.
    Nsh,
    /// RFC 3378.
    EtherIp,
    /// RFC 9300.
    Lisp,
    /// draft-ietf-intarea-gue.
    Gue,
    /// `TaZmen` Sniffer Protocol.
    Tzsp,
    /// Remote mirroring of HP and Aruba switches.
    Erm,
    /// RFC 5415.
    Capwap,
    /// Register messages of RFC 7761.
    Pim,
    /// Juniper's packet mirroring.
    Jmirror,
    /// draft-massar-v6ops-ayiya.
    Ayiya,
    /// Remote capture by access points.
    Peek,
    /// A frame relay frame inside another packet.
    FrameRelay,
}

impl Encapsulation {
    const ALL: [(Self, &'static str); 31] = [
        (Self::Mpls, "mpls"),
        (Self::Pbb, "pbb"),
        (Self::Macsec, "macsec"),
        (Self::Pppoe, "pppoe"),
        (Self::Gre, "gre"),
        (Self::Erspan, "erspan"),
        (Self::Nvgre, "nvgre"),
        (Self::Vxlan, "vxlan"),
        (Self::VxlanGpe, "vxlan-gpe"),
        (Self::Geneve, "geneve"),
        (Self::Gtp, "gtp"),
        (Self::Eth, "eth"),
        (Self::Ip, "ip"),
        (Self::Teredo, "teredo"),
        (Self::L2tp, "l2tp"),
        (Self::Wifi, "wifi"),
        (Self::FabricPath, "fabricpath"),
        (Self::Trill, "trill"),
        (Self::Batman, "batman"),
        (Self::Nsh, "nsh"),
        (Self::EtherIp, "etherip"),
        (Self::Lisp, "lisp"),
        (Self::Gue, "gue"),
        (Self::Tzsp, "tzsp"),
        (Self::Erm, "erm"),
        (Self::Capwap, "capwap"),
        (Self::Pim, "pim"),
        (Self::Jmirror, "jmirror"),
        (Self::Ayiya, "ayiya"),
        (Self::Peek, "peekremote"),
        (Self::FrameRelay, "frame-relay"),
    ];
}

/// Encapsulations of a packet, outermost first: `gre/ip`. Their codes, the outermost in the highest bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path(pub u32);

impl Path {
    /// First code of eight bits.
    const LONG: u8 = 0xe0;

    /// Appends an encapsulation, further in; `None` if there are too many.
    #[must_use]
    pub fn with(self, encapsulation: Encapsulation) -> Option<Self> {
        let code = encapsulation as u8;
        let bits = if code < Self::LONG { 4 } else { 8 };
        (self.0 >> (32 - bits) == 0).then_some(Self(self.0 << bits | u32::from(code)))
    }

    /// Returns whether the packet is not encapsulated.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns this path, or `other` if this is empty.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self.is_empty() { other } else { self }
    }

    /// Parses a path from text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split('/').try_fold(Self::default(), |path, name| {
            path.with(Encapsulation::ALL.iter().find(|(_, known)| *known == name)?.0)
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nibbles = (0..8).rev().map(|place| (self.0 >> (4 * place)) as u8 & 0xf);
        let mut first = true;
        while let Some(nibble) = nibbles.next() {
            let code =
                if nibble < Self::LONG >> 4 { nibble } else { nibble << 4 | nibbles.next().unwrap_or(0) };
            if let Some((_, name)) =
                Encapsulation::ALL.iter().find(|(encapsulation, _)| *encapsulation as u8 == code)
            {
                write!(f, "{}{name}", if first { "" } else { "/" })?;
                first = false;
            }
        }
        Ok(())
    }
}
