//! Identifies files that are neither pcap nor pcapng, and suggests what to do.

use super::error::{CaptureError, CaptureErrorKind, Remedy};

/// Magic numbers and the formats that start with them.
type Magics = &'static [(&'static [u8], &'static str)];

/// Capture formats of other tools, which Wireshark converts.
const CAPTURES: Magics = &[
    (b"snoop\0\0\0", "a Sun snoop capture"),
    (b"btsnoop\0", "a Bluetooth snoop log"),
    (b"GMBU", "a Microsoft Network Monitor 2 capture"),
    (b"RTSS", "a Microsoft Network Monitor 1 capture"),
    (b"TRSNIFF data", "a Sniffer capture"),
    (b"XCP\0", "a NetXRay or Sniffer capture"),
    (b"ObserverPktBuffe", "an Observer capture"),
    (b"\x7fver", "an EtherPeek or OmniPeek capture"),
    (b"iptrace ", "an AIX iptrace capture"),
    (b"LOGG", "a Vector BLF log"),
    (b"\xac\x01\x00\x1c", "an IXIA capture"),
    (b"\xab\x01\x00\x1c", "an IXIA capture"),
    (b"\x1c\x00\x01\xac", "an IXIA capture"),
    (b"\x1c\x00\x01\xab", "an IXIA capture"),
];

/// Archives and compressed files, which may contain a capture.
const ARCHIVES: Magics = &[
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"BZh", "bzip2 data"),
    (b"LZIP", "lzip data"),
    (b"\x02\x21\x4c\x18", "lz4 data in the old format"),
    (b"\x1f\x9d", "compress (.Z) data"),
];

/// Offset and bytes of the tar magic, after the first file name. POSIX.1-1988, `ustar`.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// Formats without packets.
const OTHERS: Magics = &[
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ", "a program (Windows)"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "a Parquet table"),
    (b"ARROW1", "an Arrow table"),
    (b"#separator", "a Zeek log"),
];

/// Bytes of a file that `not_a_capture` inspects.
pub(super) const START_BYTES: usize = 512;

/// Returns the error for a file with this start that is neither pcap nor pcapng.
pub(super) fn not_a_capture(start: &[u8]) -> CaptureError {
    let shown = hex(&start[..start.len().min(4)]);
    let named = |magics: Magics| {
        let known = magics.iter().find(|(magic, _)| start.starts_with(magic));
        known.map(|(_, name)| *name)
    };
    if let Some(name) = named(CAPTURES) {
        let message = format!("{name} (starts {shown}); convert it with: editcap -F pcapng IN OUT");
        let error = CaptureError::new(CaptureErrorKind::Unsupported, 0, message);
        return CaptureError { remedy: Some(Remedy::UseTshark), ..error };
    }
    let (looks, hint) = if let Some(name) = named(ARCHIVES).or_else(|| tar(start)) {
        (format!("looks like {name}"), "extract it first")
    } else if let Some(name) = named(OTHERS) {
        (format!("looks like {name}"), "give a pcap or pcapng file")
    } else if let Some(name) = text(start) {
        let hint = match name {
            "text" => "a hex dump can be converted: text2pcap IN OUT",
            _ => "give a pcap or pcapng file",
        };
        (format!("looks like {name}"), hint)
    } else {
        let message = format!("not a capture (starts {shown}, unknown format)");
        let error = CaptureError::new(CaptureErrorKind::NotACapture, 0, message);
        return CaptureError { remedy: Some(Remedy::TryTshark), ..error };
    };
    let message = format!("not a capture (starts {shown}, {looks}); {hint}");
    CaptureError::new(CaptureErrorKind::NotACapture, 0, message)
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

fn tar(start: &[u8]) -> Option<&'static str> {
    let (at, mark) = TAR;
    start.get(at..)?.starts_with(mark).then_some("a tar archive")
}

/// Recognises UTF-16 with a byte order mark, or UTF-8 (possibly cut inside a character) without control characters.
fn text(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Some("text");
    }
    let whole = match std::str::from_utf8(start) {
        Err(error) if error.error_len().is_none() => &start[..error.valid_up_to()],
        _ => start,
    };
    let binary = |character: char| character.is_control() && !"\t\n\r".contains(character);
    match std::str::from_utf8(whole).ok()? {
        text if text.contains(binary) => None,
        text if text.starts_with(['{', '[']) => Some("JSON"),
        text if text.starts_with('<') => Some("HTML or XML"),
        _ => Some("text"),
    }
}
