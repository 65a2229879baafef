//! Names of addresses from DNS answers. Messages: RFC 1035 §4; over multicast: RFC 6762, RFC 4795.
//!
//! All answers count, whoever sent them and whether or not there was a query.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use arrow_array::{FixedSizeBinaryArray, Int64Array, RecordBatch, StringArray};
use arrow_schema::ArrowError;

use super::bytes::Bytes;

/// Maximum addresses with names; answers about further ones are counted.
pub const MAX_ADDRESSES: usize = 1 << 16;
/// Maximum characters of a name. RFC 1035 §2.3.4 allows 253, and non-printable bytes take four.
const MAX_NAME_CHARS: usize = 255;
/// Source ports of answers: DNS, mDNS, LLMNR.
const PORTS: [u16; 3] = [53, 5353, 5355];
const A: usize = 1;
const AAAA: usize = 28;

/// The latest name of each address.
#[derive(Debug, Default)]
pub struct DnsNames {
    /// By address as a number, IPv4 as `::ffff:a.b.c.d`: time of the answer, and the name.
    names: BTreeMap<u128, (i64, Box<str>)>,
    left_out: u64,
}

impl DnsNames {
    /// Reads a UDP datagram, if its source port is one of DNS servers.
    pub fn datagram(&mut self, source_port: u16, payload: &[u8], time_ns: i64) {
        if PORTS.contains(&source_port) {
            let mut found = Vec::new();
            let _ = answers(payload, &mut found); // truncated or not: the answers read so far count
            for (address, name) in found {
                self.take(address, name, time_ns);
            }
        }
    }

    /// Returns the number of answers about addresses for which there was no room.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Returns the columns `addr` (16 bytes), `name` and `time_ns`, in the order of the addresses.
    ///
    /// # Errors
    /// None: all columns are of one length.
    pub fn batch(&self) -> Result<RecordBatch, ArrowError> {
        let addresses = self.names.keys().map(|address| Some(address.to_be_bytes()));
        let addresses = FixedSizeBinaryArray::try_from_sparse_iter_with_size(addresses, 16)?;
        let names: StringArray = self.names.values().map(|(_, name)| Some(name)).collect();
        let times: Int64Array = self.names.values().map(|(time_ns, _)| *time_ns).collect();
        RecordBatch::try_from_iter([
            ("addr", Arc::new(addresses) as _),
            ("name", Arc::new(names) as _),
            ("time_ns", Arc::new(times) as _),
        ])
    }

    /// Keeps the latest name of an address; of two at the same time the one that sorts last, in whatever order they
    /// come.
    fn take(&mut self, address: u128, name: String, time_ns: i64) {
        let is_full = self.names.len() >= MAX_ADDRESSES;
        let answer = (time_ns, name.into());
        match self.names.entry(address) {
            Entry::Occupied(mut known) => {
                if answer > *known.get() {
                    known.insert(answer);
                }
            }
            Entry::Vacant(free) if !is_full => {
                free.insert(answer);
            }
            Entry::Vacant(_) => self.left_out += 1,
        }
    }
}

/// Adds the addresses in the answers of a message, each with the queried name; `None`: truncated, or not an answer.
/// Aliases (CNAME) lead to the address: its own name would be that of some machine in a data centre.
fn answers(message: &[u8], found: &mut Vec<(u128, String)>) -> Option<()> {
    const ANSWER: usize = 0x8000;
    const ANSWER_OPCODE_AND_RCODE: usize = 0xf80f;
    let mut rest = Bytes(message);
    rest.take(2)?;
    let flags = rest.number(2)?;
    let (questions, records) = (rest.number(2)?, rest.number(2)?);
    rest.take(4)?;
    if flags & ANSWER_OPCODE_AND_RCODE != ANSWER || questions > 1 {
        return None;
    }
    let mut asked = None;
    if questions == 1 {
        asked = Some(name(message, &mut rest)?);
        rest.take(4)?;
    }
    for _ in 0..records {
        let owner = name(message, &mut rest)?;
        let (kind, class) = (rest.number(2)?, rest.number(2)?);
        rest.take(4)?;
        let length = rest.number(2)?;
        let data = rest.take(length)?;
        // The highest bit of the class is the cache-flush bit of mDNS. RFC 6762 §10.2.
        let is_internet = class & 0x7fff == 1;
        let address = match kind {
            A => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
            AAAA => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
            _ => None,
        };
        let name = asked.as_ref().unwrap_or(&owner);
        if let Some(address) = address.filter(|address| is_internet && is_of_a_host(address)) {
            if !name.is_empty() && name.len() <= MAX_NAME_CHARS {
                found.push((number(address), name.clone()));
            }
        }
    }
    Some(())
}

/// Returns whether an address can be a host's: block lists answer with placeholders, the same for all names.
fn is_of_a_host(address: &IpAddr) -> bool {
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast())
}

fn number(address: IpAddr) -> u128 {
    let six = match address {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    };
    six.to_bits()
}

/// Reads a name, in the form of RFC 1035 §5.1: non-printable bytes as `\DDD`.
fn name<'a>(message: &'a [u8], rest: &mut Bytes<'a>) -> Option<String> {
    const MAX_BYTES: usize = 255;
    let mut text = String::new();
    let mut bytes = 0;
    let mut labels = *rest;
    let mut jumped_to = None;
    loop {
        let first = labels.number(1)?;
        match first >> 6 {
            0b00 => {
                let label = labels.take(first)?;
                if jumped_to.is_none() {
                    *rest = labels;
                }
                if label.is_empty() {
                    return Some(text);
                }
                bytes += label.len() + 1;
                if bytes > MAX_BYTES {
                    return None;
                }
                push(&mut text, label);
            }
            0b11 => {
                let place = (first & 0x3f) << 8 | labels.number(1)?;
                if jumped_to.is_none() {
                    *rest = labels;
                }
                // Pointers only lead backwards, so this ends. RFC 1035 §4.1.4.
                if jumped_to.is_some_and(|before| place >= before) {
                    return None;
                }
                jumped_to = Some(place);
                labels = Bytes(message.get(place..)?);
            }
            _ => return None,
        }
    }
}

fn push(text: &mut String, label: &[u8]) {
    if !text.is_empty() {
        text.push('.');
    }
    for &byte in label {
        match byte {
            b'.' | b'\\' => text.extend(['\\', char::from(byte)]),
            _ if byte.is_ascii_graphic() => text.push(char::from(byte.to_ascii_lowercase())),
            _ => {
                let digits = [byte / 100, byte / 10 % 10, byte % 10];
                text.push('\\');
                text.extend(digits.map(|digit| char::from(b'0' + digit)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a name in wire format.
    fn labels(name: &str) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
        bytes.push(0);
        bytes
    }

    fn message(flags: u16, asked: Option<&[u8]>, records: &[(Vec<u8>, usize, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![0, 7];
        bytes.extend(flags.to_be_bytes());
        bytes.extend([0, u8::from(asked.is_some()), 0, records.len() as u8, 0, 0, 0, 0]);
        if let Some(name) = asked {
            bytes.extend(name);
            bytes.extend([0, 1, 0, 1]);
        }
        for (owner, kind, data) in records {
            bytes.extend(owner);
            bytes.extend([0, *kind as u8, 0x80, 1, 0, 0, 0, 60, 0, data.len() as u8]);
            bytes.extend(data);
        }
        bytes
    }

    fn names_in(message: &[u8]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let _ = answers(message, &mut found);
        let text = |address: u128| std::net::Ipv6Addr::from(address).to_canonical().to_string();
        found.into_iter().map(|(address, name)| (text(address), name)).collect()
    }

    const POINTER: [u8; 2] = [0xc0, 12];

    #[test]
    fn an_alias_leads_to_the_address_of_the_name_that_was_asked_for() {
        let asked = labels("WWW.example.com");
        let alias = labels("edge.example.net");
        let bytes = message(
            0x8180,
            Some(&asked),
            &[
                (POINTER.to_vec(), 5, alias.clone()),
                (alias.clone(), A, vec![192, 0, 2, 1]),
                (alias, AAAA, [[0x20, 1, 0xd, 0xb8].as_slice(), &[0; 11], &[9]].concat()),
            ],
        );
        let name = "www.example.com".to_owned();
        assert_eq!(names_in(&bytes), [("192.0.2.1".into(), name.clone()), ("2001:db8::9".into(), name)]);
        for end in 0..bytes.len() {
            assert!(names_in(&bytes[..end]).len() < 2, "cut");
        }
    }

    #[test]
    fn without_a_question_the_record_names_itself() {
        let bytes = message(0x8400, None, &[(labels("printer.local"), A, vec![10, 0, 0, 9])]);
        assert_eq!(names_in(&bytes), [("10.0.0.9".into(), "printer.local".into())]);
    }

    #[test]
    fn questions_errors_and_nobodys_addresses_name_nothing() {
        let asked = labels("example.com");
        let records = |data: [u8; 4]| [(POINTER.to_vec(), A, data.to_vec())];
        for flags in [0x0100, 0x8183, 0xa000] {
            assert!(names_in(&message(flags, Some(&asked), &records([192, 0, 2, 1]))).is_empty());
        }
        for address in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 251]] {
            assert!(names_in(&message(0x8180, Some(&asked), &records(address))).is_empty());
        }
        let short = [(POINTER.to_vec(), A, vec![192, 0, 2])];
        assert!(names_in(&message(0x8180, Some(&asked), &short)).is_empty());
    }

    #[test]
    fn hostile_names_are_harmless() {
        let asked = [3, b'a', b'.', 0x1b, 1, b'\\', 0];
        let bytes = message(0x8180, Some(&asked), &[(POINTER.to_vec(), A, vec![192, 0, 2, 1])]);
        assert_eq!(names_in(&bytes), [("192.0.2.1".into(), "a\\.\\027.\\\\".into())]);
        for pointers in [[0xc0, 12], [0xc0, 13], [0xc0, 0xff]] {
            let bytes = message(0x8180, Some(&pointers), &[(POINTER.to_vec(), A, vec![192, 0, 2, 1])]);
            assert!(names_in(&bytes).is_empty(), "it points at itself, or nowhere");
        }
        let endless = [[63].as_slice(), &[b'a'; 63]].concat().repeat(5);
        assert!(names_in(&message(0x8180, Some(&[&endless[..], &[0]].concat()), &[])).is_empty());
    }

    #[test]
    fn the_latest_name_counts_in_any_order() {
        let bytes =
            |name: &str| message(0x8180, Some(&labels(name)), &[(POINTER.to_vec(), A, vec![192, 0, 2, 1])]);
        let (old, new) = (bytes("old.example"), bytes("new.example"));
        for order in [[(&old, 1), (&new, 2)], [(&new, 2), (&old, 1)]] {
            let mut names = DnsNames::default();
            for (message, time_ns) in order {
                names.datagram(53, message, time_ns);
                names.datagram(54, message, 9);
            }
            assert_eq!(names.names.values().cloned().collect::<Vec<_>>(), [(2, "new.example".into())]);
            assert_eq!(names.batch().expect("three columns").num_rows(), 1);
        }
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let mut names = DnsNames::default();
        for address in 0..=MAX_ADDRESSES as u128 {
            names.take(address, "a".into(), 0);
        }
        names.take(0, "b".into(), 1);
        assert_eq!((names.names.len(), names.left_out()), (MAX_ADDRESSES, 1));
        assert_eq!(&*names.names[&0].1, "b");
    }
}
