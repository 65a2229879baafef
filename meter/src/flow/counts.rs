//! Packets that are in no flow, and what else is counted.

use super::duplicates::Sensors;
use super::tallies::Tallies;
use crate::wire::{self, Unmetered};

/// Packets in flows with a wrong checksum. This is no evidence of damage: a capture on the sending host sees packets
/// before the network card fills in checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadChecksums {
    /// Of IPv4 headers.
    pub ipv4_header: u64,
    /// Of TCP and UDP.
    pub transport: u64,
}

impl BadChecksums {
    /// Adds the wrong checksums of a packet.
    #[inline]
    pub(super) fn add(&mut self, packet: wire::BadChecksums) {
        if packet != wire::BadChecksums::default() {
            self.ipv4_header += u64::from(packet.ipv4_header);
            self.transport += u64::from(packet.transport);
        }
    }
}

/// Packets in no flow, and irregular packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnmeteredCounts {
    by_reason: [u64; Unmetered::ALL.len()],
    tallies: Tallies,
}

impl UnmeteredCounts {
    /// Counts packets under a reason.
    #[inline]
    pub(super) fn add(&mut self, reason: Unmetered, packets: u64) {
        self.by_reason[reason as usize] += packets;
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        for (sum, packets) in self.by_reason.iter_mut().zip(other.by_reason) {
            *sum += packets;
        }
        self.tallies.merge(&other.tallies);
    }

    /// Returns the number of packets under a reason.
    #[must_use]
    pub fn of(&self, reason: Unmetered) -> u64 {
        self.by_reason[reason as usize]
    }

    /// Returns packets by unknown number, and by departure from their headers.
    #[must_use]
    pub fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// Returns the same tallies to add to.
    pub(super) fn tallies_mut(&mut self) -> &mut Tallies {
        &mut self.tallies
    }
}

/// Counts of a meter beside the flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets in no flow.
    pub unmetered: UnmeteredCounts,
    /// Duplicate packets, in flows or excluded from them.
    pub duplicates: u64,
    /// Packets captured on two interfaces.
    pub sensors: Sensors,
    /// Flows ended early by the cap.
    pub evicted: u64,
    /// Packets in flows with a wrong checksum; 0 unless checksums are verified.
    pub bad_checksums: BadChecksums,
}

impl Counts {
    /// Adds the counts of another part of the same capture.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.unmetered.absorb(&other.unmetered);
        self.duplicates += other.duplicates;
        self.sensors.absorb(&other.sensors);
        self.evicted += other.evicted;
        self.bad_checksums.ipv4_header += other.bad_checksums.ipv4_header;
        self.bad_checksums.transport += other.bad_checksums.transport;
    }
}
