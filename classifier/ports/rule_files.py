"""Rule files: their locations, parsing, and line numbers for errors."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import tomli

from classifier.errors import RulesError

#: Folder of the built-in rules.
FOLDER = Path(__file__).parents[1] / "rules"
#: Environment variable with the path of the user's rule file; empty for none.
VARIABLE = "CLASSIFIER_RULES"


class Problem(NamedTuple):
    """An error in a rule of a file."""

    #: The array of tables, and the index in it.
    table: str
    place: int
    #: The key at fault, if any.
    key: str | None
    rule: str
    reason: str


def read_toml(path: Path) -> dict[str, Any]:
    """Read a built-in rule file. RulesError: a syntax error, with its place."""
    try:
        return parse_toml(path, path.read_bytes())
    except OSError as error:
        raise RulesError(
            f"{path}: {error.strerror}; this file is part of the package: reinstall it"
        ) from error


def parse_toml(path: Path, text: bytes) -> dict[str, Any]:
    """Parse the text of a rule file. RulesError: a syntax error, with its place."""
    try:
        return tomli.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise RulesError(f"{path}:{line}: not UTF-8; save it as UTF-8") from error
    except tomli.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+)", str(error))
        line = int(place[1]) if place else text.count(b"\n") + 1
        raise RulesError(f"{path}:{line}: not TOML: {error}") from error


def described(path: Path, text: bytes, problem: Problem) -> str:
    """Format a problem as file, line, rule and reason."""
    line = _line(text.decode("utf-8"), problem)
    return f"{path}{f':{line}' if line else ''}: {problem.rule}: {problem.reason}"


#: Tokens: strings and comments, which are skipped, and table headers.
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
    """Return the line of a key, or else of its table's header, in valid TOML; tomli doesn't report lines.

    None for an inline table, which has no header.
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
    """Return the user's rule file: the chosen one, else the environment's, else the default if it exists."""
    if chosen is not None:
        return Path(chosen)
    if (named := os.environ.get(VARIABLE)) is not None:
        return Path(named) if named else None
    usual = usual_file()
    try:
        return usual if usual.is_file() else None
    except PermissionError:  # reported when it is read
        return usual


def usual_file() -> Path:
    """Return the platform's default path of a user's rules, whether it exists or not."""
    from platformdirs import user_config_path

    return user_config_path("classifier", appauthor=False, roaming=True) / "rules.toml"
