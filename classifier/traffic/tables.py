"""The columns of tables of totals, and their meanings."""

from __future__ import annotations

import pyarrow as pa

from classifier.flows.table import COUNT, PORT, VLAN
from classifier.handshake import ATTEMPTED

#: Outcomes of failed attempts, which are counted separately, never as traffic of a service.
ATTEMPTS = tuple(map(str, ATTEMPTED))
ROLES = ("confirmed", "inferred", "ambiguous")
VOLUMES = ("client_packets", "server_packets", "client_bytes", "server_bytes")
SUMS = ("flows", *ROLES, "by_payload", *ATTEMPTS, *VOLUMES, "attempt_packets", "attempt_bytes")
#: Sources of service names, the weakest first.
SOURCES = (None, "official", "unofficial", "payload", "user")
TIME = pa.timestamp("ns", tz="UTC")
_COUNTS = {
    "flows": "flows, without failed attempts",
    "confirmed": "flows whose server a handshake proves",
    "inferred": "flows whose server other evidence shows with a confidence of at least 90%",
    "ambiguous": "flows whose server is known with less confidence",
    "by_payload": "flows whose protocol was detected in the payload",
    "refused": "failed attempts answered by a reset or an ICMP error",
    "unanswered": "failed attempts without an answer",
    "unsolicited": "answers without a request",
    "client_packets": "packets sent by clients",
    "server_packets": "packets sent by servers",
    "client_bytes": "IP bytes on the wire sent by clients",
    "server_bytes": "IP bytes on the wire sent by servers",
    "attempt_packets": "packets of failed attempts, both directions",
    "attempt_bytes": "IP bytes of failed attempts, both directions",
    "bytes": "IP bytes, both directions",
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
_SERVICE = _text("service", "name; candidates joined by | while undecided; null: unknown", null=True)
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
        _count("servers", "addresses of its servers, without ambiguous flows"),
        _count("clients", "addresses of its clients, without ambiguous flows"),
        *_counts("bytes"),
        pa.field("share", pa.float64(), False, {"doc": "share in the bytes of all services"}),
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
        _text("known_by", "confirmed: by a handshake; inferred: it replied; one_way: no reply seen"),
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
        _text("target_ip", "address of the target"),
        pa.field("target_port", PORT, False, {"doc": "port of the target"}),
        _PROTO,
        _SERVICE,
        _count("sources", "addresses of the initiators"),
        *_counts(*ATTEMPTS, "attempt_packets", "attempt_bytes"),
        _count("attempts", "all failed attempts"),
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
    """Return the columns of a table of groups with these key columns."""
    kinds = {"server_port": PORT, "vlan": VLAN}
    return pa.schema(
        [
            pa.field("group", pa.string(), False, {"doc": "the key columns that follow, as one text"}),
            *(pa.field(name, kinds.get(name, pa.string())) for name in names),
            *_counts("bytes"),
            pa.field("share", pa.float64(), False, {"doc": "share in the bytes of all rows"}),
            *(pa.field(name, COUNT, False) for name in SUMS),
            *(pa.field(name, TIME, False) for name in ("first_seen", "last_seen")),
        ]
    )
