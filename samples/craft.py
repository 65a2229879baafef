#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["scapy==2.8.0", "zstandard==0.25.0", "lz4==4.4.5"]
# ///
"""Craft every capture of this folder but `office.pcapng`: `python samples/craft.py`.

Nothing in them depends on the day, the machine or chance: a second run writes the same bytes.
"""

import sys
from pathlib import Path

from crafting import handshakes, links, ports, trouble

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write the captures and print their names."""
    files = {**ports.files(), **handshakes.files(), **links.files(), **trouble.files()}
    for name, data in files.items():
        path = HERE / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        print(f"{name}: {len(data)} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
