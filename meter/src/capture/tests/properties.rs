use proptest::collection::vec;
use proptest::prelude::*;

use super::compression::PACK;
use super::make::{self, ETHERNET, RAW_IP};
use super::{Trickle, read, read_from};
use crate::capture::CaptureErrorKind;
use crate::capture::bytes::ByteOrder;

/// A valid capture, and the number of packets before each record or block.
#[derive(Debug, Clone)]
struct Sample {
    bytes: Vec<u8>,
    /// `(offset, packets before it)`, ascending.
    ends: Vec<(usize, usize)>,
}

fn order() -> impl Strategy<Value = ByteOrder> {
    prop_oneof![Just(ByteOrder::Little), Just(ByteOrder::Big)]
}

/// Mostly short; some longer than the short reads of `Trickle`.
fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![9 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 500..2000)]
}

fn pcap() -> impl Strategy<Value = Sample> {
    let magic = prop_oneof![Just(0xa1b2_c3d4), Just(0xa1b2_3c4d), Just(0xa1b2_cd34)];
    let packets = vec((any::<[u32; 3]>(), data()), 0..8);
    (order(), magic, any::<u32>(), packets).prop_map(|(order, magic, network, packets)| {
        let mut file = make::Pcap::new(order, magic, (2, 4), network);
        let mut ends = vec![(file.bytes.len(), 0)];
        for (index, ([seconds, fraction, original], data)) in packets.into_iter().enumerate() {
            let header = [seconds, fraction, data.len() as u32, original, 0, 0];
            file = file.words(&header[..if magic == 0xa1b2_cd34 { 6 } else { 4 }]).data(&data);
            ends.push((file.bytes.len(), index + 1));
        }
        Sample { bytes: file.bytes, ends }
    })
}

#[derive(Debug, Clone)]
enum Block {
    Section(ByteOrder),
    Interface(u8),
    Enhanced(u64, u32, Vec<u8>),
    Simple(Vec<u8>),
    Obsolete(u64, u32, Vec<u8>),
    Statistics(u64),
    Unknown(u32, Vec<u8>),
}

fn block() -> impl Strategy<Value = Block> {
    prop_oneof![
        1 => order().prop_map(Block::Section),
        1 => any::<u8>().prop_map(Block::Interface),
        4 => (any::<u64>(), any::<u32>(), data()).prop_map(|(ticks, original, data)| Block::Enhanced(ticks, original, data)),
        1 => data().prop_map(Block::Simple),
        1 => (any::<u64>(), any::<u32>(), data()).prop_map(|(ticks, original, data)| Block::Obsolete(ticks, original, data)),
        1 => any::<u64>().prop_map(Block::Statistics),
        1 => (0x100_u32..0x0a00_0000, data()).prop_map(|(block_type, data)| Block::Unknown(block_type, data)),
    ]
}

fn pcapng() -> impl Strategy<Value = Sample> {
    (order(), vec(block(), 0..12)).prop_map(|(order, blocks)| {
        let mut file = make::Pcapng::new(order);
        let mut ends = vec![(file.bytes.len(), 0)];
        let mut packets = 0;
        file = file.interface(ETHERNET, 0, &[]);
        ends.push((file.bytes.len(), packets));
        for block in blocks {
            packets +=
                usize::from(matches!(block, Block::Enhanced(..) | Block::Simple(_) | Block::Obsolete(..)));
            file = match block {
                Block::Section(order) => {
                    file = file.section(order);
                    ends.push((file.bytes.len(), packets));
                    file.interface(RAW_IP, 0, &[])
                }
                Block::Interface(if_tsresol) => file.interface(ETHERNET, 0, &[(9, &[if_tsresol])]),
                Block::Enhanced(ticks, original, data) => file.enhanced(0, ticks, original, &data),
                Block::Simple(data) => file.simple(data.len() as u32, &data),
                Block::Obsolete(ticks, original, data) => file.obsolete(0, ticks, original, &data),
                Block::Statistics(drops) => file.statistics(0, &[(5, drops)]),
                Block::Unknown(block_type, data) => file.block(block_type, &data),
            };
            ends.push((file.bytes.len(), packets));
        }
        Sample { bytes: file.bytes, ends }
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    prop_oneof![pcap(), pcapng()]
}

/// Returns the bytes plain, or compressed in one of three formats.
fn packed(bytes: &[u8], how: usize) -> Vec<u8> {
    PACK.get(how).map_or_else(|| bytes.to_vec(), |(_, pack)| pack(bytes))
}

proptest! {
    // Failures are added as tests by hand, not as files beside the sources.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_cut_loses_only_packets_after_it(sample in sample(), cut in any::<prop::sample::Index>()) {
        let whole = read(&sample.bytes);
        prop_assert_eq!(&whole.error, &None);
        prop_assert_eq!(whole.packets.len(), sample.ends.last().unwrap().1);
        let cut = cut.index(sample.bytes.len() + 1);
        let outcome = read(&sample.bytes[..cut]);
        let (begin, packets) = sample.ends.iter().rev().find(|(end, _)| *end <= cut).copied().unwrap_or((0, 0));
        prop_assert_eq!(&outcome.packets, &whole.packets[..packets]);
        match outcome.error {
            None => prop_assert!(cut > 0 && cut == begin),
            Some(error) if cut == 0 => prop_assert_eq!(error.kind, CaptureErrorKind::Empty),
            Some(error) => {
                prop_assert!(cut != begin, "{}", error);
                prop_assert_eq!((error.kind, error.offset), (CaptureErrorKind::Cut, begin as u64));
            }
        }
    }

    #[test]
    fn short_reads_change_nothing(sample in sample(), how in 0_usize..4, at_once in 1_usize..400) {
        let packed = packed(&sample.bytes, how);
        let whole = read(&sample.bytes);
        prop_assert_eq!(&read_from(Trickle::new(&packed, 1)), &whole);
        prop_assert_eq!(&read_from(Trickle::new(&packed, at_once)), &whole);
        let cut = packed.len() / 2;
        prop_assert_eq!(read_from(Trickle::new(&packed[..cut], at_once)), read(&packed[..cut]));
    }

    #[test]
    fn changed_bytes_neither_panic_nor_hang(
        sample in sample(),
        how in 0_usize..4,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut packed = packed(&sample.bytes, how);
        for (at, byte) in changes {
            let at = at.index(packed.len());
            packed[at] = byte;
        }
        read(&packed);
    }

    #[test]
    fn random_bytes_neither_panic_nor_hang(start in 0_usize..8, bytes in vec(any::<u8>(), 0..400)) {
        let starts: [&[u8]; 8] = [
            b"",
            &make::Pcap::micro(ByteOrder::Big).bytes,
            &make::Pcap::micro(ByteOrder::Little).bytes,
            &make::Pcapng::new(ByteOrder::Big).bytes,
            &make::Pcapng::new(ByteOrder::Little).interface(ETHERNET, 0, &[]).bytes,
            &[0x1f, 0x8b, 8],
            &[0x28, 0xb5, 0x2f, 0xfd],
            &[0x04, 0x22, 0x4d, 0x18],
        ];
        read(&[starts[start], &bytes].concat());
    }
}
