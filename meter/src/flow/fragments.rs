//! Which datagram a fragment belongs to, so that fragments without ports find their flow.
//!
//! Datagrams are not put together; only a header that is spread over fragments is. The first fragment
//! to show the ports decides: one that overlaps it later is not believed.

use std::collections::{HashMap, VecDeque};

use crate::wire::{Content, Datagram, Ends, Fragment, Packet, Unmetered, decode_first};

/// So many datagrams are remembered; past that the oldest is given up.
const MOST_DATAGRAMS: usize = 4096;
/// So many fragments wait for one datagram's first.
const MOST_WAITING: usize = 64;
/// After this an identification means another datagram. RFC 1122 §3.3.2: 60 to 120 seconds, RFC 8200: 60.
const LIFETIME_NS: u64 = 60_000_000_000;
/// More of a datagram's start than any transport header needs for its ports.
const START_BYTES: usize = 64;

/// What is known of a datagram.
struct State {
    first_seen_ns: i64,
    /// Its ports, or why it has none; `None` as long as that isn't known.
    ends: Option<Result<Ends, Unmetered>>,
    /// Its first bytes, while they are too few.
    start: Vec<u8>,
    waiting: Vec<(Content, i64)>,
}

/// The datagrams of which fragments were seen lately.
#[derive(Default)]
pub struct Fragments {
    states: HashMap<Datagram, State>,
    /// Oldest first; may name a datagram that is already gone.
    order: VecDeque<Datagram>,
}

/// What became of fragments: packets of flows with their times, or a reason with a number.
#[derive(Default)]
pub struct Attributed {
    /// Fragments whose flow is known.
    pub packets: Vec<(Packet, i64)>,
    /// Fragments that have none.
    pub unmetered: Vec<(Unmetered, u64)>,
}

impl Fragments {
    /// Takes in a fragment; gives back those whose fate is now known.
    pub fn take(&mut self, fragment: &Fragment<'_>, time_ns: i64) -> Attributed {
        let mut attributed = Attributed::default();
        let datagram = fragment.datagram;
        if self.states.get(&datagram).is_some_and(|state| time_ns.abs_diff(state.first_seen_ns) > LIFETIME_NS)
        {
            self.give_up(datagram, &mut attributed);
        }
        if !self.states.contains_key(&datagram) {
            self.remember(datagram, time_ns, &mut attributed);
        }
        let Some(state) = self.states.get_mut(&datagram) else { return attributed };
        let mut content = Content {
            ip_bytes: fragment.ip_bytes,
            payload_bytes: fragment.body_bytes,
            vlan: fragment.vlan,
            tunnel: fragment.tunnel,
            segment: None,
        };
        if state.ends.is_none() && state.start.len() == fragment.offset as usize {
            let room = START_BYTES.saturating_sub(state.start.len()).min(fragment.body.len());
            state.start.extend_from_slice(&fragment.body[..room]);
            match decode_first(fragment, &state.start) {
                Ok(packet) => {
                    state.ends = Some(Ok(packet.ends));
                    let header_bytes = u32::MAX - packet.content.payload_bytes;
                    content.payload_bytes =
                        (fragment.offset + fragment.body_bytes).saturating_sub(header_bytes);
                    content.segment = packet.content.segment;
                }
                // More fragments may show more of the header.
                Err(Unmetered::CutShort) if room == fragment.body_bytes as usize => {}
                Err(reason) => state.ends = Some(Err(reason)),
            }
        }
        state.waiting.push((content, time_ns));
        if let Some(ends) = state.ends {
            attributed.settle(ends, &mut state.waiting);
        } else if state.waiting.len() > MOST_WAITING {
            self.give_up(datagram, &mut attributed);
        }
        attributed
    }

    /// Gives up all that still wait: the capture is over.
    pub fn finish(&mut self) -> Attributed {
        let mut attributed = Attributed::default();
        for datagram in std::mem::take(&mut self.order) {
            self.give_up(datagram, &mut attributed);
        }
        attributed
    }

    fn remember(&mut self, datagram: Datagram, time_ns: i64, attributed: &mut Attributed) {
        while self.order.len() >= MOST_DATAGRAMS {
            if let Some(oldest) = self.order.pop_front() {
                self.give_up(oldest, attributed);
            }
        }
        self.order.push_back(datagram);
        let state = State { first_seen_ns: time_ns, ends: None, start: Vec::new(), waiting: Vec::new() };
        self.states.insert(datagram, state);
    }

    /// Forgets a datagram; what still waits for its first fragment is counted.
    fn give_up(&mut self, datagram: Datagram, attributed: &mut Attributed) {
        if let Some(mut state) = self.states.remove(&datagram) {
            attributed.settle(Err(Unmetered::LaterFragment), &mut state.waiting);
        }
    }
}

impl Attributed {
    fn settle(&mut self, ends: Result<Ends, Unmetered>, waiting: &mut Vec<(Content, i64)>) {
        match ends {
            Ok(ends) => {
                self.packets
                    .extend(waiting.drain(..).map(|(content, time_ns)| (Packet { ends, content }, time_ns)));
            }
            Err(reason) => {
                self.unmetered.push((reason, waiting.len() as u64));
                waiting.clear();
            }
        }
    }
}
