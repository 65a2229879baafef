"""The tables of the screen: their columns, and the rows that a moment has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from classifier.live.output.jsonl_events import time_text
from classifier.live.output.table_view import carried, rate_text, sparkline
from classifier.live.windows.running_totals import RATES, Change, Ledger, Server, Service
from classifier.live.windows.window import Window
from classifier.ports.rules import with_familiar
from classifier.reports.text.tables import clean
from classifier.roles import Role
from classifier.traffic.tables import SOURCES
from classifier.wording import counted, endpoint, named_by, role_text, service_name, size_text

#: New servers that are remembered, the latest first, and flows, the busiest of the latest windows.
MOST_NEW = 200
MOST_FLOWS = 500


@dataclass
class Moment:
    """What the screen shows: the latest window, and all sums."""

    window: Window
    ledger: Ledger
    change: Change
    new_servers: list[Server] = field(default_factory=list)
    #: By `flow_id`; those without a packet in the window have no rate.
    flows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def after(self, earlier: Moment | None) -> Moment:
        """Return it with the new servers of before, and the flows that were busy."""
        self.new_servers = list(self.change.new_servers)
        self.flows = {row["flow_id"]: row for row in self.change.flows}
        if earlier:
            self.new_servers = [*self.new_servers, *earlier.new_servers][:MOST_NEW]
            quiet = {key: row | {"rate": 0.0} for key, row in earlier.flows.items() if key not in self.flows}
            self.flows = dict(islice((self.flows | quiet).items(), MOST_FLOWS))
        return self


@dataclass(frozen=True)
class Column:
    """A column: what it shows of a row, and what rows are sorted by."""

    head: str
    text: Callable[[Any], str]
    order: Callable[[Any], Any] | None = None
    number: bool = False

    def key(self, row: Any) -> Any:
        """Return what a row is sorted by."""
        return self.order(row) if self.order else self.text(row)


@dataclass(frozen=True)
class View:
    """A table of the screen."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Callable[[Moment], Iterable[Any]]
    #: What a row is known by from one window to the next.
    identity: Callable[[Any], str]
    details: Callable[[Any], list[tuple[str, str]]]
    #: The column that it is sorted by at first.
    sorted_by: int

    def cells(self, row: Any) -> list[str]:
        """Return the texts of a row."""
        return [clean(column.text(row)) for column in self.columns]

    def arranged(self, moment: Moment, by: int, backwards: bool, wanted: str) -> list[tuple[Any, list[str]]]:
        """Return the rows that have the wanted text in some cell, sorted; numbers have the largest first."""
        shown = [(row, self.cells(row)) for row in self.rows(moment)]
        if wanted:
            shown = [pair for pair in shown if any(wanted.lower() in cell.lower() for cell in pair[1])]
        column = self.columns[by]
        return sorted(shown, key=lambda pair: column.key(pair[0]), reverse=column.number != backwards)


def _number(head: str, value: Callable[[Any], int]) -> Column:
    return Column(head, lambda row: f"{value(row):,}" if value(row) else "", value, number=True)


def _size(head: str, value: Callable[[Any], int]) -> Column:
    return Column(head, lambda row: size_text(value(row)), value, number=True)


def _rate(value: Callable[[Any], float]) -> Column:
    return Column("Bytes/s", lambda row: rate_text(value(row)), value, number=True)


def _clock(head: str, value: Callable[[Any], int]) -> Column:
    return Column(head, lambda row: time_text(value(row))[11:19], value, number=True)


def _service_details(service: Service) -> list[tuple[str, str]]:
    told = [
        ("Service", with_familiar(service.name)),
        ("Named by", named_by(SOURCES[service.source])),
        ("Transport", service.proto),
    ]
    for role, count in service.bytes.items():
        packets, flows = service.packets[role], service.flows[role]
        if packets or flows:
            ended = f"{counted(flows, 'flow')} ended"
            told.append((role.capitalize(), f"{size_text(count)}, {counted(packets, 'packet')}, {ended}"))
    return [*told, ("Bytes/s", sparkline(list(service.rates), RATES))]


def _server_details(server: Server) -> list[tuple[str, str]]:
    ended = counted(server.flows, "flow that has ended", "flows that have ended")
    return [
        ("Server", f"{endpoint(server.ip, server.port)}/{server.proto}"),
        ("Service", with_familiar(server.service)),
        ("Named by", named_by(SOURCES[server.source])),
        ("Role", server.known_by),
        ("Carried", f"{size_text(server.bytes)} in {ended}, and active ones"),
        ("First seen", time_text(server.first_seen_ns)),
        ("Last seen", time_text(server.last_seen_ns)),
    ]


def _flow_details(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Say all that is known of a flow, and how its server is known."""
    told = {name: value for name, value in row.items() if value not in (None, "", [], False)}
    del told["community_id"]  # the flow's id has it
    told["role_evidence"] = ", ".join(row["role_evidence"]) or "none"
    told["service_candidates"] = ", ".join(row["service_candidates"]) or "none"
    told["rate"] = rate_text(row["rate"]) or "0 B/s"
    return [(name.replace("_", " ").capitalize(), str(value)) for name, value in told.items()]


_FLOW_COLUMNS = (
    Column("Client", lambda row: endpoint(row["client_ip"], row["client_port"])),
    Column("Server", lambda row: endpoint(row["server_ip"], row["server_port"])),
    Column(
        "Service",
        lambda row: (
            f"{with_familiar(service_name(row['service'], row['service_candidates']))}/{row['proto']}"
        ),
    ),
    Column("Named by", lambda row: named_by(row["service_source"])),
    Column("Role", lambda row: role_text(row["role"], row["role_confidence"])),
    Column("Outcome", lambda row: row["outcome"]),
    _rate(lambda row: row["rate"]),
    _size("Bytes", lambda row: row["client_bytes"] + row["server_bytes"]),
)
_SERVER_COLUMNS = (
    Column("Server", lambda server: endpoint(server.ip, server.port)),
    Column("Service", lambda server: f"{with_familiar(server.service)}/{server.proto}"),
    Column("Named by", lambda server: named_by(SOURCES[server.source])),
    Column("Role", lambda server: server.known_by),
)


def _server_key(server: Server) -> str:
    return f"{server.ip} {server.port} {server.proto}"


VIEWS = (
    View(
        "services",
        "Services",
        (
            Column("Service", lambda service: f"{with_familiar(service.name)}/{service.proto}"),
            Column("Named by", lambda service: named_by(SOURCES[service.source])),
            Column("Lately", lambda service: sparkline(list(service.rates), 20)),
            _rate(lambda service: service.rates[-1]),
            _size("Bytes", carried),
            _number("Flows", lambda service: service.flows_now),
            _number("Servers", lambda service: service.servers_now),
            _number("Clients", lambda service: service.clients_now),
            _number("Attempts", lambda service: service.flows[Role.ATTEMPTED]),
        ),
        lambda moment: [s for s in moment.ledger.services.values() if carried(s) or s.flows[Role.ATTEMPTED]],
        lambda service: f"{service.name}/{service.proto}",
        _service_details,
        3,
    ),
    View(
        "servers",
        "Servers",
        (
            *_SERVER_COLUMNS,
            _rate(lambda server: server.rate),
            _size("Bytes", lambda server: server.bytes),
            _number("Clients", lambda server: server.clients_now),
            _clock("Last seen", lambda server: server.last_seen_ns),
        ),
        lambda moment: moment.ledger.servers.values(),
        _server_key,
        _server_details,
        4,
    ),
    View(
        "flows",
        "Flows",
        _FLOW_COLUMNS,
        lambda moment: moment.flows.values(),
        lambda row: row["flow_id"],
        _flow_details,
        5,
    ),
    View(
        "ambiguous",
        "Ambiguous",
        _FLOW_COLUMNS,
        lambda moment: [row for row in moment.flows.values() if row["role"] == Role.AMBIGUOUS],
        lambda row: row["flow_id"],
        _flow_details,
        5,
    ),
    View(
        "new",
        "New servers",
        (_clock("First seen", lambda server: server.first_seen_ns), *_SERVER_COLUMNS),
        lambda moment: moment.new_servers,
        _server_key,
        _server_details,
        0,
    ),
)
