//! Which datagram a fragment belongs to, so that fragments without ports find their flow.
//!
//! Datagrams are not put together; only a header that is spread over fragments is. The first fragment
//! to show the ports decides: one that overlaps it later is not believed.

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;

use super::remnants::Remnant;
use crate::wire::{
    BadChecksums, Content, Datagram, Ends, Fragment, Identity, Packet, Segment, Unmetered, decode_first,
};

/// So many datagrams are remembered; past that the oldest is given up.
const MOST_DATAGRAMS: usize = 4096;
/// So many fragments wait for one datagram's first.
const MOST_WAITING: usize = 64;
/// Fragments and headers that are kept for other pieces of the capture: of datagrams next to its beginning, and to its
/// end.
const MOST_REMNANTS: usize = 1 << 13;
/// After this an identification means another datagram. RFC 1122 §3.3.2: 60 to 120 seconds, RFC 8200: 60.
pub const LIFETIME_NS: u64 = 60_000_000_000;
/// More of a datagram's start than extension and transport headers need.
const START_BYTES: usize = 256;

/// What the start of a datagram shows.
#[derive(Clone, Copy)]
pub struct Header {
    pub ends: Ends,
    pub bytes: u32,
    /// All its fragments say what it says.
    pub segment: Option<Segment>,
}

impl Header {
    /// The packet of a fragment, and its time.
    pub fn packet(self, fragment: &Waiting) -> (Packet<'static>, i64) {
        let Self { ends, bytes, segment } = self;
        let Waiting { mut content, offset, time_ns } = *fragment;
        content.segment = segment;
        content.payload_bytes = content.payload_bytes.saturating_sub(bytes.saturating_sub(offset));
        // A fragment is of the same datagram as others, and so never taken for a copy.
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

/// What is known of a datagram.
struct State {
    first_seen_ns: i64,
    /// Its header, or why it has none with ports; `None` as long as that isn't known.
    header: Option<Result<Header, Unmetered>>,
    /// Its first bytes, while they are too few.
    start: Vec<u8>,
    /// Bytes of its fragments, and of all of it once its last fragment is known.
    seen_bytes: u64,
    whole_bytes: Option<u64>,
    waiting: Vec<Waiting>,
}

/// The datagrams of which fragments were seen lately.
#[derive(Default)]
pub struct Fragments {
    /// Seeded at random, as the flows' table is: identifications are chosen by strangers.
    states: HashMap<Datagram, State, RandomState>,
    /// Oldest first, with the time of the first fragment; may name a datagram that is already gone.
    order: VecDeque<(Datagram, i64)>,
    /// Times of the first fragment and of the latest.
    span_ns: Option<(i64, i64)>,
    remnants: Vec<Remnant>,
}

/// What became of fragments: packets of flows with their times, or a reason with a number.
#[derive(Default)]
pub struct Attributed {
    /// Fragments whose flow is known.
    pub packets: Vec<(Packet<'static>, i64)>,
    /// Fragments that have none.
    pub unmetered: Vec<(Unmetered, u64)>,
}

impl Fragments {
    /// Takes in a fragment; gives back those whose fate is now known.
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
        } else if state.waiting.len() > MOST_WAITING {
            self.give_up(datagram, &mut attributed);
        }
        attributed
    }

    /// Gives up all that still wait: the capture is over.
    pub fn finish(&mut self) -> Attributed {
        let mut attributed = Attributed::default();
        let (_, end_ns) = self.span_ns.unwrap_or_default();
        let early = self.remnants.len();
        // The newest first: of those that are too many the oldest are left out.
        for (datagram, first_seen_ns) in std::mem::take(&mut self.order).into_iter().rev() {
            if self.states.get(&datagram).is_none_or(|state| state.first_seen_ns != first_seen_ns) {
                continue;
            }
            let Some(state) = self.states.remove(&datagram) else { continue };
            self.keep(datagram, &state, end_ns, early + MOST_REMNANTS);
            attributed.orphan(state);
        }
        attributed
    }

    /// What the fragments of other pieces may need, and what waited in vain.
    pub fn remnants(&self) -> &[Remnant] {
        &self.remnants
    }

    /// Keeps what is known of a datagram for other pieces, which end or begin at a time.
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
        while self.order.len() >= MOST_DATAGRAMS {
            let Some((oldest, first_seen_ns)) = self.order.pop_front() else { break };
            if self.states.get(&oldest).is_some_and(|state| state.first_seen_ns == first_seen_ns) {
                self.give_up(oldest, attributed);
            }
        }
        self.order.push_back((datagram, time_ns));
        self.states.insert(datagram, State::new(time_ns));
    }

    /// Forgets a datagram; what still waits for its first fragment is counted.
    fn give_up(&mut self, datagram: Datagram, attributed: &mut Attributed) {
        if let Some(state) = self.states.remove(&datagram) {
            let (begin_ns, _) = self.span_ns.unwrap_or_default();
            self.keep(datagram, &state, begin_ns, MOST_REMNANTS);
            attributed.orphan(state);
        }
    }
}

impl State {
    fn new(first_seen_ns: i64) -> Self {
        let (start, waiting) = (Vec::new(), Vec::new());
        Self { first_seen_ns, header: None, start, seen_bytes: 0, whole_bytes: None, waiting }
    }

    /// A fragment with this offset is of another datagram: this one is too old, or was complete before.
    fn is_over(&self, offset: u32, time_ns: i64) -> bool {
        time_ns.abs_diff(self.first_seen_ns) > LIFETIME_NS || offset == 0 && self.is_complete()
    }

    fn is_complete(&self) -> bool {
        self.whole_bytes.is_some_and(|whole_bytes| self.seen_bytes >= whole_bytes)
    }

    /// Learns what a fragment shows.
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
            // More fragments may show more of the header.
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
