"""The tables of a comparison with Wireshark, on a terminal."""

from __future__ import annotations

from classifier.reports.text.tables import Column, Row
from classifier.verify import Opinion
from classifier.wording import endpoint


def _end(side: str) -> Column:
    def text(row: Row) -> str:
        return endpoint(row.get(f"{side}_host") or row[f"{side}_ip"], row[f"{side}_port"])

    return Column(side.capitalize(), text, folds=True)


_HEADS = {
    Opinion.AGREE: "Agree",
    Opinion.DIFFER: "Differ",
    Opinion.OURS_ONLY: "Unknown to tshark",
    Opinion.THEIRS_ONLY: "Known to tshark only",
    Opinion.NEITHER: "Unknown to both",
}


def _count(opinion: Opinion) -> Column:
    return Column(_HEADS[opinion], lambda row: f"{row[opinion]:,}", number=True)


AGREEMENT = [Column("Compared", lambda row: row["on"].capitalize()), *map(_count, Opinion)]

DIFFERENCES = [
    _end("client"),
    _end("server"),
    Column("Proto", lambda row: row["proto"], spare=2),
    Column("Service", lambda row: row["service"] or "-"),
    Column("Payload", lambda row: row["payload"] or "-"),
    Column("tshark's service", lambda row: row["tshark"] or "-", folds=True),
    Column("tshark's server", lambda row: row["tshark_server"] or "-", folds=True, spare=1),
    Column("Evidence", lambda row: row["why"], folds=True, spare=3),
]
