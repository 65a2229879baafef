//! Options of the meter.

use crate::wire::Transport;

/// Idle timeouts, in nanoseconds: a packet after a longer pause begins a new flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// For connection-oriented transports.
    pub tcp_ns: u64,
    /// For connectionless transports.
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

/// Options of the meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Idle timeouts.
    pub idle: Idle,
    /// Maximum active flows: beyond this, idle ones are ended early.
    pub most_flows: usize,
    /// Whether to decapsulate tunnels over IP.
    pub decapsulate: bool,
    /// Whether to exclude duplicate packets from the flows; otherwise they are only counted.
    pub dedup: bool,
    /// Whether to verify checksums.
    pub verify_checksums: bool,
}
