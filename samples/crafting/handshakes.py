"""One TCP story after the other: how a conversation begins, and how it ends.

A story's number tells its ends: client 10.1.0.N port 40000+N, server 10.2.0.N port 80. As no host appears
twice, what is said of one story is learnt from that story alone.
"""

from collections.abc import Callable

from scapy.layers.inet import ICMP, IP

from crafting import formats
from crafting.conversation import SYN_OPTIONS, Clock, End, Sent, Tcp, ethernet, http

STORY_MS = 20_000
COOKIE = ("TFO", (0x0F1E2D3C, 0x4B5A6978))  # RFC 7413 §4.1.1


def full_close(tcp: Tcp) -> None:
    """Handshake, data, FIN by both."""
    tcp.handshake()
    tcp.exchange(*http("full-close.example"))
    tcp.close()


def still_open(tcp: Tcp) -> None:
    """Handshake, data; the capture ends before the connection."""
    tcp.handshake()
    tcp.exchange(*http("still-open.example"))


def reset_by_client(tcp: Tcp) -> None:
    """Handshake, data, RST by the client."""
    still_open(tcp)
    tcp.send(tcp.client, "RA")


def reset_by_server(tcp: Tcp) -> None:
    """Handshake, data, RST by the server."""
    still_open(tcp)
    tcp.send(tcp.server, "RA")


def refused(tcp: Tcp) -> None:
    """SYN, answered with RST."""
    tcp.send(tcp.client, "S")
    tcp.send(tcp.server, "RA", sequence=0)


def unanswered(tcp: Tcp) -> None:
    """SYN, repeated three times, and no answer."""
    isn = tcp.client.sequence
    tcp.send(tcp.client, "S")
    for seconds in (1, 2, 4):
        tcp.clock.wait(seconds * 1000)
        tcp.send(tcp.client, "S", sequence=isn)


def syn_then_reset(tcp: Tcp) -> None:
    """SYN and RST by the same side; no answer seen."""
    tcp.send(tcp.client, "S")
    tcp.send(tcp.client, "R")


def half_open_scan(tcp: Tcp) -> None:
    """SYN, SYN+ACK, RST by the client: a scanner that has learnt enough."""
    tcp.send(tcp.client, "S")
    tcp.send(tcp.server, "SA")
    tcp.send(tcp.client, "R")


def syn_lost(tcp: Tcp) -> None:
    """The SYN was not captured: SYN+ACK, ACK, data, FIN by both."""
    tcp.send(tcp.client, "S", lost=True)
    tcp.send(tcp.server, "SA")
    tcp.send(tcp.client, "A")
    tcp.exchange(*http("syn-lost.example"))
    tcp.close()


def syn_ack_lost(tcp: Tcp) -> None:
    """The SYN+ACK was not captured: SYN, ACK, data, FIN by both."""
    tcp.send(tcp.client, "S")
    tcp.send(tcp.server, "SA", lost=True)
    tcp.send(tcp.client, "A")
    tcp.exchange(*http("syn-ack-lost.example"))
    tcp.close()


def simultaneous_open(tcp: Tcp) -> None:
    """Both send SYN, then both SYN+ACK (RFC 9293 §3.5, figure 7); ports and data are no evidence."""
    tcp.server.port = 40_100
    isns = {tcp.client.port: tcp.client.sequence, tcp.server.port: tcp.server.sequence}
    tcp.send(tcp.client, "S")
    tcp.send(tcp.server, "S")
    for end in (tcp.client, tcp.server):
        tcp.send(end, "SA", sequence=isns[end.port])
    tcp.send(tcp.client, "PA", bytes(range(0xA0, 0xC0)))
    tcp.send(tcp.server, "PA", bytes(range(0xC0, 0xE0)))
    tcp.close()


def backscatter(tcp: Tcp) -> None:
    """SYN+ACK, repeated, to nobody's SYN: somebody else forged the client's address."""
    isn = tcp.server.sequence
    tcp.client.sequence += 1
    tcp.send(tcp.server, "SA")
    for seconds in (1, 2):
        tcp.clock.wait(seconds * 1000)
        tcp.send(tcp.server, "SA", sequence=isn)


def backscatter_denied(tcp: Tcp) -> None:
    """SYN+ACK to nobody's SYN, and RST by the host that never called."""
    tcp.client.sequence += 1
    tcp.send(tcp.server, "SA")
    tcp.send(tcp.client, "R")


def syn_ack_then_reset(tcp: Tcp) -> None:
    """SYN+ACK and RST by the same side; the other direction is not seen."""
    tcp.client.sequence += 1
    tcp.send(tcp.server, "SA")
    tcp.send(tcp.server, "RA")


def reset_to_nobody(tcp: Tcp) -> None:
    """A lone RST."""
    tcp.send(tcp.server, "RA")


def port_reused(tcp: Tcp) -> None:
    """A whole connection, then another between the same ports: the second SYN has a new sequence number."""
    full_close(tcp)
    tcp.clock.wait(1000)
    tcp.client.sequence += 1_000_000
    tcp.server.sequence += 2_000_000
    full_close(tcp)


def midstream(tcp: Tcp) -> None:
    """The handshake was before the capture: data, FIN by both."""
    tcp.exchange(*http("midstream.example"))
    tcp.close()


def closed_by_client_only(tcp: Tcp) -> None:
    """Handshake, data, FIN by the client, acknowledged; the server never closes."""
    still_open(tcp)
    tcp.send(tcp.client, "FA")
    tcp.send(tcp.server, "A")


def closed_by_server_only(tcp: Tcp) -> None:
    """Handshake, data, FIN by the server, acknowledged; the client never closes."""
    still_open(tcp)
    tcp.send(tcp.server, "FA")
    tcp.send(tcp.client, "A")


def syn_then_fin(tcp: Tcp) -> None:
    """SYN and FIN by the same side; no answer seen."""
    tcp.send(tcp.client, "S")
    tcp.send(tcp.client, "F")


def syn_and_fin_in_one(tcp: Tcp) -> None:
    """One segment with SYN and FIN, as scanners send it, answered with RST."""
    tcp.send(tcp.client, "SF")
    tcp.send(tcp.server, "RA", sequence=0)


def mirror_of_client(tcp: Tcp) -> None:
    """A whole connection, of which only the client's packets were captured."""
    full_close(tcp)
    tcp.sent = [sent for sent in tcp.sent if sent.packet.src == tcp.client.ip]


def mirror_of_server(tcp: Tcp) -> None:
    """A whole connection, of which only the server's packets were captured."""
    full_close(tcp)
    tcp.sent = [sent for sent in tcp.sent if sent.packet.src == tcp.server.ip]


def fast_open(tcp: Tcp) -> None:
    """TCP Fast Open: the SYN carries the request, the SYN+ACK acknowledges it."""
    question, answer = http("fast-open.example")
    tcp.send(tcp.client, "S", question, options=[*SYN_OPTIONS, COOKIE])
    tcp.send(tcp.server, "SA")
    tcp.send(tcp.server, "PA", answer)
    tcp.send(tcp.client, "A")
    tcp.close()


def fast_open_declined(tcp: Tcp) -> None:
    """TCP Fast Open with an old cookie: only the SYN is acknowledged, and the data comes again."""
    question, answer = http("fast-open-declined.example")
    start = tcp.client.sequence + 1
    tcp.send(tcp.client, "S", question, options=[*SYN_OPTIONS, COOKIE])
    tcp.send(tcp.server, "SA", acknowledge=start)
    tcp.send(tcp.client, "PA", question, sequence=start)
    tcp.send(tcp.server, "A")
    tcp.send(tcp.server, "PA", answer)
    tcp.send(tcp.client, "A")
    tcp.close()


def syn_repeated(tcp: Tcp) -> None:
    """The first SYN gets lost behind the capture; the second is answered: one connection."""
    isn = tcp.client.sequence
    tcp.send(tcp.client, "S")
    tcp.clock.wait(1000)
    tcp.send(tcp.client, "S", sequence=isn)
    tcp.send(tcp.server, "SA")
    tcp.send(tcp.client, "A")
    tcp.exchange(*http("syn-repeated.example"))
    tcp.close()


def prohibited(tcp: Tcp) -> None:
    """SYN, answered by a router: ICMP, communication administratively prohibited."""
    tcp.send(tcp.client, "S")
    tcp.clock.wait(1)
    quoted = bytes(tcp.sent[-1].packet)[:28]
    answer = IP(src="10.9.0.1", dst=tcp.client.ip, id=1) / ICMP(type=3, code=13) / quoted
    tcp.sent.append(tcp.clock.stamp(answer))


def wrong_acknowledgement(tcp: Tcp) -> None:
    """A SYN+ACK that answers another, older SYN, and RST by the client (RFC 9293 §3.5.2)."""
    tcp.send(tcp.client, "S")
    wrong = tcp.client.sequence - 77_777
    tcp.send(tcp.server, "SA", acknowledge=wrong)
    tcp.send(tcp.client, "R", sequence=wrong)


def congestion_flags(tcp: Tcp) -> None:
    """A handshake that also agrees on ECN (RFC 3168 §6.1.1): SYN+ECE+CWR, SYN+ACK+ECE."""
    tcp.send(tcp.client, "SEC")
    tcp.send(tcp.server, "SAE")
    tcp.send(tcp.client, "A")
    tcp.exchange(*http("congestion-flags.example"))
    tcp.close()


STORIES: tuple[Callable[[Tcp], None], ...] = (
    full_close,
    still_open,
    reset_by_client,
    reset_by_server,
    refused,
    unanswered,
    syn_then_reset,
    half_open_scan,
    syn_lost,
    syn_ack_lost,
    simultaneous_open,
    backscatter,
    backscatter_denied,
    syn_ack_then_reset,
    reset_to_nobody,
    port_reused,
    midstream,
    closed_by_client_only,
    closed_by_server_only,
    syn_then_fin,
    syn_and_fin_in_one,
    mirror_of_client,
    mirror_of_server,
    fast_open,
    fast_open_declined,
    syn_repeated,
    prohibited,
    wrong_acknowledgement,
    congestion_flags,
)


def files() -> dict[str, bytes]:
    """All stories in one capture, twenty seconds apart."""
    sent: list[Sent] = []
    for number, tell in enumerate(STORIES, start=1):
        clock = Clock()
        clock.wait((number - 1) * STORY_MS)
        client, server = End(f"10.1.0.{number}", 40_000 + number), End(f"10.2.0.{number}", 80)
        tcp = Tcp(clock, client, server, host=f"{tell.__name__.replace('_', '-')}.example")
        tell(tcp)
        sent += tcp.sent
    return {"handshakes.pcap": formats.pcap(ethernet(each) for each in sent)}
