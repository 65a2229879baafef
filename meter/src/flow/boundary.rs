//! Where one flow ends and the next begins: rules that look at one flow only, never at a global
//! clock, so that pieces of a capture, metered apart, can be stitched together again.

use super::{Event, Idle};
use crate::table::Row;
use crate::wire::{Content, Segment};

/// An initial sequence number, and how it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Isn {
    number: u32,
    /// From the end's own SYN or SYN+ACK; else from the peer's SYN+ACK, less one.
    own: bool,
}

impl Isn {
    /// An acknowledgement may cover data on the SYN (TCP Fast Open, RFC 7413), as much as a large
    /// segment holds.
    const MOST_DATA_ON_SYN: u32 = 16_384;

    /// Whether one seen later can be the same: one that is acknowledged may count data on the SYN.
    fn agrees(self, later: Self) -> bool {
        match (self.own, later.own) {
            (true, false) => later.number.wrapping_sub(self.number) < Self::MOST_DATA_ON_SYN,
            _ => self.number == later.number,
        }
    }
}

/// What a segment, or a whole row, tells of how a connection was opened. Index 0 is end `a`.
#[derive(Clone, Copy, Debug)]
struct Opening {
    isn: [Option<Isn>; 2],
    /// Which ends sent a SYN without ACK.
    syn: [bool; 2],
    /// Something without SYN was seen: the opening is over.
    over: bool,
}

impl Opening {
    fn of_row(row: &Row) -> Self {
        let isn = |number: Option<u32>, from_a| {
            let own = row.events.seen(Event::Syn, from_a) || row.events.seen(Event::SynAck, from_a);
            number.map(|number| Isn { number, own })
        };
        Self {
            isn: [isn(row.isn_a, true), isn(row.isn_b, false)],
            syn: [row.events.seen(Event::Syn, true), row.events.seen(Event::Syn, false)],
            over: row.past_opening,
        }
    }

    fn of_segment(segment: &Segment, from_a: bool) -> Self {
        let (sender, receiver) = if from_a { (0, 1) } else { (1, 0) };
        let mut opening = Self { isn: [None; 2], syn: [false; 2], over: false };
        opening.isn[sender] = Some(Isn { number: segment.sequence, own: true });
        if segment.flags.ack() {
            let number = segment.acknowledgement.wrapping_sub(1);
            opening.isn[receiver] = Some(Isn { number, own: false });
        } else {
            opening.syn[sender] = true;
        }
        opening
    }

    /// Whether `later` can belong to the connection that `self` opened.
    ///
    /// A connection is known by the initial sequence number of the end that sent a SYN, as seen or
    /// as acknowledged; failing that, by the one of the end that sent a SYN+ACK. Where nothing can
    /// be compared, only an opening still under way takes a SYN: a SYN after midstream traffic
    /// begins a new flow.
    fn goes_on_with(&self, later: &Self) -> bool {
        let compare = |end: usize| Some(self.isn[end]?.agrees(later.isn[end]?));
        if later.syn[0] || later.syn[1] {
            return (0..2).all(|end| !later.syn[end] || compare(end).unwrap_or(!self.over));
        }
        let mut responders = (0..2).filter(|&end| later.isn[end].is_some_and(|isn| isn.own));
        responders.all(|end| compare(1 - end).or_else(|| compare(end)).unwrap_or(!self.over))
    }
}

/// Nanoseconds from a time to the nearer end of a flow; 0 inside it.
fn distance_ns(row: &Row, first_ns: i64, last_ns: i64) -> u64 {
    let gap = |early: i64, late: i64| if late > early { late.abs_diff(early) } else { 0 };
    gap(row.last_seen_ns, first_ns).max(gap(last_ns, row.first_seen_ns))
}

/// Whether a flow has been idle for so long that a packet at this time begins a new one.
#[inline]
pub fn is_over(row: &Row, time_ns: i64, idle: &Idle) -> bool {
    distance_ns(row, time_ns, time_ns) > idle.of(row.key.proto)
}

/// Whether a packet with the flow's key belongs to this flow, and not to a new one.
#[inline]
pub fn belongs(row: &Row, packet: &Content, from_a: bool, time_ns: i64, idle: &Idle) -> bool {
    if is_over(row, time_ns, idle) {
        return false;
    }
    match &packet.segment {
        Some(segment) if segment.flags.syn() => {
            Opening::of_row(row).goes_on_with(&Opening::of_segment(segment, from_a))
        }
        _ => true,
    }
}

/// Whether a row goes on where an earlier one of the same key left off: the same rule for rows.
pub fn joins(earlier: &Row, later: &Row, idle: &Idle) -> bool {
    distance_ns(earlier, later.first_seen_ns, later.last_seen_ns) <= idle.of(earlier.key.proto)
        && Opening::of_row(earlier).goes_on_with(&Opening::of_row(later))
}
