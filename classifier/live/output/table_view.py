"""Live traffic without a screen: a self-updating table on a terminal, one line per window elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from classifier.live.output.jsonl_events import time_text
from classifier.live.windows.running_totals import RunningTotals, ServiceTotals, WindowChanges
from classifier.live.windows.window import Window
from classifier.ports.rules import with_familiar
from classifier.reports.text.tables import clean, console
from classifier.roles import Role
from classifier.wording import counted, size_text

#: Services in the table, and in a line.
_ROWS, _IN_LINE = 20, 5
_BARS = "▁▂▃▄▅▆▇█"


def sparkline(rates: list[float], width: int) -> str:
    """Return the latest rates as bars; the highest is a full bar."""
    latest = rates[-width:]
    most = max(latest, default=0.0)
    bars = (_BARS[min(int(rate / most * len(_BARS)), len(_BARS) - 1)] if rate else " " for rate in latest)
    return "".join(bars).rjust(width)


def busiest(totals: RunningTotals) -> list[ServiceTotals]:
    """Return the services by their current rate, then by their bytes."""
    return sorted(totals.services.values(), key=lambda s: (-s.rates[-1], -carried(s), s.name))


def carried(service: ServiceTotals) -> int:
    """Return the bytes of a service, without failed attempts."""
    return sum(count for role, count in service.bytes.items() if role != Role.ATTEMPTED)


def rate_text(bytes_per_s: float) -> str:
    """Format a rate in bytes per second, in decimal units; empty for zero."""
    return f"{size_text(round(bytes_per_s))}/s" if bytes_per_s else ""


def bit_rate_text(bytes_per_s: float) -> str:
    """Format a rate in bits per second, in decimal units; empty for zero."""
    return f"{size_text(round(8 * bytes_per_s)).replace('B', 'bit')}/s" if bytes_per_s else ""


def headline(window: Window, totals: RunningTotals) -> str:
    """Return one line about a window."""
    metered = window.traffic.metered
    dropped = f"{totals.counters.dropped:,} DROPPED" if totals.counters.dropped else "0 dropped"
    packets_per_s = metered.counters.packets / max(window.seconds, 1e-3)
    rate = rate_text(totals.rates[-1]) or "0 B/s"
    bits = bit_rate_text(totals.rates[-1]) or "0 bit/s"
    time = time_text(window.time_ns) if window.time_ns else "no packets yet"
    return (
        f"{time}   {packets_per_s:,.0f} packets/s   {rate} ({bits})   {dropped}   "
        f"{counted(window.active_flows, 'active flow')}   {counted(len(totals.servers), 'server')}"
    )


class AppendedTables:
    """Prints one line per window to standard output."""

    def __init__(self) -> None:
        self._out = console()

    def take(self, window: Window, totals: RunningTotals, change: WindowChanges) -> None:
        """Print a window, except a last one without packets, which only ends flows."""
        if window.last and not window.traffic.metered.counters.packets:
            return
        now = [
            f"{clean(service.name)} {rate_text(service.rates[-1])}"
            for service in busiest(totals)[:_IN_LINE]
            if service.rates[-1]
        ]
        line = headline(window, totals) + (f"   {', '.join(now)}" if now else "")
        self._out.print(Text(line), soft_wrap=True)
        self._out.file.flush()


class UpdatedTable:
    """A table that updates itself on a running rich display."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def take(self, window: Window, totals: RunningTotals, change: WindowChanges) -> None:
        """Show a window."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in ("ServiceTotals", "Recent", "Bytes/s", "Bit/s", "Bytes", "Flows", "Servers", "Clients"):
            numeric = head not in ("ServiceTotals", "Recent")
            table.add_column(head, justify="right" if numeric else "left", no_wrap=True)
        for service in [service for service in busiest(totals) if carried(service)][:_ROWS]:
            table.add_row(
                Text(clean(f"{with_familiar(service.name)}/{service.proto}")),
                Text(sparkline(list(service.rates), 20), style="green"),
                rate_text(service.rates[-1]),
                bit_rate_text(service.rates[-1]),
                size_text(carried(service)),
                *(
                    f"{count:,}" if count else ""
                    for count in (service.flows_now, service.servers_now, service.clients_now)
                ),
            )
        self._live.update(Group(Text(headline(window, totals), style="bold"), Text(), table), refresh=True)


@contextmanager
def updating() -> Iterator[UpdatedTable]:
    """Show a self-updating table on the terminal; its last state stays."""
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        yield UpdatedTable(live)
