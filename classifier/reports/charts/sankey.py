"""Layout of the conversations chart: clients on the left, services in the middle, servers on the right."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from classifier.wording import endpoint, service_text, size_text

#: Nodes in each column; the rest are totalled as `other`.
MOST = 12
#: Gap between nodes, as a share of the height: room for the name of a thin node.
_GAP = 0.036
#: Width of a node, where the distance of two columns is 1.
_WIDTH = 0.03
#: Points of a ribbon's edge.
_STEPS = 16


@dataclass
class SankeyLayout:
    """Ribbons and nodes in coordinates: x from 0 (clients) to 2 (servers), y from 0 to 1, downwards."""

    ribbons: list[dict[str, Any]]
    nodes: list[dict[str, Any]]


def layout(conversations: pa.Table, most: int = MOST) -> SankeyLayout:
    """Lay out `Totals.conversations()`: heights are bytes."""
    rows = conversations.to_pylist()
    triples = [(_client(row), service_text(row["service"], row["proto"]), _server(row)) for row in rows]
    names = [[triple[place] for triple in triples] for place in range(3)]
    sizes = [int(row["bytes"]) for row in rows]
    kept = [_largest(column, sizes, most) for column in names]
    links: list[Counter[tuple[str, str]]] = [Counter(), Counter()]
    for triple, size in zip(triples, sizes, strict=True):
        shown = [name if name in kept[place] else "other" for place, name in enumerate(triple)]
        for place in range(2):
            links[place][shown[place], shown[place + 1]] += size
    total = sum(sizes) or 1
    deepest = max(len({pair[end] for pair in side}) for side in links for end in (0, 1))
    ends = [_nodes(links, place, (1 - _GAP * deepest) / total) for place in range(3)]
    nodes = [
        {"x": x, "x2": x + _WIDTH, "y": top, "y2": bottom, "name": name, "bytes": size_text(size), "place": x}
        for x, column in enumerate(ends)
        for name, (top, bottom, size) in column.items()
    ]
    return SankeyLayout([point for place in range(2) for point in _ribbons(links[place], ends, place)], nodes)


def _client(row: dict[str, Any]) -> str:
    return str(row.get("client_host") or row["client_ip"])


def _server(row: dict[str, Any]) -> str:
    return endpoint(row.get("server_host") or row["server_ip"], row["server_port"])


def _largest(names: list[str], sizes: list[int], most: int) -> set[str]:
    sums: Counter[str] = Counter()
    for name, size in zip(names, sizes, strict=True):
        sums[name] += size
    return {name for name, _ in sums.most_common(most)}


def _nodes(
    links: list[Counter[tuple[str, str]]], place: int, scale: float
) -> dict[str, tuple[float, float, int]]:
    """Stack the nodes of one column, the largest on top, `other` at the bottom: (top, bottom, bytes)."""
    side, end = (links[0], 0) if place == 0 else (links[place - 1], 1)
    sums: Counter[str] = Counter()
    for pair, size in side.items():
        sums[pair[end]] += size
    order = sorted(sums, key=lambda name: (name == "other", -sums[name], name))
    nodes, top = {}, _GAP / 2
    for name in order:
        bottom = top + scale * sums[name]
        nodes[name] = (top, bottom, sums[name])
        top = bottom + _GAP
    return nodes


def _ribbons(
    links: Counter[tuple[str, str]],
    ends: list[dict[str, tuple[float, float, int]]],
    place: int,
) -> list[dict[str, Any]]:
    """Return the edges of the ribbons between two columns, side by side at both ends."""
    left, right = ends[place], ends[place + 1]
    used: dict[tuple[int, str], float] = defaultdict(float)
    step = np.linspace(0, 1, _STEPS)
    bend = step * step * (3 - 2 * step)
    points: list[dict[str, Any]] = []
    order = sorted(links, key=lambda pair: (left[pair[0]][0], right[pair[1]][0]))
    for source, target in order:
        size = links[source, target]
        edges = []
        for end, (name, nodes) in enumerate(((source, left), (target, right))):
            top, bottom, whole = nodes[name]
            begin = top + used[end, name]
            height = (bottom - top) * size / whole if whole else 0
            used[end, name] += height
            edges.append((begin, begin + height))
        xs = place + _WIDTH + step * (1 - _WIDTH)
        tops = edges[0][0] + bend * (edges[1][0] - edges[0][0])
        bottoms = edges[0][1] + bend * (edges[1][1] - edges[0][1])
        tooltip = {
            "link": f"{place}|{source}|{target}",
            "from": source,
            "to": target,
            "bytes": size_text(size),
            "service": target if place == 0 else source,
        }
        points += [
            {"x": round(float(x), 4), "y": round(float(top), 4), "y2": round(float(bottom), 4), **tooltip}
            for x, top, bottom in zip(xs, tops, bottoms, strict=True)
        ]
    return points
