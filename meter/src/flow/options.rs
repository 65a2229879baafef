//! How to meter.

use crate::wire::Transport;

/// How long a flow may be silent before its next packet begins a new one, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// For transports with connections.
    pub tcp_ns: u64,
    /// For transports without a connection.
    pub udp_ns: u64,
}

impl Idle {
    #[inline]
    pub(super) fn of(&self, proto: u8) -> u64 {
        if proto == Transport::Udp as u8 || proto == Transport::UdpLite as u8 {
            self.udp_ns
        } else {
            self.tcp_ns
        }
    }
}

/// How to meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// When flows end.
    pub idle: Idle,
    /// So many flows are active at a time at the most: past that, idle ones are ended early.
    pub most_flows: usize,
    /// Look into tunnels over IP.
    pub decapsulate: bool,
    /// Leave copies of packets out of the flows; otherwise they only are counted there.
    pub dedup: bool,
    /// Verify checksums.
    pub verify_checksums: bool,
}
