"""The tables of sums: their columns, and what each means."""

from __future__ import annotations

import pyarrow as pa

from classifier.flows.table import COUNT, PORT, VLAN
from classifier.handshake import ATTEMPTED

#: Outcomes of flows that came to nothing: counted apart, never as traffic of a service.
ATTEMPTS = tuple(map(str, ATTEMPTED))
ROLES = ("confirmed", "inferred", "ambiguous")
VOLUMES = ("client_packets", "server_packets", "client_bytes", "server_bytes")
SUMS = ("flows", *ROLES, "by_payload", *ATTEMPTS, *VOLUMES, "attempt_packets", "attempt_bytes")
#: Where names of services come from, the weakest first.
SOURCES = (None, "official", "unofficial", "payload", "user")
TIME = pa.timestamp("ns", tz="UTC")
_COUNTS = {
    "flows": "flows, attempts left out",
    "confirmed": "flows whose server a handshake showed",
    "inferred": "flows whose server other evidence shows with at least 90 %",
    "ambiguous": "flows whose server is not known so well",
    "by_payload": "flows whose payload is recognised",
    "refused": "attempts that were answered by a reset or an ICMP error",
    "unanswered": "attempts that nobody answered",
    "unsolicited": "answers that nobody had asked for",
    "client_packets": "packets sent by clients",
    "server_packets": "packets sent by servers",
    "client_bytes": "IP bytes on the wire sent by clients",
    "server_bytes": "IP bytes on the wire sent by servers",
    "attempt_packets": "packets of attempts, both ways",
    "attempt_bytes": "IP bytes of attempts, both ways",
    "bytes": "IP bytes both ways",
}


def _text(name: str, doc: str, *, null: bool = False) -> pa.Field:
    return pa.field(name, pa.string(), null, {"doc": doc})


def _count(name: str, doc: str) -> pa.Field:
    return pa.field(name, COUNT, False, {"doc": doc})


def _counts(*names: str) -> list[pa.Field]:
    return [_count(name, _COUNTS[name]) for name in names]


_PROTO = _text("proto", "transport")
_SERVER_IP, _CLIENT_IP = (
    _text("server_ip", "address of the server"),
    _text("client_ip", "address of the client"),
)
_SERVER_PORT = pa.field("server_port", PORT, False, {"doc": "port of the server"})
_SERVICE = _text("service", "name; candidates joined by | while undecided; null: no rule", null=True)
_SOURCE = _text(
    "service_source",
    "where the name comes from, the strongest of its flows: user, payload, unofficial, official",
    null=True,
)
_SPAN = [
    pa.field(name, TIME, False, {"doc": f"time of the {which} packet"})
    for name, which in (("first_seen", "earliest"), ("last_seen", "latest"))
]

SERVICES = pa.schema(
    [
        _SERVICE,
        _SOURCE,
        _PROTO,
        pa.field("server_ports", pa.list_(PORT), False, {"doc": "ports of its servers"}),
        _count("servers", "addresses that served it, ambiguous flows left out"),
        _count("clients", "addresses that used it, ambiguous flows left out"),
        *_counts("bytes"),
        pa.field("share", pa.float64(), False, {"doc": "of the bytes of all services"}),
        *_counts(*SUMS),
        *_SPAN,
    ]
)
SERVERS = pa.schema(
    [
        _SERVER_IP,
        _SERVER_PORT,
        _PROTO,
        _SERVICE,
        _SOURCE,
        _text(
            "known_by", "confirmed: by a handshake; inferred: it sends; one_way: it was only ever spoken to"
        ),
        _count("clients", "addresses of its clients"),
        *_counts("bytes", "flows", "confirmed", "inferred", *VOLUMES),
        *_SPAN,
    ]
)
CLIENTS = pa.schema(
    [_CLIENT_IP, _count("servers", "addresses of its servers"), *_counts("flows", "bytes", *VOLUMES)]
)
TARGETS = pa.schema(
    [
        _text("target_ip", "address that was tried"),
        pa.field("target_port", PORT, False, {"doc": "port that was tried"}),
        _PROTO,
        _SERVICE,
        _count("sources", "addresses that tried"),
        *_counts(*ATTEMPTS, "attempt_packets", "attempt_bytes"),
        _count("attempts", "all of them"),
    ]
)
CONVERSATIONS = pa.schema(
    [_CLIENT_IP, _SERVICE, _PROTO, _SERVER_IP, _SERVER_PORT, *_counts("flows", "bytes", *VOLUMES)]
)
MISMATCHES = pa.schema(
    [
        _CLIENT_IP,
        _SERVER_IP,
        _SERVER_PORT,
        _PROTO,
        _text("expected", "service expected at the port"),
        _text("payload", "protocol detected in the payload"),
        pa.field("flows", COUNT, False),
        *_counts("bytes"),
    ]
)


def groups_schema(names: list[str]) -> pa.Schema:
    """Return the columns of a table of groups, whose own columns are named."""
    kinds = {"server_port": PORT, "vlan": VLAN}
    return pa.schema(
        [
            pa.field("group", pa.string(), False, {"doc": "the columns that follow, in one text"}),
            *(pa.field(name, kinds.get(name, pa.string())) for name in names),
            *_counts("bytes"),
            pa.field("share", pa.float64(), False, {"doc": "of the bytes of all rows"}),
            *(pa.field(name, COUNT, False) for name in SUMS),
            *(pa.field(name, TIME, False) for name in ("first_seen", "last_seen")),
        ]
    )
