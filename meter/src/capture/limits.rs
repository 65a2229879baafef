//! Maximum length of a captured packet: the only defence against a damaged length field.

/// Maximum bytes of a network packet: libpcap's `MAXIMUM_SNAPLEN`.
pub(super) const MAXIMUM_SNAPLEN: u32 = 262_144;

/// Maximum bytes for link types of buses inside one machine, as in libpcap and Wireshark.
pub(super) const MAXIMUM_MESSAGE: u32 = 128 * 1024 * 1024;

const LINKTYPE_USB_LINUX: u16 = 189;
const LINKTYPE_USB_LINUX_MMAPPED: u16 = 220;
const LINKTYPE_DBUS: u16 = 231;
const LINKTYPE_USBPCAP: u16 = 249;
const LINKTYPE_USB_DARWIN: u16 = 266;
const LINKTYPE_EBHSCR: u16 = 279;

/// Returns the length on the wire: that of the record, unless it exceeds the maximum and so must be damaged; then
/// the captured length.
pub(super) fn on_wire(original: u32, captured: u32, maximum: u32) -> u32 {
    if original > maximum { captured } else { original }
}

/// Returns the maximum bytes of a packet of this link type.
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
