//! The pattern language of signatures, which describes the first bytes of a message.
//!
//! A pattern is a sequence of steps, each matched once from the left, without backtracking: matching is linear in the
//! payload. `rules/README.md` explains the notation.

/// Bytes of a payload within which a text is searched for.
const SEARCHED_BYTES: usize = 2048;
/// Maximum repetitions; keeps a rule file from requesting gigabytes.
const MAX_REPEATS: usize = 1024;

/// The set of bytes allowed at one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes([u64; 4]);

impl Bytes {
    const NONE: Self = Self([0; 4]);
    pub const ANY: Self = Self([u64::MAX; 4]);

    fn of(allowed: impl Fn(u8) -> bool) -> Self {
        let mut bytes = Self::NONE;
        (0..=u8::MAX).filter(|&byte| allowed(byte)).for_each(|byte| bytes.add(byte));
        bytes
    }

    fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    #[inline]
    pub fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    /// Yields the allowed bytes.
    pub fn allowed(self) -> impl Iterator<Item = u8> {
        (0..).zip(self.0).flat_map(|(word, bits)| ones(bits).map(move |bit| word << 6 | bit as u8))
    }

    /// Returns the bits common to all allowed bytes, as (mask, value): a quick test that all of them pass.
    fn common_bits(self) -> (u8, u8) {
        let (ones, zeros) =
            self.allowed().fold((u8::MAX, u8::MAX), |(ones, zeros), byte| (ones & byte, zeros & !byte));
        (ones | zeros, ones)
    }
}

/// Yields the positions of the one bits, from the lowest on.
#[inline]
pub fn ones(mut bits: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros());
        bits &= bits.wrapping_sub(1);
        place
    })
}

/// Encoding of a length that precedes the bytes it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// X.690 §8.1.3, the definite forms.
    Ber,
    /// Seven bits a byte, the lowest first, the top bit set in all but the last.
    Varint,
    U8,
    U16,
    U32,
}

impl Length {
    /// Returns the length, and the bytes after it.
    fn read(self, bytes: &[u8]) -> Option<(usize, &[u8])> {
        match self {
            Self::Ber => {
                let (&first, rest) = bytes.split_first()?;
                if first < 0x80 {
                    return Some((first.into(), rest));
                }
                let octets = usize::from(first & 0x7f);
                if octets == 0 || octets > 4 {
                    return None;
                }
                Some((number(rest.get(..octets)?), &rest[octets..]))
            }
            Self::Varint => {
                let octets = bytes.iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
                let value =
                    bytes[..octets].iter().rev().fold(0, |all, byte| all << 7 | usize::from(byte & 0x7f));
                Some((value, &bytes[octets..]))
            }
            Self::U8 => bytes.split_at_checked(1).map(|(length, rest)| (number(length), rest)),
            Self::U16 => bytes.split_at_checked(2).map(|(length, rest)| (number(length), rest)),
            Self::U32 => bytes.split_at_checked(4).map(|(length, rest)| (number(length), rest)),
        }
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |all, &byte| all << 8 | usize::from(byte))
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// One byte.
    Byte(Bytes),
    /// A fixed number of arbitrary bytes.
    Any(usize),
    /// One or more of these bytes, as many as there are.
    Run(Bytes),
    /// A length.
    Length(Length),
    /// A length, and that many bytes.
    Counted(Length),
    /// A DNS name: labels up to the empty one, or to a pointer. RFC 1035 §3.1, §4.1.4.
    Name,
    /// Up to and including the next occurrence of a text.
    Find(Vec<Bytes>),
    /// The end of the payload.
    End,
}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Step>);

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// The part that can't be parsed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (step, behind) = token(rest)?;
            steps.extend(step);
            if !(behind.is_empty() || behind.starts_with(char::is_whitespace)) {
                return Err(format!("missing space before {behind:?}"));
            }
            rest = behind.trim_start();
        }
        if steps.is_empty() { Err("empty pattern".to_owned()) } else { Ok(Self(steps)) }
    }

    /// Returns the pattern without checks of its first fixed bytes, at most `places`, which are known to match.
    pub fn behind(&self, places: usize) -> Self {
        let known = self.fixed().take(places).count();
        let mut steps = Vec::new();
        for (place, step) in self.0.iter().enumerate() {
            let any = place < known || *step == Step::Byte(Bytes::ANY);
            match steps.last_mut() {
                Some(Step::Any(count)) if any => *count += 1,
                _ if any => steps.push(Step::Any(1)),
                _ => steps.push(step.clone()),
            }
        }
        Self(steps)
    }

    /// Returns whether the payload begins with this pattern.
    #[inline]
    pub fn matches(&self, payload: &[u8]) -> bool {
        let mut rest = payload;
        for step in &self.0 {
            match step.take(rest) {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
        true
    }

    /// Yields the bytes allowed at the positions that are the same in every message, from the first on.
    fn fixed(&self) -> impl Iterator<Item = Bytes> {
        self.0.iter().map_while(|step| if let Step::Byte(bytes) = step { Some(*bytes) } else { None })
    }

    /// Yields the bytes allowed at each position of a message's start, as far as they are known.
    pub fn start(&self) -> impl Iterator<Item = Bytes> {
        let behind = match self.0.get(self.fixed().count()) {
            Some(Step::Run(bytes)) => Some(*bytes),
            _ => None,
        };
        self.fixed().chain(behind)
    }
}

impl Step {
    /// Returns the bytes after this step, if it matches.
    fn take<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Self::Byte(allowed) => {
                let (&byte, rest) = bytes.split_first()?;
                allowed.has(byte).then_some(rest)
            }
            Self::Any(count) => bytes.get(*count..),
            Self::Run(allowed) => {
                let count = bytes.iter().take_while(|&&byte| allowed.has(byte)).count();
                (count > 0).then(|| &bytes[count..])
            }
            Self::Length(length) => length.read(bytes).map(|(_, rest)| rest),
            Self::Counted(length) => length.read(bytes).and_then(|(count, rest)| rest.get(count..)),
            Self::Name => behind_name(bytes),
            Self::Find(text) => behind_text(bytes, text),
            Self::End => bytes.is_empty().then_some(bytes),
        }
    }
}

/// Returns the bytes after the first occurrence of a text.
fn behind_text<'a>(bytes: &'a [u8], text: &[Bytes]) -> Option<&'a [u8]> {
    /// Positions compared at once with the first byte, which vectorises: most payloads don't contain the text.
    const TOGETHER: usize = 32;
    let searched = &bytes[..bytes.len().min(SEARCHED_BYTES)];
    let starts = &searched[..(searched.len() + 1).checked_sub(text.len())?];
    let (mask, first) = text.first()?.common_bits();
    let may_begin = |byte: &u8| byte & mask == first;
    for (number, chunk) in starts.chunks(TOGETHER).enumerate() {
        if chunk.iter().fold(false, |any, byte| any | may_begin(byte)) {
            let windows = searched[number * TOGETHER..].windows(text.len()).take(TOGETHER);
            for (place, window) in windows.enumerate() {
                if window.iter().zip(text).all(|(byte, allowed)| allowed.has(*byte)) {
                    return Some(&bytes[number * TOGETHER + place + text.len()..]);
                }
            }
        }
    }
    None
}

fn behind_name(bytes: &[u8]) -> Option<&[u8]> {
    const MAX_LABELS: usize = 128;
    let mut rest = bytes;
    for _ in 0..MAX_LABELS {
        let (&length, behind) = rest.split_first()?;
        match length {
            0 => return Some(behind),
            1..=63 => rest = behind.get(usize::from(length)..)?,
            0xc0.. => return behind.get(1..),
            _ => return None,
        }
    }
    None
}

/// Parses the first token; returns its steps and the remaining text.
fn token(text: &str) -> Result<(Vec<Step>, &str), String> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let (letters, rest) = quoted_text(quoted, false)?;
        return Ok((letters.into_iter().map(Step::Byte).collect(), rest));
    }
    if let Some(quoted) = text.strip_prefix("~'") {
        let (letters, rest) = quoted_text(quoted, true)?;
        return Ok((letters.into_iter().map(Step::Byte).collect(), rest));
    }
    if let Some(quoted) = text.strip_prefix("..'") {
        let (letters, rest) = quoted_text(quoted, false)?;
        return Ok((vec![Step::Find(letters)], rest));
    }
    if let Some(quoted) = text.strip_prefix("..~'") {
        let (letters, rest) = quoted_text(quoted, true)?;
        return Ok((vec![Step::Find(letters)], rest));
    }
    let (word, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    if let Some(digits) = word.strip_prefix("..") {
        return Ok((vec![Step::Find(hex_text(digits)?)], rest));
    }
    let step = match word {
        "<ber>" => Step::Length(Length::Ber),
        "<varint>" => Step::Length(Length::Varint),
        "<ber+>" => Step::Counted(Length::Ber),
        "<varint+>" => Step::Counted(Length::Varint),
        "<u8+>" => Step::Counted(Length::U8),
        "<u16+>" => Step::Counted(Length::U16),
        "<u32+>" => Step::Counted(Length::U32),
        "<name>" => Step::Name,
        "<word>" => Step::Run(Bytes::of(|byte| byte.is_ascii_graphic())),
        "<digits>" => Step::Run(Bytes::of(|byte| byte.is_ascii_digit())),
        "$" => Step::End,
        _ => return Ok((bytes_token(word)?, rest)),
    };
    Ok((vec![step], rest))
}

fn quoted_text(quoted: &str, any_case: bool) -> Result<(Vec<Bytes>, &str), String> {
    let (letters, rest) =
        quoted.split_once('\'').ok_or_else(|| format!("missing closing quote: '{quoted}"))?;
    if letters.is_empty() {
        return Err("empty text".to_owned());
    }
    let allowed =
        |letter: u8| Bytes::of(|byte| byte == letter || any_case && byte.eq_ignore_ascii_case(&letter));
    Ok((letters.bytes().map(allowed).collect(), rest))
}

/// Parses hexadecimal digits: `0d0a`.
fn hex_text(digits: &str) -> Result<Vec<Bytes>, String> {
    let wrong = || format!("not a text or hexadecimal bytes: ..{digits}");
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    let bytes = pairs.collect::<Option<Vec<u8>>>().filter(|bytes| !bytes.is_empty()).ok_or_else(wrong)?;
    Ok(bytes.into_iter().map(|only| Bytes::of(|byte| byte == only)).collect())
}

/// Parses one byte, or a repeated one: `16`, `1?`, `{01,02,10-1f}`, `&80`, `!80`, `??*16`.
fn bytes_token(word: &str) -> Result<Vec<Step>, String> {
    let (class, count) = match word.split_once('*') {
        None => (word, 1),
        Some((class, count)) => {
            let count = count.parse().ok().filter(|&count| (1..=MAX_REPEATS).contains(&count));
            (class, count.ok_or_else(|| format!("{word}: repeat 1 to {MAX_REPEATS} times"))?)
        }
    };
    let hex = |digits: &str| match digits.len() {
        2 => u8::from_str_radix(digits, 16).ok(),
        _ => None,
    };
    let bytes = if let Some(bits) = class.strip_prefix('&').and_then(hex) {
        Bytes::of(|byte| byte & bits == bits)
    } else if let Some(bits) = class.strip_prefix('!').and_then(hex) {
        Bytes::of(|byte| byte & bits == 0)
    } else if let Some(inside) = class.strip_prefix('{').and_then(|class| class.strip_suffix('}')) {
        let mut bytes = Bytes::NONE;
        for part in inside.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (hex(first), hex(last)) {
                (Some(first), Some(last)) if first <= last => (first..=last).for_each(|byte| bytes.add(byte)),
                _ => return Err(format!("not a byte or range of bytes in {word}: {part:?}")),
            }
        }
        bytes
    } else {
        let digit = |place: usize| class.as_bytes().get(place).map(|&digit| char::from(digit));
        match (class.len(), digit(0), digit(1)) {
            (2, Some('?'), Some('?')) => Bytes::ANY,
            (2, Some('?'), Some(low)) if low.is_ascii_hexdigit() => {
                Bytes::of(|byte| Some(u32::from(byte & 15)) == low.to_digit(16))
            }
            (2, Some(high), Some('?')) if high.is_ascii_hexdigit() => {
                Bytes::of(|byte| Some(u32::from(byte >> 4)) == high.to_digit(16))
            }
            _ => {
                let only = hex(class).ok_or_else(|| format!("unknown pattern step {word:?}"))?;
                Bytes::of(|byte| byte == only)
            }
        }
    };
    Ok(vec![Step::Byte(bytes); count])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, payload: &[u8]) -> bool {
        Pattern::parse(pattern).expect(pattern).matches(payload)
    }

    #[test]
    fn bytes_stand_at_their_places() {
        assert!(matches("16 03 {01-03,09} ?? 1? ?2 &80 !80", b"\x16\x03\x02\xff\x1f\xf2\x80\x7f"));
        assert!(!matches("16 03 {01-03}", b"\x16\x03\x04"));
        assert!(!matches("16 03", b"\x16"));
        assert!(matches("??*3 00*2 $", b"abc\0\0"));
        assert!(!matches("??*3 00*2 $", b"abc\0\0\0"));
    }

    #[test]
    fn text_may_come_in_any_case_and_further_on() {
        assert!(matches("'GET ' ..' HTTP/1.'", b"GET / HTTP/1.1\r\n"));
        assert!(matches("~'ehlo ' <word> 0d 0a", b"EHLO a.example\r\n"));
        assert!(matches("'220' {20,2d} ..~'smtp'", b"220 mail ESMTP ready"));
        assert!(!matches("..'abc'", &[b'x'; 5000]));
        for before in [0, 1, 30, 31, 32, 33, 63, 64, 65] {
            let payload = [&vec![b'a'; before][..], b"abc"].concat();
            assert!(matches("..'abc' $", &payload) && !matches("..'abc' ??", &payload), "{before}");
            assert!(!matches("..'abc'", &payload[..before + 2]), "{before}");
        }
        assert!(matches("?? ..0d0a 07", b"ab\r\r\n\x07") && !matches("..0d0a", b"ab\r"));
    }

    #[test]
    fn stated_lengths_are_skipped() {
        assert!(matches("30 <ber> 02 01 01 04 <ber+> a0", b"\x30\x82\x01\x00\x02\x01\x01\x04\x06public\xa0"));
        assert!(matches("10 <varint> 00 04 'MQTT'", b"\x10\x80\x01\x00\x04MQTT"));
        assert!(matches("<u8+> 2a", b"\x02ab\x2a"));
        assert!(!matches("<u16+>", b"\x00\x05abc"));
        assert!(!matches("30 <ber>", b"\x30\x80"), "an indefinite length");
        assert!(!matches("10 <varint>", b"\x10\xff\xff\xff\xff\x01"));
        assert!(matches("<name> 00 01", b"\x03www\x07example\x00\x00\x01"));
        assert!(!matches("<name>", b"\x40aaaa"));
    }

    #[test]
    fn invalid_patterns_are_rejected() {
        for text in [
            "", "1", "1g", "é", "{}", "{02-01}", "'open", "''", "00*0", "00*9999", "..", "..0", "..0x",
            "'a''b'", "<u9>",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn known_bytes_are_skipped() {
        let pattern = Pattern::parse("16 03 {00-04} ?? &80 'ab' <u8+> ?? ??").expect("a pattern");
        let behind = pattern.behind(3);
        assert!(behind.matches(b"xyz\xff\x80ab\x01xyz"));
        assert!(!behind.matches(b"xyz\xff\x7fab\x01xyz"));
        assert!(!behind.matches(b"xyz\xff\x80ab\x01xy"), "too short");
        let behind = pattern.behind(8);
        assert_eq!(behind.0.len(), 3, "{behind:?}");
        assert!(behind.matches(b"seven..\x01xyz") && !behind.matches(b"seven.."));
    }

    #[test]
    fn the_start_is_what_each_message_begins_with() {
        let start = |text: &str| Pattern::parse(text).expect(text).start().collect::<Vec<Bytes>>();
        let only = |allowed: u8| Bytes::of(|byte| byte == allowed);
        assert_eq!(start("16 1? ?? 03")[2..], [Bytes::ANY, only(3)]);
        assert_eq!(start("'a' <digits> 'b'"), [only(b'a'), Bytes::of(|byte| byte.is_ascii_digit())]);
        assert_eq!(start("'a' ..'b' 'c'"), [only(b'a')]);
        assert_eq!(start("<name>"), []);
    }

    #[test]
    fn common_bits_let_all_allowed_bytes_pass() {
        assert_eq!(Bytes::of(|byte| byte == 0x16).common_bits(), (0xff, 0x16));
        assert_eq!(Bytes::of(|byte| byte & 0x80 != 0).common_bits(), (0x80, 0x80));
        assert_eq!(Bytes::ANY.common_bits(), (0, 0));
    }
}
