//! What a packet changes in the row of its flow.

use super::{Event, Key, Numbers};
use crate::table::Row;
use crate::wire::{Content, Segment, Transport};

/// Six cache lines; see [`Row`].
const _: () = assert!(size_of::<Row>() == 384);

impl Row {
    /// Takes in a packet of this flow.
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

    /// Sequence numbers and acknowledgements.
    #[inline]
    fn record_numbers(&mut self, segment: &Segment, payload_bytes: u32, from_a: bool, time_ns: i64) {
        let flags = segment.flags;
        if self.key.proto == Transport::Tcp as u8 {
            if self.is_reset_alone() && !flags.rst() {
                self.numbers = Numbers::default(); // a RST tells something only where nothing else does
            }
            self.numbers.record(segment, payload_bytes, from_a);
            if flags.rst() && self.events.time_ns(Event::Rst, from_a).is_none_or(|known| time_ns < known) {
                let number = if from_a { &mut self.reset_seq_a } else { &mut self.reset_seq_b };
                *number = Some(segment.sequence);
            }
        }
        if flags.syn() {
            let (told_by_sender, told_by_receiver) = (self.sent_isn(from_a), self.sent_isn(!from_a));
            let (sender, receiver) =
                if from_a { (&mut self.isn_a, &mut self.isn_b) } else { (&mut self.isn_b, &mut self.isn_a) };
            if !told_by_sender {
                *sender = Some(segment.sequence);
            }
            if flags.ack() && !told_by_receiver {
                *receiver = receiver.or(Some(segment.acknowledgement.wrapping_sub(1)));
            }
            return;
        }
        self.past_opening = true;
        if flags.ack() && !flags.rst() {
            let (first, moved, window) = if from_a {
                (&mut self.first_ack_a, &mut self.ack_moved_a, &mut self.first_window_a)
            } else {
                (&mut self.first_ack_b, &mut self.ack_moved_b, &mut self.first_window_b)
            };
            window.get_or_insert(segment.window);
            *moved |= *first.get_or_insert(segment.acknowledgement) != segment.acknowledgement;
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
