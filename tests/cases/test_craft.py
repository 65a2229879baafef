"""The cases' own captures are those that the script makes."""

from __future__ import annotations

from pathlib import Path

import craft


def test_captures_are_made_by_the_script() -> None:
    for path, data in craft.captures().items():
        assert path.read_bytes() == data, path.parent.name


def test_every_own_capture_has_its_script() -> None:
    assert {path for path in Path(craft.__file__).parent.rglob("*.pcap*")} == set(craft.captures())
