//! Integers in the byte order of the capture's writer.

/// The byte order that a file (pcap) or section (pcapng) was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

/// One method per width: reads the integer at offset `at`. The caller has checked the length.
impl ByteOrder {
    #[inline]
    pub fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let number = [bytes[at], bytes[at + 1]];
        match self {
            Self::Little => u16::from_le_bytes(number),
            Self::Big => u16::from_be_bytes(number),
        }
    }

    #[inline]
    pub fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let number = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match self {
            Self::Little => u32::from_le_bytes(number),
            Self::Big => u32::from_be_bytes(number),
        }
    }

    pub fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let (first, second) = (self.u32(bytes, at), self.u32(bytes, at + 4));
        match self {
            Self::Little => high_low(second, first),
            Self::Big => high_low(first, second),
        }
    }
}

/// Joins the two words of a pcapng timestamp; the high word is first in either byte order.
#[inline]
pub(super) fn high_low(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}
