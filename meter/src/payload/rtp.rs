//! RTP packets: those of one source share its identifier, and are numbered. RFC 3550 §5.1.

const VERSION_BITS: u8 = 0xc0;
const VERSION_2: u8 = 0x80;
const HEADER_BYTES: usize = 12;
/// Maximum packets missing between two compared ones.
const MAX_LOST: u16 = 100;

/// Header fields that identify packets of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    sequence: u16,
    source: u32,
}

impl Header {
    /// Parses the header of a datagram; `None` if it isn't one.
    pub fn read(datagram: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = datagram.first_chunk()?;
        let source = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        (header[0] & VERSION_BITS == VERSION_2 && source != 0)
            .then_some(Self { sequence: u16::from_be_bytes([header[2], header[3]]), source })
    }

    /// Returns whether it is a later one of the same source.
    pub fn follows(self, earlier: Self) -> bool {
        let apart = self.sequence.wrapping_sub(earlier.sequence);
        self.source == earlier.source && (1..=MAX_LOST).contains(&apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_a_source_are_counted() {
        let packet = |sequence: u16, source: u8| {
            let [high, low] = sequence.to_be_bytes();
            Header::read(&[0x80, 0, high, low, 0, 0, 0, 1, 9, 9, 9, source, 1]).expect("a header")
        };
        assert!(packet(0, 1).follows(packet(0xffff, 1)) && packet(30, 1).follows(packet(1, 1)));
        assert!(!packet(1, 1).follows(packet(1, 1)), "the same again");
        assert!(!packet(2, 1).follows(packet(1, 2)), "of another source");
        assert!(!packet(500, 1).follows(packet(1, 1)), "far away");
        assert_eq!(Header::read(&[0x40; 12]), None);
        assert_eq!(Header::read(&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), None, "of no source");
    }
}
