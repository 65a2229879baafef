"""How well is the server found without a handshake, and are the weights right?

    python benchmarks/roles/fit.py CAPTURES

reads every capture in a folder, takes the handshakes away (late.py), asks the program, and prints: the
accuracy of the weights that are shipped, also where no payload can be read; the same for a scale and for
weights fitted on other captures than those they are scored on; what each kind of evidence is worth; and
whether the stated confidence is what it says. Needs the development dependencies.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from late import MODES, TCP, Capture, Key, read, stripped
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from classifier import reading, roles
from classifier.flows.addresses import octets
from classifier.roles import probability
from classifier.roles.evidence import KINDS
from classifier.roles.weights import weight

Odds = np.ndarray
KIND_NAMES = [str(kind) for kind in KINDS]
FOLDS, RESAMPLES = 5, 500


class Flows:
    """The flows with a known server; log-odds are for the server.

    Rows are (mode, proto, capture, suite, server port, confirmed, tie goes to the server, log-odds).
    """

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        columns = list(zip(*rows, strict=True))
        self.mode, self.proto, self.capture, self.suite, self.port = map(np.array, columns[:5])
        self.confirmed, self.tie = (np.array(column, dtype=bool) for column in columns[5:7])
        self.odds = np.array(columns[7])

    def total(self, kinds: Odds | None = None) -> Odds:
        """Sum the log-odds, each kind multiplied by its factor in `kinds`, as the program does."""
        most = weight("verdict", "most")
        total = (self.odds * (1 if kinds is None else kinds)).sum(axis=1) * weight("verdict", "scale")
        return np.where(self.confirmed, np.inf, np.clip(total, -most, most))


def flows_of(captures: list[Capture]) -> tuple[Flows, Flows]:
    """Strip captures in each way, meter and weigh them: with payload, and without."""
    heard: list[tuple[Any, ...]] = []
    unheard: list[tuple[Any, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "late.pcap"
        for number, capture in enumerate(captures):
            for mode in MODES:
                present = stripped(capture, mode, target)
                for rows, prepare in ((heard, _as_it_is), (unheard, _silent)):
                    weighed = _weighed(target, capture, present, prepare)
                    rows += [(mode, proto, number, *row) for proto, *row in weighed]
    return Flows(heard), Flows(unheard)


def _as_it_is(facts: pa.RecordBatch) -> pa.RecordBatch:
    return facts


def _silent(facts: pa.RecordBatch) -> pa.RecordBatch:
    """Return the log-odds without payload."""
    columns = {name: facts[name] for name in facts.schema.names}
    columns |= dict.fromkeys(("hits_a", "hits_b"), np.zeros(facts.num_rows, dtype=np.uint64))
    columns["announced"] = pa.array([[]] * facts.num_rows, facts.schema.field("announced").type)
    return pa.RecordBatch.from_pydict(columns)


def _weighed(
    path: Path, capture: Capture, present: set[Key], prepare: Callable[[pa.RecordBatch], pa.RecordBatch]
) -> Iterator[tuple[Any, ...]]:
    judge: Any = reading.read(path).judge
    judge.stitched = partial(map, prepare, list(judge.stitched()))
    suite = capture.path.parent.name
    for facts in judge.stitched():
        ends = judge.ends(facts)
        odds = roles.weigh(ends, judge.context)
        for row, key in enumerate(_keys(facts)):
            if key in present:
                server = capture.servers[key]
                sign = 1 if server == (_raw(facts, "addr_b", row), int(ends.ports[1, row])) else -1
                tie = (sign > 0) != bool(ends.first_from_b[row])
                confirmed = bool(ends.handshakes.confirmed[row])
                yield key[0], suite, server[1], confirmed, tie, sign * odds[row]


def _keys(facts: pa.RecordBatch) -> list[tuple[Any, ...]]:
    protos, a, b = (facts[name].to_pylist() for name in ("proto", "port_a", "port_b"))
    ends = (
        [(_raw(facts, f"addr_{end}", row), port) for row, port in enumerate(ports)]
        for end, ports in (("a", a), ("b", b))
    )
    return [(proto, *sorted(pair)) for proto, *pair in zip(protos, *ends, strict=True)]


def _raw(facts: pa.RecordBatch, column: str, row: int) -> bytes:
    address: bytes = octets(facts[column])[row].tobytes()
    return address[12:] if facts["ip_version"][row].as_py() == 4 else address


def by_kind(flows: Flows) -> Odds:
    """Return the log-odds of each kind (n, kinds)."""
    return flows.odds


def in_all(flows: Flows) -> Odds:
    """Return their sum (n, 1)."""
    total: Odds = flows.odds.sum(axis=1, keepdims=True)
    return total


def right(flows: Flows, total: Odds) -> np.ndarray:
    """Return whether each verdict is correct; in a tie the receiver of the first packet is the server."""
    return np.where(total == 0, flows.tie, total > 0)


def by_port(ports: np.ndarray, ok: np.ndarray) -> float:
    """Accuracy averaged over server ports."""
    found = defaultdict(list)
    for port, one in zip(ports, ok, strict=True):
        found[port].append(one)
    return float(np.mean([np.mean(one) for one in found.values()])) if found else float("nan")


def interval(flows: Flows, ok: np.ndarray, where: np.ndarray) -> tuple[float, float]:
    """90 % of the by-port figure when captures are drawn anew."""
    rng, rows = np.random.default_rng(0), np.flatnonzero(where)
    of = defaultdict(list)
    for row in rows:
        of[flows.capture[row]].append(row)
    groups = [np.array(group) for group in of.values()]
    drawn = []
    for _ in range(RESAMPLES):
        sample = np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
        drawn.append(by_port(flows.port[sample], ok[sample]))
    low, high = np.percentile(drawn, [5, 95])
    return float(low), float(high)


def calibration_error(likely: Odds, ok: np.ndarray, share: Odds) -> float:
    """Expected calibration error over ten bins of confidence; `share`: how much each flow counts."""
    bins = np.minimum((likely * 20).astype(int), 19)
    gaps = [abs((share * (likely - ok))[bins == one].sum()) for one in range(10, 20)]
    return float(sum(gaps) / max(share.sum(), 1e-9))


def table(title: str, flows: Flows, total: Odds) -> None:
    """Print accuracy, coverage and calibration by mode and transport."""
    heads = f"{'flows':>6}{'overall%':>10}{'by port%':>10}{'90 % interval':>16}"
    print(f"\n{title}\n{'':22}{heads}{'sure%':>8}{'sure right%':>12}{'ECE':>8}")
    ok, likely = right(flows, total), probability(np.abs(total))
    for mode in MODES:
        for name, proto in (("tcp", TCP), ("udp", 17)):
            where = (flows.mode == mode) & (flows.proto == proto)
            if not where.any():
                continue
            sure, (low, high) = where & (likely >= roles.INFERRED), interval(flows, ok, where)
            unproven = where & ~flows.confirmed
            ece = calibration_error(likely[unproven], ok[unproven], np.ones(unproven.sum()))
            averaged, right_of_sure = (
                by_port(flows.port[where], ok[where]),
                ok[sure].mean() if sure.any() else 0,
            )
            print(
                f"{mode:16}{name:6}{where.sum():6}{100 * ok[where].mean():10.2f}{100 * averaged:10.2f}"
                f"{100 * low:9.1f}-{100 * high:5.1f} {100 * sure.sum() / where.sum():8.2f}"
                f"{100 * right_of_sure:12.2f}{ece:8.4f}"
            )
    unproven = ~flows.confirmed
    ece = calibration_error(likely[unproven], ok[unproven], _equal_modes(flows)[unproven])
    print(f"ECE, the modes pooled equally: {ece:.4f}")


def _equal_modes(flows: Flows) -> Odds:
    share = np.zeros(len(flows.mode))
    for mode in MODES:
        of_mode = (flows.mode == mode) & ~flows.confirmed
        share[of_mode] = 1 / max(of_mode.sum(), 1)
    return share


def fitted(flows: Flows, train: np.ndarray, features: Callable[[Flows], Odds]) -> LogisticRegression:
    """Fit multipliers on some flows, each mode and each port of a capture counting alike."""
    rows = np.flatnonzero(train & ~flows.confirmed)
    x, share = features(flows)[rows], _equal_modes(flows)[rows]
    _, group, counts = np.unique(
        np.stack([flows.capture[rows], flows.port[rows]], axis=1),
        axis=0,
        return_inverse=True,
        return_counts=True,
    )
    share /= np.sqrt(counts[group.reshape(-1)])
    both = np.concatenate([x, -x]), np.repeat([1, 0], len(x))
    model = LogisticRegression(C=1.0, fit_intercept=False)
    return model.fit(*both, sample_weight=np.tile(share / share.mean(), 2))


def held_out(
    flows: Flows, features: Callable[[Flows], Odds], split: list[tuple[np.ndarray, np.ndarray]]
) -> Odds:
    """Return the log-odds of each flow by a model that was fitted without it."""
    total = np.full(len(flows.mode), np.inf)
    for train, test in split:
        mask = np.zeros(len(total), dtype=bool)
        mask[train] = True
        total[test] = (features(flows)[test] * fitted(flows, mask, features).coef_[0]).sum(axis=1)
    return np.where(flows.confirmed, np.inf, total)


def summary(flows: Flows, total: Odds) -> str:
    """Accuracy by port of the modes that matter, in one line."""
    ok, parts = right(flows, total), []
    for mode in MODES[1:]:
        where = (flows.mode == mode) & (flows.proto == TCP)
        parts.append(
            f"{mode} {100 * ok[where].mean():6.2f} / {100 * by_port(flows.port[where], ok[where]):6.2f}"
        )
    where = (flows.mode == MODES[-1]) & (flows.proto != TCP)
    parts.append(
        f"udp {MODES[-1]} {100 * ok[where].mean():6.2f} / {100 * by_port(flows.port[where], ok[where]):6.2f}"
    )
    return "   ".join(parts)


def fits(flows: Flows) -> None:
    """Print what a fit would make of the weights, scored on flows that it has not seen."""
    folds = list(GroupKFold(FOLDS).split(flows.odds, groups=flows.capture))
    suites = [
        (np.flatnonzero(flows.suite != one), np.flatnonzero(flows.suite == one))
        for one in np.unique(flows.suite)
    ]
    print("\nFitted on other captures than those scored: overall / by port, of TCP and of UDP")
    for name, features in (("one scale", in_all), ("one for each kind", by_kind)):
        print(f"{name:20}{FOLDS} folds by capture   {summary(flows, held_out(flows, features, folds))}")
        if len(suites) > 1:
            print(f"{'':20}one folder left out  {summary(flows, held_out(flows, features, suites))}")
    table("One scale, out of fold", flows, held_out(flows, in_all, folds))
    every = np.ones(len(flows.mode), dtype=bool)
    scale, multipliers = (fitted(flows, every, features).coef_[0] for features in (in_all, by_kind))
    print(f"\nThe scale that fits all captures best: {scale[0]:.2f}; multipliers of the kinds:")
    for name, multiplier in zip(KIND_NAMES, multipliers, strict=True):
        print(f"  {name:20}{multiplier:6.2f}")


def ablation(flows: Flows) -> None:
    """Print what is left without each kind of evidence, and of each alone; ties fall as in `right`."""
    print(f"\nAblation: overall / by port\n{'all kinds':24}{summary(flows, flows.total())}")
    for place, name in enumerate(KIND_NAMES):
        alone = np.eye(len(KIND_NAMES))[place]
        spoke = flows.odds[:, place] != 0
        hits = (flows.odds[spoke, place] > 0).mean() if spoke.any() else 0
        print(f"without {name:16}{summary(flows, flows.total(1 - alone))}")
        only = summary(flows, flows.total(alone))
        print(f"only    {name:16}{only}   speaks of {spoke.mean():.0%}, right {hits:.1%}")


def reliability(flows: Flows) -> None:
    """Print how often verdicts of each confidence are right, each mode counting alike."""
    total = flows.total()
    ok, likely, share = right(flows, total), probability(np.abs(total)), _equal_modes(flows)
    print("\nReliability, the modes pooled equally\nconfidence     share   said  right")
    for low in np.arange(0.5, 1, 0.05):
        where = (likely >= low) & (likely < low + 0.05) & ~flows.confirmed
        if where.any():
            said, true = (np.average(one[where], weights=share[where]) for one in (likely, ok))
            part = share[where].sum() / share.sum()
            print(f"{low:.2f}-{low + 0.05:.2f}  {part:8.2%}  {said:.3f}  {true:.3f}")


def main() -> None:
    """Print all tables."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = (read(path) for path in sorted(Path(sys.argv[1]).rglob("*")) if path.is_file())
    flows, unheard = flows_of([capture for capture in found if capture and capture.servers])
    table("The weights that are shipped", flows, flows.total())
    table("The same without payload", unheard, unheard.total())
    for title, these in (("with payload", flows), ("without payload", unheard)):
        print(f"\n== {title}")
        fits(these)
        ablation(these)
        reliability(these)


if __name__ == "__main__":
    main()
