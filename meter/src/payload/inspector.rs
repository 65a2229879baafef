//! Inspects the first payloads of both endpoints of each flow.

use std::sync::Arc;

use super::announce::{self, Announced};
use super::assembly::Assembly;
use super::payload_meta::PayloadMeta;
use super::signatures::{Extract, Found, Signatures};
use super::tls::{self, Hello};
use super::{Hits, Proof, proxy, quic, rpc, rtp, utp};

/// Bytes of a payload that are inspected.
pub const MAX_SEEN_BYTES: usize = 16_384;
/// Maximum packets a `ClientHello` is reassembled from.
const MAX_PACKETS: u8 = 3;
/// Maximum messages being reassembled in one part of the key space: at most 64 MB in all parts.
const MAX_STREAMS: usize = 256;

/// A packet with payload.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// IP protocol number of the transport.
    pub proto: u8,
    /// Whether `a` or `b` sent it.
    pub from_a: bool,
    /// The sender's address; IPv4 as `::ffff:a.b.c.d`.
    pub sender: [u8; 16],
    /// The sender's port, and the receiver's.
    pub ports: (u16, u16),
    /// TCP sequence number.
    pub sequence: Option<u32>,
    /// Captured bytes of the payload.
    pub payload: &'a [u8],
    /// Length on the wire, in bytes.
    pub payload_bytes: u32,
}

impl Seen<'_> {
    /// Returns the same packet without its first `count` bytes; `None` if nothing more was captured.
    fn behind(&self, count: usize) -> Option<Self> {
        let payload = self.payload.get(count..).filter(|rest| !rest.is_empty())?;
        let count = u32::try_from(count).ok()?;
        Some(Self {
            payload,
            payload_bytes: self.payload_bytes.saturating_sub(count),
            sequence: self.sequence.map(|sequence| sequence.wrapping_add(count)),
            ..*self
        })
    }
}

/// A message that continues in later packets.
struct Stream {
    assembly: Assembly,
    begin: u32,
    packets_left: u8,
}

/// A QUIC client's first packet.
struct QuicClient {
    is_a: bool,
    chose: quic::Id,
    crypto: Option<Assembly>,
}

/// State of an active flow.
#[derive(Default)]
struct State {
    meta: PayloadMeta,
    watched: Option<Box<Watched>>,
    /// The latest packets of `a` and of `b` that show their protocol only together with others.
    latest: Option<Box<Latest>>,
}

#[derive(Default)]
struct Latest {
    utp: [Option<utp::Header>; 2],
    rtp: [Option<rtp::Header>; 2],
}

/// What is still expected of a flow.
#[derive(Default)]
struct Watched {
    /// Messages of `a` and of `b`.
    streams: [Option<Stream>; 2],
    quic: Option<QuicClient>,
    /// Whether any of its packets may announce endpoints.
    is_ftp: bool,
}

/// Matches signatures against the payloads of flows, which are identified by their places.
pub struct PayloadInspector {
    signatures: Arc<Signatures>,
    states: Vec<Option<Box<State>>>,
    /// Flows that are watched for more. Read for every packet; the states rarely.
    watching: Vec<bool>,
    streams: usize,
}

impl PayloadInspector {
    /// Creates an inspector without flows.
    #[must_use]
    pub fn new(signatures: Arc<Signatures>) -> Self {
        Self { signatures, states: Vec::new(), watching: Vec::new(), streams: 0 }
    }

    /// Returns the metadata of a flow so far.
    #[must_use]
    pub fn meta(&self, place: u32) -> Option<&PayloadMeta> {
        Some(&self.states.get(place as usize)?.as_ref()?.meta)
    }

    /// Forgets a flow, and returns its metadata.
    pub fn forget(&mut self, place: u32) -> Option<PayloadMeta> {
        let state = self.states.get_mut(place as usize)?.take()?;
        self.watching[place as usize] = false;
        if let Some(watched) = &state.watched {
            self.streams -= watched.streams.iter().flatten().count();
        }
        Some(state.meta)
    }

    /// Inspects a packet; `hits` are those of its sender.
    pub fn observe(&mut self, place: u32, hits: &mut Hits, seen: &Seen<'_>) {
        if self.is_watching(place) && self.continues_message(place, seen) {
            hits.push(None, Proof::None, false);
            return;
        }
        if !hits.is_full() {
            self.look_for_signatures(place, hits, seen);
        }
        if self.is_watching(place) {
            self.watch(place, seen);
        }
    }

    fn look_for_signatures(&mut self, place: u32, hits: &mut Hits, seen: &Seen<'_>) {
        let found = self.signatures.find(seen.proto, seen.ports, seen.payload, seen.payload_bytes);
        let (found, proof) = match found {
            Some(Found { extract: Some(extract), .. }) => match self.extract(place, extract, seen) {
                Some(proof) => (found, proof),
                None => (None, Proof::None),
            },
            _ => (found, Proof::None),
        };
        let settles = found.is_some_and(|found| found.settles);
        hits.push(found.map(|found| found.number), proof, settles);
        // Data behind a proxy header is a message of its own, with its own slot.
        if found.and_then(|found| found.extract) == Some(Extract::ProxyHeader) && !hits.is_full() {
            if let Some(behind) = proxy::header_bytes(seen.payload).and_then(|count| seen.behind(count)) {
                self.look_for_signatures(place, hits, &behind);
            }
        }
    }

    /// Returns whether more than the first packets of a flow are inspected.
    #[inline]
    #[must_use]
    pub fn is_watching(&self, place: u32) -> bool {
        self.watching.get(place as usize).is_some_and(|&watching| watching)
    }

    /// Inspects a packet that earlier messages led to expect.
    fn watch(&mut self, place: u32, seen: &Seen<'_>) {
        let Some(Some(state)) = self.states.get_mut(place as usize) else { return };
        let Some(watched) = &mut state.watched else { return };
        if watched.is_ftp {
            if let Some(endpoint) = announce::ftp(seen.payload, seen.sender) {
                state.meta.announce(endpoint.packed());
            }
        }
    }

    fn watched(&mut self, place: u32) -> &mut Watched {
        self.state(place);
        self.watching[place as usize] = true;
        self.state(place).watched.get_or_insert_default()
    }

    fn state(&mut self, place: u32) -> &mut State {
        let place = place as usize;
        if self.states.len() <= place {
            self.states.resize_with(place + 1, || None);
            self.watching.resize(place + 1, false);
        }
        self.states[place].get_or_insert_default()
    }

    /// Returns whether a packet continues a message that an earlier one began.
    fn continues_message(&mut self, place: u32, seen: &Seen<'_>) -> bool {
        let Some(Some(state)) = self.states.get_mut(place as usize) else { return false };
        let Some(watched) = &mut state.watched else { return false };
        let slot = &mut watched.streams[usize::from(!seen.from_a)];
        let (Some(stream), Some(sequence)) = (slot.as_mut(), seen.sequence) else { return false };
        let offset = sequence.wrapping_sub(stream.begin) as usize;
        if offset > MAX_SEEN_BYTES {
            return false;
        }
        stream.assembly.add(offset, seen.payload);
        stream.packets_left -= 1;
        let hello = tls::in_records(stream.assembly.start()).unwrap_or_default();
        if hello.complete || stream.packets_left == 0 {
            *slot = None;
            self.streams -= 1;
        }
        state.meta.take_hello(hello);
        true
    }

    /// Extracts metadata from a message; `None` if it turns out to be of another kind.
    fn extract(&mut self, place: u32, extract: Extract, seen: &Seen<'_>) -> Option<Proof> {
        match extract {
            Extract::ProxyHeader => {}
            Extract::Utp => return self.is_utp(place, seen).then_some(Proof::None),
            Extract::Rtp => return self.is_rtp(place, seen).then_some(Proof::None),
            Extract::ClientHello => self.client_hello(place, seen),
            Extract::DtlsClientHello => {
                let hello = tls::in_datagram(seen.payload).unwrap_or_default();
                self.state(place).meta.take_hello(hello);
            }
            Extract::QuicInitial => return Some(self.quic(place, seen).unwrap_or(Proof::None)),
            Extract::HttpHost => {
                if let Some(name) = http_host(seen.payload) {
                    self.state(place).meta.server_name.get_or_insert(name);
                }
            }
            Extract::Ftp => self.watched(place).is_ftp = true,
            Extract::Sdp => self.announce(place, &announce::sdp(seen.payload)),
            Extract::Rtsp => self.announce(place, &announce::rtsp(seen.payload, seen.sender)),
            Extract::Tftp => self.announce(place, &[announce::tftp(seen.sender, seen.ports.0)]),
            Extract::Portmap => {
                self.announce(place, &rpc::portmap(seen.payload, seen.sender, seen.ports.0, seen.proto));
            }
            Extract::Towers => self.announce(place, &rpc::towers(seen.payload, seen.sender, seen.ports.0)),
        }
        Some(Proof::None)
    }

    /// Returns whether a packet that looks like micro transport opens a connection, or agrees with one of the peer's.
    fn is_utp(&mut self, place: u32, seen: &Seen<'_>) -> bool {
        let Some(header) = utp::Header::read(seen.payload) else { return false };
        let latest = &mut self.latest(place).utp;
        let peer = latest[usize::from(seen.from_a)];
        latest[usize::from(!seen.from_a)] = Some(header);
        header.is_syn() || peer.is_some_and(|peer| header.answers(peer))
    }

    /// Returns whether a packet that looks like media is the next one of its source.
    fn is_rtp(&mut self, place: u32, seen: &Seen<'_>) -> bool {
        let Some(header) = rtp::Header::read(seen.payload) else { return false };
        let earlier = self.latest(place).rtp[usize::from(!seen.from_a)].replace(header);
        earlier.is_some_and(|earlier| header.follows(earlier))
    }

    fn latest(&mut self, place: u32) -> &mut Latest {
        self.state(place).latest.get_or_insert_default()
    }

    fn announce(&mut self, place: u32, endpoints: &[Announced]) {
        if !endpoints.is_empty() {
            let meta = &mut self.state(place).meta;
            for endpoint in endpoints {
                meta.announce(endpoint.packed());
            }
        }
    }

    fn client_hello(&mut self, place: u32, seen: &Seen<'_>) {
        let hello = tls::in_records(seen.payload).unwrap_or_default();
        let complete = hello.complete;
        let room = self.streams < MAX_STREAMS;
        self.state(place).meta.take_hello(hello);
        let (false, true, Some(begin)) = (complete, room, seen.sequence) else { return };
        let slot = &mut self.watched(place).streams[usize::from(!seen.from_a)];
        if slot.is_none() {
            let mut assembly = Assembly::default();
            assembly.add(0, seen.payload);
            *slot = Some(Stream { assembly, begin, packets_left: MAX_PACKETS - 1 });
            self.streams += 1;
        }
    }

    fn quic(&mut self, place: u32, seen: &Seen<'_>) -> Option<Proof> {
        let header = quic::header(seen.payload)?;
        let known = self.states.get_mut(place as usize).and_then(Option::as_mut);
        let known = known.and_then(|state| Some((&mut state.meta, state.watched.as_mut()?.quic.as_mut()?)));
        if let Some((meta, client)) = known {
            if client.is_a != seen.from_a {
                let answers =
                    quic::open(seen.payload, &header, &client.chose, quic::Sender::Server).is_some();
                return answers.then_some(Proof::Answered);
            }
            let frames = quic::open(seen.payload, &header, &client.chose, quic::Sender::Client)?;
            client.read(&frames, meta);
            return Some(Proof::Opened);
        }
        let chose = header.destination;
        let frames = quic::open(seen.payload, &header, &chose, quic::Sender::Client)?;
        let mut client = QuicClient { is_a: seen.from_a, chose, crypto: Some(Assembly::default()) };
        client.read(&frames, &mut self.state(place).meta);
        self.watched(place).quic = Some(client);
        Some(Proof::Opened)
    }
}

impl QuicClient {
    /// Continues reading the `ClientHello`.
    fn read(&mut self, frames: &[u8], meta: &mut PayloadMeta) {
        let Some(crypto) = &mut self.crypto else { return };
        let whole = quic::add_crypto(frames, crypto).is_some();
        let hello = tls::message(crypto.start()).unwrap_or_default();
        if hello.complete || !whole {
            self.crypto = None;
        }
        meta.take_hello(hello);
    }
}

impl PayloadMeta {
    fn take_hello(&mut self, hello: Hello) {
        self.server_name = self.server_name.take().or(hello.server_name);
        self.alpn = self.alpn.take().or(hello.alpn);
    }
}

/// Parses the name in the Host header of an HTTP request, without a port. RFC 9112 §3.2.
fn http_host(request: &[u8]) -> Option<Box<str>> {
    const MAX_HEADER_BYTES: usize = 4096;
    let head = &request[..request.len().min(MAX_HEADER_BYTES)];
    let mut lines = head.split(|&byte| byte == b'\n');
    let is_host = |line: &&[u8]| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"host:"));
    // The last line may be truncated.
    let line = lines.find(is_host)?.strip_suffix(b"\r")?;
    let host = line[5..].trim_ascii();
    let without_port = match host.iter().rposition(|&byte| byte == b':') {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) && host.last() != Some(&b']') => {
            &host[..colon]
        }
        _ => host,
    };
    tls::name(without_port)
}

#[cfg(test)]
mod tests {
    use super::super::signatures::Rule;
    use super::super::tls::tests::{hello, record};
    use super::*;

    fn inspector() -> PayloadInspector {
        let rule = |pattern: &str, extract: &str| Rule {
            transports: vec![6],
            patterns: vec![pattern.to_owned()],
            extract: Some(extract.to_owned()),
            ..Rule::default()
        };
        let rules = [rule("16 03 ?? ?? ?? 01", "tls-client-hello"), rule("'220 '", "ftp")];
        PayloadInspector::new(Arc::new(Signatures::new(&rules).expect("rules")))
    }

    fn seen(sequence: u32, payload: &[u8]) -> Seen<'_> {
        let payload_bytes = payload.len() as u32;
        Seen {
            proto: 6,
            from_a: true,
            sender: [1; 16],
            ports: (1, 2),
            sequence: Some(sequence),
            payload,
            payload_bytes,
        }
    }

    #[test]
    fn a_hello_is_reassembled_from_three_packets() {
        let stream = record(&hello("example.com", &["h2"], 3000));
        let begin = u32::MAX - 5; // the sequence number wraps
        for order in [[0, 1, 2], [0, 2, 1]] {
            let (mut inspector, mut hits) = (inspector(), Hits::default());
            for piece in order {
                let start = piece * 1400;
                let end = stream.len().min(start + 1400);
                inspector.observe(7, &mut hits, &seen(begin.wrapping_add(start as u32), &stream[start..end]));
            }
            assert_eq!(inspector.streams, 0);
            let meta = inspector.forget(7).expect("a meta");
            assert_eq!(meta.server_name.as_deref(), Some("example.com"));
            assert_eq!(hits.0, 0x1_0001_0002);
        }
    }

    #[test]
    fn a_fourth_packet_is_not_waited_for() {
        let stream = record(&hello("example.com", &[], 9000));
        let (mut inspector, mut hits) = (inspector(), Hits::default());
        for (number, piece) in stream.chunks(1400).enumerate() {
            inspector.observe(0, &mut hits, &seen(number as u32 * 1400, piece));
        }
        assert_eq!(inspector.streams, 0);
        assert_eq!(inspector.forget(0), Some(PayloadMeta::default()));
        assert_eq!(inspector.forget(0), None);
    }

    #[test]
    fn an_ftp_connection_is_watched_to_its_end() {
        let (mut inspector, mut hits) = (inspector(), Hits::default());
        for _ in 0..20 {
            inspector.observe(3, &mut hits, &seen(0, b"220 ready\r\n"));
        }
        inspector.observe(3, &mut hits, &seen(0, b"PORT 10,0,0,1,4,1\r\n"));
        assert_eq!(inspector.forget(3).expect("a meta").announced.len(), 1);
    }

    #[test]
    fn the_host_of_a_request_is_read() {
        let host = |request: &str| http_host(request.as_bytes()).map(String::from);
        assert_eq!(host("GET / HTTP/1.1\r\nhOST:  Example.com:8080\r\n\r\n").as_deref(), Some("example.com"));
        assert_eq!(host("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n").as_deref(), Some("[::1]"));
        assert_eq!(host("GET / HTTP/1.1\r\nHost: exam"), None, "cut");
        assert_eq!(host("GET / HTTP/1.1\r\n\r\n"), None);
    }
}
