use super::make::{ETHERNET, Pcap, USB_LINUX};
use super::{Packet, open, read};
use crate::capture::CaptureErrorKind;
use crate::capture::bytes::ByteOrder::{self, Big, Little};

fn ethernet(time_ns: i64, wire_bytes: u32, data: &[u8]) -> Packet {
    Packet { link_type: ETHERNET, time_ns, wire_bytes, data: data.to_vec() }
}

fn version(order: ByteOrder, major: u16, minor: u16) -> Pcap {
    Pcap::new(order, 0xa1b2_c3d4, (major, minor), 1)
}

#[test]
fn microseconds_in_both_byte_orders() {
    for order in [Little, Big] {
        let file = Pcap::micro(order).packet(1_700_000_000, 123_456, 60, b"abc").packet(1, 2, 0, b"");
        let packets = read(&file.bytes).clean();
        assert_eq!(
            packets,
            [ethernet(1_700_000_000_123_456_000, 60, b"abc"), ethernet(1_000_002_000, 0, b"")]
        );
        let capture = open(&file.bytes).unwrap();
        assert_eq!((capture.format(), capture.compression(), capture.dropped()), ("pcap", None, 0));
    }
}

#[test]
fn nanoseconds_in_both_byte_orders() {
    for order in [Little, Big] {
        let file = Pcap::new(order, 0xa1b2_3c4d, (2, 4), 1).packet(1_700_000_000, 123_456_789, 3, b"abc");
        assert_eq!(read(&file.bytes).clean(), [ethernet(1_700_000_000_123_456_789, 3, b"abc")]);
    }
}

#[test]
fn impossible_wire_length_is_replaced_by_the_captured_length() {
    let file = Pcap::micro(Little).packet(0, 0, 262_144, b"abc").packet(0, 0, 262_145, b"abc").packet(
        0,
        0,
        u32::MAX,
        b"",
    );
    let packets = read(&file.bytes).clean();
    assert_eq!(packets, [ethernet(0, 262_144, b"abc"), ethernet(0, 3, b"abc"), ethernet(0, 0, b"")]);
}

#[test]
fn kuznetzov_has_longer_record_headers() {
    for order in [Little, Big] {
        let file = Pcap::new(order, 0xa1b2_cd34, (2, 4), 1)
            .words(&[7, 8, 3, 60, 2, 0x0800_0000])
            .data(b"abc")
            .words(&[9, 0, 0, 60, 2, 0])
            .data(b"");
        assert_eq!(
            read(&file.bytes).clean(),
            [ethernet(7_000_008_000, 60, b"abc"), ethernet(9_000_000_000, 60, b"")]
        );
    }
}

#[test]
fn largest_seconds_do_not_overflow() {
    let file = Pcap::micro(Little).packet(u32::MAX, u32::MAX, 0, b"");
    let time_ns = 4_294_967_295 * 1_000_000_000 + 4_294_967_295 * 1000;
    assert_eq!(read(&file.bytes).clean(), [ethernet(time_ns, 0, b"")]);
}

#[test]
fn lengths_may_be_swapped_before_version_2_4() {
    for (minor, first, second) in [(2, 60, 3), (3, 60, 3), (3, 3, 60), (4, 3, 60)] {
        let file = version(Little, 2, minor).words(&[1, 0, first, second]).data(b"abc");
        assert_eq!(read(&file.bytes).clean(), [ethernet(1_000_000_000, 60, b"abc")]);
    }
}

#[test]
fn upper_half_of_the_link_type_is_ignored() {
    let file = Pcap::new(Big, 0xa1b2_c3d4, (2, 4), 0x2400_0001).packet(0, 0, 1, b"x");
    assert_eq!(read(&file.bytes).clean()[0].link_type, ETHERNET);
}

#[test]
fn a_header_alone_is_a_capture_without_packets() {
    let outcome = read(&Pcap::micro(Little).bytes);
    assert_eq!(outcome.clean(), []);
}

#[test]
fn other_versions_are_unsupported() {
    let error = open(&version(Little, 3, 0).bytes).err().unwrap();
    assert_eq!((error.kind, error.offset), (CaptureErrorKind::Unsupported, 4));
    assert!(error.message.starts_with("pcap version 3.0"), "{error}");
}

#[test]
fn a_cut_header() {
    let whole = Pcap::micro(Big).bytes;
    for bytes in 1..24 {
        let error = read(&whole[..bytes]).error.unwrap();
        assert_eq!((error.kind, error.offset), (CaptureErrorKind::Cut, 0), "{bytes} bytes");
    }
}

#[test]
fn a_cut_packet() {
    let file = Pcap::micro(Little).packet(1, 0, 10, &[1; 10]).packet(2, 0, 82, &[2; 82]);
    let outcome = read(&file.bytes[..24 + 26 + 40]);
    assert_eq!(outcome.packets.len(), 1);
    let error = outcome.error.unwrap();
    assert_eq!((error.kind, error.offset), (CaptureErrorKind::Cut, 50));
    let message = "the file ends inside packet 2 (needs 98 bytes, has 40); everything before it was read";
    assert_eq!(error.message, message);
    assert_eq!(error.to_string(), format!("byte 50: {message}"));
}

#[test]
fn an_impossible_captured_length() {
    let file =
        Pcap::micro(Little).packet(1, 0, 3, b"abc").words(&[2, 0, 262_145, 262_145]).data(&vec![0; 300_000]);
    let outcome = read(&file.bytes);
    assert_eq!(outcome.packets.len(), 1);
    let error = outcome.error.unwrap();
    assert_eq!((error.kind, error.offset), (CaptureErrorKind::Damaged, 24 + 19));
    assert!(error.message.starts_with("packet 2 claims 262145 captured bytes"), "{error}");
}

#[test]
fn longest_packets_are_read() {
    let file = Pcap::micro(Little).packet(1, 0, 262_144, &vec![7; 262_144]).packet(2, 0, 1, b"x");
    let packets = read(&file.bytes).clean();
    assert_eq!((packets[0].data.len(), packets[1].data.len()), (262_144, 1));

    let usb =
        Pcap::new(Little, 0xa1b2_c3d4, (2, 4), u32::from(USB_LINUX)).packet(1, 0, 1, &vec![7; 5_000_000]);
    assert_eq!(read(&usb.bytes).clean()[0].data.len(), 5_000_000);
    let error = read(&usb.words(&[1, 1, 134_217_729, 1]).bytes).error.unwrap();
    assert_eq!(error.kind, CaptureErrorKind::Damaged);
}

#[test]
fn captured_length_above_the_original_is_kept() {
    let file = Pcap::micro(Little).packet(1, 0, 2, b"abc");
    assert_eq!(read(&file.bytes).clean(), [ethernet(1_000_000_000, 2, b"abc")]);
}
