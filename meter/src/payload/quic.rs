//! QUIC Initial packets: their keys derive from the client's first connection id and a published salt, so that any
//! observer can read the `ClientHello`. RFC 9000 §17.2, RFC 9001 §5, RFC 9369 §3.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::{Aes128Gcm, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;

use super::assembly::Assembly;
use super::bytes::Bytes;

/// Maximum bytes of a connection id in versions 1 and 2. RFC 9000 §17.2.
const MAX_ID_BYTES: usize = 20;
const TAG_BYTES: usize = 16;
const SAMPLE_BYTES: usize = 16;
const MAX_NUMBER_BYTES: usize = 4;

/// Parameters that differ between the supported versions.
struct Version {
    salt: [u8; 20],
    /// The bits of an Initial packet's type.
    initial: u8,
    key: &'static [u8],
    iv: &'static [u8],
    header_protection: &'static [u8],
}

/// RFC 9001 §5.2.
const V1: Version = Version {
    salt: [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
        0xbb, 0x7f, 0x0a,
    ],
    initial: 0,
    key: b"quic key",
    iv: b"quic iv",
    header_protection: b"quic hp",
};
/// RFC 9369 §3.
const V2: Version = Version {
    salt: [
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
        0xbd, 0x2e, 0xd9,
    ],
    initial: 1,
    key: b"quicv2 key",
    iv: b"quicv2 iv",
    header_protection: b"quicv2 hp",
};
/// draft-ietf-quic-tls-29 §5.2: the last draft that was widely used, up to version 32.
const DRAFT_29: Version = Version {
    salt: [
        0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43,
        0x90, 0xa8, 0x99,
    ],
    ..V1
};
/// draft-ietf-quic-tls-23 §5.2, up to version 28.
const DRAFT_23: Version = Version {
    salt: [
        0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe,
        0xf9, 0xf5, 0x02,
    ],
    ..V1
};

impl Version {
    fn of(number: usize) -> Option<&'static Self> {
        match number {
            1 => Some(&V1),
            0x6b33_43cf => Some(&V2),
            0xff00_001d..=0xff00_0020 => Some(&DRAFT_29),
            0xff00_0017..=0xff00_001c => Some(&DRAFT_23),
            _ => None,
        }
    }
}

/// A connection id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    bytes: [u8; MAX_ID_BYTES],
    length: u8,
}

impl Id {
    fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_ID_BYTES];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { bytes, length: id.len() as u8 })
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// A long header up to the fields that differ between packet types. RFC 8999 §5.1.
pub struct Header<'a> {
    version: usize,
    first: u8,
    /// Destination connection id.
    pub destination: Id,
    rest: Bytes<'a>,
}

/// Parses a long header.
pub fn header(datagram: &[u8]) -> Option<Header<'_>> {
    let mut rest = Bytes(datagram);
    let first = rest.number(1)? as u8;
    let version = rest.number(4)?;
    let mut id = || {
        let length = rest.number(1)?;
        Id::new(rest.take(length)?)
    };
    let (destination, _source) = (id()?, id()?);
    (first & 0x80 != 0).then_some(Header { version, first, destination, rest })
}

/// The sender of a packet: each one has its own keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Client,
    Server,
}

/// The keys of one sender's Initial packets.
struct Keys {
    cipher: Aes128Gcm,
    iv: [u8; 12],
    header_protection: Aes128,
}

impl Keys {
    fn new(version: &Version, client_chose: &Id, sender: Sender) -> Option<Self> {
        let initial = Hkdf::<Sha256>::new(Some(&version.salt), client_chose.bytes());
        let label: &[u8] = if sender == Sender::Client { b"client in" } else { b"server in" };
        let secret: [u8; 32] = expand(&initial, label)?;
        let secret = Hkdf::<Sha256>::from_prk(&secret).ok()?;
        let (key, header_protection): ([u8; 16], [u8; 16]) =
            (expand(&secret, version.key)?, expand(&secret, version.header_protection)?);
        Some(Self {
            cipher: Aes128Gcm::new(&key.into()),
            iv: expand(&secret, version.iv)?,
            header_protection: Aes128::new(&header_protection.into()),
        })
    }
}

/// HKDF-Expand-Label without context. RFC 8446 §7.1.
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &[u8]) -> Option<[u8; N]> {
    const PREFIX: &[u8] = b"tls13 ";
    let info = [&[0, N as u8, (PREFIX.len() + label.len()) as u8][..], PREFIX, label, &[0]].concat();
    let mut key = [0; N];
    secret.expand(&info, &mut key).ok()?;
    Some(key)
}

/// Returns the frames of an Initial packet, if the datagram begins with one and it decrypts with the sender's keys.
/// Both senders' keys derive from `client_chose`, the destination id of the client's first packet.
pub fn open(datagram: &[u8], header: &Header<'_>, client_chose: &Id, sender: Sender) -> Option<Vec<u8>> {
    let version = Version::of(header.version)?;
    if header.first >> 4 & 3 != version.initial {
        return None;
    }
    let mut rest = header.rest;
    let token = rest.varint()?;
    rest.take(token)?;
    let length = rest.varint()?;
    let number_at = datagram.len() - rest.0.len();
    let protected = rest.take(length)?;
    let keys = Keys::new(version, client_chose, sender)?;
    // §5.4.2: the packet number is assumed to have four bytes.
    let sample: [u8; SAMPLE_BYTES] = protected.get(MAX_NUMBER_BYTES..)?.first_chunk().copied()?;
    let mut mask = sample.into();
    keys.header_protection.encrypt_block(&mut mask);
    let mut associated = datagram.get(..number_at)?.to_vec();
    associated[0] ^= mask[0] & 0x0f;
    let number_bytes = usize::from(associated[0] & 3) + 1;
    let number: Vec<u8> =
        protected.iter().zip(&mask[1..]).take(number_bytes).map(|(byte, mask)| byte ^ mask).collect();
    associated.extend_from_slice(&number);
    let mut nonce = keys.iv;
    nonce.iter_mut().rev().zip(number.iter().rev()).for_each(|(byte, number)| *byte ^= number);
    let (sealed, tag) = protected.get(number_bytes..)?.split_last_chunk::<TAG_BYTES>()?;
    let mut frames = sealed.to_vec();
    keys.cipher
        .decrypt_inout_detached(
            &Nonce::from(nonce),
            &associated,
            frames.as_mut_slice().into(),
            &Tag::from(*tag),
        )
        .ok()?;
    Some(frames)
}

/// Adds the data of the CRYPTO frames among `frames`. RFC 9000 §19; other frames of an Initial are skipped.
pub fn add_crypto(frames: &[u8], assembly: &mut Assembly) -> Option<()> {
    const PADDING: usize = 0;
    const PING: usize = 1;
    const ACK: usize = 2;
    const ACK_ECN: usize = 3;
    const CRYPTO: usize = 6;
    let mut bytes = Bytes(frames);
    while !bytes.0.is_empty() {
        match bytes.number(1)? {
            PADDING | PING => {}
            kind @ (ACK | ACK_ECN) => {
                let (_largest, _delay, ranges, _first) =
                    (bytes.varint()?, bytes.varint()?, bytes.varint()?, bytes.varint()?);
                let counts = if kind == ACK_ECN { 3 } else { 0 };
                for _ in 0..ranges.checked_mul(2)?.checked_add(counts)? {
                    bytes.varint()?;
                }
            }
            CRYPTO => {
                let (offset, length) = (bytes.varint()?, bytes.varint()?);
                assembly.add(offset, bytes.take(length)?);
            }
            _ => return None,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9001 §A.1.
    #[test]
    fn the_keys_are_those_of_the_standard() {
        let id = Id::new(&[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08]).expect("eight bytes");
        let initial = Hkdf::<Sha256>::new(Some(&V1.salt), id.bytes());
        let secret: [u8; 32] = expand(&initial, b"client in").expect("32 bytes");
        assert_eq!(secret[..8], [0xc0, 0x0c, 0xf1, 0x51, 0xca, 0x5b, 0xe0, 0x75]);
        let secret = Hkdf::<Sha256>::from_prk(&secret).expect("32 bytes");
        assert_eq!(expand::<12>(&secret, V1.iv).expect("12 bytes")[..4], [0xfa, 0x04, 0x4b, 0x2f]);
    }

    #[test]
    fn crypto_frames_come_in_any_order_among_others() {
        let mut assembly = Assembly::default();
        let frames = b"\x00\x01\x06\x03\x02de\x02\x05\x00\x01\x02\x00\x00\x06\x00\x03abc\x00";
        assert!(add_crypto(frames, &mut assembly).is_some());
        assert_eq!(assembly.start(), b"abcde");
        assert!(add_crypto(b"\x06\x00\x05ab", &mut assembly).is_none(), "cut");
        assert!(add_crypto(b"\x1f", &mut assembly).is_none(), "no frame of an Initial");
    }

    #[test]
    fn other_packets_are_ignored() {
        assert!(header(b"\x40\0\0\0\x01\0\0").is_none());
        assert!(header(b"\xc0\0\0\0\x01\x15aaaaaaaaaaaaaaaaaaaaa\0").is_none(), "an id of 21 bytes");
        let handshake =
            b"\xe0\0\0\0\x01\x01a\0\x00\x40\x40aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        let head = header(handshake).expect("a long header");
        assert!(open(handshake, &head, &head.destination, Sender::Client).is_none());
    }
}
