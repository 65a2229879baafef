//! Counts beside the flows and the reasons: unknown type numbers, and departures from the headers.

use std::collections::BTreeMap;

use crate::wire::{Irregularity, TypeNumber};

/// Counts that are summed over frames, threads and files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Packets by unknown type number, at most 65,536 of each kind.
    unknown_types: BTreeMap<TypeNumber, u64>,
    /// Packets of flows by their departure from the headers, and by the link type that the capture declares.
    irregular: BTreeMap<(Irregularity, u16), u64>,
    /// Packets beyond the first of each frame.
    more_packets: u64,
}

impl Tallies {
    /// Counts a packet of an unknown type.
    pub fn unknown(&mut self, number: TypeNumber) {
        *self.unknown_types.entry(number).or_default() += 1;
    }

    /// Counts a packet that departs from its headers.
    pub fn irregular(&mut self, irregularity: Irregularity, link_type: u16) {
        *self.irregular.entry((irregularity, link_type)).or_default() += 1;
    }

    /// Counts a frame that holds several packets.
    pub fn aggregate(&mut self, packets: u64) {
        self.more_packets += packets.saturating_sub(1);
    }

    /// Adds the counts of another tally.
    pub fn merge(&mut self, other: &Self) {
        for (&number, packets) in &other.unknown_types {
            *self.unknown_types.entry(number).or_default() += packets;
        }
        for (&how, packets) in &other.irregular {
            *self.irregular.entry(how).or_default() += packets;
        }
        self.more_packets += other.more_packets;
    }

    /// Returns packets by kind and number.
    pub fn unknown_types(&self) -> impl Iterator<Item = (TypeNumber, u64)> + '_ {
        self.unknown_types.iter().map(|(&number, &packets)| (number, packets))
    }

    /// Returns packets by departure and declared link type.
    pub fn irregularities(&self) -> impl Iterator<Item = (Irregularity, u16, u64)> + '_ {
        self.irregular.iter().map(|(&(irregularity, link_type), &packets)| (irregularity, link_type, packets))
    }

    /// Returns the number of packets beyond the first of each frame.
    #[must_use]
    pub fn more_packets(&self) -> u64 {
        self.more_packets
    }
}
