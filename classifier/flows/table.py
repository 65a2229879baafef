"""The public flow table: one row per flow, with fixed column names."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from classifier import _meter
from classifier.flows import addresses
from classifier.flows.transports import NAMES

_WORD = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("ns", tz="UTC")
#: Types of integers in public tables: signed, so that differences of columns don't wrap.
COUNT, PORT, VLAN = pa.int64(), pa.int32(), pa.int32()


#: Columns: name, type, nullable, meaning.
COLUMNS: list[tuple[str, pa.DataType, bool, str]] = [
    ("flow_id", pa.string(), False, "unique: Community ID and first seen; .1 and so on where that is taken"),
    ("community_id", pa.string(), False, "Community ID v1, seed 0"),
    ("capture", _WORD, False, "its file or files, joined by |"),
    ("first_seen", _TIME, False, "time of the earliest packet"),
    ("last_seen", _TIME, False, "time of the latest packet"),
    ("duration_s", pa.float64(), False, "seconds from the first to the last packet"),
    ("proto", _WORD, False, "tcp, udp, sctp, dccp, udplite"),
    ("client_ip", pa.string(), False, "address of the client; of the likelier one in ambiguous flows"),
    ("client_port", PORT, False, "port of the client"),
    ("server_ip", pa.string(), False, "address of the server; of the likelier one in ambiguous flows"),
    ("server_port", PORT, False, "port of the server"),
    (
        "role",
        _WORD,
        False,
        "confirmed, inferred, ambiguous; attempted: a failed connection attempt",
    ),
    (
        "role_confidence",
        pa.float64(),
        False,
        "probability that server_ip is the server; 1.0 only where a packet proves the initiator",
    ),
    ("role_evidence", pa.list_(pa.string()), False, "evidence for the server, strongest first"),
    ("service", _WORD, True, "name of the service"),
    ("service_source", _WORD, True, "where the name comes from: user, payload, unofficial, official"),
    ("service_candidates", pa.list_(pa.string()), False, "possible services, likeliest first"),
    ("payload", _WORD, True, "protocol detected in the payload"),
    ("server_name", pa.string(), True, "server name that the client requested (SNI, HTTP host)"),
    ("mismatch", pa.bool_(), False, "the payload is neither the service of the port nor a carrier of it"),
    ("expected", _WORD, True, "service expected at the port; null unless mismatch"),
    ("outcome", _WORD, False, "refused, unanswered, unsolicited, reset, midstream, one_way, answered"),
    ("client_packets", COUNT, False, "packets sent by the client"),
    ("server_packets", COUNT, False, "packets sent by the server"),
    ("client_bytes", COUNT, False, "IP bytes on the wire sent by the client"),
    ("server_bytes", COUNT, False, "IP bytes on the wire sent by the server"),
    ("client_payload_bytes", COUNT, False, "payload bytes (after the transport header) sent by the client"),
    ("server_payload_bytes", COUNT, False, "payload bytes (after the transport header) sent by the server"),
    ("conn_state", _WORD, False, "Zeek's connection state"),
    (
        "history",
        _WORD,
        False,
        "Zeek's letters S H A D F R and ^: the first of each per endpoint, in time order",
    ),
    ("vlan", VLAN, True, "outermost VLAN id"),
    ("tunnel", _WORD, True, "encapsulation of its packets, outermost first: gre/ip"),
    ("evicted", pa.bool_(), False, "ended early by the limit on flows (--max-flows)"),
    (
        "duplicate_packets",
        COUNT,
        False,
        "duplicate packets, as from a mirror port",
    ),
]

SCHEMA = pa.schema(
    [pa.field(name, kind, nullable, metadata={"doc": doc}) for name, kind, nullable, doc in COLUMNS]
)


def present(judged: pa.RecordBatch, captures: list[str]) -> pa.RecordBatch:
    """Convert n judged flows to n rows of the public table: readable addresses and times, flow ids.

    `captures` are the names that the column `capture` refers to.
    """
    first_seen_ns, last_seen_ns = judged["first_seen_ns"], judged["last_seen_ns"]
    duration_ns = pc.subtract(last_seen_ns, first_seen_ns)
    community_id = pa.record_batch(_meter.community_ids(judged))["community_id"]
    proto = pa.DictionaryArray.from_arrays(
        pc.index_in(judged["proto"], pa.array(list(NAMES), pa.uint8())),
        pa.array(list(NAMES.values())),
    )
    derived = {
        "flow_id": _flow_ids(community_id, first_seen_ns, judged["ordinal"]),
        "community_id": community_id,
        "capture": _names(judged["capture"], captures),
        "first_seen": pc.cast(first_seen_ns, _TIME),
        "last_seen": pc.cast(last_seen_ns, _TIME),
        "duration_s": pc.divide(pc.cast(duration_ns, pa.float64(), safe=False), 1e9),
        "proto": proto,
        "client_ip": addresses.texts(judged["client_addr"], judged["ip_version"]),
        "server_ip": addresses.texts(judged["server_addr"], judged["ip_version"]),
    }
    absent = set(SCHEMA.names) - set(derived) - set(judged.schema.names)
    columns = [
        pa.nulls(judged.num_rows, field.type)
        if field.name in absent
        else derived.get(field.name, judged[field.name] if field.name in judged.schema.names else None)
        for field in SCHEMA
    ]
    return pa.RecordBatch.from_arrays(
        [_typed(column, field) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def _flow_ids(community_id: pa.Array, first_seen_ns: pa.Array, ordinal: pa.Array) -> pa.Array:
    """Return the ids of n flows, numbered where flows of one five-tuple begin at the same time."""
    ids = pc.binary_join_element_wise(community_id, pc.cast(first_seen_ns, pa.string()), "@")
    if not pc.any(pc.greater(ordinal, 0)).as_py():
        return ids
    numbered = pc.binary_join_element_wise(ids, pc.cast(ordinal, pa.string()), ".")
    return pc.if_else(pc.greater(ordinal, 0), numbered, ids)


def _names(number: pa.Array, captures: list[str]) -> pa.DictionaryArray:
    """Return the names of n captures; the dictionary has only those that occur, of possibly thousands."""
    found = number.dictionary_encode()
    names = [captures[place] for place in found.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(found.indices, pa.array(names, pa.string()))


def _typed(column: pa.Array, field: pa.Field) -> pa.Array:
    return column if column.type == field.type else column.cast(field.type)
