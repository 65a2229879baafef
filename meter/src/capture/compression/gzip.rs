//! gzip files: any number of members. RFC 1952.
//!
//! The reader of `flate2` discards what it decompressed in the same call before an error, which may be the whole of
//! a small file.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::GZIP;
use crate::capture::input::Input;

/// Member header, §2.3.
const HEADER_BYTES: usize = 10;
const METHOD: usize = 2;
const FLAGS: usize = 3;
const DEFLATE: u8 = 8;
/// Flags, §2.3.1.
const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
/// Bytes of CRC32 and ISIZE after the data.
const TRAILER_BYTES: usize = 8;

/// Position in the file.
#[derive(Clone, Copy)]
enum Place {
    Header,
    Data,
    Trailer,
}

/// Decompressed content of all members, concatenated.
pub(super) struct Members {
    input: Input,
    inflate: Decompress,
    crc: Crc,
    place: Place,
}

impl Members {
    pub fn new(input: Input) -> Self {
        Self { input, inflate: Decompress::new(false), crc: Crc::new(), place: Place::Header }
    }

    /// Reads a member header; returns false at the end of the file.
    fn begin_member(&mut self) -> io::Result<bool> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        let header: [u8; HEADER_BYTES] = self.array()?;
        if !header.starts_with(&GZIP) {
            return Err(io::Error::new(ErrorKind::InvalidData, "data after the last member"));
        }
        if header[METHOD] != DEFLATE {
            return Err(io::Error::new(ErrorKind::InvalidData, "compression method is not deflate"));
        }
        let has = |flag| header[FLAGS] & flag != 0;
        if has(FEXTRA) {
            let bytes = u16::from_le_bytes(self.array()?);
            if !self.input.skip(bytes.into()) {
                return Err(self.ended());
            }
        }
        for text in [FNAME, FCOMMENT] {
            while has(text) && self.array()? != [0] {}
        }
        if has(FHCRC) {
            let _: [u8; 2] = self.array()?;
        }
        self.inflate.reset(false);
        self.crc.reset();
        Ok(true)
    }

    fn end_member(&mut self) -> io::Result<()> {
        let trailer: [u8; TRAILER_BYTES] = self.array()?;
        let expected = u64::from_le_bytes(trailer);
        let found = u64::from(self.crc.amount()) << 32 | u64::from(self.crc.sum());
        if expected == found { Ok(()) } else { Err(io::Error::new(ErrorKind::InvalidData, "wrong checksum")) }
    }

    fn array<const BYTES: usize>(&mut self) -> io::Result<[u8; BYTES]> {
        let array = self.input.fill(BYTES).first_chunk().copied().ok_or_else(|| self.ended())?;
        self.input.consume(BYTES);
        Ok(array)
    }

    /// Returns the error at the end of the input: a read failure, or truncation.
    fn ended(&mut self) -> io::Error {
        let rest = self.input.fill(HEADER_BYTES).len();
        self.input.consume(rest);
        self.input.fill_buf().err().unwrap_or_else(|| ErrorKind::UnexpectedEof.into())
    }
}

impl Members {
    /// Decompresses the next bytes of this member; returns 0 at the end of its data.
    fn inflate(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let compressed = self.input.fill_buf()?;
            let at_end = compressed.is_empty();
            let (consumed_before, produced_before) = (self.inflate.total_in(), self.inflate.total_out());
            let result = self.inflate.decompress(compressed, into, FlushDecompress::None);
            self.input.consume((self.inflate.total_in() - consumed_before) as usize);
            let count = (self.inflate.total_out() - produced_before) as usize;
            self.crc.update(&into[..count]);
            match result {
                Ok(Status::StreamEnd) => self.place = Place::Trailer,
                // Return what was decompressed first; the next call meets the error or end again.
                _ if count > 0 => {}
                Err(_) => return Err(io::Error::new(ErrorKind::InvalidData, "corrupt deflate stream")),
                Ok(_) if at_end => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => continue,
            }
            return Ok(count);
        }
    }
}

impl Read for Members {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !into.is_empty() {
            match self.place {
                Place::Header => {
                    if !self.begin_member()? {
                        break;
                    }
                    self.place = Place::Data;
                }
                Place::Data => match self.inflate(into)? {
                    0 => {}
                    count => return Ok(count),
                },
                Place::Trailer => {
                    self.end_member()?;
                    self.place = Place::Header;
                }
            }
        }
        Ok(0)
    }
}
