"""The documentation's example of a notebook runs as it stands."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from support.places import SAMPLES

CELLS = re.findall(
    r"```python\n(.*?)```", (SAMPLES.parent / "docs/pages/how-to/reports.md").read_text("utf-8"), re.DOTALL
)


def run(cell: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does: its value is that of the last line, if that is an expression."""
    *before, last = ast.parse(cell).body
    if not isinstance(last, ast.Expr):
        before, last = [*before, last], ast.Expr(ast.Constant(None))
    exec(compile(ast.Module(before, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vl_convert", reason="pip install 'pcap-classifier[web]'")
    pytest.importorskip("itables", reason="pip install 'pcap-classifier[web]'")
    (tmp_path / "samples").symlink_to(SAMPLES)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    traffic, categories, services, changes, table, pictures = (run(cell, names) for cell in CELLS)
    assert "<td" in traffic._repr_html_() and "web" in categories._repr_html_()
    assert services.index.tolist() == ["http", "https", "ssh"]
    assert set(changes["status"]) <= {"new", "changed"} and len(changes)
    assert set(table["service"].to_pylist()) >= {"http", "https"}
    assert (tmp_path / "report.html").stat().st_size > 100_000
    assert sorted(path.name for path in pictures) == sorted(
        path.name for path in (tmp_path / "charts").iterdir()
    )
