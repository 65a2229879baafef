"""Tables that fit the terminal; plain text when piped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import Any, NamedTuple

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console
from rich.text import Text

Row = dict[str, Any]
#: Width in characters of output to a pipe: room for every column.
PIPE_WIDTH = 200
#: Spaces between columns.
GAP = 2
#: Columns of a higher `spare` are dropped before a `whole` column is folded.
KEPT = 3
#: Width in characters to which text is folded before a column is dropped.
TEXT_WIDTH = 21


class Column(NamedTuple):
    """A column of a table: its text, given a row, and how it may be narrowed."""

    head: str
    text: Callable[[Row], str]
    number: bool = False
    folds: bool = False
    #: Folded only when no less important column is left to drop: addresses, file names.
    whole: bool = False
    #: Shortened in the middle instead of folded.
    shortens: bool = False
    #: On a narrow terminal the column with the highest number is dropped first; 0 is never dropped.
    spare: int = 0


def console() -> Console:
    """Return a console for standard output."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPE_WIDTH, color_system=None)


def show(out: Console, title: str, columns: Iterable[Column], rows: Iterable[Row]) -> None:
    """Print a table, unless it has no rows. rich's own tables write only a thousand rows a second."""
    every = list(rows)
    if not every:
        return
    texts = {column: [clean(column.text(row)) for row in every] for column in columns}
    widths = _fitting(texts, out.width)
    if title:
        out.print(Text(title, style="bold"))
    heads = _lines([column.head for column in widths], widths)
    out.print(Text("\n".join(heads), style="bold"), soft_wrap=True)
    if out.is_terminal:
        rule = "─" if out.encoding.startswith("utf") else "-"
        out.file.write(rule * (sum(widths.values()) + GAP * (len(widths) - 1)) + "\n")
    for cells in zip(*(texts[column] for column in widths), strict=True):
        out.file.writelines(f"{line}\n" for line in _lines(cells, widths))
    out.file.write("\n")


def _fitting(texts: dict[Column, list[str]], room: int) -> dict[Column, int]:
    """Choose columns and their widths: no header is folded inside a word, no number truncated."""
    widths = {column: max(cell_len(text) for text in [column.head, *texts[column]]) for column in texts}
    while any(column.spare for column in widths):
        whole = any(column.spare > KEPT for column in widths)
        least = (
            min(width, TEXT_WIDTH) if column.folds and not (whole and column.whole) else width
            for column, width in widths.items()
        )
        if sum(least) + GAP * (len(widths) - 1) <= room:
            break
        del widths[max(widths, key=lambda column: column.spare)]
    while sum(widths.values()) + GAP * (len(widths) - 1) > room:
        slack = {
            column: width - _longest_word(column.head) for column, width in widths.items() if column.folds
        }
        if not any(slack.values()):
            break
        gives = {
            column: (widths[column] > TEXT_WIDTH and not column.whole, more) for column, more in slack.items()
        }
        widths[max(gives, key=lambda column: gives[column])] -= 1
    return widths


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _lines(cells: Sequence[str], widths: dict[Column, int]) -> Iterator[str]:
    """Yield the lines of one row, several where text is folded."""
    folded = [
        [cell]
        if cell_len(cell) <= width
        else [_shortened(cell, width)]
        if column.shortens
        else _folded(cell, width)
        for cell, (column, width) in zip(cells, widths.items(), strict=True)
    ]
    for parts in zip_longest(*folded, fillvalue=""):
        padded = (
            " " * (width - cell_len(part)) + part if column.number else set_cell_size(part, width)
            for part, (column, width) in zip(parts, widths.items(), strict=True)
        )
        # No trailing spaces: they are in the way where the text is pasted.
        yield (" " * GAP).join(padded).rstrip()


def _folded(cell: str, width: int) -> list[str]:
    """Fold at spaces where possible, inside a word that is too wide."""
    return [part for line in wrap(cell, width) or [""] for part in chop_cells(line, width)]


def _shortened(cell: str, width: int) -> str:
    """Replace the middle by an ellipsis: start and end of a path matter more."""
    tail = (width - 1) // 2
    return f"{chop_cells(cell, width - 1 - tail)[0]}…{chop_cells(cell[::-1], tail)[0][::-1]}"


def clean(text: str) -> str:
    """Replace characters that could control a terminal: text may come from packets or file names."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
