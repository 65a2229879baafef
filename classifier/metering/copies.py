"""Warnings about packets that count twice: two captures, or two interfaces of one, have them."""

from __future__ import annotations

from classifier.metering.metered import Metered
from classifier.wording import counted, listed

#: Names of captures in one warning.
_NAMED = 3
#: Packets that two interfaces have before they are worth a warning.
_FEWEST = 3
#: Clock offset up to which the core takes the second for a duplicate, in nanoseconds.
_DUPLICATE_NS = 2_000_000_000
_MILLISECOND_NS, _SECOND_NS = 1_000_000, 1_000_000_000


def remarks(metered: Metered, seen_twice: set[tuple[int, ...]]) -> list[str]:
    """Return the warnings of all inputs; `seen_twice` are groups of captures with the same packets."""
    groups = [[metered.captures[part] for part in group] for group in sorted(seen_twice)]
    dedup = metered.counters.unmetered.get("duplicate", 0) > 0
    interfaces = [
        _interfaces(metered.captures[capture], packets, abs(later_ns))
        for capture, (packets, later_ns) in metered.sensors.items()
        if packets >= _FEWEST and (not dedup or abs(later_ns) > _DUPLICATE_NS)
    ]
    return interfaces + _captures(groups)


def _interfaces(name: str, packets: int, apart_ns: int) -> str:
    near = apart_ns <= _DUPLICATE_NS
    what = "--dedup ignores the duplicates" if near else "--dedup ignores only duplicates up to 2 s apart"
    return (
        f"{name}: {counted(packets, 'packet')} captured by two interfaces, {_duration(apart_ns)} apart on"
        f" average, and counted twice; {what}"
    )


def _duration(ns: int) -> str:
    if ns < _MILLISECOND_NS:
        return "less than 1 ms"
    return f"{ns / _MILLISECOND_NS:,.0f} ms" if ns < _SECOND_NS else f"{ns / _SECOND_NS:,.1f} s"


def _captures(groups: list[list[str]]) -> list[str]:
    if not groups:
        return []
    names = " and ".join(groups[0]) if len(groups[0]) < _NAMED else listed(groups[0], _NAMED)
    more = f" ({len(groups):,} such groups)" if len(groups) > 1 else ""
    return [
        f"{names} overlap in time and share flows (addresses and ports)"
        f"{more}; packets in several of them are counted several times: to ignore duplicates, merge them "
        "with mergecap and read the result with --dedup"
    ]
