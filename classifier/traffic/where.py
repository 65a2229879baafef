"""Conditions on flows: `service == 'https' and server_port in (443, 8443)` as an Arrow expression.

The grammar is a small part of Python's: columns of the flow table, literals, comparisons, `in`, `is
None`, `and`, `or`, `not`, parentheses. It is parsed, never executed; anything else is an error.
A missing value equals no other: `service != 'https'` is true where there is no service.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from classifier.errors import FilterError

#: Separator of list items, which are matched as one text: before, between and after them.
BAR = "\x1f"
#: Columns of service names, where a familiar name also matches IANA's.
_SERVICES = ("service", "service_candidates", "expected")
#: Maximum length of a condition.
_MAX_CHARACTERS = 10_000
_COMPARISONS: dict[type[ast.cmpop], tuple[str, Callable[..., pc.Expression]]] = {
    ast.Eq: ("==", pc.equal),
    ast.NotEq: ("!=", lambda one, other: pc.invert(_or_false(pc.equal(one, other)))),
    ast.Lt: ("<", pc.less),
    ast.LtE: ("<=", pc.less_equal),
    ast.Gt: (">", pc.greater),
    ast.GtE: (">=", pc.greater_equal),
}
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}


@dataclass(frozen=True)
class Condition:
    """A condition, and the columns it refers to."""

    text: str
    expression: pc.Expression
    columns: frozenset[str]


def parse(
    text: str, schema: pa.Schema, names_of: Callable[[str], Iterable[str]] = lambda name: (name,)
) -> Condition:
    """Parse a condition on the columns of `schema`; FilterError points at the invalid part.

    `names_of` returns the services that a name may mean: `dns` is an alias of `domain`.
    """
    if not isinstance(text, str):
        raise TypeError(
            f"a condition must be a string like \"service == 'https'\", not {type(text).__name__}"
        )
    if len(text) > _MAX_CHARACTERS:
        raise FilterError(f"longer than {_MAX_CHARACTERS:,} characters; shorten it", text[:40], 0, 40)
    try:
        tree = ast.parse(text.strip(), mode="eval")
        reader = _Reader(text.strip(), schema, names_of)
        return Condition(text, _or_false(reader.condition(tree.body)), frozenset(reader.columns))
    except SyntaxError as error:
        start = max((error.offset or 1) - 1, 0)
        raise FilterError(f"invalid syntax: {error.msg}", text.strip(), start, start + 1) from None
    except (RecursionError, MemoryError, ValueError):
        raise FilterError("invalid syntax: too many parentheses, or not text", text[:40], 0, 1) from None


def moment(text: str) -> datetime:
    """Parse a time: ISO 8601, UTC unless it has an offset. ValueError: it isn't one."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _or_false(expression: pc.Expression) -> pc.Expression:
    """Replace unknown (null) by false."""
    return pc.coalesce(expression, pa.scalar(False))


class _Reader:
    """Turns the nodes of one condition into expressions."""

    def __init__(self, text: str, schema: pa.Schema, names_of: Callable[[str], Iterable[str]]) -> None:
        self._text = text
        self._schema = schema
        self._names_of = names_of
        self.columns: set[str] = set()

    def condition(self, node: ast.expr) -> pc.Expression:
        """Return a Boolean expression."""
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = [_or_false(self.condition(value)) for value in values]
                whole = parts[0]
                for part in parts[1:]:
                    whole = whole & part if isinstance(op, ast.And) else whole | part
                return whole
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return pc.invert(_or_false(self.condition(operand)))
            case ast.Compare():
                return self._chain(node)
            case ast.Name() if _kind(self._field(node).type) == "boolean":
                return pc.field(node.id)
            case ast.Name(id=name):
                self._fail(node, f"not a condition; compare it: {name} == …")
        self._fail(node, "not a condition; use columns, literals, comparisons, in, and, or, not, parentheses")

    def _chain(self, node: ast.Compare) -> pc.Expression:
        """Parse `a < b < c` as `a < b and b < c`."""
        ends = [node.left, *node.comparators]
        parts = [
            _or_false(self._comparison(left, op, right))
            for left, op, right in zip(ends, node.ops, ends[1:], strict=False)
        ]
        whole = parts[0]
        for part in parts[1:]:
            whole = whole & part
        return whole

    def _comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pc.Expression:
        if isinstance(op, ast.Is | ast.IsNot):
            if not isinstance(left, ast.Name) or not _is_none(right):
                self._fail(right, "not None; use == to compare with other values")
            self._field(left)
            absent = pc.is_null(pc.field(left.id))
            return absent if isinstance(op, ast.Is) else pc.invert(absent)
        if isinstance(op, ast.In | ast.NotIn):
            found = _or_false(self._membership(left, right))
            return found if isinstance(op, ast.In) else pc.invert(found)
        if not isinstance(left, ast.Name) and isinstance(right, ast.Name):
            left, right, op = right, left, _MIRRORED.get(type(op), type(op))()
        if not isinstance(left, ast.Name):
            self._fail(left, "not a column; a comparison needs one")
        field = self._field(left)
        kind = _kind(field.type)
        sign, compare = _COMPARISONS[type(op)]
        equality = isinstance(op, ast.Eq | ast.NotEq)
        if equality and _is_none(right):
            absent = pc.is_null(pc.field(field.name))
            return absent if isinstance(op, ast.Eq) else pc.invert(absent)
        if kind == "list":
            self._fail(left, f"a list; test its items: '…' in {field.name}")
        if kind in ("text", "boolean") and not equality:
            self._fail(left, f"{kind} can't be compared with {sign}; use == or !=")
        if isinstance(right, ast.Name):
            other = self._field(right)
            if _kind(other.type) != kind:
                self._fail(
                    right, f"{_kind(other.type)}, but {field.name} is {kind}; compare columns of one type"
                )
            return compare(pc.field(field.name), pc.field(other.name))
        if not equality:
            return compare(pc.field(field.name), self._value(right, field))
        found = self._equal(field, right)
        return found if isinstance(op, ast.Eq) else pc.invert(found)

    def _membership(self, left: ast.expr, right: ast.expr) -> pc.Expression:
        """Parse `column in (…)`, `'text' in column`."""
        if isinstance(right, ast.Tuple | ast.List | ast.Set):
            if not isinstance(left, ast.Name):
                self._fail(left, "not a column; write COLUMN in (…, …)")
            field = self._field(left)
            if _kind(field.type) == "list":
                self._fail(left, f"a list; test its items: '…' in {field.name}")
            whole = pc.scalar(False)
            for item in right.elts:
                whole = whole | self._equal(field, item)
            return whole
        if not isinstance(right, ast.Name):
            self._fail(right, "not a list; write (…, …), or use --net for networks")
        field = self._field(right)
        if not isinstance(left, ast.Constant) or not isinstance(left.value, str):
            self._fail(left, "not quoted text; write '…' in COLUMN")
        if _kind(field.type) == "list":
            names = self._names_of(left.value) if field.name in _SERVICES else [left.value]
            whole = pc.scalar(False)
            for name in names:
                whole = whole | _or_false(pc.match_substring(pc.field(field.name), f"{BAR}{name}{BAR}"))
            return whole
        if _kind(field.type) != "text":
            self._fail(right, f"{_kind(field.type)}, not text; `in` needs a text or list column")
        return pc.match_substring(pc.field(field.name), left.value)

    def _equal(self, field: pa.Field, node: ast.expr) -> pc.Expression:
        """Return whether a column has a literal's value, or for a service one of its names."""
        value = self._value(node, field)
        values = map(pa.scalar, self._names_of(value.as_py())) if field.name in _SERVICES else [value]
        whole = pc.scalar(False)
        for one in values:
            whole = whole | _or_false(pc.equal(pc.field(field.name), one))
        return whole

    def _field(self, node: ast.Name) -> pa.Field:
        if node.id not in self._schema.names:
            near = get_close_matches(node.id, self._schema.names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"if it is text, quote it: '{node.id}'"
            raise self._failed(node, f"unknown column {node.id!r}; {hint}")
        self.columns.add(node.id)
        return self._schema.field(node.id)

    def _value(self, node: ast.expr, field: pa.Field) -> pa.Scalar:
        """Return a literal of a column's type."""
        kind = _kind(field.type)
        value = self._literal(node)
        match kind, value:
            case "boolean", bool():
                return pa.scalar(value)
            case "text", str():
                return pa.scalar(value)
            case "number", float():
                return pa.scalar(value)
            case "number", int() if not isinstance(value, bool) and abs(value) < 2**63:
                return pa.scalar(value)
            case "time", str():
                try:
                    return pa.scalar(moment(value), field.type)
                except (ValueError, OverflowError, pa.ArrowException):
                    self._fail(node, "not a time; write '2026-11-23T14:05:00'")
        self._fail(node, f"{field.name} is {kind}; write {_EXAMPLES[kind]}")

    def _literal(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
        self._fail(node, "not a literal; write quoted text, a number, True or False")

    def _fail(self, node: ast.expr, message: str) -> NoReturn:
        """Raise an error about a node, whose text comes first in the message."""
        shown = ast.get_source_segment(self._text, node) or ""
        raise self._failed(node, f"{shown}: {message}")

    def _failed(self, node: ast.expr, message: str) -> FilterError:
        """Return an error that points at a node, whose positions count bytes within lines."""
        lines = [line.encode() for line in self._text.splitlines()]
        before = sum(len(line.decode()) + 1 for line in lines[: node.lineno - 1])
        start = before + len(lines[node.lineno - 1][: node.col_offset].decode())
        shown = ast.get_source_segment(self._text, node) or ""
        return FilterError(message, self._text, start, start + len(shown))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return "list"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_timestamp(kind):
        return "time"
    return "number" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else "text"


_EXAMPLES = {
    "boolean": "True or False",
    "text": "quoted text",
    "number": "a number",
    "time": "quoted text like '2026-11-23T14:05:00'",
}
