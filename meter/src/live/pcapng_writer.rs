//! Writes the metered packets as pcapng. draft-ietf-opsawg-pcapng.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use crate::capture::Frame;

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
/// Option `if_tsresol` = 9 (nanoseconds), one byte, padded; and the end of options.
const NANOSECONDS: [u8; 12] = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
/// Bytes of block type, length, and trailing length.
const FRAMING_BYTES: usize = 12;

/// Writer of a pcapng file.
pub struct PcapngWriter {
    /// `None` after a write error.
    file: Option<BufWriter<File>>,
    /// Link types with an interface description, in the order of their ids.
    link_types: Vec<u16>,
    problem: Option<String>,
}

impl PcapngWriter {
    /// Writes the section header.
    #[must_use]
    pub fn new(file: File) -> Self {
        let mut writer = Self {
            file: Some(BufWriter::with_capacity(1 << 18, file)),
            link_types: Vec::new(),
            problem: None,
        };
        // Version 1.0, of unspecified length.
        let version_and_length = [1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255];
        writer.attempt(|file| {
            block(file, SECTION_HEADER, &[&BYTE_ORDER_MAGIC.to_le_bytes(), &version_and_length])
        });
        writer
    }

    /// Writes a packet.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        let interface = self.link_types.iter().position(|&known| known == frame.link_type);
        let interface = interface.unwrap_or_else(|| self.add_interface(frame.link_type)) as u32;
        let time_ns = u64::try_from(frame.time_ns).unwrap_or(0);
        let words =
            [interface, (time_ns >> 32) as u32, time_ns as u32, frame.data.len() as u32, frame.wire_bytes];
        let mut head = [0; 20];
        for (place, word) in head.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.attempt(|file| block(file, ENHANCED_PACKET, &[&head, frame.data]));
    }

    /// Flushes buffered bytes to the operating system.
    pub fn flush(&mut self) {
        self.attempt(Write::flush);
    }

    /// Returns the error after which nothing is written, if any.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn add_interface(&mut self, link_type: u16) -> usize {
        self.link_types.push(link_type);
        let [low, high] = link_type.to_le_bytes();
        let no_limit = [low, high, 0, 0, 0, 0, 0, 0];
        self.attempt(|file| block(file, INTERFACE_DESCRIPTION, &[&no_limit, &NANOSECONDS]));
        self.link_types.len() - 1
    }

    /// Calls `write`, and closes the file at the first error, since the rest would not be a valid capture.
    fn attempt(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = write(file) {
            self.problem = Some(error.to_string());
            // Dropping it would try to write the buffer again.
            if let Some(file) = self.file.take() {
                let _ = file.into_parts();
            }
        }
    }
}

fn block(file: &mut impl Write, kind: u32, parts: &[&[u8]]) -> io::Result<()> {
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    let padding = bytes.next_multiple_of(4) - bytes;
    let length = ((FRAMING_BYTES + bytes + padding) as u32).to_le_bytes();
    file.write_all(&kind.to_le_bytes())?;
    file.write_all(&length)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.write_all(&[0; 3][..padding])?;
    file.write_all(&length)
}
