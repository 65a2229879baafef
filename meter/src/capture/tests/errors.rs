use super::make::{Pcap, Pcapng};
use super::{Trickle, open, read_from};
use crate::capture::CaptureErrorKind::{Cut, Empty, Io, NotACapture, Unsupported};
use crate::capture::Remedy;
use crate::capture::bytes::ByteOrder::Little;

#[test]
fn empty() {
    let error = open(b"").err().unwrap();
    assert_eq!((error.kind, error.offset), (Empty, 0));
    assert!(error.to_string().starts_with("the file is empty (0 bytes)"), "{error}");
}

#[test]
fn files_of_other_formats_are_named() {
    let mut tar = vec![b'x'; 600];
    tar[257..262].copy_from_slice(b"ustar");
    let cases: [(&[u8], _, &str); 20] = [
        (
            b"PK\x03\x04more",
            NotACapture,
            "not a capture (starts 50 4b 03 04, looks like a zip archive); extract it first",
        ),
        (
            b"7z\xbc\xaf\x27\x1c",
            NotACapture,
            "(starts 37 7a bc af, looks like a 7z archive); extract it first",
        ),
        (b"\xfd7zXZ\0", NotACapture, "xz data"),
        (b"BZh91AY", NotACapture, "bzip2 data"),
        (&tar, NotACapture, "a tar archive"),
        (b"snoop\0\0\0\0\0\0\x02", Unsupported, "a Sun snoop capture (starts 73 6e 6f 6f)"),
        (b"GMBU\0\x02", Unsupported, "convert it with: editcap -F pcapng IN OUT"),
        (b"RTSS", Unsupported, "Network Monitor 1"),
        (b"LOGG\x90", Unsupported, "a Vector BLF log"),
        (b"\x7fELF\x02", NotACapture, "a program (ELF)"),
        (b"%PDF-1.7", NotACapture, "a PDF document"),
        (b"\x89PNG\r\n", NotACapture, "a PNG picture"),
        (b"{\"a\": 1}", NotACapture, "looks like JSON"),
        (b"<html>", NotACapture, "looks like HTML or XML); give a pcap or pcapng file"),
        ("Häuser und Bä".as_bytes(), NotACapture, "looks like text"),
        (&"Häuser".as_bytes()[..2], NotACapture, "(starts 48 c3, looks like text)"),
        (b"\xff\xfea\0", NotACapture, "looks like text"),
        (b"\0", NotACapture, "(starts 00, unknown format)"),
        (&[0x1f], NotACapture, "(starts 1f, unknown format)"),
        (b"\x0a\x0d\x0d\x0a but no byte-order magic", NotACapture, "looks like text"),
    ];
    for (bytes, kind, message) in cases {
        let error = open(bytes).err().unwrap();
        assert_eq!((error.kind, error.offset), (kind, 0), "{error}");
        assert!(error.message.contains(message), "{error}");
        let remedy = match kind {
            Unsupported => Some(Remedy::UseTshark),
            _ => message.contains("unknown format").then_some(Remedy::TryTshark),
        };
        assert_eq!(error.remedy, remedy, "{error}");
    }
}

#[test]
fn too_short_to_recognise() {
    for whole in [Pcap::micro(Little).bytes, Pcapng::new(Little).bytes] {
        for bytes in 1..24 {
            let error = open(&whole[..bytes]).err().unwrap();
            assert_eq!((error.kind, error.offset), (Cut, 0), "{bytes}: {error}");
        }
    }
}

#[test]
fn a_failing_source() {
    let file = Pcap::micro(Little).packet(1, 0, 9, b"123456789").packet(1, 0, 9, b"123456789").bytes;
    for (bytes, packets, offset) in
        [(0, 0, 0), (3, 0, 0), (10, 0, 0), (24, 0, 24), (30, 0, 24), (49, 1, 49), (70, 1, 49), (74, 2, 74)]
    {
        let outcome = read_from(Trickle::failing(&file[..bytes]));
        let error = outcome.error.unwrap();
        assert_eq!((error.kind, error.offset, outcome.packets.len()), (Io, offset, packets), "{error}");
        assert!(error.message.contains("permission denied"), "{error}");
    }
}
