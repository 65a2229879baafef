//! Options of a pcapng block. draft-ietf-opsawg-pcapng §3.5.

use crate::capture::bytes::ByteOrder;

const OPT_ENDOFOPT: u16 = 0;

/// Iterates over `(code, value)` pairs; an option that exceeds its block is an `Err` with its code, and the last
/// item.
pub(super) struct Options<'a> {
    pub order: ByteOrder,
    pub rest: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<(u16, &'a [u8]), u16>;

    fn next(&mut self) -> Option<Self::Item> {
        let (header, behind) = self.rest.split_at_checked(4)?;
        let code = self.order.u16(header, 0);
        if code == OPT_ENDOFOPT {
            self.rest = &[];
            return None;
        }
        let bytes = self.order.u16(header, 2) as usize;
        let Some((value, behind)) = behind.split_at_checked(bytes) else {
            self.rest = &[];
            return Some(Err(code));
        };
        // Padded to 32 bits; the padding of the last option may be missing.
        self.rest = behind.get(bytes.next_multiple_of(4) - bytes..).unwrap_or(&[]);
        Some(Ok((code, value)))
    }
}
