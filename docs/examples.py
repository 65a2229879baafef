"""Check that the examples in the README and the pages match the output of the program.

    python docs/examples.py             lists those that differ
    python docs/examples.py --update    writes the current output; review every change

What is run, page by page, each page in an empty folder that has `samples`:

    ```console                          `$ ` begins a command; what it prints follows
    ```pycon                            the same for Python
    ```python                           is run, or compiled where it would listen on an interface
    ```toml title="mine.toml"           becomes this file
    ```sh                               isn't run; each `classifier` in it must be a possible call

`<!-- lines 3-12 -->` before a block shows these lines of the output only, and `…` for the others.
"""

from __future__ import annotations

import contextlib
import doctest
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import picture
import program
from program import REPOSITORY

FENCE = re.compile(
    r"(?:<!-- lines (?P<first>\d+)-(?P<last>\d+) -->\n)?"
    r"^```(?P<kind>console|pycon|python|toml|sh)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^```$",
    re.M | re.S,
)
#: Its cells are run by tests/docs/test_notebook.py, as a notebook runs them.
NOTEBOOK = REPOSITORY / "docs/pages/how-to/reports.md"
#: Whoever runs these has an interface and the right to capture on it.
LISTENS = re.compile(r"\b(sniff|Watch)\(")
CUT = "…"


def pages() -> list[Path]:
    """All pages with examples."""
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs/pages").rglob("*.md"))]


@dataclass
class Page:
    """One page: its text, and the text with the current output."""

    path: Path
    text: str
    now: str

    @property
    def untrue(self) -> bool:
        """True if it differs from the current output."""
        return self.text != self.now


def run(path: Path) -> Page:
    """Run all examples of a page."""
    text = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "samples").symlink_to(REPOSITORY / "samples")
        runner = _Runner(folder, path)
        return Page(path, text, FENCE.sub(runner.block, text))


class _Runner:
    """Runs the blocks of a page, which may build on each other."""

    def __init__(self, folder: Path, path: Path) -> None:
        self.folder = folder
        self.path = path
        self.names: dict[str, Any] = {}
        self.status = 0

    def block(self, found: re.Match[str]) -> str:
        """Return a block with the current output."""
        body = found["body"]
        match found["kind"]:
            case "console":
                now = "".join(self._console(body, found))
            case "pycon":
                now = "".join(self._python_session(body, found))
            case "python":
                code = compile(body, str(self.path), "exec")
                if self.path != NOTEBOOK and not LISTENS.search(body):
                    self._execute(code)
                return found[0]
            case "toml":
                if found["title"]:
                    (self.folder / found["title"]).write_text(body, encoding="utf-8")
                return found[0]
            case _:
                check_calls(body)
                return found[0]
        return found[0].replace(body, now) if body else found[0]

    def _console(self, body: str, found: re.Match[str]) -> Iterator[str]:
        for line in body.splitlines():
            if not line.startswith("$ "):
                continue
            command = line[2:]
            if command == "echo $?":
                said = f"{self.status}\n"
            else:
                said, self.status = program.run(command, self.folder)
            yield f"{line}\n{_shown(said, found)}"

    def _python_session(self, body: str, found: re.Match[str]) -> Iterator[str]:
        for example in doctest.DocTestParser().get_examples(body):
            first, *more = example.source.splitlines()
            said = self._execute(compile(example.source, str(self.path), "single"))
            yield "".join([f">>> {first}\n", *(f"... {line}\n" for line in more), _shown(said, found)])

    def _execute(self, code: Any) -> str:
        with program.settings(), contextlib.chdir(self.folder), program.output() as written:
            exec(code, self.names)
        return written.getvalue().decode()


def _shown(said: str, found: re.Match[str]) -> str:
    lines = [line.rstrip() for line in said.rstrip().splitlines()]
    if found["first"]:
        first, last = int(found["first"]), int(found["last"])
        more = len(lines) > last
        lines = [*([CUT] if first > 1 else []), *lines[first - 1 : last], *([CUT] if more else [])]
    return "".join(f"{line}\n" for line in lines)


def check_calls(block: str) -> None:
    """Raise click.UsageError for a call in a block of shell that the command line doesn't know."""
    from classifier.cli import app

    for line in block.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|>;&")
        lexer.whitespace_split = True
        words = list(lexer)
        starts = [at for at, word in enumerate(words) if word == "classifier" or word.endswith("/classifier")]
        for start in starts:
            call = takewhile(lambda word: not set(word) <= set("|>;&"), words[start + 1 :])
            _check(app, list(call))


def _check(command: Any, words: list[str]) -> None:
    import click

    if not words or "--help" in words or "--version" in words:
        return
    with command.make_context(command.name, list(words)) as context:
        if isinstance(command, click.Group):
            left = [*context._protected_args, *context.args]
            _, inner, rest = command.resolve_command(context, left)
            _check(inner, rest)


def main() -> int:
    """Run all pages and draw the picture; return 1 if one of them is untrue and stays so."""
    drawn = Page(picture.PATH, picture.PATH.read_text(encoding="utf-8"), picture.draw())
    stale = [page for page in [drawn, *map(run, pages())] if page.untrue]
    for page in stale:
        print(page.path.relative_to(REPOSITORY))
        if "--update" in sys.argv[1:]:
            page.path.write_text(page.now, encoding="utf-8")
    return int(bool(stale) and "--update" not in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
