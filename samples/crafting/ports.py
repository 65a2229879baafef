"""The question behind the project: 1080 and 1494, which one is the server's port?

All three captures are of the same two ends and carry no protocol that could be recognised. In the first two
the handshake tells; in the third nothing does.
"""

import random

from crafting import formats
from crafting.conversation import Clock, End, Tcp, ethernet

SOCKS = ("10.0.0.2", 1080)
ICA = ("10.0.0.1", 1494)
PAYLOAD_BYTES = 512
ROUNDS = 12


def files() -> dict[str, bytes]:
    """The three captures by name."""
    return {
        "socks-1080.pcap": _opened(client=End(*ICA), server=End(*SOCKS)),
        "ica-1494.pcap": _opened(client=End(*SOCKS), server=End(*ICA)),
        "no-handshake.pcap": _midstream(End(*ICA), End(*SOCKS)),
    }


def _opened(client: End, server: End) -> bytes:
    tcp = Tcp(Clock(), client, server)
    chance = random.Random(1)  # the same payload in both captures: only who opened differs
    tcp.handshake()
    for _ in range(ROUNDS):
        tcp.exchange(_opaque(chance), _opaque(chance))
        tcp.clock.wait(50)
    tcp.close()
    return formats.pcap(ethernet(sent) for sent in tcp.sent)


def _midstream(one: End, other: End) -> bytes:
    """Both send as much, as often, at the same instant, turn about the first in the file."""
    tcp = Tcp(Clock(), one, other)
    chance = random.Random(2)
    for number in range(ROUNDS):
        instant_ns = tcp.clock.now_ns
        acknowledged = {one.port: other.sequence, other.port: one.sequence}  # they cross on the wire
        for sender in (one, other) if number % 2 == 0 else (other, one):
            tcp.send(sender, "PA", _opaque(chance), acknowledge=acknowledged[sender.port])
            tcp.sent[-1].time_ns = instant_ns
        tcp.clock.wait(50)
    return formats.pcap(ethernet(sent) for sent in tcp.sent)


def _opaque(chance: random.Random) -> bytes:
    """Bytes that no protocol begins with.

    The first four are 0x9b and above: not text, no known magic number or version, and as a length, in any
    byte order, more than there is.
    """
    head = bytes(chance.randrange(0x9B, 0xFE) for _ in range(4))
    return head + chance.randbytes(PAYLOAD_BYTES - len(head))
