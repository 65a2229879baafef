"""What `import classifier` offers: names, help, exceptions, and sentences for wrong arguments."""

from __future__ import annotations

import ast
import inspect
import io
import pydoc
import re
import rlcompleter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.places import SAMPLES

import classifier
from classifier import errors

PACKAGE = Path(classifier.__file__).parent
NAMES = ("read", "sniff", "Traffic", "Rules", "CaptureError", "__version__")
ICA = SAMPLES / "ica-1494.pcap"


def test_names_are_seen() -> None:
    assert set(NAMES) <= set(dir(classifier))
    assert set(classifier.__all__) <= set(dir(classifier))


def test_help_shows_them() -> None:
    text = pydoc.plain(pydoc.render_doc(classifier))
    assert f"VERSION\n    {classifier.__version__}\n" in text
    for name in set(NAMES) - {"__version__"}:
        assert re.search(rf"^    (class )?{name}\b", text, re.M), name
    assert "Read captures and judge their flows." in text


def test_completion_shows_them() -> None:
    complete = rlcompleter.Completer({"classifier": classifier}).complete
    found = {text.removeprefix("classifier.").rstrip("(") for n in range(99) if (text := shown(complete, n))}
    assert set(NAMES) - {"__version__"} <= found


def shown(complete: Callable[[str, int], str | None], number: int) -> str | None:
    return complete("classifier.", number)


def test_the_version() -> None:
    assert re.match(r"\d+\.\d+", classifier.__version__)


def exceptions() -> dict[str, type[Exception]]:
    return {
        name: found
        for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, errors.ClassifierError)
    }


def test_every_exception_is_exported() -> None:
    """All are defined in one module, so that no name is another class elsewhere."""
    assert set(exceptions()) == {name for name in classifier.__all__ if name.endswith("Error")}
    assert all(getattr(classifier, name) is found for name, found in exceptions().items())
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            bases = {base.id for base in getattr(node, "bases", ()) if isinstance(base, ast.Name)}
            if isinstance(node, ast.ClassDef) and bases & set(exceptions()):
                assert path == PACKAGE / "errors.py", f"{path.name}: {node.name}"


def test_the_docstring_has_the_tree() -> None:
    tree: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (classifier.__doc__ or "").splitlines():
        if found := re.match(r"    ([│├└─ ]*)(\w+Error)  ", line):
            depth = len(found[1])
            above = [(one, name) for one, name in above if one < depth]
            tree[found[2]] = above[-1][1] if above else "Exception"
            above.append((depth, found[2]))
    assert tree == {name: found.__base__.__name__ for name, found in exceptions().items() if found.__base__}


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (123, "int"),
        (None, "NoneType"),
        ([ICA, 5], "int"),
        (b"\xd4\xc3\xb2\xa1", "bytes; wrap bytes in io.BytesIO"),
        ({"a": 1}, "dict"),
        (io.StringIO("x"), "an open text file; open it with mode 'rb'"),
    ],
)
def test_what_is_no_source(source: Any, named: str) -> None:
    with pytest.raises(TypeError, match="a source must be a path, pattern, URL or open") as caught:
        classifier.read(source)
    assert str(caught.value).endswith(f", not {named}")


@pytest.mark.parametrize("source", [123, b"eth0", None, ["eth0", 5]])
def test_what_is_no_live_source(source: Any) -> None:
    with pytest.raises(TypeError, match=r"a live source must be the name of an interface, .*; not \w+$"):
        next(classifier.sniff(source))


def test_what_is_no_condition_and_no_flow() -> None:
    traffic = classifier.read(ICA)
    wrong: Any = 5
    with pytest.raises(TypeError, match=r"a condition must be a string .*, not int"):
        traffic.select(wrong)
    with pytest.raises(TypeError, match=r"a flow must be a string, .*, not int"):
        traffic.explain(wrong)


def test_a_capture_in_memory() -> None:
    assert len(classifier.read(io.BytesIO(ICA.read_bytes())).flows) == len(classifier.read(ICA).flows) == 1


def test_the_options_of_sniff_are_those_of_a_watch() -> None:
    """A type checker knows each by name."""
    from classifier.live import LiveCapture, LiveOptions

    options = inspect.signature(LiveCapture.__init__).parameters
    assert set(LiveOptions.__annotations__) == set(options) - {"self", "source", "window_s"}
