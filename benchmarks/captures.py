"""The captures that are measured, made when they are missing: the same arguments give the same bytes.

What makes them needs numpy, and runs as a process of its own: a measured process counts the memory of its
parent until it has become another program.
"""

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Capture:
    """A capture file, and what it is there for."""

    name: str
    what: str
    path: Path
    maker: str
    """The script that makes it, with its arguments but for `--output`."""
    packer: str = ""
    unpacker: str = ""
    """What packs it, from standard input; and what unpacks it for tools that can't, to standard output."""
    slow: bool = False
    """Slow tools are measured with it, too."""
    peers: tuple[str, ...] = ()
    """Only these are measured beside this program; none: all."""

    def ready(self) -> None:
        """Make the capture if it isn't there, and read it once: then it is in the page cache."""
        if not self.path.exists():
            self._make()
        with self.path.open("rb") as file:
            while file.read(1 << 20):
                pass

    def _make(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        plain, part = (self.path.with_name(f"{self.path.name}.{end}") for end in ("plain", "part"))
        script, *words = shlex.split(self.maker)
        subprocess.run([sys.executable, str(HERE / script), *words, "--output", str(plain)], check=True)
        if self.packer:
            with plain.open("rb") as source, part.open("wb") as target:
                subprocess.run(shlex.split(self.packer), stdin=source, stdout=target, check=True)
            plain.unlink()
            plain = part
        plain.replace(self.path)


def captures(folder: Path, scale: float) -> list[Capture]:
    """All captures; with a scale below 1 they have fewer packets and flows."""

    def mixed(packets: int, flows: int) -> str:
        return f"make_capture.py --packets {packets * scale:.0f} --flows {flows * scale:.0f}"

    def even(packets: int, payload_bytes: int) -> str:
        return f"make_even.py --packets {packets * scale:.0f} --payload {payload_bytes}"

    def at(name: str) -> Path:
        return folder / (name if scale == 1 else f"{scale:g}-{name}")

    medium, piped = mixed(1_000_000, 40_000), ("tcpdump", "softflowd")
    return [
        Capture("large", "mixed traffic", at("large.pcap"), mixed(3_200_000, 120_000), slow=True),
        Capture("many flows", "seven packets a flow", at("flows.pcap"), mixed(7_000_000, 1_000_000)),
        Capture("tiny", "UDP, 18 bytes each", at("tiny.pcap"), even(5_000_000, 18)),
        Capture("jumbo", "TCP, 8,948 bytes each", at("jumbo.pcap"), even(150_000, 8948)),
        Capture("gzip", "mixed, packed", at("m.pcap.gz"), medium, "gzip -6", "gzip -dc", peers=piped),
        Capture("zstd", "mixed, packed", at("m.pcap.zst"), medium, "zstd -3", "zstd -dcq", peers=piped),
    ]
