//! Puts a message together that is spread over packets: its beginning, within bounds.

/// No `ClientHello` that is met is longer.
const MOST_BYTES: usize = 16_384;
/// More pieces than that are not waited for.
const MOST_PIECES: usize = 24;

/// A stream's beginning, of which pieces have come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assembly {
    bytes: Vec<u8>,
    /// Pieces that are there, apart from each other and in order.
    pieces: Vec<(usize, usize)>,
}

impl Assembly {
    /// Takes a piece that stands at `offset` of the stream; what is beyond the bounds is left out.
    pub fn add(&mut self, offset: usize, piece: &[u8]) {
        let end = offset.saturating_add(piece.len()).min(MOST_BYTES);
        if offset >= end || self.pieces.len() >= MOST_PIECES {
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

    /// The stream from its start up to the first gap.
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
        assembly.add(MOST_BYTES, b"x");
        assert_eq!(assembly, Assembly::default());
        assembly.add(MOST_BYTES - 1, b"xy");
        assert_eq!(assembly.bytes.len(), MOST_BYTES);
        for piece in 0..1000 {
            assembly.add(2 * piece, b"z");
        }
        assert!(assembly.pieces.len() <= MOST_PIECES);
    }
}
