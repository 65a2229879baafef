//! Assigns fragments without ports to the flow of their datagram.
//!
//! Datagrams are not reassembled; only a header that spans several fragments is. The first fragment that shows the
//! ports decides: a later overlapping one is ignored.

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;

use super::remnants::Remnant;
use crate::wire::{
    BadChecksums, Content, Datagram, Ends, Fragment, Identity, Packet, Segment, Unmetered, decode_first,
};

/// Maximum datagrams remembered; beyond this the oldest is given up.
const MAX_DATAGRAMS: usize = 4096;
/// Maximum fragments waiting for one datagram's first fragment.
const MAX_WAITING: usize = 64;
/// Maximum fragments and headers kept for other pieces of the capture, of datagrams next to its beginning and to its
/// end.
const MAX_REMNANTS: usize = 1 << 13;
/// Time after which an identification means another datagram. RFC 1122 §3.3.2: 60 to 120 seconds, RFC 8200: 60.
pub const LIFETIME_NS: u64 = 60_000_000_000;
/// Bytes of a datagram's start that are kept; extension and transport headers need less.
const START_BYTES: usize = 256;

/// Headers from the start of a datagram.
#[derive(Clone, Copy)]
pub struct Header {
    pub ends: Ends,
    pub bytes: u32,
    /// Packet fields that are common to all its fragments.
    pub segment: Option<Segment>,
}

impl Header {
    /// Returns the packet of a fragment, and its time.
    pub fn packet(self, fragment: &Waiting) -> (Packet<'static>, i64) {
        let Self { ends, bytes, segment } = self;
        let Waiting { mut content, offset, time_ns } = *fragment;
        content.segment = segment;
        content.payload_bytes = content.payload_bytes.saturating_sub(bytes.saturating_sub(offset));
        // A fragment shares its identification with others, and so never counts as a duplicate.
        let (identity, bad_checksums) = (Identity::default(), BadChecksums::default());
        (Packet { ends, content, payload: &[], identity, bad_checksums }, time_ns)
    }
}

/// A fragment whose flow isn't known yet.
pub struct Waiting {
    pub content: Content,
    pub offset: u32,
    pub time_ns: i64,
}

/// State of a datagram.
struct State {
    first_seen_ns: i64,
    /// Its header, or the reason why it has no ports; `None` while that isn't known.
    header: Option<Result<Header, Unmetered>>,
    /// Its first bytes, while they are too few for the header.
    start: Vec<u8>,
    /// Bytes of its fragments, and its total length once its last fragment is known.
    seen_bytes: u64,
    whole_bytes: Option<u64>,
    waiting: Vec<Waiting>,
}

/// The datagrams of recent fragments.
#[derive(Default)]
pub struct Fragments {
    /// Randomly seeded, as for the flow table: strangers choose the identifications.
    states: HashMap<Datagram, State, RandomState>,
    /// Oldest first, with the time of the first fragment; may contain datagrams that are already gone.
    order: VecDeque<(Datagram, i64)>,
    /// Times of the first fragment and of the latest.
    span_ns: Option<(i64, i64)>,
    remnants: Vec<Remnant>,
}

/// Resolved fragments: packets of flows with their times, or a reason with a count.
#[derive(Default)]
pub struct Attributed {
    /// Fragments whose flow is known.
    pub packets: Vec<(Packet<'static>, i64)>,
    /// Fragments that belong to no flow.
    pub unmetered: Vec<(Unmetered, u64)>,
}

impl Fragments {
    /// Accepts a fragment; returns the fragments that are now resolved.
    pub fn take(&mut self, fragment: &Fragment<'_>, time_ns: i64) -> Attributed {
        let mut attributed = Attributed::default();
        let datagram = fragment.datagram;
        let (begin_ns, end_ns) = self.span_ns.unwrap_or((time_ns, time_ns));
        self.span_ns = Some((begin_ns, end_ns.max(time_ns)));
        if self.states.get(&datagram).is_some_and(|state| state.is_over(fragment.offset, time_ns)) {
            self.give_up(datagram, &mut attributed);
        }
        if !self.states.contains_key(&datagram) {
            self.remember(datagram, time_ns, &mut attributed);
        }
        let Some(state) = self.states.get_mut(&datagram) else { return attributed };
        state.read(fragment);
        let content = Content {
            ip_bytes: fragment.ip_bytes,
            payload_bytes: fragment.body_bytes,
            vlan: fragment.vlan,
            tunnel: fragment.tunnel,
            segment: None,
        };
        let fragment = Waiting { content, offset: fragment.offset, time_ns };
        if let (Some(Ok(header)), true) = (state.header, state.waiting.is_empty()) {
            attributed.packets.push(header.packet(&fragment));
            return attributed;
        }
        state.waiting.push(fragment);
        if let Some(header) = state.header {
            attributed.settle(header, &mut state.waiting);
        } else if state.waiting.len() > MAX_WAITING {
            self.give_up(datagram, &mut attributed);
        }
        attributed
    }

    /// Gives up all waiting fragments at the end of the capture.
    pub fn finish(&mut self) -> Attributed {
        let mut attributed = Attributed::default();
        let (_, end_ns) = self.span_ns.unwrap_or_default();
        let early = self.remnants.len();
        // Newest first: beyond the maximum the oldest are left out.
        for (datagram, first_seen_ns) in std::mem::take(&mut self.order).into_iter().rev() {
            if self.states.get(&datagram).is_none_or(|state| state.first_seen_ns != first_seen_ns) {
                continue;
            }
            let Some(state) = self.states.remove(&datagram) else { continue };
            self.keep(datagram, &state, end_ns, early + MAX_REMNANTS);
            attributed.orphan(state);
        }
        attributed
    }

    /// Returns headers that fragments of other pieces may need, and orphan fragments.
    pub fn remnants(&self) -> &[Remnant] {
        &self.remnants
    }

    /// Keeps a datagram's header or fragments for other pieces, which end or begin at `cut_ns`.
    fn keep(&mut self, datagram: Datagram, state: &State, cut_ns: i64, most: usize) {
        let is_whole = state.header.is_some() && state.is_complete();
        if is_whole || state.first_seen_ns.abs_diff(cut_ns) > LIFETIME_NS {
            return;
        }
        let header = state.header.map(|header| Remnant::of_header(&datagram, header, state.first_seen_ns));
        let waiting = state.waiting.iter().map(|waiting| Remnant::of_waiting(&datagram, waiting));
        let room = most.saturating_sub(self.remnants.len());
        self.remnants.extend(header.into_iter().chain(waiting).take(room));
    }

    fn remember(&mut self, datagram: Datagram, time_ns: i64, attributed: &mut Attributed) {
        while self.order.len() >= MAX_DATAGRAMS {
            let Some((oldest, first_seen_ns)) = self.order.pop_front() else { break };
            if self.states.get(&oldest).is_some_and(|state| state.first_seen_ns == first_seen_ns) {
                self.give_up(oldest, attributed);
            }
        }
        self.order.push_back((datagram, time_ns));
        self.states.insert(datagram, State::new(time_ns));
    }

    /// Forgets a datagram; fragments still waiting for its first one are counted.
    fn give_up(&mut self, datagram: Datagram, attributed: &mut Attributed) {
        if let Some(state) = self.states.remove(&datagram) {
            let (begin_ns, _) = self.span_ns.unwrap_or_default();
            self.keep(datagram, &state, begin_ns, MAX_REMNANTS);
            attributed.orphan(state);
        }
    }
}

impl State {
    fn new(first_seen_ns: i64) -> Self {
        let (start, waiting) = (Vec::new(), Vec::new());
        Self { first_seen_ns, header: None, start, seen_bytes: 0, whole_bytes: None, waiting }
    }

    /// Returns whether a fragment with this offset belongs to another datagram: this one is too old, or already
    /// complete.
    fn is_over(&self, offset: u32, time_ns: i64) -> bool {
        time_ns.abs_diff(self.first_seen_ns) > LIFETIME_NS || offset == 0 && self.is_complete()
    }

    fn is_complete(&self) -> bool {
        self.whole_bytes.is_some_and(|whole_bytes| self.seen_bytes >= whole_bytes)
    }

    /// Updates the state from a fragment.
    fn read(&mut self, fragment: &Fragment<'_>) {
        let body_bytes = u64::from(fragment.body_bytes);
        self.seen_bytes += body_bytes;
        if !fragment.more {
            self.whole_bytes = Some(u64::from(fragment.offset) + body_bytes);
        }
        if self.header.is_some() || self.start.len() != fragment.offset as usize {
            return;
        }
        let room = START_BYTES.saturating_sub(self.start.len()).min(fragment.body.len());
        let body = &fragment.body[..room];
        let decoded = if self.start.is_empty() {
            decode_first(fragment, body)
        } else {
            self.start.extend_from_slice(body);
            decode_first(fragment, &self.start)
        };
        let header = match decoded {
            // More fragments may complete the header.
            Err(Unmetered::CutShort) if room == fragment.body_bytes as usize => {
                if self.start.is_empty() {
                    self.start.extend_from_slice(body);
                }
                return;
            }
            header => header,
        };
        self.start = Vec::new();
        self.header = Some(header.map(|packet| Header {
            ends: packet.ends,
            bytes: u32::MAX - packet.content.payload_bytes,
            segment: packet.content.segment,
        }));
    }
}

impl Attributed {
    fn settle(&mut self, header: Result<Header, Unmetered>, waiting: &mut Vec<Waiting>) {
        match header {
            Ok(header) => self.packets.extend(waiting.drain(..).map(|fragment| header.packet(&fragment))),
            Err(reason) => {
                self.unmetered.push((reason, waiting.len() as u64));
                waiting.clear();
            }
        }
    }

    fn orphan(&mut self, mut state: State) {
        self.settle(Err(Unmetered::LaterFragment), &mut state.waiting);
    }
}
