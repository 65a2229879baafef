"""Name the services of flows by the rules for their server's port and by their payload."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.distinct import distinct
from classifier.payload import Certainty, Said, Table
from classifier.payload.expectations import CARRIERS, SERVICES, Announced
from classifier.ports.rules import Rules
from classifier.services.service_verdict import SILENT, Spoken, verdict


class Names(NamedTuple):
    """The services of the n flows of a batch."""

    #: dictionary of strings (n), null where the service or the server is unknown.
    service: pa.DictionaryArray
    #: dictionary of strings (n): `user`, `payload`, `unofficial` or `official`; null where `service` is.
    source: pa.DictionaryArray
    #: dictionary of strings (n): category of `service`; null if unknown.
    category: pa.DictionaryArray
    #: dictionary of strings (n): `service`, or the candidates joined by |; null if unknown.
    label: pa.DictionaryArray
    #: Returns a list of strings (n), likeliest first; empty if unknown.
    candidates: Callable[[], pa.Array]
    #: dictionary of strings (n): the protocol recognised in the payload, null for none.
    payload: pa.DictionaryArray
    #: dictionary of strings (n): the service expected at the port, null unless another protocol was detected.
    expected: pa.DictionaryArray


class Ends(NamedTuple):
    """One endpoint of each of n flows: 16-byte addresses (IPv4 mapped), and uint16 ports."""

    address: pa.Array
    port: pa.Array


class Payloads(NamedTuple):
    """The payload findings of n flows."""

    said: Said
    table: Table
    #: string (n): ALPN protocols that the client offers, joined by commas.
    alpn: pa.Array
    #: uint8 (n): purpose for which an endpoint was announced.
    announced: npt.NDArray[np.uint8]
    #: bool (n): the beginning was not captured.
    late: npt.NDArray[np.bool_]

    def codes(self) -> tuple[npt.NDArray[np.int64], list[Spoken]]:
        """Return the distinct findings, and for each flow the index into them."""
        encoded = self.alpn.dictionary_encode("encode")
        offer = encoded.indices.to_numpy().astype(np.int64)
        protocols = len(self.table.protocols) + 1
        numbers = ((self.late + offer * 2) * len(Announced) + self.announced) * len(Certainty)
        numbers += self.said.certainty
        cases, row = distinct(numbers * protocols + self.said.protocol + 1)
        offers = [(offered or "").split(",")[0] for offered in encoded.dictionary.to_pylist()]
        return row, [self._spoken(case, offers) for case in cases.tolist()]

    def _spoken(self, case: int, offers: list[str]) -> Spoken:
        case, protocol = divmod(case, len(self.table.protocols) + 1)
        case, certainty = divmod(case, len(Certainty))
        case, purpose = divmod(case, len(Announced))
        offer, late = divmod(case, 2)
        if purpose and not (protocol and purpose in CARRIERS):
            return Spoken(None, Certainty.NONE, SERVICES[Announced(purpose)], True, bool(late))
        if not protocol:
            return SILENT
        named = self.table.alpn.get(offers[offer])
        return Spoken(self.table.protocols[protocol - 1], Certainty(certainty), named, False, bool(late))


def name(
    rules: Rules,
    proto: npt.NDArray[np.uint8],
    server: Ends,
    client: Ends,
    ambiguous: npt.NDArray[np.bool_],
    payloads: Payloads,
) -> Names:
    """Name the services of n flows.

    Where the server is known, its port decides. Where it is ambiguous, both ports are candidates, the
    likelier side's first, and the service is named only if both ports have the same, or by the payload.
    """
    here = rules.places(proto, server.port.to_numpy(), server.address)
    there = np.where(ambiguous, rules.places(proto, client.port.to_numpy(), client.address), 0)
    codes, spoken = payloads.codes()
    # Many flows have few distinct cases: each is decided once.
    many, spoken_many = len(rules.candidates), len(spoken)
    numbers = ((ambiguous * many + here) * many + there) * spoken_many + codes
    cases, row = distinct(numbers)
    verdicts = []
    for case in cases.tolist():
        ports, code = divmod(case, spoken_many)
        likelier, other = rules.candidates[ports // many % many], rules.candidates[ports % many]
        verdicts.append(verdict(likelier, other, ports >= many * many, spoken[code]))
    place = row.astype(np.int32)
    protocols = [protocol.name for protocol in payloads.table.protocols]
    return Names(
        service=_take([case.service for case in verdicts], place),
        source=_take([case.source for case in verdicts], place),
        category=_take([rules.category(case.service or "") for case in verdicts], place),
        label=_take([case.service or "|".join(case.candidates) or None for case in verdicts], place),
        candidates=lambda: _lists([list(case.candidates) for case in verdicts], place),
        payload=_take([*protocols, None], payloads.said.protocol.astype(np.int32) % (len(protocols) + 1)),
        expected=_take([case.expected for case in verdicts], place),
    )


def _lists(lists: list[list[str]], row: npt.NDArray[np.int32]) -> pa.Array:
    return pa.array(lists, pa.list_(pa.string())).take(pa.array(row))


def _take(texts: list[str | None], row: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    encoded = pa.array(texts, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(pa.array(row)), encoded.dictionary)
