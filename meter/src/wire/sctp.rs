//! SCTP, mapped to TCP's fields. RFC 9260 §3.
//!
//! INIT is a SYN whose sequence number is the initiate tag. INIT ACK is a SYN+ACK that acknowledges the tag in its
//! verification tag field, as COOKIE ECHO acknowledges the other tag.

use super::tcp::Flags;
use super::{HeaderError, Segment, be16, be32};

const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
const VERIFICATION_TAG: usize = 4;
pub const HEADER_BYTES: usize = 12;

/// Chunk fields, §3.2.
const CHUNK_TYPE: usize = 0;
const CHUNK_LENGTH: usize = 2;
const CHUNK_HEADER_BYTES: usize = 4;
/// Offset of the initiate tag in INIT and INIT ACK chunks, §3.3.2.
const INITIATE_TAG: usize = 4;

const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const SHUTDOWN_COMPLETE: u8 = 14;
/// DATA with interleaving, RFC 8260.
const I_DATA: u8 = 64;

/// A checked SCTP packet.
pub struct Sctp<'a> {
    header: &'a [u8; HEADER_BYTES],
    chunks: &'a [u8],
}

impl<'a> Sctp<'a> {
    /// Checks the length of header and first chunk.
    pub fn new(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let (header, chunks) = bytes.split_first_chunk().ok_or(HeaderError::Truncated)?;
        // There is at least one chunk; INIT and INIT ACK are not bundled.
        let first = chunks.first_chunk::<CHUNK_HEADER_BYTES>().ok_or(HeaderError::Truncated)?;
        let opens = matches!(first[CHUNK_TYPE], INIT | INIT_ACK);
        if opens && chunks.len() < INITIATE_TAG + 4 {
            Err(HeaderError::Truncated)
        } else {
            Ok(Self { header, chunks })
        }
    }

    pub fn source_port(&self) -> u16 {
        be16(self.header, SOURCE_PORT)
    }

    pub fn destination_port(&self) -> u16 {
        be16(self.header, DESTINATION_PORT)
    }

    /// Returns whether there is user data, and the segment.
    pub fn segment(&self) -> (bool, Segment) {
        let tag = be32(self.header, VERIFICATION_TAG);
        let mut segment =
            Segment { flags: Flags(0), sequence: 0, acknowledgement: tag.wrapping_add(1), window: 0 };
        let (mut data, mut rest) = (false, self.chunks);
        while let Some(chunk) = rest.first_chunk::<CHUNK_HEADER_BYTES>() {
            let opens = matches!(chunk[CHUNK_TYPE], INIT | INIT_ACK);
            let initiate_tag = rest.get(INITIATE_TAG..INITIATE_TAG + 4).filter(|_| opens);
            segment.flags.0 |= match chunk[CHUNK_TYPE] {
                // Bundled after other chunks and cut there: ignored.
                INIT | INIT_ACK if initiate_tag.is_none() => 0,
                INIT => Flags::SYN,
                INIT_ACK => Flags::SYN | Flags::ACK,
                ABORT => Flags::RST,
                SHUTDOWN | SHUTDOWN_ACK | SHUTDOWN_COMPLETE => Flags::FIN | Flags::ACK,
                _ => Flags::ACK,
            };
            if let Some(tag) = initiate_tag {
                segment.sequence = be32(tag, 0);
            }
            data |= matches!(chunk[CHUNK_TYPE], DATA | I_DATA);
            let length = usize::from(be16(chunk, CHUNK_LENGTH)).max(CHUNK_HEADER_BYTES).next_multiple_of(4);
            rest = rest.get(length..).unwrap_or(&[]);
        }
        (data, segment)
    }
}
