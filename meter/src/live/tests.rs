//! A session returns the flows of a meter that reads the same frames.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{Session, Source};
use crate::capture::{Capture, CaptureError, CaptureErrorKind, Frame};
use crate::flow::Meter;
use crate::flow::tests::packets::{IDLE, Sent, as_set, metered, options, signatures, tcp, udp};
use crate::table::{FlowRecord, rows_of};

const PATIENCE: Duration = Duration::from_secs(30);

/// A source of packets sent by the test; dropping the sender ends the stream.
struct Wire(Receiver<Result<Sent, CaptureError>>);

impl Source for Wire {
    fn frames(&mut self, deliver: &mut dyn FnMut(&Frame<'_>)) -> Result<bool, CaptureError> {
        let Ok(sent) = self.0.recv() else { return Ok(false) };
        let sent = sent?;
        let (link_type, data) = sent.frame();
        deliver(&Frame {
            interface: 0,
            link_type,
            time_ns: sent.time_ns,
            wire_bytes: data.len() as u32,
            data: &data,
        });
        Ok(true)
    }
}

fn session() -> (Session, Sender<Result<Sent, CaptureError>>) {
    session_with(None)
}

fn session_with(keep: Option<File>) -> (Session, Sender<Result<Sent, CaptureError>>) {
    let (sender, receiver) = channel();
    let session = Session::start(Meter::new(options(IDLE), signatures()), keep, || Ok(Wire(receiver)));
    (session.expect("a thread"), sender)
}

fn wait_until(it_happens: impl Fn() -> bool) {
    let begin = Instant::now();
    while !it_happens() {
        assert!(begin.elapsed() < PATIENCE, "timed out");
        thread::sleep(Duration::from_millis(1));
    }
}

fn send(session: &Session, wire: &Sender<Result<Sent, CaptureError>>, packets: &[Sent]) {
    let until = session.inspect(Meter::packets) + packets.len() as u64;
    for packet in packets {
        wire.send(Ok(packet.clone())).expect("a session that listens");
    }
    wait_until(|| session.inspect(Meter::packets) == until);
}

fn rest(session: &Session) -> Vec<FlowRecord> {
    let mut rows = Vec::new();
    loop {
        let (batch, last) = session.finish(3);
        rows.extend(rows_of(&batch).expect("the meter's own table"));
        if last {
            return rows;
        }
    }
}

#[test]
fn windows_and_rest_are_all_flows() {
    let packets = [
        tcp(1, "a1024>b", "S", 100, 0, 0),
        tcp(2, "b>a1024", "SA", 500, 101, 0),
        udp(3, "c>d"),
        udp(30, "c>d"), // another flow: the first is over
        tcp(31, "a1024>b", "FA", 101, 501, 0),
        udp(32, "e>f"),
    ];
    let (session, wire) = session();
    let mut rows = Vec::new();
    for packets in packets.chunks(2) {
        send(&session, &wire, packets);
        let (finished, _) = session.window();
        rows.extend(rows_of(&finished).expect("the meter's own table"));
    }
    session.stop();
    rows.extend(rest(&session));
    assert_eq!(as_set(rows), as_set(metered(&packets)));
}

#[test]
fn a_window_shows_the_active_flows_with_packets_since_the_last_one() {
    let (session, wire) = session();
    send(&session, &wire, &[udp(1, "a>b"), udp(2, "a>b"), udp(3, "c>d")]);
    let (finished, active) = session.window();
    assert_eq!((finished.num_rows(), active.num_rows()), (0, 2));
    send(&session, &wire, &[udp(4, "d>c")]);
    let (finished, active) = session.window();
    let active = rows_of(&active).expect("the meter's own table");
    let packets: Vec<_> = active.iter().map(|row| row.packets_ab + row.packets_ba).collect();
    assert_eq!((finished.num_rows(), packets), (0, vec![2]));
}

#[test]
fn window_finishes_flows_idle_by_capture_time() {
    let (session, wire) = session();
    send(&session, &wire, &[udp(1, "a>b"), tcp(2, "c1024>d", "S", 1, 0, 0)]);
    assert_eq!(session.window().1.num_rows(), 2);
    send(&session, &wire, &[tcp(30, "d>c1024", "SA", 1, 2, 0)]);
    let (finished, active) = session.window();
    assert_eq!((finished.num_rows(), active.num_rows()), (1, 1));
}

#[test]
fn end_of_stream_is_reported_and_flows_are_kept() {
    let (session, wire) = session();
    assert_eq!(session.end(), None);
    send(&session, &wire, &[udp(1, "a>b")]);
    drop(wire);
    wait_until(|| session.end() == Some(Ok(())));
    assert_eq!(session.window().1.num_rows(), 1);
}

#[test]
fn error_is_reported_and_flows_are_kept() {
    let (session, wire) = session();
    send(&session, &wire, &[udp(1, "a>b")]);
    let trouble = CaptureError::new(CaptureErrorKind::Cut, 7, "the stream ends inside a packet");
    wire.send(Err(trouble.clone())).expect("a session that listens");
    wait_until(|| session.end().is_some());
    assert_eq!(session.end(), Some(Err(trouble)));
    assert_eq!(session.window().1.num_rows(), 1);
}

#[test]
fn stopped_session_meters_no_more_packets() {
    let (session, wire) = session();
    send(&session, &wire, &[udp(1, "a>b")]);
    session.stop();
    let _ = wire.send(Ok(udp(2, "a>b")));
    wait_until(|| session.end() == Some(Ok(())));
    assert_eq!(session.inspect(Meter::packets), 1);
}

fn kept(packets: &[Sent]) -> (File, Session) {
    let file = tempfile::tempfile().expect("a temporary file");
    let (session, wire) = session_with(Some(file.try_clone().expect("the file again")));
    send(&session, &wire, packets);
    session.stop();
    let _ = wire.send(Ok(udp(9, "g>h")));
    wait_until(|| session.end() == Some(Ok(())));
    (file, session)
}

#[test]
fn kept_packets_are_a_capture_of_what_was_metered() {
    let packets = [udp(1, "a>b"), tcp(2, "c1024>d", "S", 1, 0, 0), udp(3, "b>a")];
    let (mut file, session) = kept(&packets);
    assert_eq!(session.keep_problem(), None);
    file.seek(SeekFrom::Start(0)).expect("a file");
    let mut capture = Capture::open(Box::new(file)).expect("a capture");
    for sent in &packets {
        let (link_type, data) = sent.frame();
        let expected = Frame {
            interface: 0,
            link_type,
            time_ns: sent.time_ns,
            wire_bytes: data.len() as u32,
            data: &data,
        };
        assert_eq!(capture.next_frame(), Ok(Some(expected)));
    }
    assert_eq!(capture.next_frame(), Ok(None));
}

#[test]
fn metering_continues_after_a_write_error() {
    let full = File::options().write(true).open("/dev/full").expect("a device that is always full");
    let (session, wire) = session_with(Some(full));
    send(&session, &wire, &[udp(1, "a>b")]);
    assert_eq!(session.window().1.num_rows(), 1);
    assert!(session.keep_problem().expect("no room").contains("space"));
    send(&session, &wire, &[udp(2, "a>b")]);
}
