"""The picture in the README: a real report, as a terminal shows it."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

import program
from program import REPOSITORY

COMMAND = "classifier samples/office.pcapng --top 6"
PATH = REPOSITORY / "docs/pages/report.svg"
#: Only the services and who serves them: the whole report is longer than a picture should be.
LAST = "Clients"
#: In pixels. The fonts are those of whoever looks.
CHARACTER, LINE, MARGIN = 8.43, 18, 16
HEADS = re.compile(r"^(Services|Servers)$")


def draw() -> str:
    """Return the picture as SVG."""
    said, _ = program.run(COMMAND, REPOSITORY)
    lines = [f"$ {COMMAND}", *said.partition(f"\n{LAST}\n")[0].rstrip().splitlines(), "…"]
    width, height = round(100 * CHARACTER) + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="{escape(COMMAND)}">',
            "<style>text { font: 14px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; "
            "fill: #d7dce2; white-space: pre } .bold { font-weight: bold; fill: #fff } "
            ".dim { fill: #8b949e }</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#1b1f24"/>',
            *(_line(number, line, lines) for number, line in enumerate(lines)),
            "</svg>\n",
        ]
    )


def _line(number: int, line: str, lines: list[str]) -> str:
    head = HEADS.match(line) or (number + 1 < len(lines) and lines[number + 1].startswith("──"))
    look = "bold" if head else "dim" if line.startswith(("──", "…")) else ""
    # The length keeps columns straight, whatever the font's width is.
    length = f' textLength="{len(line) * CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs"' if line else ""
    place = f'x="{MARGIN}" y="{MARGIN + (number + 0.75) * LINE:g}"'
    return f'<text {place} class="{look}"{length} xml:space="preserve">{escape(line)}</text>'
