//! Where one flow ends and the next begins: rules that look at one flow only, never at a global
//! clock, so that pieces of a capture, metered apart, can be stitched together again.

use super::{Event, Idle};
use crate::table::FlowRecord;
use crate::wire::{Content, Segment};

/// An initial sequence number, and its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Isn {
    number: u32,
    /// From the endpoint's own SYN or SYN+ACK; else from the peer's SYN+ACK, less one.
    own: bool,
}

impl Isn {
    /// An acknowledgement may cover data on the SYN (TCP Fast Open, RFC 7413), up to one large segment. Generated
    /// packets may not even count the SYN.
    const MAX_DATA_ON_SYN: u32 = 16_384;

    /// Returns whether `later` can be the same number; an acknowledged one may include data on the SYN.
    fn agrees(self, later: Self) -> bool {
        match (self.own, later.own) {
            (true, false) => later.number.wrapping_sub(self.number).wrapping_add(1) <= Self::MAX_DATA_ON_SYN,
            _ => self.number == later.number,
        }
    }
}

/// What a segment, or a whole row, shows of how a connection was opened. Index 0 is endpoint `a`.
#[derive(Clone, Copy, Debug)]
struct Opening {
    isn: [Option<Isn>; 2],
    /// Endpoints that sent a SYN without ACK.
    syn: [bool; 2],
    /// Whether a segment without SYN was seen: the opening is over.
    over: bool,
}

impl Opening {
    fn of_row(row: &FlowRecord) -> Self {
        let isn = |number: Option<u32>, from_a| {
            let own = row.events.seen(Event::Syn, from_a) || row.events.seen(Event::SynAck, from_a);
            number.map(|number| Isn { number, own })
        };
        Self {
            isn: [isn(row.numbers.isn(0), true), isn(row.numbers.isn(1), false)],
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

    /// Returns whether `later` has a SYN+ACK that acknowledges the SYN of `self`.
    fn is_acknowledged_by(&self, later: &Self) -> bool {
        (0..2).any(|end| {
            self.syn[end]
                && later.isn[1 - end].is_some_and(|isn| isn.own)
                && self.isn[end].zip(later.isn[end]).is_some_and(|(own, later)| own.agrees(later))
        })
    }

    /// Returns whether `later` can belong to the connection that `self` opened.
    ///
    /// A connection is identified by the initial sequence number of the endpoint that sent a SYN, as seen or as
    /// acknowledged; failing that, by that of the endpoint that sent a SYN+ACK. Where nothing can be compared, only
    /// an opening still under way accepts a SYN: a SYN after midstream traffic begins a new flow.
    fn continues_with(&self, later: &Self) -> bool {
        let compare = |end: usize| Some(self.isn[end]?.agrees(later.isn[end]?));
        if later.syn[0] || later.syn[1] {
            return (0..2).all(|end| !later.syn[end] || compare(end).unwrap_or(!self.over));
        }
        let mut responders = (0..2).filter(|&end| later.isn[end].is_some_and(|isn| isn.own));
        responders.all(|end| compare(1 - end).or_else(|| compare(end)).unwrap_or(!self.over))
    }
}

/// Returns the nanoseconds from a time to the nearer of a flow's first and last packets; 0 between them.
fn distance_ns(row: &FlowRecord, first_ns: i64, last_ns: i64) -> u64 {
    let gap = |early: i64, late: i64| if late > early { late.abs_diff(early) } else { 0 };
    gap(row.last_seen_ns, first_ns).max(gap(last_ns, row.first_seen_ns))
}

/// Returns whether a flow has been idle for so long that a packet at this time begins a new one.
#[inline]
pub fn is_over(row: &FlowRecord, time_ns: i64, idle: &Idle) -> bool {
    distance_ns(row, time_ns, time_ns) > idle.of(row.key.proto)
}

/// How a packet, or a later row, relates to a row of the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It belongs to the row.
    Belongs,
    /// It begins a new flow; the row accepts nothing more.
    Begins,
    /// It belongs to another connection, whose numbers are far from the row's.
    Far,
    /// It comes from another VLAN or virtual network.
    Apart,
}

/// Returns how a packet relates to a row of its key.
#[inline]
pub fn fit(
    row: &FlowRecord,
    packet: &Content,
    network_id: u32,
    from_a: bool,
    time_ns: i64,
    idle: &Idle,
) -> Fit {
    if row.lane() != (packet.vlan.unwrap_or(0), network_id) {
        return Fit::Apart;
    }
    let is_over = is_over(row, time_ns, idle);
    let Some(segment) = &packet.segment else { return unless(is_over) };
    let is_far = !row.numbers.are_near(segment, from_a);
    if segment.flags.syn() {
        return fit_opening(row, segment, from_a, is_far, is_over);
    }
    if is_far { Fit::Far } else { unless(is_over) }
}

#[cold]
fn fit_opening(row: &FlowRecord, segment: &Segment, from_a: bool, is_far: bool, is_over: bool) -> Fit {
    opening(&Opening::of_row(row), &Opening::of_segment(segment, from_a), is_far, is_over)
}

#[inline]
fn unless(begins: bool) -> Fit {
    if begins { Fit::Begins } else { Fit::Belongs }
}

/// Returns how a later row relates to an earlier one of the same key: the same rule for rows.
pub fn fit_rows(earlier: &FlowRecord, later: &FlowRecord, idle: &Idle) -> Fit {
    if earlier.lane() != later.lane() {
        return Fit::Apart;
    }
    let is_far = earlier.numbers.are_far(&later.numbers);
    opening(&Opening::of_row(earlier), &Opening::of_row(later), is_far, !meet(earlier, later, idle))
}

/// Numbers come first: rows of other connections never end one.
fn opening(earlier: &Opening, later: &Opening, is_far: bool, is_over: bool) -> Fit {
    let continues = earlier.continues_with(later);
    // SYN cookies change with the clock (RFC 4987 §3.6); the number they acknowledge doesn't.
    if is_far && !(continues && earlier.is_acknowledged_by(later)) {
        return Fit::Far;
    }
    unless(is_over || !continues)
}

/// Returns whether two rows of one key are less than the idle timeout apart.
pub fn meet(one: &FlowRecord, other: &FlowRecord, idle: &Idle) -> bool {
    distance_ns(one, other.first_seen_ns, other.last_seen_ns) <= idle.of(one.key.proto)
}

/// Returns whether two rows' initial sequence numbers rule out that they belong to one connection.
pub fn contradict(one: &FlowRecord, other: &FlowRecord) -> bool {
    let (one, other) = (Opening::of_row(one), Opening::of_row(other));
    (0..2).any(|end| {
        one.isn[end].zip(other.isn[end]).is_some_and(|(one, other)| !one.agrees(other) && !other.agrees(one))
    })
}
