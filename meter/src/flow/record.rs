//! Updates the row of a flow with a packet.

use super::{Event, Key};
use crate::table::FlowRecord;
use crate::wire::{Content, Segment, Transport};

/// Five cache lines; see [`FlowRecord`].
const _: () = assert!(size_of::<FlowRecord>() == 320);

impl FlowRecord {
    /// Records a packet of this flow.
    #[inline]
    pub(super) fn record(&mut self, packet: &Content, from_a: bool, time_ns: i64) {
        if self.is_vacant() || time_ns < self.first_seen_ns {
            self.first_seen_ns = time_ns;
            self.first_from_b = !from_a;
        }
        let in_order = time_ns >= self.last_seen_ns;
        self.last_seen_ns = self.last_seen_ns.max(time_ns);
        let (packets, bytes, payload_bytes) = if from_a {
            (&mut self.packets_ab, &mut self.bytes_ab, &mut self.payload_bytes_ab)
        } else {
            (&mut self.packets_ba, &mut self.bytes_ba, &mut self.payload_bytes_ba)
        };
        *packets += 1;
        *bytes += u64::from(packet.ip_bytes);
        *payload_bytes += u64::from(packet.payload_bytes);
        self.vlan = self.vlan.or(packet.vlan);
        self.tunnel = self.tunnel.or(packet.tunnel);
        if let Some(segment) = &packet.segment {
            self.record_numbers(segment, packet.payload_bytes, from_a, time_ns);
        }
        if packet.payload_bytes > 0
            && !packet.segment.is_some_and(|segment| segment.flags.syn() || segment.flags.rst())
        {
            self.last_data_from_b = Some(!from_a);
        }
        self.events.record(packet, from_a, time_ns, in_order);
    }

    /// Records sequence and acknowledgement numbers.
    #[inline]
    fn record_numbers(&mut self, segment: &Segment, payload_bytes: u32, from_a: bool, time_ns: i64) {
        let flags = segment.flags;
        let (sender, receiver) = (usize::from(!from_a), usize::from(from_a));
        if self.key.proto == Transport::Tcp as u8 {
            let resets = self.is_reset_alone();
            self.numbers.record(segment, payload_bytes, from_a, resets);
            if flags.rst() {
                self.record_reset(segment.sequence, from_a, time_ns);
            }
        }
        if flags.syn() {
            if !self.sent_isn(from_a) {
                self.numbers.set_isn(sender, Some(segment.sequence));
            }
            if flags.ack() && self.numbers.isn(receiver).is_none() {
                self.numbers.set_isn(receiver, Some(segment.acknowledgement.wrapping_sub(1)));
            }
            return;
        }
        self.past_opening = true;
        if flags.ack() && !flags.rst() {
            let first = self.numbers.first_ack(sender);
            if first.is_none() {
                self.numbers.set_first_ack(sender, Some((segment.acknowledgement, segment.window)));
            }
            let moved = if from_a { &mut self.ack_moved_a } else { &mut self.ack_moved_b };
            *moved |= first.is_some_and(|first| first != segment.acknowledgement);
        }
    }

    #[cold]
    fn record_reset(&mut self, sequence: u32, from_a: bool, time_ns: i64) {
        if self.events.time_ns(Event::Rst, from_a).is_none_or(|known_ns| time_ns < known_ns) {
            self.numbers.set_reset(usize::from(!from_a), Some(sequence));
        }
    }

    pub(super) fn holds(&self, key: &Key) -> bool {
        self.key == *key && !self.is_vacant()
    }

    pub(super) fn is_vacant(&self) -> bool {
        self.packets_ab | self.packets_ba == 0
    }

    pub(super) fn vacate(&mut self) {
        (self.packets_ab, self.packets_ba) = (0, 0);
    }
}
