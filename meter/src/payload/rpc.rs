//! Endpoints in answers of RPC mappers: portmap and rpcbind (RFC 1833), and the endpoint mapper of DCE/RPC (C706
//! appendix O).

use super::announce::{Announced, TCP, UDP, Use};
use super::bytes::Bytes;

const PORTMAP: u16 = 111;
const ENDPOINT_MAPPER: u16 = 135;

/// Parses the port in an answer to GETPORT, or in the universal address of one to GETADDR. Only the call names the
/// transport, so the port is announced for both. RFC 5531 §9, RFC 1833 §2.2.1, §3.1.
pub fn portmap(payload: &[u8], sender: [u8; 16], sender_port: u16, proto: u8) -> Vec<Announced> {
    let port = (sender_port == PORTMAP).then(|| mapped(payload, proto == TCP)).flatten();
    let at = |proto, port| Announced { purpose: Use::OncRpc, proto, port, address: sender };
    port.map_or_else(Vec::new, |port| vec![at(TCP, port), at(UDP, port)])
}

fn mapped(payload: &[u8], marked: bool) -> Option<u16> {
    let mut reply = Bytes(payload);
    if marked {
        reply.take(4)?; // the record mark, RFC 5531 §11
    }
    reply.take(4)?; // transaction
    let (is_reply, is_accepted) = (reply.number(4)? == 1, reply.number(4)? == 0);
    reply.take(4)?; // the verifier's flavour
    let verifier_bytes = reply.number(4)?;
    reply.take(verifier_bytes.next_multiple_of(4))?;
    if !is_reply || !is_accepted || reply.number(4)? != 0 {
        return None;
    }
    let number = reply.number(4)?;
    let port = if reply.0.is_empty() {
        number // or the truth value of SET and UNSET, which is 0 or 1
    } else {
        let text = std::str::from_utf8(reply.take(number)?).ok()?;
        let mut parts = text.rsplit('.').map(str::parse::<u8>);
        let (low, high) = (parts.next()?.ok()?, parts.next()?.ok()?);
        parts.next()?.ok()?; // an address is before it
        usize::from(high) << 8 | usize::from(low)
    };
    u16::try_from(port).ok().filter(|&port| port > 1)
}

/// Parses the endpoints in the towers of a mapper's answer: floors of TCP or UDP, each with a floor of IPv4 above it.
/// C706 appendix L.
pub fn towers(payload: &[u8], sender: [u8; 16], sender_port: u16) -> Vec<Announced> {
    const MOST: usize = 8;
    const FLOORS_BYTES: usize = 16;
    if sender_port != ENDPOINT_MAPPER {
        return Vec::new();
    }
    payload.windows(FLOORS_BYTES).filter_map(|floors| tower(floors, sender)).take(MOST).collect()
}

fn tower(floors: &[u8], sender: [u8; 16]) -> Option<Announced> {
    let mut floors = Bytes(floors);
    let proto = match floors.take(5)? {
        [1, 0, 7, 2, 0] => TCP,
        [1, 0, 8, 2, 0] => UDP,
        _ => return None,
    };
    let port = u16::try_from(floors.number(2)?).ok().filter(|&port| port != 0)?;
    if floors.take(5)? != [1, 0, 9, 4, 0] {
        return None;
    }
    let mut address = [0; 16];
    address[10..12].fill(0xff);
    address[12..].copy_from_slice(floors.take(4)?);
    // A server with several addresses may leave the address open.
    let address = if address[12..] == [0; 4] { sender } else { address };
    Some(Announced { purpose: Use::DceRpc, proto, port, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: [u8; 16] = [7; 16];

    /// An accepted reply without a verifier.
    fn reply(result: &[u8]) -> Vec<u8> {
        [&[0, 0, 0, 9, 0, 0, 0, 1][..], &[0; 16], result].concat()
    }

    fn ports(payload: &[u8], proto: u8) -> Vec<(u8, u16)> {
        portmap(payload, SENDER, PORTMAP, proto).iter().map(|one| (one.proto, one.port)).collect()
    }

    #[test]
    fn portmap_answers_announce_a_port() {
        let answer = reply(&[0, 0, 8, 1]);
        assert_eq!(ports(&answer, UDP), [(TCP, 2049), (UDP, 2049)]);
        let marked = [&[0x80, 0, 0, 28][..], &answer].concat();
        assert_eq!(ports(&marked, TCP), [(TCP, 2049), (UDP, 2049)]);
        assert_eq!(portmap(&answer, SENDER, PORTMAP, UDP)[0].address, SENDER);
        assert!(portmap(&answer, SENDER, 2049, UDP).is_empty(), "another service's answer");
        let with_verifier = [&answer[..12], &[0, 0, 0, 1, 0, 0, 0, 3, 9, 9, 9, 0], &answer[20..]].concat();
        assert_eq!(ports(&with_verifier, UDP).len(), 2);
    }

    #[test]
    fn rpcbind_answers_announce_a_universal_address() {
        let text = b"192.0.2.1.78.49\0";
        let answer = reply(&[&[0, 0, 0, 15][..], text].concat());
        assert_eq!(ports(&answer, UDP), [(TCP, 20017), (UDP, 20017)]);
        let nowhere = [&reply(&[0, 0, 0, 0])[..], &reply(&[0, 0, 0, 3, b'1', b'.', b'2', 0])].concat();
        assert!(ports(&nowhere, UDP).is_empty());
    }

    #[test]
    fn answers_without_a_port_are_skipped() {
        let (refused, call) = (reply(&[0, 0, 0, 0]), reply(&[0, 0, 8, 1]));
        assert!(ports(&refused, UDP).is_empty(), "not registered");
        assert!(ports(&reply(&[0, 0, 0, 1]), UDP).is_empty(), "SET succeeded");
        assert!(ports(&reply(&[1, 0, 0, 0]), UDP).is_empty());
        assert!(ports(&[&call[..7], &[0], &call[8..]].concat(), UDP).is_empty(), "a call");
        for end in 0..call.len() {
            assert!(ports(&call[..end], UDP).is_empty());
        }
    }

    #[test]
    fn endpoint_mapper_answers_announce_towers() {
        let floors = [1, 0, 7, 2, 0, 0xc0, 0x28, 1, 0, 9, 4, 0, 192, 0, 2, 1];
        let open = [1, 0, 8, 2, 0, 0xc0, 0x29, 1, 0, 9, 4, 0, 0, 0, 0, 0];
        let unset = [1, 0, 7, 2, 0, 0, 0, 1, 0, 9, 4, 0, 192, 0, 2, 1];
        let payload = [&[5, 0, 2, 3][..], &floors, &[0; 3], &open, &unset, &floors[..15]].concat();
        let found = towers(&payload, SENDER, ENDPOINT_MAPPER);
        let endpoints: Vec<(u8, u16)> = found.iter().map(|one| (one.proto, one.port)).collect();
        assert_eq!(endpoints, [(TCP, 49_192), (UDP, 49_193)]);
        assert_eq!(found[0].address, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]);
        assert_eq!(found[1].address, SENDER);
        assert!(towers(&payload, SENDER, 445).is_empty());
    }
}
