"""Signatures: messages as standards and programs write them, and every pattern against all the others."""

from __future__ import annotations

import re
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.messages import EITHER, TALKS, TCP, UDP, bytes_of
from support.places import CAPTURES, NO_SHARED

import classifier
from classifier import payload
from classifier.errors import RulesError
from classifier.payload import Certainty
from classifier.ports.rule_files import FOLDER, read_toml
from classifier.ports.rules import Rules
from classifier.signatures import TRANSPORTS, Message, compile_files

TABLE = payload.load()
FILES = sorted((FOLDER / "payload").glob("*.toml"))


def found(proto: int, port: int, data: bytes) -> Message | None:
    return TABLE.find(proto, (50_001, port), data)


@pytest.mark.parametrize(
    ("protocol", "proto", "port", "client", "server"),
    TALKS,
    ids=[f"{talk[0]}-{talk[1]}-{talk[2]}-{place}" for place, talk in enumerate(TALKS)],
)
def test_messages_of_both_sides(
    protocol: str, proto: int, port: int, client: str | None, server: str | None
) -> None:
    for text, sender in ((client, 1), (server, -1)):
        if text is not None:
            message = found(proto, port, bytes_of(text))
            assert message, f"{text} is nothing"
            assert (message.protocol.name, message.sender) == (protocol, sender), message.message


@pytest.mark.parametrize(("protocol", "proto", "port", "text"), EITHER, ids=[talk[0] for talk in EITHER])
def test_messages_that_show_no_side(protocol: str, proto: int, port: int, text: str) -> None:
    message = found(proto, port, bytes_of(text))
    assert message and message.protocol.name == protocol
    assert message.sender == 0 or message.certainty < Certainty.SURE


def fields(pattern: str) -> bytes | None:
    """Some bytes that fit a pattern; None where it states lengths, which need more than a look."""
    data = b""
    for token in re.findall(r"~?'[^']*'|\.\.~?'[^']*'|\S+", pattern):
        if "'" not in token and token.startswith(".."):
            data += b"x" + bytes.fromhex(token[2:])
        elif "'" in token:
            data += (b"x" if token.startswith("..") else b"") + token.split("'")[1].encode()
        elif token == "$":
            pass
        elif token in ("<word>", "<digits>"):
            data += b"7"
        elif token.startswith("<"):
            return None
        else:
            one, _, count = token.partition("*")
            data += bytes([_byte(one)]) * int(count or 1)
    return data


def _byte(one: str) -> int:
    if one[0] == "{":
        return int(one[1:3], 16)
    if one[0] in "&!":
        return int(one[1:], 16) if one[0] == "&" else 0
    return int(one.replace("?", "5"), 16)


def messages() -> list[tuple[str, dict[str, Any]]]:
    return [
        (entry["transport"], message | {"protocol": entry["name"]})
        for path in FILES
        for entry in read_toml(path)["protocol"]
        for message in entry["messages"]
    ]


def test_a_payload_that_fits_a_pattern_is_recognised() -> None:
    """As that protocol, or as one that is surer of it: no pattern is dead, no rule hides another unawares."""
    hidden: Counter[tuple[str, str]] = Counter()
    tried = 0
    for transport, message in messages():
        patterns = message["match"]
        if message.get("where"):
            continue
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            data = fields(str(pattern))
            if data is None:
                continue
            tried += 1
            port = (message.get("ports") or [61_000])[0]
            seen = TABLE.find(TRANSPORTS[transport], (61_001, port), data)
            assert seen, f"{message['protocol']}: {pattern}"
            if seen.protocol.name != message["protocol"]:
                hidden[str(message["protocol"]), seen.protocol.name] += 1
    assert tried > 300
    # A request of Gnutella is one of HTTP, CLDAP is LDAP over UDP: the more specific one comes first.
    assert sum(hidden.values()) < 25, hidden


def test_services_that_payload_names_are_those_of_the_rules() -> None:
    rules = Rules.load()
    known = {name for service in rules.services for name in (*service.names, *service.speaks)}
    unknown = {protocol.service for protocol in TABLE.protocols} - known
    # Nothing of these is at home at a port.
    assert unknown <= {
        *("thrift", "hadoop-ipc", "zmtp", "fix", "synchrophasor", "lmtp", "stomp", "spotify-connect"),
        *("monero", "stratum", "ipfs", "steam-streaming", "steam-game", "jdwp", "lantronix"),
        *("tls", "dtls", "websocket", "http2", "proxy-protocol", "bmp", "rtps", "doip", "someip"),
    }


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"transport": "icmp"}, "unknown transport 'icmp'; choose from tcp, udp"),
        ({"name": None}, "name is missing; add it"),
        ({"colour": "red"}, "unknown key 'colour'; choose from"),
        (
            {"messages": [{"message": "m", "from": "god", "certainty": "sure", "match": "00"}]},
            "unknown from 'god'; choose from",
        ),
        ({"messages": [{"message": "m", "from": "client", "certainty": "sure", "match": "0g"}]}, "0g"),
        ({"messages": [{"message": "m", "from": "client", "match": "00"}]}, "certainty is missing; add it"),
    ],
)
def test_a_wrong_signature_is_named(broken: dict[str, object], reason: str) -> None:
    entry: dict[str, object] = {"name": "p", "transport": "tcp", "source": "here", "messages": []} | broken
    entry = {key: value for key, value in entry.items() if value is not None}
    with pytest.raises(RulesError, match=re.escape(reason)) as raised:
        compile_files([(Path("web.toml"), {"protocol": [entry]})])
    assert "web.toml: protocol" in str(raised.value)


def test_random_payloads_are_nothing() -> None:
    """A small part of what tests/hostile/false_matches.py counts."""
    import random

    chance = random.Random(6)
    for number in range(60_000):
        data = chance.randbytes((4, 10, 12, 48, 64, 300, 1200)[number % 7])
        message = TABLE.find((TCP, UDP)[number % 2], (61_001, 61_002), data)
        assert message is None or message.certainty < Certainty.SURE or message.repeats > 1, (message, data)


def test_a_payload_cut_by_the_snap_length_still_counts_with_its_length() -> None:
    initiation = struct.pack("<I", 1) + bytes([0x5A]) * 60
    assert TABLE.compiled.find(UDP, (1, 2), initiation, 148) == TABLE.compiled.find(
        UDP, (1, 2), initiation + bytes([0x5A]) * 84
    )
    whole = TABLE.find(UDP, (1, 2), initiation + bytes([0x5A]) * 84)
    assert whole and whole.protocol.name == "wireguard"


#: Messages of real programs, by the captures' names: (folder, capture, protocol).
CAPTURED = [
    *(("arkime", f"{name}.pcap", protocol) for name, protocol in [
        ("80211http", "http"), ("IKEv1", "isakmp"), ("IKEv2", "isakmp"), ("bt-tcp", "bittorrent"),
        ("cassandra1", "thrift"), ("cloudshark-dtls1", "dtls"), ("dns-tcp", "dns"), ("ftp", "ftp"),
        ("imap-tag", "imap"), ("irc", "irc"), ("krb5-tcp", "kerberos"), ("ldap-simpleauth", "ldap"),
        ("modbus", "modbus"), ("mongo", "mongodb"), ("mysql-allow", "mysql"), ("oracle", "oracle-tns"),
        ("pop3-tag", "pop3"), ("postgres-good", "postgresql"), ("quicietf", "quic"), ("radius", "radius"),
        ("smb-smb1-ascii", "smb"), ("smtp-html", "http"), ("socks5-http-302-frag", "socks"), ("ssh2", "ssh"),
        ("tds7", "tds"), ("tftp_rrq", "tftp"), ("thrift", "thrift"), ("tls13", "tls"),
        ("websocket", "websocket"), ("wireshark-dhcp", "dhcp"), ("wireshark-dhcpv6", "dhcpv6"),
    ] if name != "smtp-html"),
    *(("ndpi", name, protocol) for name, protocol in [
        ("NTPv4.pcap", "ntp"), ("afp.pcap", "afp"), ("ajp.pcap", "ajp13"), ("bacnet.pcap", "bacnet"),
        ("bfd.pcap", "bfd"), ("coap_mqtt.pcap", "coap"), ("collectd.pcap", "collectd"), ("dnp3.pcap", "dnp3"),
        ("drda_db2.pcap", "db2"), ("edonkey.pcap", "edonkey"), ("ethernetIP.pcap", "ethernet-ip"),
        ("fastcgi.pcap", "fastcgi"), ("hl7.pcap", "hl7"), ("hsrp0.pcap", "hsrp"),
        ("iec60780-5-104.pcap", "iec-104"), ("jrmi.pcap", "java-rmi"), ("mqtt.pcap", "mqtt"),
        ("natpmp.pcap", "nat-pmp"), ("nfsv3.pcap", "nfs"), ("openflow.pcap", "openflow"),
        ("openvpn-tlscrypt.pcap", "openvpn"), ("pptp.pcap", "pptp"), ("quic-v2.pcapng", "quic"),
        ("quic-mvfst-27.pcapng", "quic"), ("quic_q46.pcap", "quic"), ("raknet.pcap", "raknet"),
        ("rdp.pcap", "rdp"), ("resp.pcap", "redis"), ("rsync.pcap", "rsync"), ("rtsp.pcap", "rtsp"),
        ("s7comm.pcap", "s7comm"), ("sflow.pcap", "sflow"), ("sip.pcap", "sip"), ("skinny.pcap", "skinny"),
        ("skinny.pcap", "rtp"), ("srvloc.pcap", "slp"), ("ssdp-m-search.pcap", "ssdp"),
        ("stomp.pcapng", "stomp"), ("syncthing.pcap", "syncthing"), ("tailscale.pcap", "tailscale"),
        ("teamspeak3.pcap", "teamspeak"), ("teamviewer.pcap", "teamviewer"), ("telnet.pcap", "telnet"),
        ("tor.pcap", "dropbox-lan-sync"), ("android.pcap", "spotify-connect"),
        ("tunnelbear.pcap", "wireguard"), ("upnp.pcap", "ws-discovery"), ("vnc.pcap", "vnc"),
    ]),
]  # fmt: skip


@pytest.mark.skipif(not CAPTURES.is_dir(), reason=NO_SHARED)
@pytest.mark.parametrize(("folder", "capture", "protocol"), CAPTURED, ids=lambda part: part)
def test_real_captures(folder: str, capture: str, protocol: str) -> None:
    flows = classifier.read(CAPTURES / folder / capture).to_arrow()
    assert protocol in set(flows["payload"].to_pylist())
