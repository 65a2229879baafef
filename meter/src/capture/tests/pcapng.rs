use super::make::{ETHERNET, Pcapng, RAW_IP, USB_LINUX, option, u64};
use super::{Packet, Trickle, open, read, read_from};
use crate::capture::bytes::ByteOrder::{Big, Little};
use crate::capture::{CaptureError, CaptureErrorKind};

const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

fn packet(link_type: u16, time_ns: i64, wire_bytes: u32, data: &[u8]) -> Packet {
    Packet { link_type, time_ns, wire_bytes, data: data.to_vec() }
}

/// Returns the error of the block right after one valid packet.
fn error_after_packet(file: impl Fn(Pcapng) -> Pcapng) -> CaptureError {
    let good = || Pcapng::new(Little).interface(ETHERNET, 0, &[]).enhanced(0, 1, 3, b"abc");
    let outcome = read(&file(good()).bytes);
    assert_eq!(outcome.packets.len(), 1);
    let error = outcome.error.expect("an error");
    assert_eq!(error.offset, good().bytes.len() as u64, "{error}");
    error
}

#[test]
fn enhanced_packets_in_both_byte_orders() {
    for order in [Little, Big] {
        let file = Pcapng::new(order)
            .interface(ETHERNET, 262_144, &[])
            .enhanced(0, 1_700_000_000_123_456, 60, b"abcde")
            .enhanced(0, 0, 0, b"");
        let packets = read(&file.bytes).clean();
        assert_eq!(
            packets,
            [packet(ETHERNET, 1_700_000_000_123_456_000, 60, b"abcde"), packet(ETHERNET, 0, 0, b"")]
        );
        let capture = open(&file.bytes).unwrap();
        assert_eq!((capture.format(), capture.compression()), ("pcapng", None));
    }
}

#[test]
fn each_interface_has_its_link_type_and_clock() {
    for order in [Little, Big] {
        let offset = u64(order, 5_u64.wrapping_neg());
        let file = Pcapng::new(order)
            .interface(ETHERNET, 0, &[(2, b"eth0"), (IF_TSRESOL, &[9]), (0, b"")])
            .interface(RAW_IP, 0, &[(IF_TSRESOL, &[0x81]), (IF_TSOFFSET, &offset)])
            .enhanced(1, 21, 1, b"b")
            .enhanced(0, 7, 1, b"a")
            // An interface may be described between packets.
            .interface(USB_LINUX, 0, &[(0, b""), (IF_TSRESOL, &[0])])
            .enhanced(2, 7, 1, b"c");
        assert_eq!(
            read(&file.bytes).clean(),
            [
                packet(RAW_IP, 5_500_000_000, 1, b"b"),
                packet(ETHERNET, 7, 1, b"a"),
                packet(USB_LINUX, 7000, 1, b"c")
            ]
        );
    }
}

#[test]
fn each_section_has_its_byte_order_and_interfaces() {
    let file = Pcapng::new(Little)
        .interface(ETHERNET, 0, &[])
        .enhanced(0, 1, 1, b"a")
        .section(Big)
        .interface(RAW_IP, 0, &[])
        .enhanced(0, 2, 1, b"b")
        .section(Little)
        .enhanced(0, 3, 1, b"c");
    let outcome = read(&file.bytes);
    assert_eq!(outcome.packets, [packet(ETHERNET, 1000, 1, b"a"), packet(RAW_IP, 2000, 1, b"b")]);
    let error = outcome.error.unwrap();
    assert_eq!(error.kind, CaptureErrorKind::Damaged);
    assert!(error.message.starts_with("packet 3 refers to interface 0, which no block describes"), "{error}");
}

#[test]
fn simple_packets_have_the_time_of_the_packet_before() {
    for order in [Little, Big] {
        let file = Pcapng::new(order)
            .interface(ETHERNET, 5, &[])
            .interface(RAW_IP, 0, &[])
            .simple(3, b"abc")
            .enhanced(1, 9, 1, b"x")
            .simple(60, b"abcde")
            .section(order)
            .interface(RAW_IP, 0, &[])
            .simple(6, b"abcdef");
        assert_eq!(
            read(&file.bytes).clean(),
            [
                packet(ETHERNET, 0, 3, b"abc"),
                packet(RAW_IP, 9000, 1, b"x"),
                packet(ETHERNET, 9000, 60, b"abcde"),
                packet(RAW_IP, 9000, 6, b"abcdef"),
            ]
        );
    }
}

#[test]
fn obsolete_packet_blocks() {
    for order in [Little, Big] {
        let file = Pcapng::new(order).interface(ETHERNET, 0, &[]).interface(RAW_IP, 0, &[]).obsolete(
            1,
            (1 << 32) + 1,
            60,
            b"abcde",
        );
        assert_eq!(read(&file.bytes).clean(), [packet(RAW_IP, 4_294_967_297_000, 60, b"abcde")]);
    }
}

#[test]
fn drops_are_from_the_latest_statistics_of_each_interface() {
    for order in [Little, Big] {
        let file = Pcapng::new(order)
            .interface(ETHERNET, 0, &[])
            .interface(ETHERNET, 0, &[])
            .statistics(0, &[(4, 1000), (5, 1), (7, 10)])
            .statistics(1, &[(7, 100)])
            .statistics(0, &[(5, 2), (7, 20)])
            .statistics(1, &[(4, 5)])
            // An undescribed interface.
            .statistics(9, &[(5, 5000)])
            .section(Little)
            .interface(ETHERNET, 0, &[])
            .statistics(0, &[(5, 1000)]);
        assert_eq!(read(&file.bytes).dropped, 2 + 20 + 100 + 1000);
    }
    let most = Pcapng::new(Little).interface(ETHERNET, 0, &[]).statistics(0, &[(5, u64::MAX), (7, u64::MAX)]);
    assert_eq!(read(&most.bytes).dropped, u64::MAX);
}

#[test]
fn unknown_blocks_are_skipped_whatever_their_length() {
    let file = Pcapng::new(Big)
        .block(4, b"name resolution")
        .block(0x0bad, &[])
        .interface(ETHERNET, 0, &[])
        .block(0x8000_0001, &vec![0xaa; 20_000_000])
        .enhanced(0, 1, 1, b"a");
    let expected = [packet(ETHERNET, 1000, 1, b"a")];
    assert_eq!(read(&file.bytes).clean(), expected);
    assert_eq!(read_from(Trickle::new(&file.bytes, 4096)).clean(), expected);
}

#[test]
fn lengths_may_exclude_the_padding() {
    let body = [&[0; 12][..], &[5, 0, 0, 0, 5, 0, 0, 0], b"abcde"].concat();
    let file = Pcapng::new(Little)
        .interface(ETHERNET, 0, &[])
        .raw_block(6, 37, &body, 37)
        .raw_block(0x99, 13, b"x", 13)
        .enhanced(0, 1, 1, b"a");
    assert_eq!(
        read(&file.bytes).clean(),
        [packet(ETHERNET, 0, 5, b"abcde"), packet(ETHERNET, 1000, 1, b"a")]
    );
}

#[test]
fn messages_of_a_bus_may_be_longer_than_packets() {
    let long = vec![1; 20_000_000];
    let usb = Pcapng::new(Little).interface(USB_LINUX, 0, &[]).enhanced(0, 1, 1, &long);
    assert_eq!(read(&usb.bytes).clean()[0].data.len(), long.len());
    let both = usb.interface(ETHERNET, 0, &[]).enhanced(1, 1, 1, &vec![0; 262_145]);
    assert_eq!(read(&both.bytes).error.unwrap().kind, CaptureErrorKind::Damaged);
    let ethernet = Pcapng::new(Little).interface(ETHERNET, 0, &[]).enhanced(0, 1, 1, &long);
    assert_eq!(read(&ethernet.bytes).error.unwrap().kind, CaptureErrorKind::Damaged);
}

#[test]
fn damage_is_reported_at_its_offset() {
    type Damage = fn(Pcapng) -> Pcapng;
    let cases: [(Damage, &str); 14] = [
        (|file| file.raw_block(6, 11, &[0; 40], 52), "block of type 0x6 claims 11 bytes"),
        (|file| file.raw_block(0x99, 8, &[], 8), "block of type 0x99 claims 8 bytes"),
        (|file| file.raw_block(6, 16_777_220, &[0; 40], 52), "block of type 0x6 claims 16777220 bytes"),
        (|file| file.raw_block(6, 28, &[0; 16], 28), "block of type 0x6 claims 28 bytes"),
        (|file| file.raw_block(1, 16, &[0; 4], 16), "block of type 0x1 claims 16 bytes"),
        (|file| file.raw_block(6, 40, &[0; 28], 41), "begins with the length 40 and ends with 41"),
        (|file| file.raw_block(0x99, 16, &[0; 4], 12), "begins with the length 16 and ends with 12"),
        (|file| file.enhanced(1, 0, 0, b""), "packet 2 refers to interface 1"),
        (|file| file.enhanced(u32::MAX, 0, 0, b""), "packet 2 refers to interface 4294967295"),
        (|file| file.obsolete(7, 0, 0, b""), "packet 2 refers to interface 7"),
        (|file| file.simple(9, b"abcd"), "packet 2 claims 9 captured bytes"),
        (|file| file.block(6, &[0xff, 0xff, 0xff, 0xff].repeat(5)), "packet 2 refers to interface"),
        (|file| file.interface(1, 0, &[(IF_TSRESOL, b"abc")]), "option 9 of an interface description has 3"),
        (|file| file.block(0x0a0d_0d0a, &[0; 16]), "a section header without its byte-order magic"),
    ];
    for (file, what) in cases {
        let error = error_after_packet(file);
        assert_eq!(error.kind, CaptureErrorKind::Damaged, "{error}");
        assert!(error.message.contains(what), "{error}: {what}");
    }
}

#[test]
fn options_that_exceed_their_block() {
    let body = [&[1, 0, 0, 0, 0, 0, 0, 0][..], &[IF_TSRESOL as u8, 0, 200, 0, 6, 0, 0, 0]].concat();
    let error = error_after_packet(|file| file.block(1, &body));
    assert!(error.message.starts_with("option 9 of an interface description exceeds"), "{error}");
    let error = error_after_packet(|file| file.block(5, &[&[0; 12][..], &[5, 0, 8, 0, 1, 2]].concat()));
    assert!(error.message.starts_with("option 5 of interface statistics exceeds"), "{error}");
}

#[test]
fn an_option_without_end_or_padding() {
    let mut body = vec![1, 0, 0, 0, 0, 0, 0, 0];
    body.extend(option(Little, 2, b"lo"));
    body.extend([9, 0, 1, 0, 9]);
    let file = Pcapng::new(Little).block(1, &body).enhanced(0, 5, 1, b"a");
    assert_eq!(read(&file.bytes).clean(), [packet(ETHERNET, 5, 1, b"a")]);
}

#[test]
fn other_versions_are_unsupported() {
    let mut file = Pcapng::new(Big).bytes;
    file[13] = 2;
    let error = open(&file).err().unwrap();
    assert_eq!(error.kind, CaptureErrorKind::Unsupported);
    assert!(error.message.starts_with("pcapng version 2.0"), "{error}");
}

#[test]
fn a_cut_block() {
    let file = Pcapng::new(Little).interface(ETHERNET, 0, &[]).enhanced(0, 1, 3, b"abc").bytes;
    let start = file.len() as u64 - 48;
    let error = read(&file[..file.len() - 1]).error.unwrap();
    assert_eq!((error.kind, error.offset), (CaptureErrorKind::Cut, start));
    assert!(error.message.starts_with("the file ends inside packet 1 (needs 48 bytes, has 47)"), "{error}");
    let error = read(&[&file[..], &[1]].concat()).error.unwrap();
    assert!(error.message.starts_with("the file ends inside a block after packet 1 (needs 12 bytes, has 1)"));
    // A wrong length must not allocate memory.
    let long = Pcapng::new(Little).raw_block(0x99, u32::MAX, b"", 0).bytes;
    let error = read(&long).error.unwrap();
    assert_eq!(error.kind, CaptureErrorKind::Cut);
    assert!(error.message.contains("a block of type 0x99 after packet 0 (needs 4294967296"), "{error}");
}

#[test]
fn interfaces_are_bounded() {
    let mut file = Pcapng::new(Little);
    for _ in 0..65_537 {
        file = file.interface(ETHERNET, 0, &[]);
    }
    let error = read(&file.bytes).error.unwrap();
    assert_eq!(error.kind, CaptureErrorKind::Damaged);
    assert!(error.message.starts_with("more than 65536 interfaces"), "{error}");
}
