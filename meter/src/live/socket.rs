//! Linux packet sockets. packet(7).
//!
//! The socket comes from outside, opened, bound and filtered; here it is only read, many packets a call.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, MultiHeaders, RecvMsg, recvmmsg};
use nix::sys::time::TimeSpec;

use super::Source;
use crate::capture::{CaptureError, CaptureErrorKind, Frame};

/// Packets taken from the kernel by one call.
const PACKETS: usize = 64;
/// The kernel's own packets on their way out, which a loopback interface shows a second time on their way in.
const OUTGOING: u8 = 4;
/// Linux "cooked" capture: a header of sixteen bytes whose last two are the protocol.
const LINUX_SLL: u16 = 113;
const SLL_BYTES: usize = 16;

/// A packet socket that is read.
pub struct PacketSocket {
    socket: OwnedFd,
    link_type: u16,
    /// Leave out packets on their way out: a loopback interface shows them again.
    incoming_only: bool,
    snap_bytes: usize,
    room: Vec<u8>,
    headers: MultiHeaders<LinkAddr>,
}

impl PacketSocket {
    /// Reads a socket that puts `link_type`'s header before each packet; of a socket without link headers
    /// (`SOCK_DGRAM`) that is `LINUX_SLL`. Bytes past `snap_bytes` are cut off.
    ///
    /// The socket should have a receive timeout, so that its reader notices when it has to stop.
    #[must_use]
    pub fn new(socket: OwnedFd, link_type: u16, incoming_only: bool, snap_bytes: usize) -> Self {
        let room = vec![0; PACKETS * (SLL_BYTES + snap_bytes)];
        let headers = MultiHeaders::preallocate(PACKETS, Some(cmsg_space!(TimeSpec)));
        Self { socket, link_type, incoming_only, snap_bytes, room, headers }
    }
}

impl Source for PacketSocket {
    fn frames(&mut self, take: &mut dyn FnMut(&Frame<'_>)) -> Result<bool, CaptureError> {
        let cooked = if self.link_type == LINUX_SLL { SLL_BYTES } else { 0 };
        let mut told = [None; PACKETS];
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
                    for (told, message) in told.iter_mut().zip(messages) {
                        *told = Told::of(&message);
                    }
                }
                Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => return Ok(true),
                Err(error) => {
                    let message = format!("the interface can't be read: {}", error.desc());
                    return Err(CaptureError::new(CaptureErrorKind::Io, 0, message));
                }
            }
        }
        for (told, room) in told.iter().zip(self.room.chunks_exact_mut(SLL_BYTES + self.snap_bytes)) {
            let Some(told) = told else { break };
            if self.incoming_only && told.kind == OUTGOING {
                continue;
            }
            room[SLL_BYTES - 2..SLL_BYTES].copy_from_slice(&told.protocol.to_be_bytes());
            let end = SLL_BYTES + told.wire_bytes.min(self.snap_bytes);
            take(&Frame {
                link_type: self.link_type,
                time_ns: told.time_ns,
                wire_bytes: (cooked + told.wire_bytes) as u32,
                data: &room[SLL_BYTES - cooked..end],
            });
        }
        Ok(true)
    }
}

/// What the kernel tells beside a packet.
#[derive(Clone, Copy)]
struct Told {
    time_ns: i64,
    wire_bytes: usize,
    kind: u8,
    protocol: u16,
}

impl Told {
    fn of(message: &RecvMsg<'_, '_, LinkAddr>) -> Option<Self> {
        let stamp = message.cmsgs().ok().and_then(|mut messages| {
            messages.find_map(|message| match message {
                ControlMessageOwned::ScmTimestampns(time) => {
                    Some(time.tv_sec() * 1_000_000_000 + time.tv_nsec())
                }
                _ => None,
            })
        });
        let address = message.address.as_ref()?;
        Some(Self {
            time_ns: stamp.unwrap_or_else(now_ns),
            wire_bytes: message.bytes,
            kind: address.pkttype(),
            protocol: u16::from_be(address.protocol()),
        })
    }
}

/// The time, for a kernel that doesn't stamp packets.
fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}
