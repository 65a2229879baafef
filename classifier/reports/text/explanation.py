"""Why one flow's server is the server: a ladder of its packets, the evidence, the verdict."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from classifier.ports.rules import with_familiar
from classifier.reports.text.tables import Column, clean, show
from classifier.wording import endpoint, named_by, percent

Row = dict[str, Any]
#: The control bits of TCP by their letters' order, lowest first. RFC 9293 §3.1, RFC 3168.
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
#: Columns of a ladder's arrow.
_ARROW = 34


def print_explanation(out: Console, told: Row) -> None:
    """Print what `pipeline.explain` returns."""
    flow = told["flow"]
    client, server = (endpoint(flow[f"{end}_ip"], flow[f"{end}_port"]) for end in ("client", "server"))
    out.print(Text(clean(f"{flow['flow_id']}   {flow['proto']}   {flow['capture']}"), style="bold"))
    for other in told["others"]:
        out.print(Text(f"also between these ends: {other}"))
    out.print()
    _print_ladder(out, told, client, server)
    show(out, "Evidence", _EVIDENCE, told["evidence"])
    if told["sum"]:
        out.print(Text(_sum(told["sum"], server, flow["role_confidence"])))
        out.print()
    out.print(Text(_verdict(flow, server, _named(told["service"]))))
    if flow["role_confidence"] != 1:
        rest = 100 - percent(flow["role_confidence"])
        out.print(Text(f"Runner-up: {client}{_named(told['runner_up'])}, {rest:.1f}%."))
    if flow["service"]:
        source = named_by(flow["service_source"])
        out.print(Text(clean(f"Service: {with_familiar(flow['service'])} (named by: {source})")))
    out.print(Text(f"Outcome: {flow['outcome'].replace('_', ' ')}; history {flow['history']}."))
    if told["settles"]:
        out.print(Text(f"To resolve this: {told['settles']}"))


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


def _print_ladder(out: Console, told: Row, client: str, server: str) -> None:
    """Draw the packets between client on the left and server on the right."""
    if told["ladder"] is None:
        out.print(Text("The input can't be read again for the packets of the flow.\n"))
        return
    gap = " " * max(_ARROW - len(client) - len(server) + 4, 2)
    out.print(Text(f"{'seconds':>10}   {client}{gap}{server}", style="bold"), soft_wrap=True)
    tail, head, back = ("─", "▶", "◀") if out.encoding.startswith("utf") else ("-", ">", "<")
    for packet in told["ladder"]:
        text = f" {_what(packet)} "
        line = tail * 2 + text + tail * max(_ARROW - len(text) - 2, 2)
        arrow = line + head if packet["from_client"] else back + line
        out.print(Text(f"{packet['seconds']:>10.6f}   {arrow}"), soft_wrap=True)
    more = told["packets"] - len(told["ladder"])
    out.print(Text(f"{'':>10}   … {more:,} more\n" if more > 0 else ""))


def _what(packet: Row) -> str:
    """Say what a packet is: its control bits, and how many bytes it carries."""
    if packet["icmp_error"]:
        return "ICMP: can't be delivered"
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
    Column("Seen", lambda row: row["seen"], folds=True),
]
