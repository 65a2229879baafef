//! How long a captured packet can be: the only defence against a damaged length field.

/// libpcap's `MAXIMUM_SNAPLEN`; no tool writes longer packets of a network.
pub(super) const MAXIMUM_SNAPLEN: u32 = 262_144;

/// What libpcap and Wireshark allow for link types whose "packets" are messages of a bus inside one machine.
pub(super) const MAXIMUM_MESSAGE: u32 = 128 * 1024 * 1024;

const LINKTYPE_USB_LINUX: u16 = 189;
const LINKTYPE_USB_LINUX_MMAPPED: u16 = 220;
const LINKTYPE_DBUS: u16 = 231;
const LINKTYPE_USBPCAP: u16 = 249;
const LINKTYPE_USB_DARWIN: u16 = 266;
const LINKTYPE_EBHSCR: u16 = 279;

/// How long a packet was on the wire: what its record says, unless no packet of this link type can be so
/// long; then that field is damaged, and what was captured is all that is known.
pub(super) fn on_wire(original: u32, captured: u32, maximum: u32) -> u32 {
    if original > maximum { captured } else { original }
}

/// The most bytes that one packet of this link type can have.
pub(super) fn maximum_captured(link_type: u16) -> u32 {
    match link_type {
        LINKTYPE_USB_LINUX
        | LINKTYPE_USB_LINUX_MMAPPED
        | LINKTYPE_DBUS
        | LINKTYPE_USBPCAP
        | LINKTYPE_USB_DARWIN
        | LINKTYPE_EBHSCR => MAXIMUM_MESSAGE,
        _ => MAXIMUM_SNAPLEN,
    }
}
