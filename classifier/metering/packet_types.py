"""Packets by unknown type number, and remarks on packets that contradict their headers."""

from __future__ import annotations

from collections.abc import Mapping

from classifier.wording import counted

#: Numbers listed; the rest are totalled as `other`.
MAX_NUMBERS = 32
_KINDS = {
    "link_type": "link type {}",
    "ethertype": "EtherType 0x{:04x}",
    "gre": "GRE type 0x{:04x}",
    "ppp": "PPP protocol 0x{:04x}",
}
#: LINKTYPE_ numbers that frames are read as where the declared one doesn't fit: name, and editcap's name.
_READ_AS = {
    0: ("BSD loopback", "null"),
    1: ("Ethernet", "ether"),
    9: ("PPP", "ppp"),
    101: ("raw IP", "rawip"),
    113: ("Linux cooked", "linux-sll"),
    276: ("Linux cooked v2", "linux-sll2"),
}


def unknown_types(packets_by_number: Mapping[tuple[str, int], int]) -> dict[str, int]:
    """Return packets by type number, the most frequent `MAX_NUMBERS` and a key `other`."""
    ranked = sorted(packets_by_number.items(), key=lambda item: (-item[1], item[0]))
    found = {_KINDS[kind].format(number): packets for (kind, number), packets in ranked[:MAX_NUMBERS]}
    if rest := sum(packets for _, packets in ranked[MAX_NUMBERS:]):
        found["other"] = rest
    return found


def remarks(irregular: Mapping[tuple[str, int, int], int]) -> list[str]:
    """Describe packets of flows that contradict their headers."""
    return [_remark(*how, packets) for how, packets in sorted(irregular.items())]


def _remark(how: str, declared: int, read_as: int, packets: int) -> str:
    if how == "link_type":
        name, editcap = _READ_AS[read_as]
        known = f" ({_READ_AS[declared][0]})" if declared in _READ_AS else ""
        do, were = ("does", "was") if packets == 1 else ("do", "were")
        return (
            f"{counted(packets, 'frame')} {do} not match the capture's link type"
            f" {declared}{known} and {were} read as {read_as} ({name});"
            f" to correct the file: editcap -T {editcap}"
        )
    one = packets == 1
    if how == "ip_version":
        announce, have = ("announces", "has") if one else ("announce", "have")
        return (
            f"{counted(packets, 'packet')} {announce} IPv4 but {have} an IPv6 header, or the reverse;"
            " read by the version in the header"
        )
    if how == "cut_transport":
        show = "shows" if one else "show"
        return (
            f"{counted(packets, 'packet')} {show} only ports: the snap length truncated the transport"
            " header, so TCP flags and payload bytes are unknown"
        )
    share, are = ("shares", "is") if one else ("share", "are")
    return (
        f"{counted(packets, 'packet')} {share} an 802.11 frame with another (A-MSDU): each is counted,"
        f" so there {are} {packets:,} more than frames in the capture"
    )
