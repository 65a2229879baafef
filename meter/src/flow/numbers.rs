//! Where the endpoints of a connection are in their sequence numbers. RFC 9293 §3.4.
//!
//! Connections that share a five-tuple are told apart by them, and a connection that was idle is known again.

use crate::wire::{Flags, Segment};

/// Numbers further apart than this are of different connections. Of random numbers one in 128 is nearer; a
/// capture that lost more than this at once has two rows for a time, which stitching joins.
const NEAR: u32 = 1 << 24;
/// A connection that goes on after a pause may have been captured with gaps: it is at most this far ahead …
const AHEAD: u32 = 1 << 18;
/// … or repeats at most this much.
const REPEATED: u32 = 1 << 16;

/// One endpoint's sequence numbers: from the first seen to the next expected, as itself or its peer shows them.
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

    /// How far apart two numbers are, whichever is ahead.
    #[inline]
    fn apart(one: u32, other: u32) -> u32 {
        one.wrapping_sub(other).min(other.wrapping_sub(one))
    }

    /// Whether a number is in the span or near its end.
    #[inline]
    fn is_near(self, number: u32) -> bool {
        Self::apart(number, self.next) <= NEAR || self.covers(number, NEAR)
    }

    /// Whether a number is in the span, or at most `slack` before or after it.
    fn covers(self, number: u32, slack: u32) -> bool {
        let length = u64::from(self.next.wrapping_sub(self.first)) + 2 * u64::from(slack);
        u64::from(number.wrapping_sub(self.first).wrapping_add(slack)) <= length
    }

    /// Whether some numbers of both are at most `slack` apart.
    fn touches(self, other: Self, slack: u32) -> bool {
        self.covers(other.first, slack)
            || other.covers(self.first, slack)
            || Self::apart(other.first, self.next) <= slack
            || Self::apart(self.first, other.next) <= slack
    }

    /// Of both, `other` being the later piece.
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

/// The numbers of both endpoints, index 0 being `a`; none where nothing shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers(pub [Option<Span>; 2]);

/// What a segment shows: the sender's number and the next one, and what it acknowledges.
#[inline]
fn shown(segment: &Segment, payload_bytes: u32) -> (u32, u32, Option<u32>) {
    let flags = segment.flags;
    let used = payload_bytes + u32::from(flags.0 & Flags::SYN != 0) + u32::from(flags.0 & Flags::FIN != 0);
    let next = segment.sequence.wrapping_add(used);
    (segment.sequence, next, flags.ack().then_some(segment.acknowledgement))
}

impl Numbers {
    /// Whether a segment's numbers are near these.
    #[inline]
    pub(crate) fn are_near(&self, segment: &Segment, from_a: bool) -> bool {
        let (sender, receiver) = (usize::from(!from_a), usize::from(from_a));
        // The zero of a RST that answers a SYN says nothing.
        let tells = !segment.flags.rst() || segment.sequence != 0;
        let near = |span: Option<Span>, number| span.is_none_or(|span: Span| span.is_near(number));
        (!tells || near(self.0[sender], segment.sequence))
            && (!segment.flags.ack() || near(self.0[receiver], segment.acknowledgement))
    }

    /// Records a segment that is near. A RST tells something only where nothing else does.
    #[inline]
    pub(crate) fn record(&mut self, segment: &Segment, payload_bytes: u32, from_a: bool) {
        let (sender, receiver) = (usize::from(!from_a), usize::from(from_a));
        if segment.flags.rst() {
            if *self == Self::default() {
                self.0[sender] = (segment.sequence != 0).then(|| Span::at(segment.sequence));
                self.0[receiver] = segment.flags.ack().then(|| Span::at(segment.acknowledgement));
            }
            return;
        }
        let (first, next, acknowledged) = shown(segment, payload_bytes);
        advance(&mut self.0[sender], first, next);
        if let Some(acknowledged) = acknowledged {
            advance(&mut self.0[receiver], acknowledged, acknowledged);
        }
    }

    /// Whether two rows' numbers are apart by more than one connection's could be.
    pub(crate) fn are_far(&self, other: &Self) -> bool {
        self.pairs(other).any(|(one, other)| !one.touches(other, NEAR))
    }

    /// Whether two rows' numbers are those of one connection: what both know overlaps or follows closely.
    pub(crate) fn overlap(&self, other: &Self) -> bool {
        self.pairs(other).next().is_some() && self.pairs(other).all(|(one, other)| one.touches(other, AHEAD))
    }

    /// Whether a later row goes on where this one ended. `within`: at most so far ahead.
    ///
    /// Of unrelated connections one in 170 million passes: both endpoints' numbers are compared.
    pub(crate) fn go_on(&self, later: &Self) -> bool {
        self.follow(later, AHEAD)
    }

    /// The same after an unknown loss: anywhere ahead.
    pub(crate) fn go_on_somewhere(&self, later: &Self) -> bool {
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

    /// Whether one endpoint alone is known in both, and goes on exactly.
    pub(crate) fn go_on_exactly(&self, later: &Self) -> bool {
        let mut pairs = self.pairs(later);
        pairs.next().is_some_and(|(one, later)| later.first == one.next) && pairs.next().is_none()
    }

    fn pairs<'n>(&'n self, other: &'n Self) -> impl Iterator<Item = (Span, Span)> + 'n {
        self.0.iter().zip(&other.0).filter_map(|(one, other)| Some(((*one)?, (*other)?)))
    }

    /// Of both, `later` being the later piece.
    pub(crate) fn joined(&self, later: &Self, later_ends_later: bool) -> Self {
        let one = |end: usize| match (self.0[end], later.0[end]) {
            (Some(one), Some(other)) => Some(one.joined(other, later_ends_later)),
            (one, other) => one.or(other),
        };
        Self([one(0), one(1)])
    }
}

#[inline]
fn advance(span: &mut Option<Span>, first: u32, next: u32) {
    match span {
        Some(span) => {
            if next.wrapping_sub(span.next) < 1 << 31 {
                span.next = next;
            }
        }
        None => *span = Some(Span { first, next }),
    }
}
