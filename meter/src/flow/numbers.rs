//! Positions of a connection's endpoints in their sequence numbers. RFC 9293 §3.4.
//!
//! They distinguish connections that share a five-tuple, and identify a connection again after an idle time.

use super::Event;
use crate::table::FlowRecord;
use crate::wire::{Flags, Segment};

/// Numbers further apart than this belong to different connections. One random number in 128 is nearer; a capture
/// that lost more than this at once temporarily has two rows, which stitching joins.
const NEAR: u32 = 1 << 24;
/// Maximum gap ahead of a connection that continues after a pause, as captures may have gaps.
const AHEAD: u32 = 1 << 18;
/// Maximum overlap of a connection that continues after a pause, as segments may be repeated.
const REPEATED: u32 = 1 << 16;

/// One endpoint's sequence numbers: from the first seen to the next expected, as shown by itself or its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first sequence number seen.
    pub first: u32,
    /// The next one expected.
    pub next: u32,
}

impl Span {
    fn at(number: u32) -> Self {
        Self { first: number, next: number }
    }

    /// Returns the distance of two numbers, whichever is ahead.
    #[inline]
    fn apart(one: u32, other: u32) -> u32 {
        one.wrapping_sub(other).min(other.wrapping_sub(one))
    }

    /// Returns whether a number is in the span or near its end.
    #[inline]
    fn is_near(self, number: u32) -> bool {
        number.wrapping_sub(self.next).wrapping_add(NEAR) <= 2 * NEAR || self.covers(number, NEAR)
    }

    /// Returns whether a number is in the span, or at most `slack` before or after it.
    fn covers(self, number: u32, slack: u32) -> bool {
        let length = u64::from(self.next.wrapping_sub(self.first)) + 2 * u64::from(slack);
        u64::from(number.wrapping_sub(self.first).wrapping_add(slack)) <= length
    }

    /// Returns whether the spans are at most `slack` apart.
    fn touches(self, other: Self, slack: u32) -> bool {
        self.covers(other.first, slack)
            || other.covers(self.first, slack)
            || Self::apart(other.first, self.next) <= slack
            || Self::apart(self.first, other.next) <= slack
    }

    /// Returns the union of both, `other` being the later piece.
    fn joined(self, other: Self, other_ends_later: bool) -> Self {
        let ahead = other.next.wrapping_sub(self.next);
        let next = if Self::apart(other.next, self.next) <= NEAR {
            if ahead <= NEAR { other.next } else { self.next }
        } else if other_ends_later {
            other.next
        } else {
            self.next
        };
        Self { first: self.first, next }
    }
}

/// Sequence numbers and related fields; index 0 is endpoint `a` throughout.
///
/// Unknown numbers are 0, and not in `known`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    first: [u32; 2],
    next: [u32; 2],
    isn: [u32; 2],
    reset: [u32; 2],
    first_ack: [u32; 2],
    first_window: [u16; 2],
    known: u16,
}

/// Bits of `known` for endpoint `a`; the next higher one is that of `b`.
const SPAN: u16 = 1;
const ISN: u16 = 1 << 2;
const RESET: u16 = 1 << 4;
const ACK: u16 = 1 << 6;
const RESET_LATE: u16 = 1 << 8;

/// Returns the sender's number, the next one, and the acknowledgement number of a segment.
#[inline]
fn shown(segment: &Segment, payload_bytes: u32) -> (u32, u32, Option<u32>) {
    let flags = segment.flags;
    let used = payload_bytes + u32::from(flags.0 & Flags::SYN != 0) + u32::from(flags.0 & Flags::FIN != 0);
    let next = segment.sequence.wrapping_add(used);
    (segment.sequence, next, flags.ack().then_some(segment.acknowledgement))
}

impl Numbers {
    #[inline]
    fn knows(&self, what: u16, end: usize) -> bool {
        self.known & what << end != 0
    }

    #[inline]
    fn one<T: Copy>(&self, what: u16, end: usize, numbers: &[T; 2]) -> Option<T> {
        self.knows(what, end).then_some(numbers[end])
    }

    /// Returns an endpoint's sequence numbers.
    #[inline]
    #[must_use]
    pub fn span(&self, end: usize) -> Option<Span> {
        self.knows(SPAN, end).then_some(Span { first: self.first[end], next: self.next[end] })
    }

    /// Returns an endpoint's initial sequence number, from its SYN or SYN+ACK, else from its peer's SYN+ACK.
    #[inline]
    #[must_use]
    pub fn isn(&self, end: usize) -> Option<u32> {
        self.one(ISN, end, &self.isn)
    }

    /// Returns the sequence number of an endpoint's first RST.
    #[must_use]
    pub fn reset(&self, end: usize) -> Option<u32> {
        self.one(RESET, end, &self.reset)
    }

    /// Returns the acknowledgement number of an endpoint's first segment with ACK and neither SYN nor RST.
    #[inline]
    #[must_use]
    pub fn first_ack(&self, end: usize) -> Option<u32> {
        self.one(ACK, end, &self.first_ack)
    }

    /// Returns the window of the same segment, not scaled.
    #[must_use]
    pub fn first_window(&self, end: usize) -> Option<u16> {
        self.one(ACK, end, &self.first_window)
    }

    /// Returns whether an endpoint's first RST came after the next connection between the same ports was opened.
    #[must_use]
    pub fn is_reset_late(&self, end: usize) -> bool {
        self.knows(RESET_LATE, end)
    }

    /// Returns whether no number of either endpoint is known.
    pub(crate) fn show_nothing(&self) -> bool {
        self.known & (SPAN | SPAN << 1) == 0
    }

    #[inline]
    fn set_span(&mut self, end: usize, span: Option<Span>) {
        let Span { first, next } = span.unwrap_or(Span::at(0));
        (self.first[end], self.next[end]) = (first, next);
        self.know(SPAN, end, span.is_some());
    }

    #[inline]
    fn know(&mut self, what: u16, end: usize, known: bool) {
        self.known = self.known & !(what << end) | (u16::from(known) * what) << end;
    }

    #[inline]
    pub(crate) fn set_isn(&mut self, end: usize, isn: Option<u32>) {
        self.isn[end] = isn.unwrap_or(0);
        self.know(ISN, end, isn.is_some());
    }

    pub(crate) fn set_reset(&mut self, end: usize, reset: Option<u32>) {
        self.reset[end] = reset.unwrap_or(0);
        self.know(RESET, end, reset.is_some());
    }

    pub(crate) fn set_reset_late(&mut self, end: usize, is_late: bool) {
        self.know(RESET_LATE, end, is_late);
    }

    #[inline]
    pub(crate) fn set_first_ack(&mut self, end: usize, ack: Option<(u32, u16)>) {
        (self.first_ack[end], self.first_window[end]) = ack.unwrap_or((0, 0));
        self.know(ACK, end, ack.is_some());
    }

    /// Restores numbers from the columns of both endpoints, in the order of [`columns`](Self::columns).
    pub(crate) fn new(columns: [[Option<u32>; 6]; 2], late: [bool; 2]) -> Self {
        let mut numbers = Self::default();
        for (end, [first, next, isn, reset, ack, window]) in columns.into_iter().enumerate() {
            numbers.set_span(end, first.zip(next).map(|(first, next)| Span { first, next }));
            numbers.set_isn(end, isn);
            numbers.set_reset(end, reset);
            numbers.set_first_ack(end, ack.zip(window).map(|(ack, window)| (ack, window as u16)));
            numbers.set_reset_late(end, late[end]);
        }
        numbers
    }

    /// Returns the same numbers with the endpoints exchanged.
    #[cfg(test)]
    pub(crate) fn mirrored(&self) -> Self {
        let columns = [1, 0].map(|end| self.columns(end));
        Self::new(columns, [1, 0].map(|end| self.is_reset_late(end)))
    }

    /// Returns an endpoint's columns: first, next, initial, of its first RST, its first acknowledgement, its window.
    pub(crate) fn columns(&self, end: usize) -> [Option<u32>; 6] {
        let span = self.span(end);
        [
            span.map(|span| span.first),
            span.map(|span| span.next),
            self.isn(end),
            self.reset(end),
            self.first_ack(end),
            self.first_window(end).map(u32::from),
        ]
    }

    /// Returns whether a segment's numbers are near these.
    #[inline]
    pub(crate) fn are_near(&self, segment: &Segment, from_a: bool) -> bool {
        let (sender, receiver) = (usize::from(!from_a), usize::from(from_a));
        let at_end =
            |end: usize, number: u32| number.wrapping_sub(self.next[end]).wrapping_add(NEAR) <= 2 * NEAR;
        self.know_both(segment)
            && at_end(sender, segment.sequence)
            && at_end(receiver, segment.acknowledgement)
            || self.are_near_in_any_way(segment, sender, receiver)
    }

    /// Returns whether both endpoints' numbers are known, and the segment, not a RST, shows both too.
    #[inline]
    fn know_both(&self, segment: &Segment) -> bool {
        self.known & (SPAN | SPAN << 1) == SPAN | SPAN << 1
            && segment.flags.0 & (Flags::ACK | Flags::RST) == Flags::ACK
    }

    #[cold]
    fn are_near_in_any_way(&self, segment: &Segment, sender: usize, receiver: usize) -> bool {
        let near = |end, number| self.span(end).is_none_or(|span| span.is_near(number));
        // The zero of a RST that answers a SYN is no evidence.
        let shows_number = !segment.flags.rst() || segment.sequence != 0;
        (!shows_number || near(sender, segment.sequence))
            && (!segment.flags.ack() || near(receiver, segment.acknowledgement))
    }

    /// Records a segment that is near. `resets`: the row has only RSTs, which are evidence only where there is no
    /// other.
    #[inline]
    pub(crate) fn record(&mut self, segment: &Segment, payload_bytes: u32, from_a: bool, resets: bool) {
        let (sender, receiver) = (usize::from(!from_a), usize::from(from_a));
        let (first, next, acknowledged) = shown(segment, payload_bytes);
        if !resets && self.know_both(segment) {
            self.advance_known(sender, next);
            self.advance_known(receiver, segment.acknowledgement);
        } else if resets || segment.flags.rst() {
            self.record_with_resets(segment, payload_bytes, from_a);
        } else {
            self.advance(sender, first, next);
            if let Some(acknowledged) = acknowledged {
                self.advance(receiver, acknowledged, acknowledged);
            }
        }
    }

    #[cold]
    fn record_with_resets(&mut self, segment: &Segment, payload_bytes: u32, from_a: bool) {
        let (sender, receiver) = (usize::from(!from_a), usize::from(from_a));
        if !segment.flags.rst() {
            self.set_span(sender, None);
            self.set_span(receiver, None);
            self.record(segment, payload_bytes, from_a, false);
        } else if self.show_nothing() {
            self.set_span(sender, (segment.sequence != 0).then(|| Span::at(segment.sequence)));
            self.set_span(receiver, segment.flags.ack().then(|| Span::at(segment.acknowledgement)));
        }
    }

    #[inline]
    fn advance(&mut self, end: usize, first: u32, next: u32) {
        if self.knows(SPAN, end) {
            self.advance_known(end, next);
        } else {
            self.set_span(end, Some(Span { first, next }));
        }
    }

    #[inline]
    fn advance_known(&mut self, end: usize, next: u32) {
        if next.wrapping_sub(self.next[end]) < 1 << 31 {
            self.next[end] = next;
        }
    }

    /// Returns whether two rows' numbers are too far apart for one connection.
    pub(crate) fn are_far(&self, other: &Self) -> bool {
        self.pairs(other).any(|(one, other)| !one.touches(other, NEAR))
    }

    /// Returns whether two rows' numbers belong to one connection: the numbers known in both overlap or follow
    /// closely.
    pub(crate) fn overlap(&self, other: &Self) -> bool {
        self.pairs(other).next().is_some() && self.pairs(other).all(|(one, other)| one.touches(other, AHEAD))
    }

    /// Returns whether a later row continues this one, at most `AHEAD` ahead.
    ///
    /// One in 170 million unrelated connections passes, as both endpoints' numbers are compared.
    pub(crate) fn continue_in(&self, later: &Self) -> bool {
        self.follow(later, AHEAD)
    }

    /// Returns the same after an unknown loss: any distance ahead.
    pub(crate) fn continue_anywhere_in(&self, later: &Self) -> bool {
        self.follow(later, 1 << 31)
    }

    fn follow(&self, later: &Self, ahead: u32) -> bool {
        let (most, mut known) = (u64::from(ahead) + u64::from(REPEATED), 0);
        let follow = self.pairs(later).all(|(one, later)| {
            known += 1;
            u64::from(later.first.wrapping_sub(one.next).wrapping_add(REPEATED)) <= most
        });
        follow && known == 2
    }

    /// Returns whether exactly one endpoint is known in both rows, and continues exactly.
    pub(crate) fn continue_exactly_in(&self, later: &Self) -> bool {
        let mut pairs = self.pairs(later);
        pairs.next().is_some_and(|(one, later)| later.first == one.next) && pairs.next().is_none()
    }

    fn pairs<'n>(&'n self, other: &'n Self) -> impl Iterator<Item = (Span, Span)> + 'n {
        (0..2).filter_map(|end| self.span(end).zip(other.span(end)))
    }

    /// Returns the numbers of an earlier and a later piece of one flow, merged.
    pub(crate) fn merged(earlier: &FlowRecord, later: &FlowRecord) -> Self {
        let (before, after) = (&earlier.numbers, &later.numbers);
        let mut merged = *before;
        for end in 0..2 {
            merged.set_span(end, merged_span(earlier, later, end));
            if later.sent_isn(end == 0) && !earlier.sent_isn(end == 0) || before.isn(end).is_none() {
                merged.set_isn(end, after.isn(end));
            }
            if before.first_ack(end).is_none() {
                merged.set_first_ack(end, after.first_ack(end).zip(after.first_window(end)));
            }
            let [reset_ns, later_ns] = [earlier, later].map(|row| row.events.time_ns(Event::Rst, end == 0));
            if later_ns.is_some_and(|later_ns| reset_ns.is_none_or(|reset_ns| later_ns < reset_ns)) {
                merged.set_reset(end, after.reset(end));
            }
        }
        merged
    }
}

fn merged_span(earlier: &FlowRecord, later: &FlowRecord, end: usize) -> Option<Span> {
    let (before, after) = (earlier.numbers.span(end), later.numbers.span(end));
    match (earlier.is_reset_alone(), later.is_reset_alone()) {
        (true, true) if earlier.numbers.show_nothing() => after,
        (true, false) => after,
        (_, true) => before,
        _ => match (before, after) {
            (Some(before), Some(after)) => {
                Some(before.joined(after, earlier.last_seen_ns <= later.last_seen_ns))
            }
            (before, after) => before.or(after),
        },
    }
}
