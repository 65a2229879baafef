//! The first occurrence of each kind of event at each endpoint, in time order.

use crate::wire::{Content, Segment};

/// A kind of event. The numbers are the order in which the events of one packet are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Event {
    /// SYN without ACK.
    Syn = 1,
    /// SYN with ACK.
    SynAck = 2,
    /// A pure acknowledgement: ACK, no payload, none of SYN, FIN, RST.
    Ack = 3,
    /// Payload on a segment with neither SYN nor RST; for UDP any datagram.
    Data = 4,
    /// FIN.
    Fin = 5,
    /// RST.
    Rst = 6,
    /// An ICMP error reports that this endpoint is unreachable. Not sent by the endpoint itself.
    Unreachable = 7,
}

const KINDS: [Event; 6] = [Event::Syn, Event::SynAck, Event::Ack, Event::Data, Event::Fin, Event::Rst];
/// Added to an event's number when `b` sent it.
const FROM_B: u8 = 8;
/// Seven kinds at two endpoints.
pub const MAX_EVENTS: usize = 14;

/// Returns the events of one packet as bits, by event number.
#[inline]
fn shown(packet: &Content) -> u16 {
    let Some(Segment { flags, .. }) = packet.segment else {
        return 1 << Event::Data as u8;
    };
    let payload = packet.payload_bytes > 0;
    let pure_ack = flags.ack() && !flags.syn() && !flags.fin() && !flags.rst() && !payload;
    u16::from(flags.syn() && !flags.ack()) << Event::Syn as u8
        | u16::from(flags.syn() && flags.ack()) << Event::SynAck as u8
        | u16::from(pure_ack) << Event::Ack as u8
        // The payload of a RST is a diagnostic text for people (RFC 9293 §3.5.3), and that of a SYN waits for the
        // handshake: neither shows that a connection carries data.
        | u16::from(payload && !flags.rst() && !flags.syn()) << Event::Data as u8
        | u16::from(flags.fin()) << Event::Fin as u8
        | u16::from(flags.rst()) << Event::Rst as u8
}

/// The events of a flow with the time of each one's first occurrence, in order of time; packets of the same time are
/// ordered by their place in the capture.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// One bit for each code in `order`. Read for every packet; the other fields rarely.
    seen: u16,
    /// Four bits an event, the first in the lowest: its number, plus 8 if `b` sent it.
    order: u64,
    /// First time of each, in the same order.
    times_ns: [i64; MAX_EVENTS],
}

impl Events {
    /// Restores events from the packed order and the times beside it; entries that are inconsistent are dropped.
    #[must_use]
    pub fn new(order: u64, times_ns: &[i64]) -> Self {
        let mut events = Self::default();
        for (place, &time_ns) in times_ns.iter().take(MAX_EVENTS).enumerate() {
            events.record_code((order >> (4 * place)) as u8 & 0xf, time_ns);
        }
        events
    }

    /// Returns the codes, four bits each, the first in the lowest bits.
    #[must_use]
    pub fn order(&self) -> u64 {
        self.order
    }

    /// Returns the time of each event's first occurrence, in order.
    #[must_use]
    pub fn times_ns(&self) -> &[i64] {
        &self.times_ns[..self.len()]
    }

    /// Returns whether an endpoint has sent such a packet.
    #[inline]
    #[must_use]
    pub fn seen(&self, event: Event, from_a: bool) -> bool {
        self.seen >> (event as u8 + if from_a { 0 } else { FROM_B }) & 1 != 0
    }

    /// Returns when an endpoint first sent such a packet.
    #[must_use]
    pub fn time_ns(&self, event: Event, from_a: bool) -> Option<i64> {
        let code = event as u8 + if from_a { 0 } else { FROM_B };
        (0..self.len()).find(|&place| self.code(place) == code).map(|place| self.times_ns[place])
    }

    /// Returns whether all packets were of this kind.
    #[must_use]
    pub fn are_all(&self, event: Event) -> bool {
        let both = |event: Event| 1 << event as u8 | 1 << (event as u8 + FROM_B);
        let sent = self.seen & !both(Event::Unreachable);
        sent & both(event) == sent && sent != 0
    }

    fn len(&self) -> usize {
        self.seen.count_ones() as usize
    }

    fn code(&self, place: usize) -> u8 {
        (self.order >> (4 * place)) as u8 & 0xf
    }

    /// Records the events of a packet. `in_order`: no earlier packet of the flow has a later time.
    #[inline]
    pub fn record(&mut self, packet: &Content, from_a: bool, time_ns: i64, in_order: bool) {
        let shift = if from_a { 0 } else { FROM_B };
        let shown = shown(packet) << shift;
        if in_order && shown & !self.seen == 0 {
            return;
        }
        for event in KINDS {
            let code = event as u8 + shift;
            if shown >> code & 1 != 0 {
                self.record_code(code, time_ns);
            }
        }
    }

    /// Records that an endpoint is unreachable.
    pub fn record_unreachable(&mut self, is_a: bool, time_ns: i64) {
        self.record_code(Event::Unreachable as u8 + if is_a { 0 } else { FROM_B }, time_ns);
    }

    /// Records one event, unless an occurrence at an earlier or the same time is known.
    fn record_code(&mut self, code: u8, time_ns: i64) {
        if matches!(code, 0 | FROM_B) {
            return;
        }
        if self.seen >> code & 1 != 0 {
            let place = (0..self.len()).find(|&place| self.code(place) == code).unwrap_or(0);
            if self.times_ns[place] <= time_ns {
                return;
            }
            self.remove(place);
        }
        // Usually the last.
        let place = self.times_ns().iter().rposition(|&known| known <= time_ns).map_or(0, |last| last + 1);
        self.insert(place, code, time_ns);
    }

    fn remove(&mut self, place: usize) {
        self.seen &= !(1 << self.code(place));
        self.times_ns.copy_within(place + 1.., place);
        let below = self.order & ((1 << (4 * place)) - 1);
        self.order = below | (self.order >> (4 * (place + 1)) << (4 * place));
    }

    fn insert(&mut self, place: usize, code: u8, time_ns: i64) {
        let end = self.len();
        self.times_ns.copy_within(place..end, place + 1);
        self.times_ns[place] = time_ns;
        let below = self.order & ((1 << (4 * place)) - 1);
        self.order =
            below | u64::from(code) << (4 * place) | (self.order >> (4 * place) << (4 * (place + 1)));
        self.seen |= 1 << code;
    }

    /// Adds the events of a later piece of the same flow.
    pub fn absorb(&mut self, later: &Self) {
        for (place, &time_ns) in later.times_ns().iter().enumerate() {
            self.record_code(later.code(place), time_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(flags: u8, payload_bytes: u32) -> Content {
        Content {
            ip_bytes: 40 + payload_bytes,
            payload_bytes,
            vlan: None,
            tunnel: crate::wire::Path::default(),
            segment: Some(Segment {
                flags: crate::wire::Flags(flags),
                sequence: 0,
                acknowledgement: 0,
                window: 0,
            }),
        }
    }

    #[test]
    fn one_packet_may_show_several_events() {
        let mut events = Events::default();
        events.record(&packet(0x19, 5), true, 10, true); // FIN, PSH, ACK with payload
        assert_eq!(events.order(), 0x54);
        assert_eq!(events.times_ns(), [10, 10]);
    }

    #[test]
    fn an_earlier_time_moves_an_event_forward() {
        let mut events = Events::default();
        events.record(&packet(0x12, 0), false, 10, true); // b's SYN+ACK
        events.record(&packet(0x10, 0), true, 20, true); // a's ACK
        events.record(&packet(0x02, 0), true, 5, false); // a's SYN, captured late
        assert_eq!(events.order(), 0x3a1);
        events.record(&packet(0x10, 0), true, 7, false);
        assert_eq!(events.order(), 0xa31);
        assert_eq!(events.times_ns(), [5, 7, 10]);
        assert!(events.seen(Event::SynAck, false) && !events.seen(Event::SynAck, true));
    }

    #[test]
    fn equal_times_keep_the_order_of_the_capture() {
        let mut events = Events::default();
        events.record(&packet(0x10, 0), true, 0, true);
        events.record(&packet(0x12, 0), false, 0, true);
        events.record(&packet(0x02, 0), true, 0, true);
        assert_eq!(events.order(), 0x1a3);
    }

    #[test]
    fn a_packed_order_is_read_back() {
        let mut events = Events::default();
        events.record(&packet(0x02, 0), true, 1, true);
        events.record(&packet(0x14, 0), false, 2, true);
        assert_eq!(Events::new(events.order(), events.times_ns()), events);
        assert_eq!(Events::new(0x8080, &[1, 2, 3, 4]), Events::default());
    }
}
