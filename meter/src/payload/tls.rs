//! Server name and application protocols of a `ClientHello`. RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301 §3.1.

use super::bytes::Bytes;

const RECORD_HEADER_BYTES: usize = 5;
const HANDSHAKE: usize = 22;
const CLIENT_HELLO: usize = 1;
const SERVER_NAME: usize = 0;
const HOST_NAME: usize = 0;
const ALPN: usize = 16;
/// Maximum length of a name. RFC 1035 §2.3.4.
const MAX_NAME_BYTES: usize = 255;
/// Maximum bytes of application protocol names; further ones are left out.
const MAX_ALPN_BYTES: usize = 64;

/// Fields read from a `ClientHello`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Host name, RFC 6066 §3.
    pub server_name: Option<Box<str>>,
    /// Names of application protocols in the client's order of preference, separated by commas.
    pub alpn: Option<Box<str>>,
    /// Whether it was read to its end.
    pub complete: bool,
}

/// Parses the beginning of a TCP stream, which may continue. `None`: not a `ClientHello`.
pub fn in_records(stream: &[u8]) -> Option<Hello> {
    let mut bytes = Bytes(stream);
    // Usually one record contains all of it.
    if let Some((header @ [22, ..], rest)) = stream.split_first_chunk::<RECORD_HEADER_BYTES>() {
        let length = usize::from(header[3]) << 8 | usize::from(header[4]);
        let first = Bytes(rest).take_up_to(length).0;
        match message(first) {
            Some(hello) if hello.complete || rest.len() <= length => return Some(hello),
            _ => {}
        }
    }
    let mut handshake = Vec::new();
    // A message may also be spread over several (§5.1).
    while !bytes.0.is_empty() {
        let content_type = bytes.number(1)?;
        let Some(length) = bytes.number(2).and_then(|_version| bytes.number(2)) else { break };
        if content_type != HANDSHAKE {
            break;
        }
        handshake.extend_from_slice(bytes.take_up_to(length).0);
    }
    message(&handshake)
}

/// Parses a datagram with a DTLS record. RFC 6347 §4.1, §4.2.2.
pub fn in_datagram(datagram: &[u8]) -> Option<Hello> {
    const HEADER_BYTES: usize = 13;
    let mut bytes = Bytes(datagram.get(HEADER_BYTES..)?);
    if bytes.number(1)? != CLIENT_HELLO {
        return None;
    }
    let length = bytes.number(3)?;
    let (_sequence, offset) = (bytes.number(2)?, bytes.number(3)?);
    let fragment_length = bytes.number(3)?;
    if offset != 0 {
        return None;
    }
    let mut body = bytes.take_up_to(fragment_length.min(length));
    let whole = body.0.len() == length;
    let mut hello = Hello::default();
    hello.complete = read_body(&mut body, true, &mut hello).is_some() && whole;
    Some(hello)
}

/// Parses a handshake message that may be truncated. `None`: not a `ClientHello`.
pub fn message(handshake: &[u8]) -> Option<Hello> {
    let mut bytes = Bytes(handshake);
    if bytes.number(1)? != CLIENT_HELLO {
        return None;
    }
    let mut hello = Hello::default();
    let Some(length) = bytes.number(3) else { return Some(hello) };
    let mut body = bytes.take_up_to(length);
    let whole = body.0.len() == length;
    hello.complete = read_body(&mut body, false, &mut hello).is_some() && whole;
    Some(hello)
}

/// Reads the body; `None` if it ends too early; fields read until then are kept.
fn read_body(body: &mut Bytes<'_>, datagrams: bool, hello: &mut Hello) -> Option<()> {
    const VERSION_AND_RANDOM_BYTES: usize = 34;
    body.take(VERSION_AND_RANDOM_BYTES)?;
    body.pass_vector(1)?; // session id
    if datagrams {
        body.pass_vector(1)?; // cookie
    }
    body.pass_vector(2)?; // cipher suites
    body.pass_vector(1)?; // compression methods
    if body.0.is_empty() {
        return Some(()); // extensions are optional
    }
    let length = body.number(2)?;
    let mut extensions = body.take_up_to(length);
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let length = extensions.number(2)?;
        let extension = Bytes(extensions.take(length)?);
        match kind {
            SERVER_NAME => hello.server_name = host_name(extension),
            ALPN => hello.alpn = protocols(extension),
            _ => {}
        }
    }
    Some(())
}

fn host_name(mut extension: Bytes<'_>) -> Option<Box<str>> {
    let length = extension.number(2)?;
    let mut list = extension.take_up_to(length);
    if list.number(1)? != HOST_NAME {
        return None;
    }
    let length = list.number(2)?;
    name(list.take(length)?)
}

fn protocols(mut extension: Bytes<'_>) -> Option<Box<str>> {
    let length = extension.number(2)?;
    let mut list = extension.take_up_to(length);
    let mut names = String::new();
    while let Some(length) = list.number(1) {
        let Some(name) = list.take(length) else { break };
        // Random values that some clients insert on purpose (RFC 8701) aren't text.
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            continue;
        }
        if names.len() + 1 + name.len() > MAX_ALPN_BYTES {
            break;
        }
        if !names.is_empty() {
            names.push(',');
        }
        names.extend(name.iter().map(|&byte| char::from(byte)));
    }
    (!names.is_empty()).then(|| names.into())
}

/// Returns a host name that can be displayed, in lower case: letters, digits, and the other characters of names.
pub fn name(bytes: &[u8]) -> Option<Box<str>> {
    let fits = !bytes.is_empty() && bytes.len() <= MAX_NAME_BYTES;
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]%".contains(byte);
    if !fits || !bytes.iter().all(allowed) {
        return None;
    }
    Some(bytes.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect::<String>().into())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn vector(count: usize, inside: &[u8]) -> Vec<u8> {
        let length = (inside.len() as u32).to_be_bytes();
        [&length[4 - count..], inside].concat()
    }

    fn extension(kind: u16, inside: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &vector(2, inside)].concat()
    }

    /// Returns a `ClientHello` message for a name and protocols, with this many bytes of padding (RFC 7685).
    pub fn hello(name: &str, protocols: &[&str], padding: usize) -> Vec<u8> {
        let server_name = vector(2, &[&[0], &vector(2, name.as_bytes())[..]].concat());
        let alpn: Vec<u8> = protocols.iter().flat_map(|name| vector(1, name.as_bytes())).collect();
        let extensions = [
            extension(0x0a0a, &[]),
            extension(21, &vec![0; padding]),
            extension(0, &server_name),
            extension(16, &vector(2, &alpn)),
        ];
        let body = [
            &[3, 3][..],
            &[7; 32],
            &vector(1, &[9; 32]),
            &vector(2, &[0x13, 0x01]),
            &vector(1, &[0]),
            &vector(2, &extensions.concat()),
        ];
        [&[1][..], &vector(3, &body.concat())].concat()
    }

    pub fn record(message: &[u8]) -> Vec<u8> {
        [&[22, 3, 1][..], &vector(2, message)].concat()
    }

    #[test]
    fn name_and_protocols_are_read() {
        let stream = record(&hello("Example.COM", &["\u{8}\u{8}", "h2", "http/1.1"], 0));
        let found = in_records(&stream).expect("a ClientHello");
        assert_eq!(found.server_name.as_deref(), Some("example.com"));
        assert_eq!(found.alpn.as_deref(), Some("h2,http/1.1"));
        assert!(found.complete);
    }

    #[test]
    fn a_message_may_be_spread_over_records() {
        let message = hello("example.com", &["h2"], 300);
        let (first, second) = message.split_at(100);
        let stream = [record(first), record(second)].concat();
        assert_eq!(in_records(&stream), in_records(&record(&message)));
    }

    #[test]
    fn a_cut_message_waits_for_more() {
        let stream = record(&hello("example.com", &["h2"], 300));
        for length in 6..stream.len() {
            let found = in_records(&stream[..length]).expect("a ClientHello");
            assert!(!found.complete, "{length}");
        }
        assert!(in_records(&stream).expect("a ClientHello").complete);
    }

    #[test]
    fn names_are_clean() {
        for bad in ["", "a b", "a\u{1b}[2J", "ä.de", &"a".repeat(256)] {
            assert_eq!(name(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn other_messages_are_none() {
        assert_eq!(in_records(&record(&[2, 0, 0, 0])), None);
        assert_eq!(in_records(b"\x17\x03\x03\x00\x01\x00"), None);
        assert_eq!(in_records(b""), None);
    }

    #[test]
    fn a_hello_in_datagrams_is_read() {
        let message = hello("example.com", &[], 0);
        let (head, body) = message.split_at(4);
        // The session id of 32 bytes is followed by an empty cookie.
        let body = [&body[..67], &[0], &body[67..]].concat();
        let length = &vector(3, &body)[..3];
        let datagram = [&[22, 0xfe, 0xfd][..], &[0; 10], &head[..1], length, &[0; 5], length, &body].concat();
        let found = in_datagram(&datagram).expect("a ClientHello");
        assert_eq!(found.server_name.as_deref(), Some("example.com"));
        assert!(found.complete);
    }
}
