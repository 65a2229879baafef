"""Keys as whole numbers: texts by codes, addresses as two words."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.addresses import octets
from classifier.traffic.aggregate import Rows


class Texts:
    """Texts by codes, which may be given in any order, by several threads."""

    def __init__(self) -> None:
        """Know no text."""
        self._codes: dict[str | None, int] = {}
        self._lock = Lock()

    def codes(self, column: pa.DictionaryArray) -> npt.NDArray[np.int32]:
        """Return the codes of n texts; null is a text like any other."""
        with self._lock:
            texts = [*column.dictionary.to_pylist(), None]
            codes = [self._codes.setdefault(text, len(self._codes)) for text in texts]
        place = column.indices.fill_null(len(codes) - 1).to_numpy(zero_copy_only=False)
        found: npt.NDArray[np.int32] = np.array(codes, dtype=np.int32)[place]
        return found

    def ranks(self, codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what n codes are sorted by: their texts, null last."""
        order = sorted(self._codes, key=lambda text: (text is None, text or ""))
        ranks = np.empty(len(order), dtype=np.int32)
        ranks[[self._codes[text] for text in order]] = np.arange(len(order))
        return np.asarray(ranks[codes])

    def take(self, codes: npt.NDArray[Any]) -> pa.Array:
        """Return the texts of n codes."""
        return pa.array(list(self._codes), pa.string()).take(pa.array(codes))


def address_words(address: pa.Array, name: str) -> Rows:
    """Return n addresses of 16 bytes as two columns, ordered as their bytes are."""
    words = octets(address).view(">u8").astype(np.uint64)
    return {f"{name}_high": words[:, 0].copy(), f"{name}_low": words[:, 1].copy()}


def words_of(name: str) -> tuple[str, str, str]:
    """Return the columns that identify an address."""
    return ("ip_version", f"{name}_high", f"{name}_low")


def address_bytes(rows: Rows, name: str) -> pa.Array:
    """Return the addresses of `address_words`."""
    words = np.stack([rows[f"{name}_high"], rows[f"{name}_low"]], axis=1).astype(">u8")
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(words), [None, pa.py_buffer(words.tobytes())]
    )
