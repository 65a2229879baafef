"""Ports and services: the tables and JSON of `classifier ports`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from classifier.ports.client_ports import ClientRange, client_ranges, iana_ranges
from classifier.ports.search import Ports, PortUse, SearchResult
from classifier.ports.service import TRANSPORT_NAMES, Service, Span
from classifier.reports.text.tables import Column, Row, show

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows of services that are only related to a word.
RELATED = 15


def print_found(out: Console, found: Iterable[SearchResult]) -> None:
    """Print what queries found: services, and other uses of the ports."""
    answers = list(found)
    by_number = [answer for answer in answers if answer.ports]
    show(out, "", _COLUMNS, _rows(use for answer in by_number for use in answer.exact))
    for answer in by_number:
        for line in _remarks(answer):
            out.print(Text(line), soft_wrap=True)
    others = {other: None for answer in by_number for other in _others(answer.ports)}
    if others:
        out.print()
    show(out, "Other uses of these ports", _OTHERS, _grouped(others))
    for answer in answers:
        if answer.ports:
            continue
        show(out, answer.query if len(answers) > 1 else "", _COLUMNS, _rows(answer.exact))
        related = answer.related if not answer.exact else answer.related[:RELATED]
        title = f"Related to {answer.query}" if answer.exact or len(answers) > 1 else ""
        show(out, title, _COLUMNS, _rows(related))
        if more := len(answer.related) - len(related):
            out.print(Text(f"and {more} more; --format csv lists all"))


def as_json(found: Iterable[SearchResult]) -> str:
    """Return what queries found, as a list of objects."""
    return json.dumps([_answer(answer) for answer in found], indent=2, ensure_ascii=False)


def as_table(found: Iterable[SearchResult]) -> pa.Table:
    """Return the services that queries found, one row each."""
    import pyarrow as pa  # slow to import, and not needed for the terminal

    from classifier.flows.table import PORT

    kinds = dict.fromkeys(("first_port", "last_port"), PORT)
    kinds |= dict.fromkeys(("usual", "met"), pa.bool_())
    kinds |= dict.fromkeys(("aliases", "carriers", "speaks", "addresses"), pa.list_(pa.string()))
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in ("query", "match", *_FIELDS)])
    rows = [
        {"query": answer.query, "match": match} | _plain(use)
        for answer in found
        for match, uses in (("exact", answer.exact), ("related", answer.related))
        for use in uses
    ]
    return pa.Table.from_pylist(rows, schema)


#: The columns of the table, and the keys of a service in JSON.
_FIELDS = [
    *("ports", "transport", "first_port", "last_port", "service", "aliases", "status", "usual", "met"),
    *("category", "encrypted", "carriers", "speaks", "addresses", "description", "source"),
]


def _plain(use: PortUse) -> Row:
    service = use.service
    values = (
        *(str(use.span), TRANSPORT_NAMES[use.span.proto], use.span.first, use.span.last),
        *(service.name, list(service.aliases), service.status, service.usual, service.met),
        *(service.category, service.encrypted, list(service.carriers), list(service.speaks)),
        *([str(network) for network in service.networks], service.description, service.source),
    )
    return dict(zip(_FIELDS, values, strict=True))


def _answer(found: SearchResult) -> Row:
    """Return what a query found, as an object for JSON."""
    answer: Row = {
        "query": found.query,
        "services": [_plain(use) for use in found.exact],
        "related": [_plain(use) for use in found.related],
    }
    if found.ports:
        answer |= {
            "ranges": [
                asdict(iana)
                for iana in iana_ranges()
                if iana.first <= found.ports.last and found.ports.first <= iana.last
            ],
            "reserved": [str(span) for span in found.reserved],
            "taken_by": [asdict(other) for other in _others(found.ports)],
        }
    return answer


def _others(ports: Ports | None) -> list[ClientRange]:
    """Return other uses of the ports, such as client port ranges, the narrowest first."""
    if ports is None:
        return []
    transports = {TRANSPORT_NAMES[proto] for proto in ports.protos}
    return [
        other
        for other in client_ranges()
        if other.first <= ports.last and ports.first <= other.last and transports & {*other.transports}
    ]


def _remarks(found: SearchResult) -> Iterator[str]:
    """Yield notes on ports that the table of services doesn't show."""
    for ports in _joined(found.reserved):
        yield f"{ports}: reserved by IANA"
    if not found.exact and not found.reserved:
        yield f"{found.query}: no known service"
    if found.ports:
        yield f"{found.query}: in IANA's " + " and ".join(
            f"{iana.name} range, {iana.first}-{iana.last}"
            for iana in iana_ranges()
            if iana.first <= found.ports.last and found.ports.first <= iana.last
        )


def _joined(spans: Iterable[Span]) -> list[str]:
    """Format spans as `53/tcp,udp` where only the transport differs."""
    transports: dict[str, list[str]] = {}
    for span in spans:
        ports, _, transport = str(span).partition("/")
        transports.setdefault(ports, []).append(transport)
    return [f"{ports}/{','.join(found)}" for ports, found in transports.items()]


#: Texts of the roles of client_ports.toml.
_ROLES = {
    "client": "client port",
    "client-privileged": "privileged client port",
    "nat": "client port behind NAT",
    "server-dynamic": "dynamic server port",
    "peer": "client or server port",
    "target": "probe target, no service",
}


def _grouped(others: Iterable[ClientRange]) -> Iterator[Row]:
    """Yield a row for each range and role, with all its systems."""
    systems: dict[tuple[int, int, str], list[str]] = {}
    for other in others:
        systems.setdefault((other.first, other.last, other.role), []).append(other.system)
    for (first, last, role), names in systems.items():
        yield {"ports": f"{first}-{last}", "role": _ROLES[role], "systems": "; ".join(names)}


_OTHERS = [
    Column("Ports", lambda row: row["ports"]),
    Column("Use", lambda row: row["role"], folds=True),
    Column("Systems", lambda row: row["systems"], folds=True),
]


def _rows(uses: Iterable[PortUse]) -> Iterator[Row]:
    """Yield a row for each service and port, with all transports."""
    spans: dict[tuple[Service, int, int], list[Span]] = {}
    for use in uses:
        spans.setdefault((use.service, use.span.first, use.span.last), []).append(use.span)
    for (service, _, _), found in spans.items():
        (ports,) = _joined(found)
        places = ", ".join(map(str, service.networks))
        yield {
            "ports": f"{ports} at {places}" if places else ports,
            "status": _status(service),
            "description": _description(service),
            "service": service,
        }


def _status(service: Service) -> str:
    if service.status == "unofficial":
        return "de facto" if service.usual else "unofficial"
    return f"{service.status}, de facto" if service.usual else service.status


def _description(service: Service) -> str:
    if service.met:
        return service.description or ""
    return f"registered with IANA; {service.description or 'no further information'}"


_COLUMNS = [
    Column("Port", lambda row: row["ports"], folds=True),
    Column("Service", lambda row: row["service"].name, folds=True),
    Column("Status", lambda row: row["status"], folds=True),
    Column("Description", lambda row: row["description"], folds=True),
    Column("Category", lambda row: row["service"].category or "", folds=True, spare=2),
    Column("Encrypted", lambda row: row["service"].encrypted or "", spare=3),
    Column("Source", lambda row: row["service"].source, folds=True, spare=1),
]
