"""Rule files: where they lie, reading them, and the line in which a rule stands."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import tomli

from classifier.errors import RulesError

#: The rules that come with the program.
FOLDER = Path(__file__).parents[1] / "rules"
#: The environment variable that names the user's rule file; empty for none.
VARIABLE = "CLASSIFIER_RULES"


class Problem(NamedTuple):
    """What is wrong with one rule of a file."""

    #: The array of tables, and which of them, from 0.
    table: str
    place: int
    #: The key that is to blame, if one is.
    key: str | None
    rule: str
    reason: str


def read_toml(path: Path) -> dict[str, Any]:
    """Read a rule file of the program's own; RulesError names the place of a syntax error."""
    try:
        return parse_toml(path, path.read_bytes())
    except OSError as error:
        raise RulesError(
            f"{path}: {error.strerror}; the rules belong to the package: install it again"
        ) from error


def parse_toml(path: Path, text: bytes) -> dict[str, Any]:
    """Parse the text of a rule file; RulesError names the place of a syntax error."""
    try:
        return tomli.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise RulesError(f"{path}:{line}: not UTF-8; save it as UTF-8") from error
    except tomli.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+)", str(error))
        line = int(place[1]) if place else text.count(b"\n") + 1
        raise RulesError(f"{path}:{line}: not TOML: {error}") from error


def told(path: Path, text: bytes, problem: Problem) -> str:
    """Write a problem as file, line, rule and reason."""
    line = _line(text.decode("utf-8"), problem)
    return f"{path}{f':{line}' if line else ''}: {problem.rule}: {problem.reason}"


#: Strings and comments, to step over them, and headers of tables.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""|'
    r"'''.*?'''|"
    r'"(?:\\.|[^"\\\n])*"|'
    r"'[^'\n]*'|"
    r"#[^\n]*|"
    r"^[ \t]*\[\[[ \t]*(?P<table>\w+)[ \t]*\]\]|"
    r"^[ \t]*\[",
    re.DOTALL | re.MULTILINE,
)


def _line(text: str, problem: Problem) -> int | None:
    """Find the line of a key, or else of the header of its table, in a file that is sound TOML.

    tomli doesn't tell lines. Where a table has no header, being written inline, there is none.
    """
    headers = [token for token in _TOKEN.finditer(text) if token[0].lstrip().startswith("[")]
    of_table = [place for place, header in enumerate(headers) if header["table"] == problem.table]
    if problem.place >= len(of_table):
        return None
    here = of_table[problem.place]
    start = headers[here].end()
    end = headers[here + 1].start() if here + 1 < len(headers) else len(text)
    key = problem.key and re.search(rf"^[ \t]*{re.escape(problem.key)}[ \t]*=", text[start:end], re.MULTILINE)
    return text.count("\n", 0, start + key.start() if key else start) + 1


def user_file(chosen: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the user's rule file: the chosen one, else the environment's, else the usual one if there."""
    if chosen is not None:
        return Path(chosen)
    if (named := os.environ.get(VARIABLE)) is not None:
        return Path(named) if named else None
    usual = usual_file()
    try:
        return usual if usual.is_file() else None
    except PermissionError:  # whoever reads it will say so
        return usual


def usual_file() -> Path:
    """Return where the platform keeps a user's rules, whether they are there or not."""
    from platformdirs import user_config_path

    return user_config_path("classifier", appauthor=False, roaming=True) / "rules.toml"
