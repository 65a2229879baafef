"""Judged flows as rows of integers: texts by codes, addresses as two words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.addresses import octets
from classifier.traffic.aggregate import Rows
from classifier.traffic.judged import Judged
from classifier.traffic.tables import SOURCES, VOLUMES
from classifier.traffic.views import BY_PAYLOAD, FLOW_KEYS, KINDS, NULL, VIEWS

Number = TypeVar("Number", bound=np.generic)


class Texts:
    """A dictionary of texts; codes may be assigned in any order, by several threads."""

    def __init__(self) -> None:
        """Create an empty dictionary."""
        self._codes: dict[str | None, int] = {}
        self._lock = Lock()

    def codes(self, column: pa.DictionaryArray) -> npt.NDArray[np.int32]:
        """Return the codes of n texts; null has a code, too."""
        with self._lock:
            return _mapped(column, lambda text: self._codes.setdefault(text, len(self._codes)), np.int32)

    def ranks(self, codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the sort ranks of n codes: by text, null last."""
        order = sorted(self._codes, key=lambda text: (text is None, text or ""))
        ranks = np.empty(len(order), dtype=np.int32)
        ranks[[self._codes[text] for text in order]] = np.arange(len(order))
        return np.asarray(ranks[codes])

    def take(self, codes: npt.NDArray[Any]) -> pa.Array:
        """Return the texts of n codes."""
        return pa.array(list(self._codes), pa.string()).take(pa.array(codes))


def address_words(address: pa.Array, name: str) -> Rows:
    """Return n addresses of 16 bytes as two columns, in the order of their bytes."""
    words = octets(address).view(">u8").astype(np.uint64)
    return {f"{name}_high": words[:, 0].copy(), f"{name}_low": words[:, 1].copy()}


def address_bytes(rows: Rows, name: str) -> pa.Array:
    """Return the addresses of `address_words`."""
    words = np.stack([rows[f"{name}_high"], rows[f"{name}_low"]], axis=1).astype(">u8")
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(words), [None, pa.py_buffer(words.tobytes())]
    )


def flow_rows(judged: Judged, texts: Texts, keys: Iterable[str] = FLOW_KEYS) -> Rows:
    """Return a row for each judged flow: some of its keys, and its measures."""
    rows: Rows = {}
    for name in keys:
        if name.endswith("_low"):
            rows |= address_words(judged[f"{name[:-4]}_addr"], name[:-4])
        elif name != "kind" and not name.endswith("_high"):
            rows[name] = _key(judged, name, texts)
    rows["kind"] = _kind(judged)
    rows["source"] = source_ranks(judged["service_source"])
    rows["flows"] = np.ones(judged.num_rows, dtype=np.uint32)
    for name in (*VOLUMES, "first_seen_ns", "last_seen_ns"):
        rows[name] = judged[name].to_numpy().astype(np.int64, copy=False)
    return rows


def _key(judged: Judged, name: str, texts: Texts) -> npt.NDArray[np.generic]:
    column = judged["label" if name == "service" else name]
    if pa.types.is_dictionary(column.type):
        return texts.codes(column)
    if name == "vlan":
        column = column.cast(pa.int32()).fill_null(NULL)
    return np.asarray(column.to_numpy())


def source_ranks(column: pa.DictionaryArray) -> npt.NDArray[np.uint8]:
    """Return the indices in `SOURCES` of n values of `service_source`."""
    return _mapped(column, SOURCES.index, np.uint8)


def _kind(judged: Judged) -> npt.NDArray[np.uint8]:
    """Return a number for the kind of each of n flows."""
    role, outcome = (_places(judged[name], KINDS) for name in ("role", "outcome"))
    by_payload = _places(judged["service_source"], ("payload",)) == 0
    real = np.where(by_payload, role + BY_PAYLOAD, role)
    return np.where(outcome < len(KINDS), outcome, real).astype(np.uint8)


def _places(column: pa.DictionaryArray, words: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """Return the indices of n texts in `words`; the length of `words` for others."""
    return _mapped(column, lambda word: words.index(word) if word in words else len(words), np.uint8)


def _mapped(
    column: pa.DictionaryArray, number: Callable[[str | None], int], kind: type[Number]
) -> npt.NDArray[Number]:
    """Return a number for each of n texts, computed once for each distinct one; null has a number, too."""
    texts = [*column.dictionary.to_pylist(), None]
    index = column.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)
    found: npt.NDArray[Number] = np.array([number(text) for text in texts], dtype=kind)[index]
    return found


def mismatch_rows(judged: Judged, texts: Texts) -> Rows | None:
    """Return a row for each protocol mismatch: a flow whose payload isn't the one expected at its port."""
    found = judged.filter(judged["mismatch"])
    return flow_rows(found, texts, VIEWS["mismatches"].keys) if found.num_rows else None
