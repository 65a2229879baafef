"""How often payloads of no protocol look like one: `python tests/hostile/false_matches.py`.

A signature called sure may match one in 10 million, one called likely one in 100,000. Each payload is tried
away from all known ports, and at ports that signatures ask for. Not counted is what needs other packets.
"""

from __future__ import annotations

import argparse
import random
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from classifier import payload
from classifier.payload import Certainty

TCP, UDP = 6, 17
#: Short messages, a datagram's usual lengths, full segments.
LENGTHS = (1, 2, 3, 4, 5, 8, 10, 12, 16, 20, 24, 32, 48, 64, 92, 100, 148, 200, 300, 512, 1200, 1460)
MOST = {Certainty.SURE: 1e-7, Certainty.LIKELY: 1e-5}


def payloads(count: int, seed: int) -> Iterator[bytes]:
    """Random bytes of several lengths, and pieces of what zlib makes of words."""
    chance = random.Random(seed)
    words = [chance.randbytes(chance.randint(1, 9)).hex() for _ in range(5000)]
    packed = b""
    for number in range(count):
        length = LENGTHS[number % len(LENGTHS)]
        if number % 4:
            yield chance.randbytes(length)
            continue
        if len(packed) < 2 * length + 2:
            packed = zlib.compress(" ".join(chance.choices(words, k=20_000)).encode(), 6)[2:]
        yield packed[:length]
        packed = packed[length:]


def structured_payloads(count: int, seed: int) -> Iterator[bytes]:
    """Counters, lengths, zeros, low versions, ASN.1, text: as many of each kind."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from support import structured

    chance, kinds = random.Random(seed), list(structured.KINDS)
    for number in range(count):
        yield structured.payload(kinds[number % len(kinds)], chance)


def matches(data_of: Iterator[bytes], seed: int, at_ports: bool) -> tuple[int, Counter[tuple[str, str, str]]]:
    """Count how often each message was found; returns how many payloads were tried, too."""
    table = payload.load()
    chance = random.Random(seed)
    known = sorted({port for message in table.messages for port in message.ports})
    found: Counter[tuple[str, str, str]] = Counter()
    tried = 0
    for data in data_of:
        port = chance.choice(known) if at_ports else 61_001
        for proto in (TCP, UDP):
            tried += 1
            message = table.find(proto, (port, 61_002), data)
            if message and (message.by_itself or port in (message.alone or ())):
                found[message.certainty.name, message.protocol.name, message.message] += 1
    return tried, found


def main() -> None:
    """Print what was found; exit with 1 where that is too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payloads", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-ports", action="store_true", help="at ports that signatures ask for")
    parser.add_argument("--structured", action="store_true", help="structured ones in place of random ones")
    options = parser.parse_args()
    generate = structured_payloads if options.structured else payloads
    tried, found = matches(generate(options.payloads, options.seed), options.seed, options.at_ports)
    for (certainty, protocol, message), count in found.most_common():
        print(f"{count:8}  {count / tried:.1e}  {certainty.lower():6}  {protocol}: {message}")
    too_many = [key for key, count in found.items() if count / tried > MOST.get(Certainty[key[0]], 1)]
    for certainty in MOST:
        all_of_it = sum(count for key, count in found.items() if key[0] == certainty.name)
        print(f"{certainty.name.lower()}: {all_of_it} of {tried:,} payloads")
    sys.exit(1 if too_many else 0)


if __name__ == "__main__":
    main()
