//! Reassembles the beginning of a message that is spread over packets, within bounds.

/// Maximum bytes reassembled; longer `ClientHello` messages don't occur.
const MAX_BYTES: usize = 16_384;
/// Maximum pieces kept.
const MAX_PIECES: usize = 24;

/// The beginning of a stream, of which pieces have arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assembly {
    bytes: Vec<u8>,
    /// Pieces so far, disjoint and in order.
    pieces: Vec<(usize, usize)>,
}

impl Assembly {
    /// Adds a piece at `offset` of the stream; bytes beyond the bounds are ignored.
    pub fn add(&mut self, offset: usize, piece: &[u8]) {
        let end = offset.saturating_add(piece.len()).min(MAX_BYTES);
        if offset >= end || self.pieces.len() >= MAX_PIECES {
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(&piece[..end - offset]);
        self.pieces.push((offset, end));
        self.pieces.sort_unstable();
        self.pieces.dedup_by(|next, kept| {
            let touches = next.0 <= kept.1;
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
    }

    /// Returns the stream from its start up to the first gap.
    pub fn start(&self) -> &[u8] {
        match self.pieces.first() {
            Some(&(0, end)) => &self.bytes[..end],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_in_any_order() {
        let mut assembly = Assembly::default();
        assembly.add(4, b"efg");
        assert_eq!(assembly.start(), b"");
        assembly.add(0, b"ab");
        assert_eq!(assembly.start(), b"ab");
        assembly.add(1, b"bcde");
        assert_eq!(assembly.start(), b"abcdefg");
    }

    #[test]
    fn it_is_bounded() {
        let mut assembly = Assembly::default();
        assembly.add(usize::MAX, b"x");
        assembly.add(MAX_BYTES, b"x");
        assert_eq!(assembly, Assembly::default());
        assembly.add(MAX_BYTES - 1, b"xy");
        assert_eq!(assembly.bytes.len(), MAX_BYTES);
        for piece in 0..1000 {
            assembly.add(2 * piece, b"z");
        }
        assert!(assembly.pieces.len() <= MAX_PIECES);
    }
}
