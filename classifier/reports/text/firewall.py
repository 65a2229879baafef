"""Firewall rules that block forwarded traffic to a service's server ports. Text only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from classifier.ports.rules import Rules
from classifier.ports.search import Ports, PortUse, SearchResult
from classifier.ports.service import TRANSPORT_NAMES, TRANSPORTS, Network, Span, spans_of

#: Other affected services that are named.
MOST_NAMED = 12
#: Characters of a rule set's name; nft and IOS limit them.
MOST_TITLE = 40


@dataclass(frozen=True, slots=True)
class PacketFilter:
    """Ports to block, at all addresses or in one network."""

    span: Span
    network: Network | None = None

    @property
    def transport(self) -> str:
        """`tcp`, `udp`, `sctp` or `dccp`."""
        return TRANSPORT_NAMES[self.span.proto]

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions concerned."""
        return (4, 6) if self.network is None else (self.network.version,)


def nft(name: str, targets: Iterable[PacketFilter]) -> Iterator[str]:
    """Yield a separate table for `nft -f`; loading it again replaces it. nft(8)."""
    table = f"classifier_block_{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}"
    # Created, then deleted: the rules start from an empty table whether or not one existed.
    yield from (f"table inet {table}", f"delete table inet {table}")
    yield from (f"table inet {table} {{", "\tchain forward {")
    yield "\t\ttype filter hook forward priority filter; policy accept;"
    for target in targets:
        where = ""
        if target.network:
            where = f"{'ip' if isinstance(target.network, IPv4Network) else 'ip6'} daddr {target.network} "
        yield f"\t\tct state new {where}{target.transport} dport {_range(target.span, '-')} counter drop"
    yield from ("\t}", "}")


def iptables(name: str, targets: Iterable[PacketFilter]) -> Iterator[str]:
    """Yield lines for `iptables-restore --noflush` and `ip6tables-restore --noflush`. iptables-restore(8)."""
    yield "*filter"
    for target in targets:
        where = ""
        if target.network:
            where = f"-{target.network.version} -d {target.network} "
        ports = _range(target.span, ":")
        yield f"-I FORWARD {where}-p {target.transport} --dport {ports} {_NEW} -j DROP"
    yield "COMMIT"


def cisco(name: str, targets: Iterable[PacketFilter]) -> Iterator[str]:
    """Yield Cisco IOS access lists, one for each IP version concerned."""
    wanted = list(targets)
    title = "BLOCK-" + (re.sub(r"[^A-Z0-9]+", "-", name.upper()).strip("-") or "PORTS")
    for version, head, rest in (
        (4, f"ip access-list extended {title}", " permit ip any any"),
        (6, f"ipv6 access-list {title}-V6", " permit ipv6 any any"),
    ):
        here = [target for target in wanted if version in target.versions]
        if not here:
            continue
        yield head
        for target in here:
            if target.transport == "dccp":
                yield f"! dccp {_range(target.span, '-')}: IOS can't match DCCP ports"
                continue
            first, last = target.span.first, target.span.last
            ports = f"eq {first}" if first == last else f"range {first} {last}"
            yield f" deny {target.transport} any {_cisco_network(target.network)} {ports}"
        yield rest
        yield "!"


#: New connections only: an answer to a client on such a port passes.
_NEW = "-m conntrack --ctstate NEW"


def _cisco_network(network: Network | None) -> str:
    if network is None:
        return "any"
    if network.prefixlen == network.max_prefixlen:
        return f"host {network.network_address}"
    if isinstance(network, IPv4Network):
        return f"{network.network_address} {network.hostmask}"
    return str(network)


def _range(span: Span, dash: str) -> str:
    return f"{span.first}{dash}{span.last}" if span.last > span.first else str(span.first)


#: By firewall: the function that makes the rules, the comment sign, and the command that applies them.
FIREWALLS: dict[str, tuple[Callable[[str, Iterable[PacketFilter]], Iterator[str]], str, str]] = {
    "nft": (nft, "#", "nft -f FILE"),
    "iptables": (
        iptables,
        "#",
        "iptables-restore --noflush FILE, and ip6tables-restore --noflush FILE",
    ),
    "cisco": (cisco, "!", "ip access-group NAME in, at an interface (IPv6: ipv6 traffic-filter NAME in)"),
}


def block(firewall: str, found: Sequence[SearchResult], rules: Rules) -> str:
    """Return rules that block the server ports that queries found. Nothing is applied."""
    keys: dict[Network | None, set[tuple[int, int]]] = {}
    names = set()
    for answer in found:
        if answer.ports:
            keys.setdefault(None, set()).update(_asked_for(answer.ports))
        for use in () if answer.ports else _really_there(answer.exact):
            names.add(use.service.name)
            for network in use.service.networks or (None,):
                keys.setdefault(network, set()).update(use.span.keys)
    targets = [PacketFilter(span, network) for network, ports in keys.items() for span in spans_of(ports)]
    make, comment, command = FIREWALLS[firewall]
    remarks = [
        f"Blocks forwarded traffic to {' '.join(answer.query for answer in found)}: "
        + ", ".join(str(target.span) for target in targets),
        "A service can run on other ports; there these rules block nothing.",
    ]
    if also := _also_hit(set().union(*keys.values()), names, rules):
        more = f" and {len(also) - MOST_NAMED} more" if len(also) > MOST_NAMED else ""
        remarks.append(f"{'Also affects' if names else 'Affects'}: {', '.join(also[:MOST_NAMED])}{more}")
    if firewall == "cisco":
        remarks.append("Stateless: also blocks answers to clients that use one of these ports.")
    remarks.append(f"Nothing was applied. To apply: {command}")
    title = "-".join(answer.query for answer in found)[:MOST_TITLE]
    return "\n".join([*(f"{comment} {line}" for line in remarks), *make(title, targets)]) + "\n"


def _really_there(uses: list[PortUse]) -> list[PortUse]:
    """Drop ports that are only registered or conflicting, unless a service has no others."""
    return [use for use in uses if use.service.met and use.service.status != "conflict"] or uses


def _also_hit(keys: Iterable[tuple[int, int]], names: set[str], rules: Rules) -> list[str]:
    """Return services in use at some ports, except the ones to block."""
    return [
        f"{service.name} ({port}/{TRANSPORT_NAMES[proto]})"
        for proto, port in sorted(keys, key=lambda key: key[::-1])
        for service in rules.at(proto, port)
        if service.met and service.name not in names
    ]


def _asked_for(ports: Ports) -> Iterator[tuple[int, int]]:
    """Yield each (IP protocol, port) of a query by number; without a transport, for TCP and UDP."""
    both = (TRANSPORTS["tcp"], TRANSPORTS["udp"])
    for proto in ports.protos if len(ports.protos) == 1 else both:
        yield from Span(proto, ports.first, ports.last).keys
