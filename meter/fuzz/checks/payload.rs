//! Arbitrary patterns and payloads: nothing panics, and matches are deterministic.

use std::sync::Arc;

use meter::payload::{Hits, PayloadInspector, PayloadMeta, Rule, SLOTS, Seen, Signatures};

use super::script::{Script, pick};

/// Signatures that select each message parser; the fuzzer supplies the messages.
const RULES: [(u8, &str, &str); 7] = [
    (6, "16 03", "tls-client-hello"),
    (17, "16 fe", "dtls-client-hello"),
    (17, "&c0 ??*4 <u8+> <u8+>", "quic-initial"),
    (6, "'GET '", "http-host"),
    (6, "'220'", "ftp"),
    (17, "'INVITE'", "sdp"),
    (17, "00 01 <word> 00", "tftp"),
];

pub fn check(input: &[u8]) {
    patterns(input);
    messages(input);
}

/// Uses the input as a pattern and a payload to match.
fn patterns(input: &[u8]) {
    let at = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
    let (pattern, payload) = input.split_at(at);
    let Ok(text) = std::str::from_utf8(pattern) else { return };
    let (pattern, condition) = text.split_once('#').unwrap_or((text, "length >= 0"));
    let rule = Rule {
        transports: vec![6, 17],
        patterns: vec![pattern.to_owned()],
        conditions: vec![condition.to_owned()],
        ..Rule::default()
    };
    let Ok(signatures) = Signatures::new(&[rule.clone(), Rule { precedence: 1, ..rule }]) else { return };
    for start in 0..payload.len().min(20) {
        let found = signatures.find(6, (1, 2), &payload[start..], payload.len() as u32);
        assert!(found.is_none_or(|found| found.number == 0), "first of two equal rules");
        assert_eq!(found, signatures.find(17, (2, 1), &payload[start..], payload.len() as u32));
    }
}

/// Uses the input as packets of a few flows.
fn messages(input: &[u8]) {
    let rules: Vec<Rule> = RULES
        .iter()
        .map(|&(proto, pattern, extract)| Rule {
            transports: vec![proto],
            patterns: vec![pattern.to_owned()],
            extract: Some(extract.to_owned()),
            ..Rule::default()
        })
        .collect();
    let mut observer = PayloadInspector::new(Arc::new(Signatures::new(&rules).expect("rules")));
    let mut hits = [Hits::default(); 8];
    let mut script = Script(input);
    let mut sequence = 0_u32;
    while !script.0.is_empty() {
        let setting = script.byte();
        let length = usize::from(script.byte()) << (setting & 3);
        let (payload, rest) = script.0.split_at(length.min(script.0.len()));
        script.0 = rest;
        let place = setting >> 4 & 3;
        let from_a = setting & 4 != 0;
        let hits = &mut hits[usize::from(place * 2 + u8::from(from_a))];
        let before = *hits;
        let proto = pick(&[6, 17], setting >> 3);
        let seen = Seen {
            proto,
            from_a,
            sender: [setting; 16],
            ports: (u16::from(setting), 21),
            sequence: (proto == 6).then_some(sequence),
            payload,
            payload_bytes: payload.len() as u32,
        };
        sequence = sequence.wrapping_add(length as u32);
        observer.observe(u32::from(place), hits, &seen);
        assert!(before.is_full() || hits.0 > before.0, "each packet fills a slot");
        assert!(!before.is_full() || *hits == before, "of {SLOTS}");
    }
    for place in 0..4 {
        if let Some(PayloadMeta { server_name, alpn, announced }) = observer.forget(place) {
            let printable =
                |text: &str| text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_graphic());
            assert!(server_name.is_none_or(|name| printable(&name)));
            assert!(alpn.is_none_or(|names| printable(&names)));
            assert!(announced.len() <= 32);
        }
        assert_eq!(observer.forget(place), None);
    }
}
