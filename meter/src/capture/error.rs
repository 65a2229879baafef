//! What can be wrong with a capture *file*. A bad *packet* is never an error here: whatever the file
//! holds as a packet is delivered, and the layers above count what they cannot read.

use std::fmt;

/// Why a capture cannot be read (on).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureErrorKind {
    /// No bytes at all.
    Empty,
    /// Something else than a capture: an archive, a text, a picture.
    NotACapture,
    /// A capture, but in a format or version that is not read here.
    Unsupported,
    /// The file ends inside a packet or block; everything before it was delivered.
    Cut,
    /// The bytes contradict the format; everything before them was delivered.
    Damaged,
    /// The operating system could not read.
    Io,
}

/// What to try with a file that isn't read here. Who shows the error words it: an option, or an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// tshark reads it.
    UseTshark,
    /// tshark may read it.
    TryTshark,
}

/// What is wrong with the file, where, and what to try. The caller knows the file's name and adds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureError {
    /// The sort of trouble.
    pub kind: CaptureErrorKind,
    /// Byte of the uncompressed stream at which the bad thing (a packet, a block) begins.
    pub offset: u64,
    /// What is wrong and what to try; without file name and offset.
    pub message: String,
    /// What else to try, where that depends on how the program is used.
    pub remedy: Option<Remedy>,
}

impl CaptureError {
    pub(crate) fn new(kind: CaptureErrorKind, offset: u64, message: impl Into<String>) -> Self {
        Self { kind, offset, message: message.into(), remedy: None }
    }

    /// For bytes that no writer of the format can have meant. `what` says which ones.
    pub(super) fn damaged(offset: u64, what: impl fmt::Display) -> Self {
        Self::new(
            CaptureErrorKind::Damaged,
            offset,
            format!(
                "{what}; everything before it was read \
                 (if the file was copied, compare it with the original)"
            ),
        )
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.offset > 0 {
            write!(f, "byte {}: ", self.offset)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for CaptureError {}
