"""Reports in notebooks and rich consoles."""

from __future__ import annotations

import html
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from classifier.reports import TOP
from classifier.reports.text.tables import Column, Row, clean
from classifier.reports.text.terminal import headline, print_report, tables

if TYPE_CHECKING:
    from classifier.reports.data import ReportData


def as_text(report: ReportData, console: Console, width: int) -> Text:
    """Return the report of the command line, `width` characters wide."""
    written = StringIO()
    inner = Console(
        file=written,
        width=width,
        highlight=False,
        force_terminal=console.is_terminal,
        color_system="standard" if console.is_terminal else None,
    )
    print_report(inner, _short(report).to_dict())
    return Text.from_ansi(written.getvalue().rstrip("\n"))


def as_html(report: ReportData) -> str:
    """Return the headline and the first table as HTML, escaped, for notebooks."""
    data = _short(report).to_dict()
    title, *lines = map(_escaped, headline(data))
    _, columns, rows = next(tables(data, "utf-8"))
    parts = [f"<p><b>{title}</b><br>{'<br>'.join(lines)}</p>"]
    if rows:
        parts.append(f'<div style="overflow-x: auto">{_table(columns, rows)}</div>')
    return f"<div>{''.join(parts)}</div>"


def _short(report: ReportData) -> ReportData:
    return report if report.top else replace(report, top=TOP)


def _table(columns: list[Column], rows: list[Row]) -> str:
    """Return a table; its only styling is that numbers are right-aligned."""
    heads = "".join(f"<th>{_escaped(column.head)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(_cell(column, row) for column in columns)}</tr>" for row in rows)
    return f'<table class="dataframe"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def _cell(column: Column, row: Row) -> str:
    side = "right" if column.number else "left"
    return f'<td style="text-align: {side}; white-space: nowrap">{_escaped(column.text(row))}</td>'


def _escaped(text: str) -> str:
    return html.escape(clean(text))
