//! Reads a message from the left; missing bytes are `None`.

/// The unread bytes of a message.
#[derive(Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// Returns the next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Returns the next `count` bytes, or as many as there are.
    pub fn take_up_to(&mut self, count: usize) -> Bytes<'a> {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        Bytes(taken)
    }

    /// Reads a number of `count` bytes in network order.
    pub fn number(&mut self, count: usize) -> Option<usize> {
        self.take(count).map(|bytes| bytes.iter().fold(0, |all, &byte| all << 8 | usize::from(byte)))
    }

    /// Skips a vector with a length prefix of `count` bytes.
    pub fn pass_vector(&mut self, count: usize) -> Option<()> {
        let length = self.number(count)?;
        self.take(length).map(|_| ())
    }

    /// Reads a variable-length integer. RFC 9000 §16.
    pub fn varint(&mut self) -> Option<usize> {
        let bytes = 1 << (self.0.first()? >> 6);
        let number = self.take(bytes)?.iter().fold(0, |all, &byte| all << 8 | u64::from(byte));
        usize::try_from(number & (u64::MAX >> (66 - 8 * bytes))).ok()
    }
}
