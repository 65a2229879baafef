//! Finds candidates among many patterns at once, by the first bytes of a payload.
//!
//! For each of the first positions and each byte there is the set of patterns that allow it there. The intersection
//! of the sets of a payload's bytes holds the candidates, rarely more than one.

use ahash::AHashMap;

use super::pattern::{Bytes, Pattern, ones};

/// Number of positions examined. Where a pattern fixes the bytes there, the filter is exact.
pub const PLACES: usize = 12;
/// Values at a position: any byte, or the end of the payload.
const VALUES: usize = 257;
const NO_BYTE: usize = 256;

/// Pattern numbers as bits, several of which a processor combines at once.
type Set = [u64; 4];
const SET_BITS: usize = 256;

fn add(set: &mut [Set], number: usize) {
    set[number / SET_BITS][number % SET_BITS / 64] |= 1 << (number % 64);
}

fn unite(set: &mut [Set], other: &[Set]) {
    for (word, other) in set.as_flattened_mut().iter_mut().zip(other.as_flattened()) {
        *word |= other;
    }
}

/// The sets of patterns that allow each byte at each position, and of those that allow each port.
#[derive(Debug, Default)]
pub struct Filter {
    /// Sets in a row, together one bit for each pattern.
    row: usize,
    /// Distinct rows.
    sets: Vec<Set>,
    /// For each position, the start of each value's row.
    places: Vec<[u32; VALUES]>,
    /// The row of the patterns for any port, and the rows of those for certain ports only, by port.
    any_port: Vec<Set>,
    ports: Vec<(u16, Vec<Set>)>,
}

impl Filter {
    /// Creates a filter of these patterns, numbered in order; each with ports of which one endpoint must have one, if
    /// there are any.
    pub fn new<'p>(patterns: &[(&'p Pattern, &'p [u16])]) -> Self {
        let row = patterns.len().div_ceil(SET_BITS);
        if row == 0 {
            return Self::default();
        }
        let mut filter = Self { row, any_port: vec![Set::default(); row], ..Self::default() };
        let mut known = AHashMap::new();
        let mut starts: Vec<_> = patterns.iter().map(|(pattern, _)| pattern.start()).collect();
        for _ in 0..PLACES {
            filter.add_place(starts.iter_mut().map(Iterator::next), &mut known);
        }
        let mut ports: AHashMap<u16, Vec<Set>> = AHashMap::new();
        for (number, (_, at)) in patterns.iter().enumerate() {
            if at.is_empty() {
                add(&mut filter.any_port, number);
            }
            for &port in *at {
                add(ports.entry(port).or_insert_with(|| vec![Set::default(); row]), number);
            }
        }
        filter.ports = ports.into_iter().collect();
        filter.ports.sort_unstable();
        filter
    }

    /// Adds the next position: the bytes each pattern allows there.
    fn add_place(
        &mut self,
        allowed: impl Iterator<Item = Option<Bytes>>,
        known: &mut AHashMap<Vec<Set>, u32>,
    ) {
        let row = self.row;
        let mut sets = vec![Set::default(); VALUES * row];
        let mut any_byte = vec![Set::default(); row];
        for (number, allowed) in allowed.enumerate() {
            match allowed {
                Some(Bytes::ANY) => add(&mut any_byte, number),
                Some(bytes) => {
                    bytes.allowed().for_each(|byte| add(&mut sets[usize::from(byte) * row..][..row], number));
                }
                None => {
                    add(&mut any_byte, number);
                    add(&mut sets[NO_BYTE * row..], number);
                }
            }
        }
        sets[..NO_BYTE * row].chunks_exact_mut(row).for_each(|set| unite(set, &any_byte));
        let mut begins = [0; VALUES];
        for (begin, set) in begins.iter_mut().zip(sets.chunks_exact(row)) {
            *begin = *known.entry(set.to_vec()).or_insert_with(|| {
                self.sets.extend(set);
                (self.sets.len() - row) as u32
            });
        }
        self.places.push(begins);
    }

    fn at_port(&self, port: u16) -> Option<&[Set]> {
        let place = self.ports.binary_search_by_key(&port, |(port, _)| *port).ok()?;
        Some(&self.ports[place].1)
    }

    /// Returns the number of the first pattern whose ports and first bytes match a payload, and that `fits`.
    #[inline]
    pub fn find(
        &self,
        ports: (u16, u16),
        payload: &[u8],
        mut fits: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let mut begins = [0; PLACES];
        for (place, (begin, of_place)) in begins.iter_mut().zip(&self.places).enumerate() {
            let value = payload.get(place).map_or(NO_BYTE, |&byte| byte.into());
            *begin = of_place[value] as usize;
        }
        let of_ports = [self.at_port(ports.0), self.at_port(ports.1)];
        for place in 0..self.row {
            let mut set = self.any_port[place];
            for of_port in of_ports.into_iter().flatten() {
                set.iter_mut().zip(of_port[place]).for_each(|(word, other)| *word |= other);
            }
            for begin in begins {
                set.iter_mut().zip(self.sets[begin + place]).for_each(|(word, other)| *word &= other);
            }
            for (word, bits) in set.into_iter().enumerate() {
                let mut numbers = ones(bits).map(|bit| SET_BITS * place + 64 * word + bit as usize);
                if let Some(number) = numbers.find(|&number| fits(number)) {
                    return Some(number);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitting(filter: &Filter, ports: (u16, u16), payload: &[u8]) -> Vec<usize> {
        let mut fitting = Vec::new();
        filter.find(ports, payload, |number| {
            fitting.push(number);
            false
        });
        fitting
    }

    #[test]
    fn a_payload_fits_the_patterns_that_match_it() {
        let texts =
            ["16 03", "16 ??", "&80 <u8+>", "<digits> ..'x'", "?? ?? 03 $", "'abcdefgh' 01", "<name>"];
        let patterns: Vec<Pattern> = texts.iter().map(|text| Pattern::parse(text).expect(text)).collect();
        // Enough of them for more than one set.
        let many = || patterns.iter().cycle().take(50 * patterns.len());
        let filter = Filter::new(&many().map(|pattern| (pattern, &[][..])).collect::<Vec<_>>());
        for payload in
            [&b"\x16\x03"[..], b"\x16", b"\x16\x03\x03", b"\x80", b"7", b"abcdefgh", b"abcdefg", b""]
        {
            let fitting = fitting(&filter, (1, 2), payload);
            assert!(fitting.is_sorted());
            for (number, pattern) in many().enumerate() {
                assert!(fitting.contains(&number) || !pattern.matches(payload), "{payload:?} {pattern:?}");
            }
        }
        let first = |payload: &[u8]| fitting(&filter, (1, 2), payload)[..3].to_vec();
        assert_eq!(first(b"\x16\x03"), [0, 1, 6]);
        assert_eq!(first(b"\x16"), [6, 13, 20], "too short for the others");
        assert_eq!(first(b"7"), [3, 6, 10]);
        assert_eq!(first(b"abcdefg"), [6, 13, 20]);
    }

    #[test]
    fn ports_of_either_endpoint_match() {
        let pattern = Pattern::parse("16").expect("a pattern");
        let filter = Filter::new(&[(&pattern, &[5, 7][..]), (&pattern, &[]), (&pattern, &[7])]);
        let fitting = |ports: (u16, u16)| fitting(&filter, ports, b"\x16");
        assert_eq!(fitting((1, 2)), [1]);
        assert_eq!(fitting((5, 2)), [0, 1]);
        assert_eq!(fitting((2, 7)), [0, 1, 2]);
        assert_eq!(Filter::new(&[]).find((1, 2), b"abc", |_| true), None);
    }
}
