//! `EtherType`s. <https://www.iana.org/assignments/ieee-802-numbers>, IEEE's registry, Linux's `if_ether.h`.

pub const IPV4: u16 = 0x0800;
pub const IPV6: u16 = 0x86dd;
pub const ARP: u16 = 0x0806;
pub const TRILL: u16 = 0x22f3;
/// Congestion notification. IEEE 802.1Qau.
pub const CN_TAG: u16 = 0x22e9;
pub const BATMAN: u16 = 0x4305;
pub const TRANSPARENT_ETHERNET: u16 = 0x6558;
/// VLAN tags: IEEE 802.1Q, 802.1ad, and pre-standard numbers for stacked tags.
pub const VLAN: [u16; 5] = [0x8100, 0x88a8, 0x9100, 0x9200, 0xdadb];
pub const PPP: u16 = 0x880b;
pub const MPLS: u16 = 0x8847;
pub const MPLS_MULTICAST: u16 = 0x8848;
pub const PPPOE_SESSION: u16 = 0x8864;
/// LLC in frames of more than 1500 bytes.
pub const JUMBO_LLC: u16 = 0x8870;
/// Legacy tag of Broadcom switches.
pub const BROADCOM_TAG: u16 = 0x8874;
pub const REALTEK_TAG: u16 = 0x8899;
pub const MACSEC: u16 = 0x88e5;
/// I-tag. IEEE 802.1ah.
pub const PBB: u16 = 0x88e7;
pub const FABRIC_PATH: u16 = 0x8903;
/// Cisco metadata, with security group tags.
pub const CISCO_METADATA: u16 = 0x8909;
/// Virtual NIC tag of Cisco fabric extenders.
pub const VN_TAG: u16 = 0x8926;
/// IEC 62439-3.
pub const HSR: u16 = 0x892f;
/// IEEE 802.1BR.
pub const E_TAG: u16 = 0x893f;
pub const NSH: u16 = 0x894f;
/// Cisco timestamp tag.
pub const TTAG: u16 = 0x8988;
pub const ARISTA: u16 = 0xd28b;
/// Tag of Marvell switches, as Linux numbers it.
pub const MARVELL_EDSA: u16 = 0xdada;
/// Tag of the Renesas A5PSW switch.
pub const A5PSW_TAG: u16 = 0xe001;
/// Redundancy tag. IEEE 802.1CB.
pub const R_TAG: u16 = 0xf1c1;

/// `EtherType`s that carry no IP, in ascending order.
const WITHOUT_IP: [u16; 67] = [
    0x0600, // XNS
    ARP, 0x0842, // Wake-on-LAN
    0x0bad, // VINES
    0x2000, // CDP
    0x2001, // CGMP, NHRP in GRE
    0x2004, // DTP
    0x22ea, // SRP
    0x22f0, // AVTP
    0x22f4, // IS-IS
    0x6000, 0x6001, 0x6002, 0x6003, 0x6004, 0x6005, 0x6006, 0x6007, // DEC: MOP, DECnet, LAT …
    0x8035, // RARP
    0x809b, // AppleTalk
    0x80d5, // SNA
    0x80f3, // AARP
    0x8102, // loop detection
    0x8137, 0x8138, // IPX
    0x814c, // SNMP
    0x86dc, // IPX of Novell
    0x8808, // Ethernet flow control
    0x8809, // slow protocols: LACP …
    0x8819, // CobraNet
    0x8863, // PPPoE discovery
    0x886c, 0x886d, // HomePNA, Intel's adapter teaming
    0x886f, // Microsoft's network load balancing
    0x887b, // HomePlug
    0x888e, // EAP over LAN
    0x8892, // PROFINET
    0x889a, // HyperSCSI
    0x88a2, // ATA over Ethernet
    0x88a4, // EtherCAT
    0x88ab, // Powerlink
    0x88b4, // WAPI
    0x88b8, 0x88b9, 0x88ba, // GOOSE, GSE, sampled values
    0x88bf, // MikroTik RoMON
    0x88c7, // pre-authentication
    0x88ca, // TIPC
    0x88cc, // LLDP
    0x88cd, // SERCOS III
    0x88d9, // link layer topology discovery
    0x88dc, // WSMP
    0x88e1, // HomePlug AV
    0x88e3, // media redundancy
    0x88f5, 0x88f6, // MVRP, MMRP
    0x88f7, // PTP
    0x88f8, // NC-SI
    0x88fb, // supervision of HSR and PRP
    0x8902, // CFM
    0x8906, // Fibre Channel
    0x890d, // 802.11 management
    0x8914, // FCoE initialization
    0x8915, // RoCE
    0x8947, // GeoNetworking
    0x9000, // configuration test
    0xaefe, // eCPRI
];

/// Returns whether this EtherType is known to carry no IP.
pub fn is_without_ip(ethertype: u16) -> bool {
    WITHOUT_IP.binary_search(&ethertype).is_ok()
}

/// `EtherType`s of decoded headers, except VLAN tags: those that GRE and others may announce, too. What is behind them is in
/// `tag::next` and `Walk::ether`.
const DECODED: [u16; 26] = [
    IPV4,
    IPV6,
    TRILL,
    CN_TAG,
    BATMAN,
    TRANSPARENT_ETHERNET,
    PPP,
    MPLS,
    MPLS_MULTICAST,
    PPPOE_SESSION,
    JUMBO_LLC,
    BROADCOM_TAG,
    REALTEK_TAG,
    MACSEC,
    PBB,
    FABRIC_PATH,
    CISCO_METADATA,
    VN_TAG,
    HSR,
    E_TAG,
    NSH,
    TTAG,
    ARISTA,
    MARVELL_EDSA,
    A5PSW_TAG,
    R_TAG,
];

/// Returns whether this EtherType is known.
pub fn is_known(ethertype: u16) -> bool {
    DECODED.contains(&ethertype) || VLAN.contains(&ethertype) || is_without_ip(ethertype)
}
