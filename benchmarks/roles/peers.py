"""Who is the server, say this program, simple rules and other tools, of the same flows?

    python benchmarks/roles/peers.py CAPTURES [--nfstream-python PYTHON]

takes the proof out of every capture in a folder (late.py), asks each of them about each flow whose server
nobody disputes, and prints a table: right in percent of all flows / averaged over server ports. What is
not installed, and captures that one of them can't read, are left out, and said. Who gives no answer for a
flow isn't right. Needs the development dependencies.
"""

from __future__ import annotations

import argparse
import csv
import ipaddress
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from late import MODES, TCP, UDP, Capture, End, Key, Packet, read, stripped

import classifier

#: The result of each for a capture: the server of each flow.
Servers = dict[Key, End]
#: Asks about many captures; None for those that can't be read.
Asker = Callable[[list[Path]], list[Servers | None]]
PROTOCOLS = {"tcp": TCP, "udp": UDP, "6": TCP, "17": UDP}
REGISTRY = Path(classifier.__file__).parent / "rules/registry.csv"
NFSTREAM = """
import sys
from nfstream import NFStreamer
for path in sys.stdin.read().splitlines():
    try:
        for one in NFStreamer(source=path, n_meters=1):
            print(path, one.protocol, one.src_ip, one.src_port, one.dst_ip, one.dst_port, sep=",")
    except Exception:
        print(path, "unreadable", sep=",")
"""
#: argus sleeps a second before it ends, so several run side by side.
SIDE_BY_SIDE = 16


def each(asked: Callable[[Path], Servers]) -> Asker:
    """Ask about one capture after the other."""

    def ask(paths: list[Path]) -> list[Servers | None]:
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            return list(pool.map(answered, paths))

    def answered(path: Path) -> Servers | None:
        try:
            return asked(path)
        except (subprocess.CalledProcessError, classifier.ClassifierError):
            return None

    return ask


def this_program(path: Path) -> Servers:
    """Ask as users do."""
    flows = classifier.read(path).flows
    columns = ("proto", "client_ip", "client_port", "server_ip", "server_port")
    return servers(flows[list(columns)].itertuples(index=False))


def servers(rows: Iterable[Iterable[object]]) -> Servers:
    """Return the server of each flow, from rows of (transport, client, port, server, port)."""
    found: Servers = {}
    for row in rows:
        proto, *ends = map(str, row)
        if proto not in PROTOCOLS:
            continue
        try:
            client, server = ((_packed(ip), int(port)) for ip, port in (ends[:2], ends[2:]))
        except ValueError:  # no end of a flow
            continue
        first, second = sorted((client, server))
        found.setdefault((PROTOCOLS[proto], first, second), server)
    return found


def _packed(ip: str) -> bytes:
    """Parse an address, also as ndpiReader writes 2600:1901:0:7a0b::, namely 2600:1901::7a0b::."""
    while ip.count("::") > 1:
        ip = ip.replace("::", ":0:", 1)
    return ipaddress.ip_address(ip).packed


def first_sender(path: Path) -> Servers:
    """The client is who sent the first packet."""
    found: Servers = {}
    for packet in _packets(path):
        found.setdefault(packet.key, packet.target)
    return found


def lower_port(path: Path) -> Servers:
    """The server has the lower port; of equal ones who was spoken to first."""
    first = first_sender(path)
    return {
        key: first[key] if key[1][1] == key[2][1] else min(key[1:], key=lambda end: end[1]) for key in first
    }


def registered_port(path: Path) -> Servers:
    """The server has the port that IANA has registered; if both or neither are, the lower one."""
    lower = lower_port(path)
    for key in lower:
        known = [end for end in key[1:] if (key[0], end[1]) in REGISTERED]
        if len(known) == 1:
            lower[key] = known[0]
    return lower


def argus(path: Path, *settings: str) -> Servers:
    """The client is argus' source, as its client `ra` prints it."""
    records = subprocess.run(["argus", "-r", path, "-w", "-"], capture_output=True, check=True).stdout
    fields = ("proto", "saddr", "sport", "daddr", "dport")
    ra = ["ra", *settings, "-r", "-", "-n", "-c", ",", "-L", "-1", "-s", *fields, "-", "tcp", "or", "udp"]
    text = subprocess.run(ra, input=records, capture_output=True, check=True).stdout.decode()
    return servers(csv.reader(text.splitlines()))


def argus_alone(path: Path) -> Servers:
    """The same without ra's settings, which may turn flows by their ports."""
    return argus(path, "-X")


def ndpi_reader(path: Path) -> Servers:
    """The client is ndpiReader's source."""
    table = path.with_suffix(".csv")
    table.unlink(missing_ok=True)
    command: list[str | Path] = [
        "ndpiReader",
        "-v",
        "2",
        "-i",
        path,
        "-C",
        table,
    ]  # without -v flows of no known protocol are left out
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    with table.open(newline="", errors="replace") as lines:
        rows = [(row[1], *row[5:9]) for row in csv.reader(lines) if row and not row[0].startswith("#")]
    return servers(rows)


def nfstream(python: str) -> Asker:
    """The client is nfstream's source; it runs in a Python that has it, once for all captures."""

    def ask(paths: list[Path]) -> list[Servers | None]:
        names = "\n".join(map(str, paths))
        done = subprocess.run(
            [python, "-c", NFSTREAM], input=names, capture_output=True, text=True, check=True
        )
        rows = defaultdict(list)
        for path, *row in csv.reader(done.stdout.splitlines()):
            rows[path].append(row)
        return [None if ["unreadable"] in rows[str(path)] else servers(rows[str(path)]) for path in paths]

    return ask


def _packets(path: Path) -> Iterator[Packet]:
    capture = read(path)
    return (
        packet for packet in (capture.packets if capture else ()) if packet and packet.source != packet.target
    )


def _registered() -> Iterator[tuple[int, int]]:
    with REGISTRY.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            low, _, high = row["ports"].partition("-")
            for proto in PROTOCOLS.keys() & set(row["transports"].split()) if row["name"] else ():
                yield from ((PROTOCOLS[proto], port) for port in range(int(low), int(high or low) + 1))


REGISTERED = frozenset(_registered())


def ask(
    captures: Iterable[Capture], of: dict[str, Asker]
) -> dict[tuple[str, str, int], list[tuple[int, bool]]]:
    """Return by (name, mode, transport) the server port of each flow, and whether the answer was right."""
    judged = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        late = []
        for number, capture in enumerate(captures):
            for mode in MODES:
                path = Path(folder) / f"{number}-{mode}.pcap"
                if present := stripped(capture, mode, path):
                    late.append((mode, path, {key: capture.servers[key] for key in present}))
        answers = {name: asked([path for _, path, _ in late]) for name, asked in of.items()}
    for (mode, _, truth), *said in zip(late, *answers.values(), strict=True):
        if None in said:
            unreadable = [name for name, one in zip(answers, said, strict=True) if one is None]
            print(
                f"{len(truth)} flows left out, {mode}: not read by {', '.join(unreadable)}", file=sys.stderr
            )
            continue
        for name, found in zip(answers, said, strict=True):
            for key, server in truth.items():
                judged[name, mode, key[0]].append((server[1], found.get(key) == server))
    return judged


def cell(flows: list[tuple[int, bool]]) -> str:
    """Right in percent: of all flows / averaged over server ports."""
    ports = defaultdict(list)
    for port, right in flows:
        ports[port].append(right)
    overall = sum(right for _, right in flows) / len(flows)
    by_port = sum(sum(one) / len(one) for one in ports.values()) / len(ports)
    return f"{100 * overall:.1f} / {100 * by_port:.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("captures", type=Path)
    parser.add_argument("--nfstream-python", metavar="PYTHON", help="a Python that has nfstream")
    options = parser.parse_args()
    of = {
        "this program": each(this_program),
        "first sender is the client": each(first_sender),
        "lower port is the server": each(lower_port),
        "registered port, else lower": each(registered_port),
    }
    for name, asked, needs in (
        ("argus", argus_alone, "argus ra"),
        ("argus, ra's settings", argus, "argus ra"),
        ("ndpiReader", ndpi_reader, "ndpiReader"),
    ):
        if all(map(shutil.which, needs.split())):
            of[name] = each(asked)
        else:
            print(f"{name} is not installed", file=sys.stderr)
    if options.nfstream_python:
        of["nfstream"] = nfstream(options.nfstream_python)
    found = (read(path) for path in sorted(options.captures.rglob("*")) if path.is_file())
    judged = ask((capture for capture in found if capture and capture.servers), of)
    columns = [*((mode, TCP) for mode in MODES), ("intact", UDP), (MODES[-1], UDP)]
    columns = [column for column in columns if ("this program", *column) in judged]
    names = [f"{mode}, {'TCP' if proto == TCP else 'UDP'}" for mode, proto in columns]
    print("| |", " | ".join(names), "|")
    print("|---|" + "---:|" * len(columns))
    print("| flows |", " | ".join(str(len(judged["this program", *column])) for column in columns), "|")
    for name in of:
        print(f"| {name} |", " | ".join(cell(judged[name, *column]) for column in columns), "|")


if __name__ == "__main__":
    main()
