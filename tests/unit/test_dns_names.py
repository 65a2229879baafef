"""Names of addresses from DNS answers in the capture itself, made with scapy."""

from __future__ import annotations

import io

from scapy.layers.dns import DNS, DNSQR, DNSRR
from support.frames import START_NS, End, Packet, pcap, udp
from support.talk import Talk

import classifier
from classifier.reports.hosts import known

RESOLVER, ASKING, WEB = End("10.0.0.53", 53), End("10.0.0.1", 40_053), End("192.0.2.1", 443)


def answer(name: str, *records: DNSRR, at_ns: int = START_NS) -> Packet:
    message = DNS(id=7, qr=1, qd=DNSQR(qname=name), an=list(records))
    return Packet(at_ns, udp(RESOLVER, ASKING, bytes(message)))


def address(owner: str, value: str, kind: str = "A") -> DNSRR:
    return DNSRR(rrname=owner, type=kind, rdata=value)


def names(*packets: Packet, dns_names: bool = True) -> dict[str, str]:
    traffic = classifier.read(io.BytesIO(pcap(packets)), dns_names=dns_names)
    hosts = known(None, traffic.metered)
    return hosts.names if hosts else {}


def test_the_name_that_was_asked_for() -> None:
    packet = answer(
        "www.example.com",
        DNSRR(rrname="www.example.com", type="CNAME", rdata="edge.example.net"),
        address("edge.example.net", WEB.ip),
        address("edge.example.net", "2001:db8::1", "AAAA"),
    )
    assert names(packet) == dict.fromkeys((WEB.ip, "2001:db8::1"), "www.example.com")
    assert names(packet, dns_names=False) == {}


def test_of_several_the_latest_also_of_several_captures() -> None:
    old = answer("old.example", address("old.example", WEB.ip))
    new = answer("new.example", address("new.example", WEB.ip), at_ns=START_NS + 1)
    assert names(old, new) == {WEB.ip: "new.example"}
    files = [io.BytesIO(pcap([packet])) for packet in (new, old)]
    hosts = known(None, classifier.read(files, dns_names=True).metered)
    assert hosts and hosts.names == {WEB.ip: "new.example"}


def test_reports_show_them_escaped() -> None:
    evil = answer("<script>.\x1b[31m", address("<script>.\x1b[31m", WEB.ip))
    talk = Talk(ASKING._replace(port=50_000), WEB).handshake().exchange()
    packets = [evil, *(packet._replace(time_ns=packet.time_ns + 9) for packet in talk.packets)]
    report = classifier.read(io.BytesIO(pcap(packets)), dns_names=True).report(by="server")
    html = report._repr_html_()
    assert "&lt;script&gt;.\\027[31m" in html and "<script>" not in html
    assert "<script>.\\\\027[31m" in report.to_json()
