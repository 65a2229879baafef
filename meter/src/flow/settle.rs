//! Final decisions that need all rows of a five-tuple, once the capture is complete.
//!
//! - Rows from several VLANs or virtual networks are one flow where each has one direction, or where one has
//!   duplicates of the other's packets. They stay apart where each shows a conversation of its own.
//! - A connection continues after a pause of any length if both endpoints' sequence numbers continue.
//! - Announcements to a group, from a port to the same port, are one flow however rare.
//! - A connection ends where the next one between the same ports begins: its later packets aren't its end.

use hashbrown::HashMap;

use super::stitch::gather;
use super::{Event, Idle, Key, boundary};
use crate::table::FlowRecord;
use crate::wire::Transport;

/// Longest pause after which a connection can continue: 30 days.
const LONGEST_PAUSE_NS: u64 = 30 * 86_400 * 1_000_000_000;
/// Longest interval of announcements: NTP broadcasts every 64 to 1,024 s (RFC 5905 §3.2), others every half hour.
const LONGEST_ANNOUNCED_NS: i64 = 3_600 * 1_000_000_000;
/// Rows of one key that are compared with a row: the next ones in time.
const COMPARED: usize = 64;

/// Joins rows that come in the order of the capture; returns them as `stitch` does.
///
/// Without `past_idle`, what continues after a pause is a row of its own.
pub fn settle(mut rows: Vec<FlowRecord>, idle: &Idle, past_idle: bool) -> (Vec<FlowRecord>, Vec<u32>) {
    let mut of_key: HashMap<Key, Vec<usize>, ahash::RandomState> = HashMap::default();
    for (place, row) in rows.iter_mut().enumerate() {
        row.ordinal = 0;
        (0..2).for_each(|end| row.numbers.set_reset_late(end, false));
        of_key.entry(row.key).or_default().push(place);
    }
    let mut went_to: Vec<usize> = (0..rows.len()).collect();
    for mut group in of_key.into_values().filter(|group| group.len() > 1) {
        in_order(&rows, &mut group);
        if group.iter().any(|&place| rows[place].lane() != rows[group[0]].lane()) {
            join_lanes(&mut rows, &mut group, &mut went_to, idle);
        }
        if rows[group[0]].key.proto == Transport::Tcp as u8 {
            if past_idle {
                join_continued(&mut rows, &mut group, &mut went_to, idle);
            }
            mark_late_resets(&mut rows, &group);
        } else if past_idle && rows[group[0]].key.is_announcement() {
            join_announced(&mut rows, &mut group, &mut went_to);
        }
        number(&mut rows, &group);
    }
    gather(rows, &went_to)
}

/// Returns the sort key: time, then facts that distinguish rows of one time. Not their position, which another cut
/// would change.
fn order_of(row: &FlowRecord) -> impl Ord + use<> {
    let [isn, peer_isn] = [0, 1].map(|end| row.numbers.isn(end));
    let isns = (isn.min(peer_isn), isn.max(peer_isn));
    let [one, other] = [0, 1].map(|end| row.numbers.span(end).map(|span| (span.first, span.next)));
    let packets = row.packets_ab + row.packets_ba;
    (row.first_seen_ns, row.lane(), isns, row.last_seen_ns, one.min(other), one.max(other), packets)
}

fn in_order(rows: &[FlowRecord], group: &mut [usize]) {
    group.sort_by_key(|&place| order_of(&rows[place]));
}

/// Joins two rows; returns the place of the result.
fn absorb(rows: &mut [FlowRecord], went_to: &mut [usize], one: usize, other: usize) -> usize {
    let (into, from) = (one.min(other), one.max(other));
    let (mut earlier, mut later) = (rows[into], rows[from]);
    if order_of(&later) < order_of(&earlier) {
        (earlier, later) = (later, earlier);
    }
    let mut row = earlier;
    row.absorb(&later);
    row.across |= earlier.lane() != later.lane();
    if earlier.last_seen_ns > later.last_seen_ns {
        row.last_data_from_b = earlier.last_data_from_b.or(later.last_data_from_b);
    }
    rows[into] = row;
    went_to[from] = into;
    into
}

/// Joins rows of different lanes that belong to one conversation.
fn join_lanes(rows: &mut [FlowRecord], group: &mut Vec<usize>, went_to: &mut [usize], idle: &Idle) {
    let is_tcp = rows[group[0]].key.proto == Transport::Tcp as u8;
    // Of datagrams only the addresses support it, so no other pairing may be possible.
    let partner_lanes: Vec<_> = if is_tcp {
        Vec::new()
    } else {
        group.iter().map(|&place| partner_lane(rows, group, &rows[place], idle)).collect()
    };
    let mut pairs = Vec::new();
    for (at, &one) in group.iter().enumerate() {
        for (other_at, &other) in group.iter().enumerate().skip(at + 1).take(COMPARED) {
            let (row, later) = (&rows[one], &rows[other]);
            if row.lane() == later.lane() || !boundary::meet(row, later, idle) {
                continue;
            }
            let are_one = if is_tcp {
                are_one_connection(row, later)
            } else {
                row.copied_across
                    || later.copied_across
                    || are_opposite(row, later)
                        && partner_lanes[at] == Some(later.lane())
                        && partner_lanes[other_at] == Some(row.lane())
            };
            if are_one {
                pairs.push((one, other));
            }
        }
    }
    for (one, other) in pairs {
        let (one, other) = (root(went_to, one), root(went_to, other));
        if one != other {
            absorb(rows, went_to, one, other);
        }
    }
    group.retain(|&place| went_to[place] == place);
    in_order(rows, group);
}

fn root(went_to: &[usize], mut place: usize) -> usize {
    while went_to[place] != place {
        place = went_to[place];
    }
    place
}

fn has_both_directions(row: &FlowRecord) -> bool {
    row.packets_ab > 0 && row.packets_ba > 0
}

/// Returns whether each row has one direction, and the other has the other.
fn are_opposite(one: &FlowRecord, other: &FlowRecord) -> bool {
    !has_both_directions(one) && !has_both_directions(other) && (one.packets_ab > 0) != (other.packets_ab > 0)
}

/// Returns whether two TCP rows of different lanes show the same connection.
fn are_one_connection(one: &FlowRecord, other: &FlowRecord) -> bool {
    let copied = one.copied_across || other.copied_across;
    let opened_twice = [true, false].into_iter().any(|end| one.sent_isn(end) && other.sent_isn(end));
    one.numbers.overlap(&other.numbers)
        && !boundary::contradict(one, other)
        && (copied || !(opened_twice || has_both_directions(one) && has_both_directions(other)))
}

/// Returns the lane of all rows with the opposite direction within the idle time; None where there are several.
fn partner_lane(rows: &[FlowRecord], group: &[usize], one: &FlowRecord, idle: &Idle) -> Option<(u16, u32)> {
    let mut near = group
        .iter()
        .map(|&place| &rows[place])
        .filter(|row| are_opposite(one, row) && boundary::meet(one, row, idle));
    let lane = near.next()?.lane();
    near.all(|row| row.lane() == lane).then_some(lane)
}

/// Joins rows of one connection that was idle for longer than the idle timeout.
fn join_continued(rows: &mut [FlowRecord], group: &mut Vec<usize>, went_to: &mut [usize], idle: &Idle) {
    let mut at = 1;
    while at < group.len() {
        let later = &rows[group[at]];
        let earlier = (0..at).rev().take(COMPARED);
        let mut found = earlier.filter(|&before| continues(rows, &group[before..=at], later, idle));
        if let Some(before) = found.next() {
            group[before] = absorb(rows, went_to, group[before], group[at]);
            group.remove(at);
        } else {
            at += 1;
        }
    }
}

/// Joins the announcements of one and the same endpoint to a group.
fn join_announced(rows: &mut [FlowRecord], group: &mut Vec<usize>, went_to: &mut [usize]) {
    let mut at = 1;
    while at < group.len() {
        let (earlier, later) = (&rows[group[at - 1]], &rows[group[at]]);
        let one_sender =
            earlier.packets_ab + later.packets_ab == 0 || earlier.packets_ba + later.packets_ba == 0;
        let pause_ns = later.first_seen_ns.saturating_sub(earlier.last_seen_ns);
        if one_sender && pause_ns <= LONGEST_ANNOUNCED_NS && earlier.lane() == later.lane() {
            group[at - 1] = absorb(rows, went_to, group[at - 1], group[at]);
            group.remove(at);
        } else {
            at += 1;
        }
    }
}

/// Returns whether a row continues the first of the rows before it, `from_earlier`; its last entry is the row itself.
fn continues(rows: &[FlowRecord], from_earlier: &[usize], later: &FlowRecord, idle: &Idle) -> bool {
    let earlier = &rows[from_earlier[0]];
    // A RST with numbers of no connection is counted with the newest one, which ignores it.
    if later.is_reset_alone() && earlier.lane() == later.lane() && boundary::meet(earlier, later, idle) {
        return true;
    }
    let pause_ns = later.first_seen_ns.abs_diff(earlier.last_seen_ns);
    if earlier.last_seen_ns > later.first_seen_ns || pause_ns > LONGEST_PAUSE_NS || later.opens() {
        return false;
    }
    if earlier.numbers.continue_in(&later.numbers)
        || later.is_reset_alone() && earlier.numbers.continue_exactly_in(&later.numbers)
    {
        return true;
    }
    // The capture lost many packets, and no row of the lane is in between.
    let between = &from_earlier[1..from_earlier.len() - 1];
    earlier.lane() == later.lane()
        && boundary::meet(earlier, later, idle)
        && between.iter().all(|&place| rows[place].lane() != later.lane())
        && earlier.numbers.continue_anywhere_in(&later.numbers)
}

/// Marks the RSTs of established connections that came when the next one between the same ports was opened.
fn mark_late_resets(rows: &mut [FlowRecord], group: &[usize]) {
    for (at, &earlier) in group.iter().enumerate() {
        let row = &rows[earlier];
        let reset_ns = [true, false].map(|from_a| row.events.time_ns(Event::Rst, from_a));
        if reset_ns == [None; 2] {
            continue;
        }
        let later = group[at + 1..].iter().take(COMPARED).map(|&place| &rows[place]);
        let next_ns = later.filter_map(|next| reopened_ns(row, next)).min();
        for (end, reset_ns) in reset_ns.into_iter().enumerate() {
            let is_late = reset_ns.zip(next_ns).is_some_and(|(reset_ns, next_ns)| reset_ns >= next_ns);
            rows[earlier].numbers.set_reset_late(end, is_late);
        }
    }
}

/// Returns when a later connection was opened between the ports of one that was established by then.
fn reopened_ns(row: &FlowRecord, next: &FlowRecord) -> Option<i64> {
    let either = [true, false];
    let opened_ns = either.iter().filter_map(|&end| next.events.time_ns(Event::Syn, end)).min()?;
    let established = [Event::Ack, Event::Data].into_iter().any(|event| {
        either.iter().any(|&end| row.events.time_ns(event, end).is_some_and(|ns| ns < opened_ns))
    });
    let accepted = either.iter().any(|&end| next.events.seen(Event::SynAck, end));
    let one_lane = row.lane() == next.lane() || row.across || next.across;
    (established && accepted && one_lane).then_some(opened_ns)
}

/// Numbers the rows that begin at the same time.
fn number(rows: &mut [FlowRecord], group: &[usize]) {
    for pair in group.windows(2) {
        if rows[pair[0]].first_seen_ns == rows[pair[1]].first_seen_ns {
            rows[pair[1]].ordinal = rows[pair[0]].ordinal.saturating_add(1);
        }
    }
}
