//! Linux packet sockets. packet(7).
//!
//! The socket is passed in opened, bound and filtered; here it is only read, many packets per call.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, MultiHeaders, RecvMsg, recvmmsg};
use nix::sys::time::TimeSpec;

use super::Source;
use crate::capture::{CaptureError, CaptureErrorKind, Frame};

/// Packets received per call.
const PACKETS: usize = 64;
/// Packet type `PACKET_OUTGOING`; a loopback interface delivers these again as incoming.
const OUTGOING: u8 = 4;
/// Bytes of the Linux "cooked" capture header; the last two are the protocol.
const LINUX_SLL: u16 = 113;
const SLL_BYTES: usize = 16;
const ETHERNET: u16 = 1;
/// Bytes of an Ethernet header before the VLAN tag.
const MAC_BYTES: usize = 12;
const TAG_BYTES: usize = 4;
/// `TP_STATUS_VLAN_VALID`, and the tag protocol if the kernel reports none.
const VLAN_VALID: u32 = 1 << 4;
const VLAN: u16 = 0x8100;

/// Reader of a packet socket.
pub struct PacketSocket {
    socket: OwnedFd,
    link_type: u16,
    /// Index of the loopback interface, whose outgoing packets are ignored, since they are delivered again.
    loopback: usize,
    snap_bytes: usize,
    room: Vec<u8>,
    headers: MultiHeaders<LinkAddr>,
}

impl PacketSocket {
    /// Reads a socket with link headers of `link_type`; `LINUX_SLL` for a socket without link headers (`SOCK_DGRAM`).
    /// Packets are truncated to `snap_bytes`.
    ///
    /// The socket should have a receive timeout, so that its reader can stop.
    #[must_use]
    pub fn new(socket: OwnedFd, link_type: u16, loopback: usize, snap_bytes: usize) -> Self {
        let room = vec![0; PACKETS * (SLL_BYTES + snap_bytes)];
        let headers = MultiHeaders::preallocate(PACKETS, Some(cmsg_space!(TimeSpec, [u32; 5])));
        Self { socket, link_type, loopback, snap_bytes, room, headers }
    }
}

impl Source for PacketSocket {
    fn frames(&mut self, deliver: &mut dyn FnMut(&Frame<'_>)) -> Result<bool, CaptureError> {
        let cooked = if self.link_type == LINUX_SLL { SLL_BYTES } else { 0 };
        let mut packets = [None; PACKETS];
        {
            let mut slices: Vec<_> = self
                .room
                .chunks_exact_mut(SLL_BYTES + self.snap_bytes)
                .map(|room| [IoSliceMut::new(&mut room[SLL_BYTES..])])
                .collect();
            let flags = MsgFlags::MSG_WAITFORONE | MsgFlags::MSG_TRUNC;
            let received = recvmmsg(self.socket.as_raw_fd(), &mut self.headers, &mut slices, flags, None);
            match received {
                Ok(messages) => {
                    for (slot, message) in packets.iter_mut().zip(messages) {
                        *slot = Metadata::of(&message);
                    }
                }
                Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => return Ok(true),
                Err(error) => {
                    let message = format!("cannot read the interface: {}", error.desc());
                    return Err(CaptureError::new(CaptureErrorKind::Io, 0, message));
                }
            }
        }
        for (metadata, room) in packets.iter().zip(self.room.chunks_exact_mut(SLL_BYTES + self.snap_bytes)) {
            let Some(metadata) = metadata else { break };
            if metadata.kind == OUTGOING && metadata.interface == self.loopback {
                continue;
            }
            room[SLL_BYTES - 2..SLL_BYTES].copy_from_slice(&metadata.protocol.to_be_bytes());
            let end = SLL_BYTES + metadata.wire_bytes.min(self.snap_bytes);
            let mut begin = SLL_BYTES - cooked;
            if let Some(tag) = metadata.tag
                && self.link_type == ETHERNET
                && end >= SLL_BYTES + MAC_BYTES
            {
                begin -= TAG_BYTES;
                room.copy_within(SLL_BYTES..SLL_BYTES + MAC_BYTES, begin);
                room[begin + MAC_BYTES..][..TAG_BYTES].copy_from_slice(&tag);
            }
            deliver(&Frame {
                interface: 0,
                link_type: self.link_type,
                time_ns: metadata.time_ns.unwrap_or_else(now_ns),
                wire_bytes: (SLL_BYTES - begin + metadata.wire_bytes) as u32,
                data: &room[begin..end],
            });
        }
        Ok(true)
    }
}

/// Metadata of a packet from the kernel.
#[derive(Clone, Copy)]
struct Metadata {
    time_ns: Option<i64>,
    wire_bytes: usize,
    kind: u8,
    protocol: u16,
    interface: usize,
    /// The VLAN tag, which the kernel removes from the packet.
    tag: Option<[u8; TAG_BYTES]>,
}

impl Metadata {
    fn of(message: &RecvMsg<'_, '_, LinkAddr>) -> Option<Self> {
        let address = message.address.as_ref()?;
        let mut metadata = Self {
            time_ns: None,
            wire_bytes: message.bytes,
            kind: address.pkttype(),
            protocol: u16::from_be(address.protocol()),
            interface: address.ifindex(),
            tag: None,
        };
        for more in message.cmsgs().ok()? {
            match more {
                ControlMessageOwned::ScmTimestampns(time) => {
                    metadata.time_ns = Some(time.tv_sec() * 1_000_000_000 + time.tv_nsec());
                }
                ControlMessageOwned::Unknown(more) => metadata.tag = tag(&more.data_bytes),
                _ => {}
            }
        }
        Some(metadata)
    }
}

/// Returns the VLAN tag of a `tpacket_auxdata`, the only other control message: four words, the first of them
/// `tp_status`, then `tp_vlan_tci` and `tp_vlan_tpid`.
fn tag(auxdata: &[u8]) -> Option<[u8; TAG_BYTES]> {
    let (status, auxdata) = auxdata.split_first_chunk()?;
    if u32::from_ne_bytes(*status) & VLAN_VALID == 0 {
        return None;
    }
    let [tci_0, tci_1, tpid_0, tpid_1] = *auxdata.get(12..)?.first_chunk()?;
    let tpid = match u16::from_ne_bytes([tpid_0, tpid_1]) {
        0 => VLAN,
        tpid => tpid,
    };
    let ([a, b], [c, d]) = (tpid.to_be_bytes(), u16::from_ne_bytes([tci_0, tci_1]).to_be_bytes());
    Some([a, b, c, d])
}

/// Returns the current time, for packets without a kernel timestamp.
fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}
