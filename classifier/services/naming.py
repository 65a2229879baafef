"""Name the services of flows by the rules for their server's port and by their payload."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.distinct import distinct
from classifier.payload import Certainty, MessageTable, PayloadFindings
from classifier.payload.expectations import CARRIERS, SERVICES, Purpose
from classifier.ports.rules import Rules
from classifier.services.service_verdict import SILENT, Detected, ServiceVerdict, verdict


class ServiceNames(NamedTuple):
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


class ServerEndpoints(NamedTuple):
    """One endpoint of each of n flows: 16-byte addresses (IPv4 mapped), and uint16 ports."""

    #: None if no rule depends on it.
    address: pa.Array | None
    port: pa.Array


class DetectedPayloads(NamedTuple):
    """The payload findings of n flows."""

    said: PayloadFindings
    table: MessageTable
    #: string (n): ALPN protocols that the client offers, joined by commas.
    alpn: pa.Array
    #: uint8 (n): purpose for which an endpoint was announced.
    announced: npt.NDArray[np.uint8]
    #: bool (n): the beginning was not captured.
    late: npt.NDArray[np.bool_]

    def codes(self) -> npt.NDArray[np.int64]:
        """Return a number for what each flow speaks, which `_spoken` reads back."""
        encoded = self.alpn.dictionary_encode("encode")
        offers = [(offered or "").split(",")[0] for offered in encoded.dictionary.to_pylist()]
        named = np.array([_named(self.table).get(offer, 0) for offer in offers], dtype=np.int64)
        codes: npt.NDArray[np.int64] = named[encoded.indices.to_numpy()] * 2 + self.late
        codes = (codes * len(Purpose) + self.announced) * len(Certainty) + self.said.certainty
        return codes * (len(self.table.protocols) + 1) + self.said.protocol + 1


@lru_cache(maxsize=4)
def _named(table: MessageTable) -> dict[str, int]:
    """Number the application protocols that name a service, from 1 on."""
    return {offer: number for number, offer in enumerate(table.alpn, 1)}


def _spoken(table: MessageTable, code: int) -> Detected:
    code, protocol = divmod(code, len(table.protocols) + 1)
    code, certainty = divmod(code, len(Certainty))
    code, purpose = divmod(code, len(Purpose))
    offer, late = divmod(code, 2)
    if purpose and not (protocol and purpose in CARRIERS):
        return Detected(None, Certainty.NONE, SERVICES[Purpose(purpose)], True, bool(late))
    if not protocol:
        return SILENT
    named = list(table.alpn.values())[offer - 1] if offer else None
    return Detected(table.protocols[protocol - 1], Certainty(certainty), named, False, bool(late))


@lru_cache(maxsize=1 << 14)
def _verdict(
    rules: Rules, table: MessageTable, here: int, there: int, undecided: bool, code: int
) -> ServiceVerdict:
    """Return the verdict on flows with two places of candidates, which speak what a code stands for."""
    candidates = rules.candidates
    return verdict(candidates[here], candidates[there], undecided, _spoken(table, code))


def name(
    rules: Rules,
    proto: npt.NDArray[np.uint8],
    server: ServerEndpoints,
    client: ServerEndpoints,
    ambiguous: npt.NDArray[np.bool_],
    payloads: DetectedPayloads,
) -> ServiceNames:
    """Name the services of n flows.

    Where the server is known, its port decides. Where it is ambiguous, both ports are candidates, the
    likelier side's first, and the service is named only if both ports have the same, or by the payload.
    """
    here = rules.places(proto, server.port.to_numpy(), server.address)
    there = np.zeros_like(here)
    rows = np.flatnonzero(ambiguous)
    address = None if client.address is None else client.address.take(pa.array(rows))
    there[rows] = rules.places(proto[rows], client.port.to_numpy()[rows], address)
    codes = payloads.codes()
    # Few distinct cases among many flows: each is worked out once.
    many, most = len(rules.candidates), int(codes.max(initial=0)) + 1
    cases, row = distinct(((ambiguous * many + here) * many + there) * most + codes)
    verdicts = []
    for case in cases.tolist():
        ports, code = divmod(case, most)
        likelier, other = ports // many % many, ports % many
        verdicts.append(_verdict(rules, payloads.table, likelier, other, ports >= many * many, code))
    place = row.astype(np.int32)
    protocols = [protocol.name for protocol in payloads.table.protocols]
    return ServiceNames(
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
