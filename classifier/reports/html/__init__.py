"""The report as one self-contained HTML page: no network requests, no cookies.

The libraries (Vega-Lite, DataTables) and the data are in the page, compressed with gzip. A content security
policy allows exactly the scripts and styles of this page, by their hashes: no requests, no `eval`. Text from
packets goes through JSON to text nodes, never through HTML.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from functools import cache
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

from classifier.errors import MissingExtraError
from classifier.reports.data import ReportData

_HERE = Path(__file__).parent


def build(report: ReportData) -> str:
    """Return the page. MissingExtraError: the libraries of the extra `web` are missing."""
    check()
    charts, tables = _libraries()
    from classifier.reports.html.contents import contents  # charts need Altair

    found = contents(report)
    style = _tables_style() + _own("page.css")
    script = _own("page.js")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(script)} {_hash(charts)} {_hash(tables)}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    page = Template(_own("page.html"))
    return page.substitute(
        policy=policy,
        title=html.escape(found["title"]),
        style=style,
        script=script,
        version=html.escape(_version()),
        charts=_packed(charts),
        tables=_packed(tables),
        data=_packed(json.dumps(found, separators=(",", ":"))),
        head=_head(found),
    )


def check() -> None:
    """Raise MissingExtraError if the page can't be built; called before the captures are read."""
    try:
        import altair  # noqa: F401
        import itables  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("the HTML report", "web") from error


def _head(found: dict[str, Any]) -> str:
    """Return the head of the page as HTML, which is shown even where scripts don't run."""
    facts = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in found["facts"]
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in found["notes"])
    return f'<dl class="facts">{facts}</dl>' + (f'<ul class="notes">{notes}</ul>' if notes else "")


# File contents are cached: a live capture builds its page as a user who may not be able to read the files.


@cache
def _own(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


@cache
def _version() -> str:
    return version("pcap-classifier")


@cache
def _libraries() -> tuple[str, str]:
    """Return the scripts of the charts and of the tables."""
    import itables
    import vl_convert

    charts: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    bundle = (Path(itables.__file__).parent / "html" / "dt_bundle.js").read_text(encoding="utf-8")
    return charts, _as_classic_script(bundle)


def _as_classic_script(module: str) -> str:
    """Turn an ES module that imports nothing into a script that leaves its exports in `window.itables`."""
    exports = re.search(r"export\s*\{([^}]*)\}\s*;?", module)
    if exports is None:
        raise ValueError("itables' bundle has no exports")
    pairs = [pair.split(" as ") for pair in exports[1].split(",")]
    names = ",".join(f"{pair[-1].strip()}:{pair[0].strip()}" for pair in pairs)
    body = module[: exports.start()] + module[exports.end() :]
    return f'(()=>{{"use strict";{body}\nwindow.itables={{{names}}};}})();'


@cache
def _tables_style() -> str:
    import itables

    return (Path(itables.__file__).parent / "html" / "dt_bundle.css").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _packed(text: str) -> str:
    """Compress with gzip, reproducibly, and encode as base64."""
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()
