"""Name the services of flows by the rules for their server's port."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.services.rules import Rules
from classifier.services.service import Service


@dataclass(frozen=True, slots=True)
class Names:
    """What the n flows of a batch may carry."""

    #: dictionary of strings (n), null where nothing is known or the server isn't.
    service: pa.DictionaryArray
    #: dictionary of strings (n): `user`, `unofficial` or `official`; null where `service` is.
    source: pa.DictionaryArray
    #: list of strings (n), likeliest first; empty where no rule knows a port.
    candidates: pa.Array


@dataclass(frozen=True, slots=True)
class Ends:
    """One end of each of n flows: addresses of 16 bytes (IPv4 mapped), and uint16 ports."""

    address: pa.Array
    port: pa.Array


def name(
    rules: Rules,
    proto: npt.NDArray[np.uint8],
    server: Ends,
    client: Ends,
    ambiguous: npt.NDArray[np.bool_],
) -> Names:
    """Name the services of n flows.

    Where the server is known, its port decides. Where it is not, both ports are candidates, the
    likelier side's first, and the service is named only if both sides agree on it.
    """
    here = rules.places(proto, server.port.to_numpy(), server.address)
    there = np.where(ambiguous, rules.places(proto, client.port.to_numpy(), client.address), 0)
    # Few distinct cases among many flows: each is worked out once.
    many = len(rules.candidates)
    cases, row = np.unique((ambiguous * many + here) * many + there, return_inverse=True)
    verdicts = [
        _verdict(rules.candidates[case // many % many], rules.candidates[case % many], case >= many * many)
        for case in cases.tolist()
    ]
    place = row.astype(np.int32)
    services, sources, candidates = zip(*verdicts, strict=True) if verdicts else ((), (), ())
    return Names(
        service=_take(list(services), place),
        source=_take(list(sources), place),
        candidates=pa.array(list(candidates), pa.list_(pa.string())).take(pa.array(place)),
    )


def _verdict(
    here: tuple[Service, ...], there: tuple[Service, ...], undecided: bool
) -> tuple[str | None, str | None, list[str]]:
    """Return service, source and candidates, given those of the server's port and of the client's."""
    names = list(dict.fromkeys(service.name for service in (*here, *there)))
    best = here[0] if here else None
    if best is None or (undecided and (not there or there[0].name != best.name)):
        return None, None, names
    return best.name, best.status if best.status in ("user", "official") else "unofficial", names


def _take(texts: list[str | None], row: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    encoded = pa.array(texts, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(pa.array(row)), encoded.dictionary)
