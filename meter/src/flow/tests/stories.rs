//! Captures made up of stories: sequences of packets as connections have, on few endpoints, mixed and disordered.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::packets::{Sent, tcp, udp};

/// Initiator and responder.
const PAIRS: [(&str, &str); 3] = [("a1024", "b80"), ("b1024", "a80"), ("c5000", "c5001")];

/// One letter a packet: those of [`super::packets::history`], upper case of the initiator; `T` is a SYN with data,
/// `k` the SYN+ACK that acknowledges them, `U` a datagram.
const STORIES: [&str; 23] = [
    "ShADadFfA",
    "ShADadFfARr",
    "ShAdDdDR",
    "S",
    "SSSS",
    "Sh",
    "Shh",
    "hShA",
    "Sr",
    "SrSrSr",
    "h",
    "hR",
    "hADd",
    "DadAD",
    "AdF",
    "r",
    "TkADd",
    "TThADd",
    "kTkA",
    "UuUUu",
    "ShADAdaDFfAR",
    "SaRShADdFfA",
    "Uuu",
];

/// Nonsense that the law of stitching covers. Its known exceptions: both endpoints of a key send a SYN, or one
/// endpoint sends both SYN and SYN+ACK; or initial sequence numbers so close that the next connection's passes for an
/// acknowledgement of data on the SYN.
pub const LAWFUL: &str = "[ShADadFfRrTkUu]{1,10}";
/// Nonsense of any kind.
pub const ANY: &str = "[ShADadFfRrTkUusH]{1,10}";

const DATA_ON_SYN: u16 = 100;

/// Returns the packets of a connection between two endpoints with these initial sequence numbers.
fn play(script: &str, (initiator, responder): (&str, &str), isn: [u32; 2]) -> VecDeque<Sent> {
    let mut next = isn.map(|isn| isn.wrapping_add(1));
    let packet = |letter: char| {
        let from_responder = letter.is_lowercase();
        let ends = if from_responder { [responder, initiator] } else { [initiator, responder] }.join(">");
        let (own, peer) = (usize::from(from_responder), usize::from(!from_responder));
        let (flags, payload_bytes) = match letter.to_ascii_uppercase() {
            'U' => return udp(0, &ends),
            'S' => return tcp(0, &ends, "S", isn[own], 0, 0),
            'T' => return tcp(0, &ends, "S", isn[own], 0, DATA_ON_SYN),
            'H' => return tcp(0, &ends, "SA", isn[own], isn[peer].wrapping_add(1), 0),
            'K' => {
                return tcp(0, &ends, "SA", isn[own], isn[peer].wrapping_add(1 + u32::from(DATA_ON_SYN)), 0);
            }
            'A' => ("A", 0),
            'D' => ("PA", 10),
            'F' => ("FA", 0),
            _ => ("RA", 0),
        };
        let sent = tcp(0, &ends, flags, next[own], next[peer], payload_bytes);
        next[own] = next[own].wrapping_add(u32::from(payload_bytes) + u32::from(flags == "FA"));
        sent
    };
    script.chars().map(packet).collect()
}

/// Generates a story, or nonsense, on any pair, possibly with a VLAN for each direction. Initial sequence numbers are
/// few, so that the same one occurs twice; some are far from the others.
fn stories(nonsense: &'static str) -> impl Strategy<Value = VecDeque<Sent>> {
    let script = prop_oneof![3 => select(&STORIES[..]).prop_map(str::to_owned), 1 => nonsense];
    let isns =
        (0..3_u32, 0..3_u32, select(&[0, 0, 0x5000_0000, 0xb000_0000][..])).prop_map(|(own, peer, far)| {
            [own, peer + 1000].map(|number: u32| (number * 1_000_000).wrapping_add(far).wrapping_sub(5))
        });
    let vlans =
        prop_oneof![3 => Just([None; 2]), 1 => [1..4_u16, 1..4_u16].prop_map(|vlans| vlans.map(Some))];
    (select(&PAIRS[..]), script, isns, vlans).prop_map(|(pair, script, isns, vlans)| {
        let answers = script.chars().map(char::is_lowercase);
        let packets = play(&script, pair, isns).into_iter().zip(answers);
        packets.map(|(packet, answers)| packet.in_vlan(vlans[usize::from(answers)])).collect()
    })
}

/// One step of a capture: which story continues, and how time passes.
#[derive(Clone, Debug)]
pub struct Step {
    story: Index,
    gap_ns: i64,
    /// The packet was captured before its predecessor.
    overtakes: bool,
    vlan: Option<u16>,
    /// Strangers appear this much later, which makes the meter free flows that are over by then.
    strangers_ns: Option<i64>,
}

/// Generates gaps, small or about the idle timeouts of UDP and TCP.
fn gaps() -> impl Strategy<Value = i64> {
    prop_oneof![12 => 0..4_i64, 3 => 9..12_i64, 2 => 99..102_i64, 1 => 50..90_i64, 1 => Just(1_000)]
}

fn steps(gap_ns: impl Strategy<Value = i64>, far: &'static [i64]) -> impl Strategy<Value = Step> {
    let strangers_ns = prop::option::weighted(0.05, select(far));
    let vlan = prop::option::weighted(0.1, 1..4_u16);
    (any::<Index>(), gap_ns, prop::bool::weighted(0.1), vlan, strangers_ns).prop_map(
        |(story, gap_ns, overtakes, vlan, strangers_ns)| Step {
            story,
            gap_ns,
            overtakes,
            vlan,
            strangers_ns,
        },
    )
}

/// Generates steps whose time never runs back.
pub fn monotone() -> impl Strategy<Value = Step> {
    steps(gaps(), &[0])
}

/// Generates steps whose time runs back now and then.
pub fn running_back() -> impl Strategy<Value = Step> {
    steps(prop_oneof![4 => gaps(), 1 => gaps().prop_map(i64::wrapping_neg)], &[0, 50, 5_000, -5_000])
}

/// Generates captures of one to six stories.
pub fn captures(
    nonsense: &'static str,
    step: impl Strategy<Value = Step>,
) -> impl Strategy<Value = Vec<Sent>> {
    (vec(stories(nonsense), 1..=6), vec(step, 60)).prop_map(|(stories, steps)| mix(stories, &steps))
}

/// Continues the stories, step by step, until all are finished.
fn mix(mut stories: Vec<VecDeque<Sent>>, steps: &[Step]) -> Vec<Sent> {
    let mut packets: Vec<Sent> = Vec::new();
    for step in steps {
        stories.retain(|story| !story.is_empty());
        if stories.is_empty() {
            break;
        }
        packets.extend(step.story.get_mut(&mut stories).pop_front());
        if step.overtakes && packets.len() > 1 {
            let last = packets.len() - 1;
            packets.swap(last - 1, last);
        }
    }
    let mut capture = Vec::new();
    let mut now_ns = 0;
    for (packet, step) in packets.into_iter().zip(steps) {
        now_ns += step.gap_ns;
        capture.push(match step.vlan {
            None => packet.at(now_ns),
            vlan => packet.at(now_ns).in_vlan(vlan),
        });
        if let Some(far_ns) = step.strangers_ns {
            let port = capture.len();
            capture.extend((0..16).map(|more| udp(now_ns + far_ns, &format!("x{}>y", port + more))));
        }
    }
    capture
}
