//! Conditions of signatures: comparisons of numbers in the payload, or of the payload's length.

use std::cmp::Ordering;
use std::num::NonZeroU64;

/// A number in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    at: usize,
    bytes: usize,
    little_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Number(u64),
    /// Length of the payload on the wire, in bytes.
    Length,
    Field(Field),
}

/// One side of a condition: a value, optionally its remainder, and an added number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Term {
    value: Value,
    modulo: Option<NonZeroU64>,
    plus: u64,
}

/// A comparison of two terms: `u16@3 + 5 <= length`, `length % 4 = 0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    left: Term,
    right: Term,
    allowed: &'static [Ordering],
}

impl Condition {
    /// Parses a condition.
    ///
    /// # Errors
    /// The part that can't be parsed.
    pub fn parse(text: &str) -> Result<Self, String> {
        const OPERATORS: [(&str, &[Ordering]); 4] = [
            ("<=", &[Ordering::Less, Ordering::Equal]),
            (">=", &[Ordering::Greater, Ordering::Equal]),
            ("!=", &[Ordering::Less, Ordering::Greater]),
            ("=", &[Ordering::Equal]),
        ];
        let (left, allowed, right) = OPERATORS
            .iter()
            .find_map(|(operator, allowed)| {
                text.split_once(operator).map(|(left, right)| (left, *allowed, right))
            })
            .ok_or_else(|| format!("missing comparison in {text:?}; use = != <= or >="))?;
        Ok(Self { left: Term::parse(left)?, right: Term::parse(right)?, allowed })
    }

    /// Returns whether it holds; it does not if a field lies beyond the captured bytes.
    #[inline]
    pub fn holds(&self, payload: &[u8], wire_bytes: u32) -> bool {
        match (self.left.read(payload, wire_bytes), self.right.read(payload, wire_bytes)) {
            (Some(left), Some(right)) => self.allowed.contains(&left.cmp(&right)),
            _ => false,
        }
    }
}

impl Term {
    fn parse(text: &str) -> Result<Self, String> {
        let (value, plus) = match text.split_once('+') {
            Some((value, plus)) => (value, number(plus)?),
            None => (text, 0),
        };
        let (value, modulo) = match value.split_once('%') {
            Some((value, modulo)) => (value, Some(NonZeroU64::new(number(modulo)?).ok_or("modulo 0")?)),
            None => (value, None),
        };
        Ok(Self { value: Value::parse(value.trim())?, modulo, plus })
    }

    fn read(&self, payload: &[u8], wire_bytes: u32) -> Option<u64> {
        let value = match self.value {
            Value::Number(number) => number,
            Value::Length => wire_bytes.into(),
            Value::Field(field) => field.read(payload)?,
        };
        Some(self.modulo.map_or(value, |modulo| value % modulo) + self.plus)
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.trim().parse::<u32>().map(u64::from).map_err(|_| format!("not a number: {text:?}"))
}

impl Value {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("not a number, `length` or a field such as u16@3 or u32le@0: {text:?}");
        if text == "length" {
            return Ok(Self::Length);
        }
        if let Some((kind, at)) = text.split_once('@') {
            let (kind, little_endian) = kind.strip_suffix("le").map_or((kind, false), |kind| (kind, true));
            let bytes = match kind {
                "u8" => 1,
                "u16" => 2,
                "u24" => 3,
                "u32" => 4,
                _ => return Err(wrong()),
            };
            let at: u16 = at.parse().map_err(|_| wrong())?;
            return Ok(Self::Field(Field { at: at.into(), bytes, little_endian }));
        }
        text.parse::<u32>().map(|number| Self::Number(number.into())).map_err(|_| wrong())
    }
}

impl Field {
    #[inline]
    fn read(&self, payload: &[u8]) -> Option<u64> {
        let bytes = payload.get(self.at..self.at + self.bytes)?;
        let add = |all: u64, byte: &u8| all << 8 | u64::from(*byte);
        Some(if self.little_endian { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, payload: &[u8]) -> bool {
        Condition::parse(text).expect(text).holds(payload, payload.len() as u32)
    }

    #[test]
    fn numbers_are_compared() {
        let payload = b"\x16\x03\x01\x00\x04\x01\x02\x03\x04";
        assert!(holds("u16@3 + 5 = length", payload));
        assert!(holds("u16le@3 = 1024", payload));
        assert!(holds("u24@6 != u8@0", payload));
        assert!(holds("length % 4 = 1", payload) && holds("u8@0 % 16 + 3 = length", payload));
        assert!(holds("length >= 9", payload) && holds("length <= 9", payload));
        assert!(!holds("u32@6 >= 0", payload), "beyond the payload");
    }

    #[test]
    fn invalid_conditions_are_rejected() {
        for text in [
            "",
            "length",
            "u9@1 = 1",
            "u16@x = 1",
            "length = -1",
            "length % 0 = 1",
            "u8@0 + x = 1",
            "u8@70000 = 1",
        ] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
    }
}
