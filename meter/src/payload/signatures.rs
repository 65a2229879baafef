//! The signature table: finds the signature of a payload, if any.

use super::condition::Condition;
use super::filter::{Filter, PLACES};
use super::pattern::Pattern;
use crate::wire::Transport;

/// Metadata that a signature may extract from a matching message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extract {
    /// Server name and application protocols of a TLS `ClientHello`.
    ClientHello,
    /// The same from DTLS.
    DtlsClientHello,
    /// The same from a QUIC Initial packet, once decrypted.
    QuicInitial,
    /// The Host header of an HTTP request.
    HttpHost,
    /// The endpoints that an FTP control connection announces from here on.
    Ftp,
    /// The endpoints in an SDP body.
    Sdp,
    /// The ports for media in an RTSP message.
    Rtsp,
    /// The port in an answer of portmap.
    Portmap,
    /// The endpoints in an answer of the endpoint mapper.
    Towers,
    /// The endpoint that a TFTP request will be answered at: its own source.
    Tftp,
    /// The message after a proxy's header.
    ProxyHeader,
    /// Whether the packets of both endpoints belong to one micro transport connection.
    Utp,
    /// Whether the packets of an endpoint belong to one source of media.
    Rtp,
}

impl Extract {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "tls-client-hello" => Self::ClientHello,
            "dtls-client-hello" => Self::DtlsClientHello,
            "quic-initial" => Self::QuicInitial,
            "http-host" => Self::HttpHost,
            "ftp" => Self::Ftp,
            "sdp" => Self::Sdp,
            "rtsp" => Self::Rtsp,
            "portmap" => Self::Portmap,
            "towers" => Self::Towers,
            "tftp" => Self::Tftp,
            "proxy-header" => Self::ProxyHeader,
            "utp" => Self::Utp,
            "rtp" => Self::Rtp,
            _ => return None,
        })
    }
}

/// A signature as declared in the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// IP protocol numbers.
    pub transports: Vec<u8>,
    /// Ports of which one endpoint must have one; empty: any.
    pub ports: Vec<u16>,
    /// Patterns of which one must match.
    pub patterns: Vec<String>,
    /// Conditions that must all hold.
    pub conditions: Vec<String>,
    /// Of several matching signatures the one with the lowest precedence is chosen, then the first.
    pub precedence: u8,
    /// The name of an [`Extract`].
    pub extract: Option<String>,
    /// Whether it settles its sender's protocol.
    pub settles: bool,
}

#[derive(Debug)]
struct Signature {
    conditions: Box<[Condition]>,
    extract: Option<Extract>,
    settles: bool,
}

/// A pattern of a signature.
#[derive(Debug)]
struct Candidate {
    signature: u16,
    /// The rest of it, which the filter doesn't check.
    pattern: Pattern,
}

/// The patterns for payloads of one transport, by precedence.
#[derive(Debug, Default)]
struct Candidates {
    filter: Filter,
    candidates: Vec<Candidate>,
}

impl Candidates {
    fn new(rules: &[Rule], patterns: Vec<(u16, Pattern)>) -> Self {
        let filter = Filter::new(
            &patterns
                .iter()
                .map(|(signature, pattern)| (pattern, &rules[usize::from(*signature)].ports[..]))
                .collect::<Vec<_>>(),
        );
        let candidates = patterns.into_iter();
        let candidates =
            candidates.map(|(signature, pattern)| Candidate { signature, pattern: pattern.behind(PLACES) });
        Self { filter, candidates: candidates.collect() }
    }
}

/// A signature found in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its index among the rules.
    pub number: u16,
    /// Metadata to extract from the message.
    pub extract: Option<Extract>,
    /// Whether it settles its sender's protocol.
    pub settles: bool,
}

const TRANSPORTS: [u8; 2] = [Transport::Tcp as u8, Transport::Udp as u8];

/// Compiled signatures.
#[derive(Debug, Default)]
pub struct Signatures {
    signatures: Vec<Signature>,
    /// By transport.
    candidates: [Candidates; TRANSPORTS.len()],
}

impl Signatures {
    /// Maximum number of signatures: as many as fit into a slot of [`super::Hits`].
    pub const MOST: usize = 4000;

    /// Compiles rules.
    ///
    /// # Errors
    /// The index of an invalid rule, and the problem.
    pub fn new(rules: &[Rule]) -> Result<Self, (usize, String)> {
        if rules.len() > Self::MOST {
            return Err((Self::MOST, format!("more than {} signatures", Self::MOST)));
        }
        let mut signatures = Vec::with_capacity(rules.len());
        for (number, rule) in rules.iter().enumerate() {
            signatures.push(Signature::new(rule).map_err(|problem| (number, problem))?);
        }
        let mut order: Vec<usize> = (0..rules.len()).collect();
        order.sort_by_key(|&number| rules[number].precedence);
        let mut patterns: [Vec<(u16, Pattern)>; TRANSPORTS.len()] = Default::default();
        for number in order {
            add(&mut patterns, &rules[number], number as u16).map_err(|problem| (number, problem))?;
        }
        Ok(Self { signatures, candidates: patterns.map(|patterns| Candidates::new(rules, patterns)) })
    }

    /// Returns whether there are no signatures.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.signatures.is_empty()
    }

    /// Returns the signature of a payload. `wire_bytes` is its length before any snap length.
    #[must_use]
    pub fn find(&self, proto: u8, ports: (u16, u16), payload: &[u8], wire_bytes: u32) -> Option<Found> {
        let transport = match proto {
            proto if proto == Transport::UdpLite as u8 => 1,
            _ => TRANSPORTS.iter().position(|&known| known == proto)?,
        };
        if payload.is_empty() {
            return None;
        }
        let Candidates { filter, candidates } = &self.candidates[transport];
        let fits = |number: usize| {
            let Candidate { signature, pattern } = &candidates[number];
            let Signature { conditions, .. } = &self.signatures[usize::from(*signature)];
            pattern.matches(payload)
                && conditions.iter().all(|condition| condition.holds(payload, wire_bytes))
        };
        let number = candidates[filter.find(ports, payload, fits)?].signature;
        let Signature { extract, settles, .. } = self.signatures[usize::from(number)];
        Some(Found { number, extract, settles })
    }
}

/// Adds the patterns of a rule to those of its transports.
fn add(
    patterns: &mut [Vec<(u16, Pattern)>; TRANSPORTS.len()],
    rule: &Rule,
    signature: u16,
) -> Result<(), String> {
    if rule.patterns.is_empty() {
        return Err("no pattern".to_owned());
    }
    for &proto in &rule.transports {
        let transport = TRANSPORTS
            .iter()
            .position(|&known| known == proto)
            .ok_or_else(|| format!("unsupported IP protocol {proto}; use tcp or udp"))?;
        for text in &rule.patterns {
            patterns[transport].push((signature, Pattern::parse(text)?));
        }
    }
    Ok(())
}

impl Signature {
    fn new(rule: &Rule) -> Result<Self, String> {
        let extract = match &rule.extract {
            Some(name) => Some(Extract::named(name).ok_or_else(|| format!("unknown extractor {name:?}"))?),
            None => None,
        };
        let conditions =
            rule.conditions.iter().map(|text| Condition::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { conditions, extract, settles: rule.settles })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pattern: &str) -> Rule {
        Rule { transports: vec![6], patterns: vec![pattern.to_owned()], ..Rule::default() }
    }

    fn found(rules: &[Rule], payload: &[u8]) -> Option<u16> {
        let signatures = Signatures::new(rules).expect("rules");
        signatures.find(6, (1000, 2000), payload, payload.len() as u32).map(|found| found.number)
    }

    #[test]
    fn precedence_decides_then_the_order_of_the_rules() {
        let weak = Rule { precedence: 2, ..rule("16 03") };
        assert_eq!(found(&[weak.clone(), rule("16 ??"), rule("16 03")], b"\x16\x03"), Some(1));
        assert_eq!(found(&[weak], b"\x16\x03"), Some(0));
        assert_eq!(found(&[rule("16 03 01")], b"\x16\x03"), None, "too short for it");
    }

    #[test]
    fn ports_and_transports_are_conditions() {
        let rule = Rule { ports: vec![2000], ..rule("16 03") };
        let signatures = Signatures::new(&[rule]).expect("a rule");
        assert!(signatures.find(6, (5, 2000), b"\x16\x03", 2).is_some());
        assert!(signatures.find(6, (2000, 5), b"\x16\x03", 2).is_some());
        assert!(signatures.find(6, (5, 6), b"\x16\x03", 2).is_none());
        assert!(signatures.find(17, (5, 2000), b"\x16\x03", 2).is_none());
        assert!(signatures.find(6, (5, 2000), b"", 0).is_none());
    }

    #[test]
    fn conditions_use_the_length_on_the_wire() {
        let rule = Rule { conditions: vec!["u16@2 = length".to_owned()], ..rule("16 03") };
        let signatures = Signatures::new(&[rule]).expect("a rule");
        assert!(signatures.find(6, (1, 2), b"\x16\x03\x05\xdc", 1500).is_some());
        assert!(signatures.find(6, (1, 2), b"\x16\x03\x05\xdc", 4).is_none());
    }

    #[test]
    fn an_invalid_rule_is_reported_by_its_index() {
        let place = |rules: &[Rule]| Signatures::new(rules).map(|_| ()).expect_err("a wrong rule").0;
        assert_eq!(place(&[rule("16"), rule("xx")]), 1);
        assert_eq!(place(&[Rule { patterns: vec![], ..rule("") }]), 0);
        assert_eq!(place(&[Rule { transports: vec![1], ..rule("16") }]), 0);
        assert_eq!(place(&[Rule { extract: Some("soul".to_owned()), ..rule("16") }]), 0);
        assert_eq!(place(&[Rule { conditions: vec!["?".to_owned()], ..rule("16") }]), 0);
    }
}
