//! A story of frames through the meter: nothing is lost, and pieces stitch together to the whole.

use std::sync::Arc;

use meter::capture::Frame;
use meter::flow::{Idle, Meter, Options, stitch};
use meter::table::{Row, rows_of};
use meter::wire::{Aside, Unmetered, decode};

use super::script::{Script, pick};
use super::story::{IDLE_TCP_NS, IDLE_UDP_NS, Sent, tell};

const MOST_FLOWS: [usize; 4] = [1_000_000, 1, 3, 40];

/// What a meter made of some frames.
struct Metered {
    rows: Vec<Row>,
    unmetered: u64,
    evicted: u64,
    duplicates: u64,
}

pub fn check(input: &[u8]) {
    let mut script = Script(input);
    let setting = script.byte();
    let sent = tell(&mut script);
    let idle = if setting & 1 == 0 {
        Idle { tcp_ns: IDLE_TCP_NS.unsigned_abs(), udp_ns: IDLE_UDP_NS.unsigned_abs() }
    } else {
        Idle { tcp_ns: 300_000_000_000, udp_ns: 120_000_000_000 }
    };
    for decapsulate in [true, false] {
        let most_flows = pick(&MOST_FLOWS, setting >> 1);
        let (dedup, verify_checksums) = (setting & 0x40 != 0, setting & 0x80 != 0);
        let options = Options { idle, most_flows, decapsulate, dedup, verify_checksums };
        let whole = metered(&sent, options);
        let together = stitched(&whole.rows, &idle);

        let pieces: Vec<Metered> =
            sent.chunk_by(|_, next| !next.cut_before).map(|piece| metered(piece, options)).collect();
        let rows: Vec<Row> = pieces.iter().flat_map(|piece| piece.rows.iter().copied()).collect();
        let from_pieces = stitched(&rows, &idle);
        assert_eq!(as_set(stitched(&from_pieces, &idle)).len(), from_pieces.len(), "stitched is stitched");

        let evicted = whole.evicted + pieces.iter().map(|piece| piece.evicted).sum::<u64>();
        // Of copies astride a cut the law says nothing: left out, they are missing in one of the two.
        let copies = whole.duplicates > 0 && dedup;
        if evicted == 0 && !copies && sent.iter().all(|frame| lawful(frame, decapsulate)) {
            assert_eq!(as_set(from_pieces), as_set(together), "the law of stitching");
        }
    }
}

/// The law speaks of packets that need no other one to be understood.
fn lawful(sent: &Sent, decapsulate: bool) -> bool {
    let decoded = decode(sent.link_type, &sent.data, sent.wire_bytes, decapsulate);
    !matches!(decoded, Err(Aside::Fragment(_) | Aside::IcmpError(_)))
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
    assert_eq!(meter.packets(), sent.len() as u64);
    assert_eq!(packets(&rows) + unmetered, meter.packets(), "every packet has its place");
    assert_eq!(meter.wire_bytes(), sent.iter().map(|sent| u64::from(sent.wire_bytes)).sum::<u64>());
    assert_eq!(rows.iter().filter(|row| row.evicted).count() as u64, meter.evicted());
    let of_link_types: u64 = meter.counts().unmetered.link_types().values().sum();
    assert!(meter.unmetered().any(|counted| counted == (Unmetered::LinkType, of_link_types)));
    for row in &rows {
        sound(row, meter.span_ns());
    }
    Metered { rows, unmetered, evicted: meter.evicted(), duplicates: meter.duplicates() }
}

fn sound(row: &Row, span_ns: Option<(i64, i64)>) {
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

fn packets(rows: &[Row]) -> u64 {
    rows.iter().map(|row| row.packets_ab + row.packets_ba).sum()
}

fn bytes(rows: &[Row]) -> u64 {
    rows.iter().map(|row| row.bytes_ab + row.bytes_ba + row.payload_bytes_ab + row.payload_bytes_ba).sum()
}

fn stitched(rows: &[Row], idle: &Idle) -> Vec<Row> {
    let (joined, groups) = stitch(rows.iter().copied(), idle);
    assert_eq!(groups.len(), rows.len());
    assert_eq!((packets(&joined), bytes(&joined)), (packets(rows), bytes(rows)), "stitching keeps sums");
    for (row, group) in rows.iter().zip(groups) {
        let joined = &joined[group as usize];
        assert_eq!(joined.key, row.key);
        assert!(joined.first_seen_ns <= row.first_seen_ns && row.last_seen_ns <= joined.last_seen_ns);
    }
    joined
}

fn as_set(mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        row.duplicates = 0; // see above
    }
    // By all that tells rows of one key apart.
    rows.sort_by_key(|row| {
        let Row { key, first_seen_ns, last_seen_ns, packets_ab, packets_ba, bytes_ab, bytes_ba, .. } = *row;
        let ends = (key.addr_a, key.addr_b, key.port_a, key.port_b, row.lane(), key.proto, key.ip_version);
        let span = (first_seen_ns, last_seen_ns, row.isn_a, row.isn_b, row.events.order());
        (ends, span, packets_ab, packets_ba, bytes_ab, bytes_ba, row.first_ack_a, row.first_ack_b)
    });
    rows
}
