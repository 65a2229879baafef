//! Generated traffic through the meter: no packet is lost, and metering in pieces stitches to the same flows.

use std::io::Cursor;
use std::num::NonZero;
use std::sync::Arc;

use meter::capture::{Capture, Frame};
use meter::flow::{Cores, Idle, Meter, Options, Sharing, Step, join, stitch};
use meter::table::{FlowRecord, rows_of};
use meter::wire::{NotAFlowPacket, Unmetered, decode};

use super::script::{Script, pick};
use super::traffic::{IDLE_TCP_NS, IDLE_UDP_NS, Sent, generate};

const MAX_FLOWS: [usize; 4] = [1_000_000, 1, 3, 40];
const BATCH_ROWS: usize = 5;

/// Result of metering some frames.
struct Metered {
    rows: Vec<FlowRecord>,
    unmetered: u64,
    evicted: u64,
    duplicates: u64,
}

pub fn check(input: &[u8]) {
    let mut script = Script(input);
    let setting = script.byte();
    let sent = generate(&mut script);
    let idle = if setting & 1 == 0 {
        Idle { tcp_ns: IDLE_TCP_NS.unsigned_abs(), udp_ns: IDLE_UDP_NS.unsigned_abs() }
    } else {
        Idle { tcp_ns: 300_000_000_000, udp_ns: 120_000_000_000 }
    };
    for decapsulate in [true, false] {
        let most_flows = pick(&MAX_FLOWS, setting >> 1);
        let (dedup, verify_checksums) = (setting & 0x40 != 0, setting & 0x80 != 0);
        let options = Options { idle, most_flows, decapsulate, dedup, verify_checksums };
        let whole = metered(&sent, options);
        let together = stitched(&whole.rows, &idle);
        on_threads(&sent, options, 2 + usize::from(setting >> 1) % 6);

        let pieces: Vec<Metered> =
            sent.chunk_by(|_, next| !next.cut_before).map(|piece| metered(piece, options)).collect();
        let rows: Vec<FlowRecord> = pieces.iter().flat_map(|piece| piece.rows.iter().copied()).collect();
        let from_pieces = stitched(&rows, &idle);
        let (joined, _) = join(rows.iter().copied(), &idle);
        let (again, _) = join(joined.iter().copied(), &idle);
        assert_eq!(again.len(), joined.len(), "what is joined stays as it is");

        let evicted = whole.evicted + pieces.iter().map(|piece| piece.evicted).sum::<u64>();
        // Duplicates across a cut are exempt: ignored, they are missing on one side.
        let has_duplicates = whole.duplicates > 0 && dedup;
        if evicted == 0 && !has_duplicates && sent.iter().all(|frame| is_independent(frame, decapsulate)) {
            assert_eq!(as_set(from_pieces), as_set(together), "stitched pieces equal the whole");
        }
    }
}

/// Returns whether the packet is decoded independently of others, as stitching requires.
fn is_independent(sent: &Sent, decapsulate: bool) -> bool {
    let decoded = decode(sent.link_type, &sent.data, sent.wire_bytes, decapsulate);
    !matches!(decoded, Err(NotAFlowPacket::Fragment(_) | NotAFlowPacket::IcmpError(_)))
}

fn metered(sent: &[Sent], options: Options) -> Metered {
    let mut meter = Meter::new(options, Arc::default());
    let mut rows = Vec::new();
    for (number, sent) in sent.iter().enumerate() {
        let Sent { link_type, time_ns, wire_bytes, .. } = *sent;
        meter.frame(&Frame { interface: 0, link_type, time_ns, wire_bytes, data: &sent.data });
        if number % 64 == 63 {
            rows.extend(rows_of(&meter.take()).expect("its own columns"));
        }
    }
    loop {
        let done = meter.finish(64);
        rows.extend(rows_of(&meter.take()).expect("its own columns"));
        if done {
            break;
        }
    }
    let unmetered: u64 = meter.unmetered().map(|(_, packets)| packets).sum();
    let more = meter.counts().unmetered.tallies().more_packets();
    assert_eq!(meter.packets(), sent.len() as u64 + more, "packets and aggregates");
    assert_eq!(packets(&rows) + unmetered, meter.packets(), "every packet is counted once");
    assert_eq!(meter.wire_bytes(), sent.iter().map(|sent| u64::from(sent.wire_bytes)).sum::<u64>());
    assert_eq!(rows.iter().filter(|row| row.evicted).count() as u64, meter.evicted());
    let counts = meter.counts();
    for reason in [Unmetered::LinkType, Unmetered::UnknownType] {
        let numbers = counts.unmetered.tallies().unknown_types();
        let packets: u64 =
            numbers.filter(|(number, _)| number.reason() == reason).map(|(_, packets)| packets).sum();
        assert_eq!(counts.unmetered.of(reason), packets);
    }
    for row in &rows {
        assert_valid(row, meter.span_ns());
    }
    Metered { rows, unmetered, evicted: meter.evicted(), duplicates: meter.duplicates() }
}

/// Asserts that rows, their order and counts are independent of the number of threads.
fn on_threads(sent: &[Sent], options: Options, threads: usize) {
    let bytes = pcapng(sent);
    let open = || Capture::open(Box::new(Cursor::new(bytes.clone()))).expect("a section");
    let mut capture = open();
    let mut alone = Meter::by_part(options, Arc::default(), BATCH_ROWS);
    while let Ok(Some(frames)) = capture.next_frames() {
        alone.frames(frames);
    }
    let threads = NonZero::new(threads).expect("some");
    let sharing = Sharing { threads, block_bytes: 700, batch_rows: BATCH_ROWS };
    let cores = Cores::start(open(), options, Arc::default(), sharing).expect("threads");
    loop {
        match cores.next() {
            Step::Batch(batch) => assert_eq!(Some(batch), alone.next_batch(true)),
            Step::Waiting => {}
            Step::End(_) => break,
        }
    }
    assert_eq!(alone.next_batch(true), None);
    assert_eq!(cores.counts(), alone.counts());
    let more = cores.counts().unmetered.tallies().more_packets();
    assert_eq!(cores.progress().totals.packets + more, alone.packets());
}

/// Builds a capture with one interface per frame, since frames differ in link type.
fn pcapng(sent: &[Sent]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let padded = body.len().next_multiple_of(4);
        let total = 12 + padded as u32;
        bytes.extend(kind.to_le_bytes());
        bytes.extend(total.to_le_bytes());
        bytes.extend(body);
        bytes.extend(std::iter::repeat_n(0, padded - body.len()));
        bytes.extend(total.to_le_bytes());
    };
    block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    for (number, sent) in sent.iter().enumerate() {
        // With option if_tsresol: nanoseconds.
        block(1, &[&sent.link_type.to_le_bytes()[..], &[0; 6], &[9, 0, 1, 0, 9, 0, 0, 0], &[0; 4]].concat());
        let time = sent.time_ns.unsigned_abs();
        let words =
            [number as u32, (time >> 32) as u32, time as u32, sent.data.len() as u32, sent.wire_bytes];
        let words: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        block(6, &[&words[..], &sent.data].concat());
    }
    bytes
}

fn assert_valid(row: &FlowRecord, span_ns: Option<(i64, i64)>) {
    let (first_ns, last_ns) = span_ns.expect("a row has packets");
    assert!(
        first_ns <= row.first_seen_ns && row.last_seen_ns <= last_ns && row.first_seen_ns <= row.last_seen_ns
    );
    assert!(row.packets_ab + row.packets_ba > 0);
    assert!(row.payload_bytes_ab <= row.bytes_ab && row.payload_bytes_ba <= row.bytes_ba);
    assert!(row.packets_ab > 0 || row.bytes_ab == 0);
    assert!(row.packets_ba > 0 || row.bytes_ba == 0);
    assert!(row.events.times_ns().is_sorted(), "events are in time order");
    assert!((row.key.addr_a, row.key.port_a) <= (row.key.addr_b, row.key.port_b));
}

fn packets(rows: &[FlowRecord]) -> u64 {
    rows.iter().map(|row| row.packets_ab + row.packets_ba).sum()
}

fn bytes(rows: &[FlowRecord]) -> u64 {
    rows.iter().map(|row| row.bytes_ab + row.bytes_ba + row.payload_bytes_ab + row.payload_bytes_ba).sum()
}

fn stitched(rows: &[FlowRecord], idle: &Idle) -> Vec<FlowRecord> {
    let (joined, groups) = stitch(rows.iter().copied(), idle, true);
    assert_eq!(groups.len(), rows.len());
    assert_eq!((packets(&joined), bytes(&joined)), (packets(rows), bytes(rows)), "stitching preserves sums");
    for (row, group) in rows.iter().zip(groups) {
        let joined = &joined[group as usize];
        assert_eq!(joined.key, row.key);
        assert!(joined.first_seen_ns <= row.first_seen_ns && row.last_seen_ns <= joined.last_seen_ns);
    }
    joined
}

fn as_set(mut rows: Vec<FlowRecord>) -> Vec<FlowRecord> {
    for row in &mut rows {
        row.duplicates = 0; // see `check`
    }
    // By all fields that differ between rows of one key.
    rows.sort_by_key(|row| {
        let FlowRecord {
            key, first_seen_ns, last_seen_ns, packets_ab, packets_ba, bytes_ab, bytes_ba, ..
        } = *row;
        let ends = (key.addr_a, key.addr_b, key.port_a, key.port_b, row.lane(), key.proto, key.ip_version);
        let span = (first_seen_ns, last_seen_ns, row.numbers.isn(0), row.numbers.isn(1), row.events.order());
        (
            ends,
            span,
            packets_ab,
            packets_ba,
            bytes_ab,
            bytes_ba,
            row.numbers.first_ack(0),
            row.numbers.first_ack(1),
        )
    });
    rows
}
