"""Addresses as text, and which are nobody's own, against Python's `ipaddress`."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from classifier.flows import addresses

MAPPED = bytes(10) + b"\xff\xff"

# All that RFC 5952 has a rule for: runs of zeros of any length and place, leading zeros, mapped IPv4.
pieces = st.sampled_from([0, 0, 0, 1, 0xA, 0xAB, 0xABC, 0xFFFF, 0xFE80, 0xFF02])
ipv6 = st.one_of(
    st.ip_addresses(v=6),
    st.lists(pieces, min_size=8, max_size=8).map(
        lambda eight: IPv6Address(b"".join(piece.to_bytes(2, "big") for piece in eight))
    ),
    st.ip_addresses(v=4).map(lambda four: IPv6Address(MAPPED + four.packed)),
)
octet = st.sampled_from([0, 1, 9, 10, 99, 100, 127, 169, 223, 224, 239, 240, 254, 255])
ipv4 = st.one_of(
    st.ip_addresses(v=4), st.lists(octet, min_size=4, max_size=4).map(lambda o: IPv4Address(bytes(o)))
)


def columns(found: list[IPv4Address | IPv6Address]) -> tuple[pa.Array, pa.Array]:
    """As the flow facts hold them: 16 bytes, IPv4 mapped, and the IP version beside it."""
    raw = [MAPPED + one.packed if one.version == 4 else one.packed for one in found]
    return pa.array(raw, pa.binary(16)), pa.array([one.version for one in found], pa.uint8())


@given(st.lists(st.one_of(ipv4, ipv6), max_size=12))
@example([])
@example([IPv4Address("0.0.0.0"), IPv6Address("::"), IPv6Address("::1"), IPv6Address("::ffff:0:0")])
@example([IPv6Address("1:0:0:2:0:0:0:3"), IPv6Address("1:0:0:2:0:0:3:4"), IPv6Address("1:0:2:3:4:5:6:7")])
def test_texts(found: list[IPv4Address | IPv6Address]) -> None:
    assert addresses.texts(*columns(found)).to_pylist() == [str(one) for one in found]


@given(st.lists(st.one_of(ipv4, ipv6), max_size=12))
def test_texts_are_read_back(found: list[IPv4Address | IPv6Address]) -> None:
    assert [ip_address(text) for text in addresses.texts(*columns(found)).to_pylist()] == found


@given(st.lists(st.one_of(ipv4, ipv6), min_size=1, max_size=12), st.integers(0, 12))
def test_texts_of_a_slice(found: list[IPv4Address | IPv6Address], start: int) -> None:
    """A batch may begin anywhere in its buffer."""
    raw, version = columns(found)
    part = addresses.texts(raw.slice(start), version.slice(start))
    assert part.to_pylist() == [str(one) for one in found[start:]]


@given(st.lists(st.one_of(ipv4, ipv6), min_size=1, max_size=12))
def test_groups(found: list[IPv4Address | IPv6Address]) -> None:
    broadcast = IPv4Address("255.255.255.255")
    expected = [(one.is_multicast and _plain(one)) or one == broadcast for one in found]
    assert addresses.is_group(*columns(found)).tolist() == expected


def _plain(one: IPv4Address | IPv6Address) -> bool:
    """Newer Pythons call ::ffff:224.0.0.1 multicast too; as an IPv6 address on the wire it isn't."""
    return one.version == 4 or one.packed[0] == 0xFF


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("223.255.255.255", False),
        ("224.0.0.0", True),
        ("239.255.255.255", True),
        ("240.0.0.0", False),
        ("255.255.255.254", False),
        ("255.255.255.255", True),
        ("0.0.0.0", False),
        ("ff00::", True),
        ("ff02::fb", True),
        ("fe80::1", False),
        ("::ffff:224.0.0.1", False),
        ("::ffff:255.255.255.255", False),
    ],
)
def test_group_bounds(text: str, group: bool) -> None:
    assert addresses.is_group(*columns([ip_address(text)])).tolist() == [group]
