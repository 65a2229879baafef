//! Errors of a capture *file*. A bad *packet* is no error here: it is delivered like any other, and the layers
//! above count what they cannot decode.

use std::fmt;

/// Why a capture cannot be read, or not to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureErrorKind {
    /// No bytes at all.
    Empty,
    /// Not a capture: an archive, text, a picture.
    NotACapture,
    /// A capture in an unsupported format or version.
    Unsupported,
    /// The file ends inside a packet or block; everything before was delivered.
    Cut,
    /// The bytes violate the format; everything before was delivered.
    Damaged,
    /// The operating system reported an error.
    Io,
}

/// What to try with an unsupported file. The user interface words it, as an option or an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// tshark supports it.
    UseTshark,
    /// tshark may support it.
    TryTshark,
}

/// What is wrong with the file, where, and what to do. The caller adds the file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureError {
    /// Category of the error.
    pub kind: CaptureErrorKind,
    /// Offset in the uncompressed stream of the packet or block in error.
    pub offset: u64,
    /// What is wrong and what to do, without file name and offset.
    pub message: String,
    /// A further remedy, worded by the user interface.
    pub remedy: Option<Remedy>,
}

impl CaptureError {
    pub(crate) fn new(kind: CaptureErrorKind, offset: u64, message: impl Into<String>) -> Self {
        Self { kind, offset, message: message.into(), remedy: None }
    }

    /// Creates an error for bytes that violate the format; `what` describes them.
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
