"""The weights of evidence, from rules/roles.toml."""

from __future__ import annotations

from functools import cache
from typing import Any

from classifier.errors import RulesError
from classifier.ports.rule_files import FOLDER, read_toml


def weight(table: str, key: str) -> float:
    """Return one number of the file, in log-odds unless its comment says otherwise."""
    try:
        return float(weights()[table][key])
    except (KeyError, TypeError, ValueError) as error:
        raise RulesError(f"{FOLDER / 'roles.toml'}: [{table}] {key}: not a number; correct it") from error


@cache
def weights() -> dict[str, Any]:
    """Return the contents of the file."""
    return read_toml(FOLDER / "roles.toml")
