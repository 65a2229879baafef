use std::io::Write;

use super::make::Pcap;
use super::{Trickle, open, read, read_from};
use crate::capture::CaptureErrorKind;
use crate::capture::bytes::ByteOrder::Little;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub fn lz4(bytes: &[u8]) -> Vec<u8> {
    let info = lz4_flex::frame::FrameInfo::new()
        .block_size(lz4_flex::frame::BlockSize::Max64KB)
        .block_mode(lz4_flex::frame::BlockMode::Linked)
        .content_checksum(true);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub type Pack = fn(&[u8]) -> Vec<u8>;

pub const PACK: [(&str, Pack); 3] = [("gzip", gzip), ("zstd", zstd), ("lz4", lz4)];

fn skippable(content: &[u8]) -> Vec<u8> {
    [&[0x53, 0x2a, 0x4d, 0x18], &(content.len() as u32).to_le_bytes()[..], content].concat()
}

/// A capture of about 150 kB in 50 incompressible packets: several blocks in every format.
pub fn sample() -> Vec<u8> {
    let mut noise = 1_u32;
    let mut file = Pcap::micro(Little);
    for second in 0..50 {
        let data: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        })
        .take(3000)
        .collect();
        file = file.packet(second, 0, 3000, &data);
    }
    file.bytes
}

#[test]
fn compressed_captures_read_like_plain_ones() {
    let plain = sample();
    for (name, pack) in PACK {
        let packed = pack(&plain);
        assert_eq!(read(&packed), read(&plain));
        assert_eq!(read_from(Trickle::new(&packed, 1)), read(&plain));
        let mut capture = open(&packed).unwrap();
        assert_eq!((capture.format(), capture.compression()), ("pcap", Some(name)));
        while capture.next_frame().unwrap().is_some() {}
        assert_eq!(capture.bytes_read(), packed.len() as u64);
    }
}

#[test]
fn concatenated_members_are_one_file() {
    let plain = sample();
    for (name, pack) in PACK {
        let (first, second) = plain.split_at(70_000);
        let packed = [pack(first), pack(b""), pack(second)].concat();
        assert_eq!(read(&packed), read(&plain), "{name}");
    }
}

#[test]
fn skippable_frames_are_skipped() {
    let plain = sample();
    for pack in [zstd, lz4] {
        let packed = [skippable(b"made by hand"), skippable(b""), pack(&plain), skippable(&[0; 99])].concat();
        assert_eq!(read(&packed), read(&plain));
    }
    let error = open(&skippable(b"alone")).err().unwrap();
    assert_eq!(error.kind, CaptureErrorKind::NotACapture);
    let error = open(&skippable(b"cut")[..10]).err().unwrap();
    assert_eq!(error.kind, CaptureErrorKind::Cut);
}

#[test]
fn empty_content() {
    for (name, pack) in PACK {
        let error = open(&pack(b"")).err().unwrap();
        assert_eq!(error.kind, CaptureErrorKind::Empty);
        assert_eq!(error.message, format!("the {name} data are empty"));
    }
}

#[test]
fn content_that_is_no_capture() {
    for (_, pack) in PACK {
        let error = open(&pack(b"PK\x03\x04 and so on")).err().unwrap();
        assert_eq!(error.kind, CaptureErrorKind::NotACapture);
        assert!(error.message.contains("looks like a zip archive"), "{error}");
    }
}

#[test]
fn compressed_twice() {
    for (outer, pack) in PACK {
        for (inner, pack_first) in PACK {
            let error = open(&pack(&pack_first(&sample()))).err().unwrap();
            assert_eq!(error.kind, CaptureErrorKind::Unsupported);
            assert_eq!(
                error.message,
                format!("compressed twice ({inner} inside {outer}); decompress it once first")
            );
        }
    }
}

/// Cuts everywhere in the last block and around the other blocks' ends, where lz4 and gzip may appear complete.
#[test]
fn cut_anywhere() {
    let plain = sample();
    for (name, pack) in PACK {
        let packed = pack(&plain);
        let ends = (4..packed.len()).filter(|end| end % 2503 == 0 || *end < 40 || packed.len() - end < 40);
        let blocks = (1..=2).flat_map(|block| {
            let end = 7 + block * (4 + 65_536);
            end - 5..end + 9
        });
        for end in ends.chain(blocks) {
            let outcome = read(&packed[..end]);
            let error = outcome.error.unwrap_or_else(|| panic!("{name} cut at {end} is read as complete"));
            assert_eq!(error.kind, CaptureErrorKind::Cut, "{name} at {end}: {error}");
            assert!(error.message.starts_with(&format!("the {name} data are truncated at ")), "{error}");
            assert!(outcome.packets.len() * 3016 <= end);
        }
    }
}

#[test]
fn damaged_inside() {
    let plain = sample();
    for (name, pack) in PACK {
        let mut packed = pack(&plain);
        let checksum = packed.len() - if name == "gzip" { 8 } else { 4 };
        packed[checksum] ^= 1;
        if name == "zstd" {
            // No checksum here: damage a block header.
            packed.truncate(packed.len() - 10);
            packed.extend([0xff; 10]);
            packed[6..9].copy_from_slice(&[0xff; 3]);
        }
        let error = read(&packed).error.unwrap();
        assert_eq!(error.kind, CaptureErrorKind::Damaged, "{error}");
        assert!(
            error.message.starts_with(&format!("the {name} data are damaged at packet ")) || name == "zstd",
            "{error}"
        );
    }
}

#[test]
fn trailing_data() {
    let plain = sample();
    for (name, pack) in PACK {
        let outcome = read(&[pack(&plain), b"something else".to_vec()].concat());
        assert_eq!(outcome.packets, read(&plain).packets);
        assert_eq!(outcome.error.unwrap().kind, CaptureErrorKind::Damaged, "{name}");
    }
}

#[test]
fn a_window_of_256_mib_is_refused() {
    // RFC 8878 §3.1.1.1: no content size, window descriptor 0x90; then an empty last block.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x90, 0x01, 0x00, 0x00];
    let error = open(&frame).err().unwrap();
    assert_eq!(error.kind, CaptureErrorKind::Unsupported);
    assert!(error.message.ends_with("zstd -d --long=31 FILE"), "{error}");
}

#[test]
fn read_failure_is_not_damage() {
    let plain = sample();
    for (name, pack) in PACK {
        let packed = pack(&plain);
        for bytes in [20, 70_000, packed.len()] {
            let error = read_from(Trickle::failing(&packed[..bytes])).error.unwrap();
            assert_eq!(error.kind, CaptureErrorKind::Io, "{name}: {error}");
            assert!(error.message.contains("permission denied"), "{error}");
        }
    }
}

/// Content that ends at the end of the read buffer.
#[test]
fn content_may_end_at_the_end_of_the_buffer() {
    for bytes in [131_032, 131_056, 262_103, 262_104, 262_128, 262_144] {
        for packets in 1..=3 {
            let mut file = Pcap::micro(Little);
            for second in 0..packets {
                file = file.packet(second, 0, bytes, &vec![0; bytes as usize]);
            }
            for (name, pack) in PACK {
                assert!(read(&pack(&file.bytes)) == read(&file.bytes), "{name}: {packets} of {bytes}");
            }
        }
    }
}

/// Packets decompressed before the damage are returned, even with reads of single bytes.
#[test]
fn nothing_before_the_damage_is_lost() {
    let plain = sample();
    for (name, pack) in PACK {
        // Each part is complete; what follows the first is damaged.
        let (first, second) = plain.split_at(24 + 2 * 3016);
        for noise in [[0xff; 40], [0x06; 40]] {
            let mut packed = pack(second);
            let body = if name == "gzip" { 10 } else { 7 };
            packed[body..body + 40].copy_from_slice(&noise);
            let packed = [pack(first), packed].concat();
            let outcome = read(&packed);
            assert_eq!(outcome.error.as_ref().unwrap().kind, CaptureErrorKind::Damaged, "{name}");
            assert!(outcome.packets.len() >= 2, "{name}: {}", outcome.packets.len());
            assert!(read_from(Trickle::new(&packed, 1)) == outcome, "{name}, byte by byte");
        }
    }
}

/// Damage in the middle of a deflate block.
#[test]
fn a_small_gzip_file_damaged_near_its_end_is_read_up_to_there() {
    let plain = sample();
    let mut packed = gzip(&plain);
    let at = packed.len() * 9 / 10;
    packed[at..at + 200].fill(0xff);
    let outcome = read(&packed);
    assert!(outcome.packets.len() >= 40, "{}", outcome.packets.len());
    assert!(read_from(Trickle::new(&packed, 7)) == outcome);
}
