//! Timestamps of a pcapng interface, converted to nanoseconds since 1970. draft-ietf-opsawg-pcapng §4.2.

const NANOSECONDS: u32 = 1_000_000_000;

/// Clock of an interface: resolution and offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    tick: Tick,
    offset_ns: i64,
}

/// Length of a tick. The usual resolutions are powers of ten, and cost one multiplication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tick {
    /// Nanoseconds per tick.
    Nanoseconds(u64),
    /// Ticks per nanosecond.
    PerNanosecond(u64),
    /// Base-2 logarithm of the ticks per second.
    BinarySecond(u32),
}

impl Clock {
    /// Creates a clock from `if_tsresol` (default 6: microseconds) and `if_tsoffset` (seconds).
    pub fn new(if_tsresol: u8, if_tsoffset: i64) -> Self {
        let exponent = u32::from(if_tsresol & 0x7f);
        let tick = if if_tsresol & 0x80 != 0 {
            Tick::BinarySecond(exponent)
        } else if exponent <= 9 {
            Tick::Nanoseconds(10_u64.pow(9 - exponent))
        } else {
            // From 10^20 ticks per nanosecond on, any 64-bit count is below 1 ns.
            10_u64.checked_pow(exponent - 9).map_or(Tick::Nanoseconds(0), Tick::PerNanosecond)
        };
        Self { tick, offset_ns: if_tsoffset.saturating_mul(i64::from(NANOSECONDS)) }
    }

    /// Returns the time of a tick count, limited to the years 1677–2262: only damaged files exceed them.
    #[inline]
    pub fn time_ns(self, ticks: u64) -> i64 {
        let ns = match self.tick {
            Tick::Nanoseconds(ns) => ticks.saturating_mul(ns),
            Tick::PerNanosecond(ticks_per_ns) => ticks / ticks_per_ns,
            Tick::BinarySecond(exponent) => {
                u64::try_from((u128::from(ticks) * u128::from(NANOSECONDS)) >> exponent).unwrap_or(u64::MAX)
            }
        };
        self.offset_ns.saturating_add_unsigned(ns)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(6, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolutions() {
        for (if_tsresol, ticks, ns) in [
            (0, 3, 3_000_000_000),
            (3, 1_700_000_000_123, 1_700_000_000_123_000_000),
            (6, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
            (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
            (12, 1_700_000_000_123_456, 1_700_000_000_123),
            (28, u64::MAX, 1),
            (29, u64::MAX, 0),
            (127, u64::MAX, 0),
            (0x80, 3, 3_000_000_000),
            (0x8a, 1024 + 512, 1_500_000_000),
            (0xa0, (7 << 32) + (1 << 31), 7_500_000_000),
            (0xc0, u64::MAX, 999_999_999),
            (0xff, u64::MAX, 0),
        ] {
            assert_eq!(Clock::new(if_tsresol, 0).time_ns(ticks), ns, "if_tsresol {if_tsresol}");
        }
    }

    #[test]
    fn offsets_and_ends() {
        assert_eq!(Clock::new(6, 10).time_ns(5), 10_000_005_000);
        assert_eq!(Clock::new(9, -10).time_ns(10_000_000_001), 1);
        assert_eq!(Clock::new(9, -1).time_ns(1), -999_999_999);
        assert_eq!(Clock::new(0, 0).time_ns(u64::MAX), i64::MAX);
        assert_eq!(Clock::new(0x80, i64::MAX).time_ns(u64::MAX), i64::MAX);
        assert_eq!(Clock::new(9, i64::MIN).time_ns(0), i64::MIN);
        // The sum is correct even if the ticks alone are out of range.
        assert_eq!(Clock::new(9, -9_000_000_000).time_ns(9_300_000_000_000_000_000), 300_000_000_000_000_000);
    }
}
