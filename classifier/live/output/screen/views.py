"""The tables of the live screen: their columns and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from classifier.live.output.jsonl_events import time_text
from classifier.live.output.table_view import bit_rate_text, carried, rate_text, sparkline
from classifier.live.windows.running_totals import (
    RATES,
    RunningTotals,
    ServerTotals,
    ServiceTotals,
    WindowChanges,
)
from classifier.live.windows.window import Window
from classifier.ports.rules import with_familiar
from classifier.reports.columns import COLUMNS
from classifier.reports.text.tables import clean
from classifier.roles import Role
from classifier.traffic.tables import SOURCES
from classifier.wording import counted, endpoint, named_by, size_text, value_text

#: Rows kept: of new servers, the latest; of flows, the busiest of the latest windows.
MOST_NEW = 200
MOST_FLOWS = 500


@dataclass
class ScreenData:
    """The data on the screen: the latest window, and the totals."""

    window: Window
    totals: RunningTotals
    change: WindowChanges
    new_servers: list[ServerTotals] = field(default_factory=list)
    #: By `flow_id`; those without a packet in the window have no rate.
    flows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def after(self, earlier: ScreenData | None) -> ScreenData:
        """Return it with the new servers and busy flows of earlier windows."""
        self.new_servers = list(self.change.new_servers)
        self.flows = {row["flow_id"]: row for row in self.change.flows}
        if earlier:
            self.new_servers = [*self.new_servers, *earlier.new_servers][:MOST_NEW]
            idle = {key: row | {"rate": 0.0} for key, row in earlier.flows.items() if key not in self.flows}
            self.flows = dict(islice((self.flows | idle).items(), MOST_FLOWS))
        return self


@dataclass(frozen=True)
class ScreenColumn:
    """A column: its text, given a row, and the sort key."""

    head: str
    text: Callable[[Any], str]
    order: Callable[[Any], Any] | None = None
    number: bool = False

    def key(self, row: Any) -> Any:
        """Return the sort key of a row."""
        return self.order(row) if self.order else self.text(row)


@dataclass(frozen=True)
class ScreenView:
    """A table of the screen."""

    name: str
    title: str
    columns: tuple[ScreenColumn, ...]
    rows: Callable[[ScreenData], Iterable[Any]]
    #: Identity of a row across windows.
    identity: Callable[[Any], str]
    details: Callable[[Any], list[tuple[str, str]]]
    #: Header of the column it is initially sorted by.
    sorted_by: str

    @property
    def first_order(self) -> int:
        """Index of the column it is initially sorted by."""
        return [column.head for column in self.columns].index(self.sorted_by)

    def cells(self, row: Any) -> list[str]:
        """Return the texts of a row."""
        return [clean(column.text(row)) for column in self.columns]

    def arranged(
        self, moment: ScreenData, by: int, backwards: bool, wanted: str
    ) -> list[tuple[Any, list[str]]]:
        """Return the rows with the wanted text in some cell, sorted; numbers in descending order."""
        shown = [(row, self.cells(row)) for row in self.rows(moment)]
        if wanted:
            shown = [pair for pair in shown if any(wanted.lower() in cell.lower() for cell in pair[1])]
        column = self.columns[by]
        return sorted(shown, key=lambda pair: column.key(pair[0]), reverse=column.number != backwards)


def _number(head: str, value: Callable[[Any], int]) -> ScreenColumn:
    return ScreenColumn(head, lambda row: f"{value(row):,}" if value(row) else "", value, number=True)


def _size(head: str, value: Callable[[Any], int]) -> ScreenColumn:
    return ScreenColumn(head, lambda row: size_text(value(row)), value, number=True)


def _rate(value: Callable[[Any], float]) -> ScreenColumn:
    return ScreenColumn("Bytes/s", lambda row: rate_text(value(row)), value, number=True)


def _bit_rate(value: Callable[[Any], float]) -> ScreenColumn:
    return ScreenColumn("Bit/s", lambda row: bit_rate_text(value(row)), value, number=True)


def _clock(head: str, value: Callable[[Any], int]) -> ScreenColumn:
    return ScreenColumn(head, lambda row: time_text(value(row))[11:19], value, number=True)


def _service_details(service: ServiceTotals) -> list[tuple[str, str]]:
    details = [
        ("ServiceTotals", with_familiar(service.name)),
        ("Named by", named_by(SOURCES[service.source])),
        ("Transport", service.proto),
    ]
    for role, count in service.bytes.items():
        packets, flows = service.packets[role], service.flows[role]
        if packets or flows:
            ended = f"{counted(flows, 'flow')} ended"
            details.append((role.capitalize(), f"{size_text(count)}, {counted(packets, 'packet')}, {ended}"))
    return [*details, ("Bytes/s", sparkline(list(service.rates), RATES))]


def _server_details(server: ServerTotals) -> list[tuple[str, str]]:
    ended = counted(server.flows, "ended flow")
    return [
        ("ServerTotals", f"{endpoint(server.ip, server.port)}/{server.proto}"),
        ("ServiceTotals", with_familiar(server.service)),
        ("Named by", named_by(SOURCES[server.source])),
        ("Role", server.known_by),
        ("Bytes", f"{size_text(server.bytes)} in {ended}, and active ones"),
        ("First seen", time_text(server.first_seen_ns)),
        ("Last seen", time_text(server.last_seen_ns)),
    ]


def _flow_details(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the non-empty columns of a flow, with its evidence."""
    details = {name: value for name, value in row.items() if value not in (None, "", [], False)}
    del details["community_id"]  # part of flow_id
    details["role_evidence"] = ", ".join(row["role_evidence"]) or "none"
    details["service_candidates"] = ", ".join(row["service_candidates"]) or "none"
    details["outcome"] = value_text(row["outcome"])
    details["rate"] = f"{rate_text(row['rate']) or '0 B/s'} ({bit_rate_text(row['rate']) or '0 bit/s'})"
    return [(name.replace("_", " ").capitalize(), str(value)) for name, value in details.items()]


def _report_column(name: str, row_of: Callable[[Any], dict[str, Any]] = lambda row: row) -> ScreenColumn:
    """Return a column of reports; `row_of` makes the row of a table that it is of."""
    column = COLUMNS[name]
    return ScreenColumn(column.head, lambda row: column.text(row_of(row)))


def _service_row(service: ServiceTotals) -> dict[str, Any]:
    return {"service": service.name, "proto": service.proto, "service_source": SOURCES[service.source]}


_FLOW_COLUMNS = (
    *map(_report_column, ("client", "server", "service_and_proto", "service_source", "role", "outcome")),
    _rate(lambda row: row["rate"]),
    _size("Bytes", lambda row: row["client_bytes"] + row["server_bytes"]),
)
_SERVER_COLUMNS = tuple(
    _report_column(name, lambda server: server.row)
    for name in ("server", "service_and_proto", "service_source", "known_by")
)


def _server_key(server: ServerTotals) -> str:
    return f"{server.ip} {server.port} {server.proto}"


VIEWS = (
    ScreenView(
        "services",
        "Services",
        (
            _report_column("service_and_proto", _service_row),
            _report_column("service_source", _service_row),
            ScreenColumn("Recent", lambda service: sparkline(list(service.rates), 20)),
            _rate(lambda service: service.rates[-1]),
            _bit_rate(lambda service: service.rates[-1]),
            _size("Bytes", carried),
            _number("Flows", lambda service: service.flows_now),
            _number("Servers", lambda service: service.servers_now),
            _number("Clients", lambda service: service.clients_now),
            _number("Failed attempts", lambda service: service.flows[Role.ATTEMPTED]),
        ),
        lambda moment: [s for s in moment.totals.services.values() if carried(s) or s.flows[Role.ATTEMPTED]],
        lambda service: f"{service.name}/{service.proto}",
        _service_details,
        "Bytes/s",
    ),
    ScreenView(
        "servers",
        "Servers",
        (
            *_SERVER_COLUMNS,
            _rate(lambda server: server.rate),
            _size("Bytes", lambda server: server.bytes),
            _number("Clients", lambda server: server.clients_now),
            _clock("Last seen", lambda server: server.last_seen_ns),
        ),
        lambda moment: moment.totals.servers.values(),
        _server_key,
        _server_details,
        "Bytes/s",
    ),
    ScreenView(
        "flows",
        "Flows",
        _FLOW_COLUMNS,
        lambda moment: moment.flows.values(),
        lambda row: row["flow_id"],
        _flow_details,
        "Bytes/s",
    ),
    ScreenView(
        "ambiguous",
        "Ambiguous",
        _FLOW_COLUMNS,
        lambda moment: [row for row in moment.flows.values() if row["role"] == Role.AMBIGUOUS],
        lambda row: row["flow_id"],
        _flow_details,
        "Bytes/s",
    ),
    ScreenView(
        "new",
        "New servers",
        (_clock("First seen", lambda server: server.first_seen_ns), *_SERVER_COLUMNS),
        lambda moment: moment.new_servers,
        _server_key,
        _server_details,
        "First seen",
    ),
)
