"""Filters: compiled by libpcap or by tcpdump, and errors of invalid ones."""

from __future__ import annotations

import shutil

import pytest

from classifier.errors import CaptureFilterError
from classifier.live.capture import bpf, interfaces

needs_libpcap = pytest.mark.skipif(bpf._libpcap() is None, reason="needs libpcap")


@needs_libpcap
@pytest.mark.parametrize("link_type", [1, 101, 105, 113])
def test_a_filter_is_instructions_of_eight_bytes(link_type: int) -> None:
    code = bpf.compile_filter("tcp port 443", link_type).code
    assert code and len(code) % 8 == 0
    assert code[-8:-6] == b"\x06\0", "it ends with a return"


@needs_libpcap
@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="needs tcpdump")
@pytest.mark.parametrize("text", ["tcp port 443", "udp and not host 10.0.0.1", "vlan 3 and ip6"])
def test_tcpdump_compiles_the_same(text: str) -> None:
    assert bpf._by_tcpdump(text, interfaces.ETHERNET) == bpf._by_libpcap(text, interfaces.ETHERNET)


@needs_libpcap
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("tcp port 443 und host 10.0.0.1", r"at 'und host 10.0.0.1' \(character 14\)"),
        ("tcp and port nowhere-at-all", r"at 'and port nowhere-at-all' \(character 5\)"),
        ("gibberish", r"at 'gibberish' \(character 1\)"),
        ("", ""),
    ],
)
def test_the_message_says_where(text: str, place: str) -> None:
    if not text:
        assert bpf.compile_filter(text, 1).code, "no filter takes all"
        return
    with pytest.raises(CaptureFilterError, match=place):
        bpf.compile_filter(text, 1)


def test_without_libpcap_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpf, "_libpcap", lambda: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CaptureFilterError, match="install libpcap"):
        bpf.compile_filter("tcp", 1)
