//! The table of signatures: which one, if any, a payload bears.

use std::sync::Arc;

use super::condition::Condition;
use super::pattern::Pattern;
use crate::wire::Transport;

/// What a signature may ask to be read from a message that bears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extract {
    /// Server name and application protocols of a TLS `ClientHello`.
    ClientHello,
    /// The same of one in DTLS.
    DtlsClientHello,
    /// The same of one in a QUIC Initial packet, once decrypted.
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
    /// The endpoint that a TFTP request will be answered at: its own.
    Tftp,
    /// What stands behind the header that a proxy writes.
    ProxyHeader,
    /// Whether the packets of both ends are of one micro transport connection.
    Utp,
    /// Whether the packets of an end are of one source of media.
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

/// A signature as rules state it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// IP protocol numbers.
    pub transports: Vec<u8>,
    /// It only counts where one end has one of these; empty: anywhere.
    pub ports: Vec<u16>,
    /// Any of them.
    pub patterns: Vec<String>,
    /// All of them.
    pub conditions: Vec<String>,
    /// Of several signatures the one with the lowest is taken, then the first.
    pub precedence: u8,
    /// The name of an [`Extract`].
    pub extract: Option<String>,
    /// It settles what its sender speaks.
    pub settles: bool,
}

#[derive(Debug)]
struct Signature {
    ports: Box<[u16]>,
    conditions: Box<[Condition]>,
    extract: Option<Extract>,
    settles: bool,
}

/// A test of eight bytes in a row, the first one the lowest, that nearly all other payloads fail.
#[derive(Clone, Copy, Debug)]
struct Test {
    mask: u64,
    bits: u64,
    /// Where they stand.
    at: usize,
}

impl Test {
    /// The test among those of a pattern's fixed bytes that tells the most.
    fn best(pattern: &Pattern) -> Self {
        let fixed: Vec<(u8, u8)> = pattern.fixed().map(|bytes| bytes.common_bits()).collect();
        let test = |at: usize| {
            let window = fixed[at..].iter().take(8).enumerate();
            window.fold(Self { mask: 0, bits: 0, at }, |test, (place, &(mask, bits))| Self {
                mask: test.mask | u64::from(mask) << (8 * place),
                bits: test.bits | u64::from(bits) << (8 * place),
                at,
            })
        };
        // Of equally good ones the first.
        let tests = (0..=fixed.len().saturating_sub(8)).rev().map(test);
        tests.max_by_key(|test| test.mask.count_ones()).unwrap_or(Self { mask: 0, bits: 0, at: 0 })
    }

    #[inline]
    fn passes(&self, payload: &[u8]) -> bool {
        eight(payload, self.at) & self.mask == self.bits
    }
}

/// A pattern of a signature.
#[derive(Clone, Debug)]
struct Candidate {
    /// Its place in the order of precedence.
    order: u32,
    signature: u16,
    /// What the test has not shown.
    pattern: Arc<Pattern>,
}

/// Candidates by precedence: the tests close together, for most of them is all that is ever looked at.
#[derive(Clone, Debug, Default)]
struct Candidates {
    tests: Vec<Test>,
    candidates: Vec<Candidate>,
}

/// A signature that a payload bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its place among the rules.
    pub number: u16,
    /// What to read from the message.
    pub extract: Option<Extract>,
    /// It settles what its sender speaks.
    pub settles: bool,
}

const TRANSPORTS: [u8; 2] = [Transport::Tcp as u8, Transport::Udp as u8];

/// A pattern that may begin with more bytes than that isn't listed under each of them.
const MOST_FIRST_BYTES: u32 = 128;

/// Signatures, compiled. Which may fit is looked up by transport and first byte.
#[derive(Debug)]
pub struct Signatures {
    signatures: Vec<Signature>,
    /// For each transport and first byte, and for each transport at last those with any first byte.
    candidates: Vec<Candidates>,
}

impl Default for Signatures {
    fn default() -> Self {
        Self { signatures: Vec::new(), candidates: vec![Candidates::default(); TRANSPORTS.len() * LISTS] }
    }
}

/// Lists of candidates for a transport.
const LISTS: usize = 257;

impl Signatures {
    /// As many as fit into a slot of [`super::Hits`].
    pub const MOST: usize = 4000;

    /// Compiles rules.
    ///
    /// # Errors
    /// The place of a rule that can't be understood, and why.
    pub fn new(rules: &[Rule]) -> Result<Self, (usize, String)> {
        if rules.len() > Self::MOST {
            return Err((Self::MOST, format!("more than {} signatures", Self::MOST)));
        }
        let mut compiled = Self::default();
        for (number, rule) in rules.iter().enumerate() {
            compiled.signatures.push(Signature::new(rule).map_err(|problem| (number, problem))?);
        }
        let mut order: Vec<usize> = (0..rules.len()).collect();
        order.sort_by_key(|&number| rules[number].precedence);
        for (order, number) in order.into_iter().enumerate() {
            compiled.add(&rules[number], number as u16, order as u32).map_err(|problem| (number, problem))?;
        }
        Ok(compiled)
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.signatures.is_empty()
    }

    /// The signature that a payload bears. `wire_bytes` is its length before any snap length.
    #[must_use]
    pub fn find(&self, proto: u8, ports: (u16, u16), payload: &[u8], wire_bytes: u32) -> Option<Found> {
        let transport = match proto {
            proto if proto == Transport::UdpLite as u8 => 1,
            _ => TRANSPORTS.iter().position(|&known| known == proto)?,
        };
        let &first = payload.first()?;
        let lists = &self.candidates[transport * LISTS..(transport + 1) * LISTS];
        let of_byte = self.first(&lists[usize::from(first)], u32::MAX, ports, payload, wire_bytes);
        let before = of_byte.map_or(u32::MAX, |candidate| candidate.order);
        let found = self.first(&lists[LISTS - 1], before, ports, payload, wire_bytes).or(of_byte)?;
        let Signature { extract, settles, .. } = self.signatures[usize::from(found.signature)];
        Some(Found { number: found.signature, extract, settles })
    }

    /// The first candidate that fits, if it comes before a place in the order.
    #[inline]
    fn first<'a>(
        &self,
        list: &'a Candidates,
        before: u32,
        ports: (u16, u16),
        payload: &[u8],
        wire_bytes: u32,
    ) -> Option<&'a Candidate> {
        for (test, candidate) in list.tests.iter().zip(&list.candidates) {
            if !test.passes(payload) {
                continue;
            }
            if candidate.order >= before {
                return None;
            }
            let signature = &self.signatures[usize::from(candidate.signature)];
            let at_port = signature.ports.is_empty()
                || signature.ports.contains(&ports.0)
                || signature.ports.contains(&ports.1);
            if at_port
                && candidate.pattern.matches(payload)
                && signature.conditions.iter().all(|condition| condition.holds(payload, wire_bytes))
            {
                return Some(candidate);
            }
        }
        None
    }

    fn add(&mut self, rule: &Rule, signature: u16, order: u32) -> Result<(), String> {
        if rule.patterns.is_empty() {
            return Err("it has no pattern".to_owned());
        }
        for text in &rule.patterns {
            let pattern = Pattern::parse(text)?;
            let test = Test::best(&pattern);
            let first = pattern.first();
            let pattern = Arc::new(pattern.behind_test_of(test.at, 8));
            let candidate = Candidate { order, signature, pattern };
            for &proto in &rule.transports {
                let transport = TRANSPORTS
                    .iter()
                    .position(|&known| known == proto)
                    .ok_or_else(|| format!("payloads of IP protocol {proto} aren't looked at"))?;
                let lists = &mut self.candidates[transport * LISTS..(transport + 1) * LISTS];
                let (of_bytes, of_any) = lists.split_at_mut(LISTS - 1);
                if first.count() > MOST_FIRST_BYTES {
                    of_any[0].push(test, candidate.clone());
                } else {
                    let fitting = of_bytes.iter_mut().zip(0..=u8::MAX).filter(|(_, byte)| first.has(*byte));
                    fitting.for_each(|(list, _)| list.push(test, candidate.clone()));
                }
            }
        }
        Ok(())
    }
}

impl Candidates {
    fn push(&mut self, test: Test, candidate: Candidate) {
        self.tests.push(test);
        self.candidates.push(candidate);
    }
}

impl Signature {
    fn new(rule: &Rule) -> Result<Self, String> {
        let extract = match &rule.extract {
            Some(name) => {
                Some(Extract::named(name).ok_or_else(|| format!("{name:?} is nothing to extract"))?)
            }
            None => None,
        };
        let conditions =
            rule.conditions.iter().map(|text| Condition::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { ports: rule.ports.clone().into(), conditions, extract, settles: rule.settles })
    }
}

/// Eight bytes as a number, the first the lowest; 0 for those that aren't there.
#[inline]
fn eight(payload: &[u8], at: usize) -> u64 {
    let rest = payload.get(at..).unwrap_or_default();
    if let Some(start) = rest.first_chunk() {
        return u64::from_le_bytes(*start);
    }
    rest.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte))
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
    fn a_wrong_rule_is_named_by_its_place() {
        let place = |rules: &[Rule]| Signatures::new(rules).map(|_| ()).expect_err("a wrong rule").0;
        assert_eq!(place(&[rule("16"), rule("xx")]), 1);
        assert_eq!(place(&[Rule { patterns: vec![], ..rule("") }]), 0);
        assert_eq!(place(&[Rule { transports: vec![1], ..rule("16") }]), 0);
        assert_eq!(place(&[Rule { extract: Some("soul".to_owned()), ..rule("16") }]), 0);
        assert_eq!(place(&[Rule { conditions: vec!["?".to_owned()], ..rule("16") }]), 0);
    }
}
