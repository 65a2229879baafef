"""The explanation of one flow: a ladder of its packets, the evidence, the verdict."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from classifier.ports.rules import with_familiar
from classifier.reports.text.tables import Column, clean, show
from classifier.wording import endpoint, named_by, percent, value_text

Row = dict[str, Any]
#: TCP control bits, lowest first. RFC 9293 §3.1, RFC 3168.
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
#: Width of a ladder's arrow, in characters.
_ARROW = 34


def print_explanation(out: Console, explained: Row) -> None:
    """Print what `pipeline.explain` returns."""
    flow = explained["flow"]
    client, server = (endpoint(flow[f"{end}_ip"], flow[f"{end}_port"]) for end in ("client", "server"))
    out.print(Text(clean(f"{flow['flow_id']}   {flow['proto']}   {flow['capture']}"), style="bold"))
    for other in explained["others"]:
        out.print(Text(f"also between these endpoints: {other}"))
    out.print()
    _print_ladder(out, explained, client, server)
    show(out, "Evidence", _EVIDENCE, explained["evidence"])
    if explained["sum"]:
        out.print(Text(_sum(explained["sum"], server, flow["role_confidence"])))
        out.print()
    out.print(Text(_verdict(flow, server, _named(explained["service"]))))
    if flow["role_confidence"] != 1:
        rest = 100 - percent(flow["role_confidence"])
        out.print(Text(f"Runner-up: {client}{_named(explained['runner_up'])}, {rest:.1f}%."))
    if flow["service"]:
        source = named_by(flow["service_source"])
        out.print(Text(clean(f"Service: {with_familiar(flow['service'])} (named by: {source})")))
    out.print(Text(f"Outcome: {value_text(flow['outcome'])}; history {flow['history']}."))
    if explained["settles"]:
        out.print(Text(f"To resolve this: {explained['settles']}"))


def _sum(adding: Row, server: str, confidence: float) -> str:
    """Describe how the evidence adds up to the confidence."""
    scaled = adding["log_odds"] * adding["scale"]
    steps = [f"Sum for {server}: {adding['log_odds']:.3f}"]
    if adding["scale"] != 1:
        steps.append(f"times {adding['scale']:g} (scale): {scaled:.3f}")
    if scaled > adding["most"]:
        steps.append(f"limited to {adding['most']:.3f} ({adding['why']})")
    odds = f"{adding['total']:.3f}"
    return f"{', '.join(steps)}. Confidence: 1/(1+e^-{odds}) = {percent(confidence):.1f}%."


def _named(services: list[str]) -> str:
    return f" ({' or '.join(map(with_familiar, services[:3]))})" if services else ""


def _verdict(flow: Row, server: str, named: str) -> str:
    """Describe the verdict; `named` are the services of the server."""
    sure = "" if flow["role_confidence"] == 1 else f", {percent(flow['role_confidence']):.1f}%"
    match flow["role"]:
        case "ambiguous":
            return f"Verdict: ambiguous. Likelier server: {server}{named}{sure}."
        case "attempted":
            return f"Verdict: attempted. {'Likelier target' if sure else 'Target'}: {server}{named}{sure}."
    return f"Verdict: {server} is the server{named}: {flow['role']}{sure}."


def _print_ladder(out: Console, explained: Row, client: str, server: str) -> None:
    """Print the packets as arrows between client on the left and server on the right."""
    if explained["ladder"] is None:
        out.print(Text("No packets shown: the input can't be read a second time.\n"))
        return
    gap = " " * max(_ARROW - len(client) - len(server) + 4, 2)
    out.print(Text(f"{'seconds':>10}   {client}{gap}{server}", style="bold"), soft_wrap=True)
    tail, head, back = ("─", "▶", "◀") if out.encoding.startswith("utf") else ("-", ">", "<")
    for packet in explained["ladder"]:
        text = f" {_what(packet)} "
        line = tail * 2 + text + tail * max(_ARROW - len(text) - 2, 2)
        arrow = line + head if packet["from_client"] else back + line
        out.print(Text(f"{packet['seconds']:>10.6f}   {arrow}"), soft_wrap=True)
    more = explained["packets"] - len(explained["ladder"])
    out.print(Text(f"{'':>10}   … {more:,} more\n" if more > 0 else ""))


def _what(packet: Row) -> str:
    """Describe a packet: its control bits and payload bytes."""
    if packet["icmp_error"]:
        return "ICMP error"
    flags = packet["flags"]
    names = [name for bit, name in enumerate(_FLAGS) if flags and flags >> bit & 1 and name != "PSH"]
    carries = [f"{packet['payload_bytes']:,} B"] if packet["payload_bytes"] or flags is None else []
    return " ".join(names + carries)


def _weight(row: Row) -> str:
    return "proof" if row["weight"] is None else f"{row['weight']:.3f}" if row["weight"] else ""


_EVIDENCE = [
    Column("Kind", lambda row: row["evidence"]),
    Column("Server", lambda row: row["server"] or "", folds=True),
    Column("Log-odds", _weight, number=True),
    Column("Observed", lambda row: row["seen"], folds=True),
]
