"""What payloads do to verdicts: servers without a handshake, services, mismatches, announced endpoints."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from support import frames
from support.frames import End
from support.rows import row_dicts
from support.talk import Talk

import classifier
from classifier.reports.summary import summary

#: Unknown ports, which are no evidence against each other.
ONE, OTHER = 29_211, 29_513
CLIENT, SERVER = End("10.0.0.1", ONE), End("10.0.0.2", OTHER)


def vector(width: int, inside: bytes) -> bytes:
    return len(inside).to_bytes(width) + inside


def client_hello(name: str, alpn: tuple[str, ...] = (), padding: int = 0) -> bytes:
    """RFC 8446 §4.1.2, in a record."""
    protocols = b"".join(vector(1, one.encode()) for one in alpn)
    extensions = [
        (21, bytes(padding)),
        (0, vector(2, b"\0" + vector(2, name.encode()))),
        *([(16, vector(2, protocols))] if alpn else []),
    ]
    listed = b"".join(struct.pack(">H", kind) + vector(2, inside) for kind, inside in extensions)
    body = (
        b"\3\3" + bytes(32) + vector(1, b"") + vector(2, b"\x13\x01") + vector(1, b"\0") + vector(2, listed)
    )
    return b"\x16\3\1" + vector(2, b"\1" + vector(3, body))


SERVER_HELLO = b"\x16\3\3\0\x4a\2\0\0\x46\3\3" + bytes(68)
GREETING = b"220 mail.example ESMTP ready\r\n"
SSH = b"SSH-2.0-OpenSSH_9.6\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: Www.Example:8080\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\n\r\n"


def midstream(*said: tuple[int, bytes], client: End = CLIENT, server: End = SERVER) -> dict[str, Any]:
    """A connection whose beginning was not captured: (sender, message), with 0 for the client."""
    talk = Talk(client, server)
    for sender, payload in said:
        talk.segment(sender, "PA", payload).segment(1 - sender, "A")
    return talk.flow()


def server_of(row: dict[str, Any]) -> End:
    return End(row["server_ip"], row["server_port"])


def connection(payloads: list[tuple[int, bytes]], port: int) -> Talk:
    """A connection from its handshake on."""
    talk = Talk(End("10.0.0.1", 50_000), End("10.0.0.2", port)).handshake()
    for sender, payload in payloads:
        talk.segment(sender, "PA", payload).segment(1 - sender, "A")
    return talk


class TestRoles:
    @pytest.mark.parametrize(
        "said",
        [
            (0, client_hello("a.example")),
            (1, SERVER_HELLO),
            (0, REQUEST),
            (1, ANSWER),
            (1, GREETING),
            (0, b"EHLO a.example\r\n"),
            (1, b"+OK Dovecot ready.\r\n"),
            (1, b"RTSP/1.0 200 OK\r\n"),
        ],
    )
    @pytest.mark.parametrize("first", [0, 1], ids=["said first", "said second"])
    def test_one_message_is_enough(self, said: tuple[int, bytes], first: int) -> None:
        noise = (1 - said[0], b"\xfe\xe1 nothing known")
        row = midstream(*((said, noise) if first == 0 else (noise, said)))
        assert server_of(row) == SERVER
        assert (row["role"], row["role_evidence"][0]) == ("inferred", "payload")
        assert row["role_confidence"] > 0.99

    def test_a_handshake_beats_the_payload(self) -> None:
        """Reverse: who accepts the connection sends the ClientHello."""
        row = connection([(1, client_hello("a.example"))], 443).flow()
        assert (row["role"], row["server_port"]) == ("confirmed", 443)

    @pytest.mark.parametrize(
        "both_say",
        [SSH, b"RFB 003.008\n", b"\x13BitTorrent protocol" + bytes(48)],
        ids=["ssh", "vnc", "peer"],
    )
    def test_what_both_sides_say_shows_no_side(self, both_say: bytes) -> None:
        row = midstream((1, both_say), (0, both_say))
        assert "payload" not in row["role_evidence"]
        assert row["payload"]

    def test_peers_that_ask_each_other_show_no_side(self) -> None:
        """ICE: both send binding requests."""
        binding = struct.pack(">HHI", 1, 0, 0x2112A442) + bytes(12)
        row = Talk(CLIENT, SERVER).datagram(0, binding).datagram(1, binding).flow()
        assert row["payload"] == "stun" and "payload" not in row["role_evidence"]

    def test_hints_alone_never_make_a_verdict(self) -> None:
        """Phones both receive and send requests: SIP's requests are weak evidence."""
        invite = b"INVITE sip:bob@a.example SIP/2.0\r\n\r\n"
        talk = Talk(CLIENT, SERVER).client("PA", invite).server("A").server("PA", b"SIP/2.0 200 OK\r\n\r\n")
        row = talk.flow()
        assert row["payload"] == "sip"
        assert (row["role"], server_of(row)) == ("ambiguous", SERVER)

    def test_register_pins_the_registrar(self) -> None:
        row = midstream((0, b"REGISTER sip:a.example SIP/2.0\r\n\r\n"))
        assert (row["role"], server_of(row)) == ("inferred", SERVER)

    def test_reverse_socks_is_no_more_than_likely(self) -> None:
        asks = (0, b"\5\1\0"), (0, b"\5\1\0\1\x0a\0\0\1\0\x50")
        for inside in ((), ((0, REQUEST), (1, ANSWER))):
            row = midstream(*asks, *inside)
            assert row["payload"] == "socks" and row["role_confidence"] < 0.99

    def test_the_master_of_dnp3_is_no_more_than_likely_a_client(self) -> None:
        row = midstream((0, b"\x05\x64\x05\xc0\1\0\0\0\4\x21"))
        assert row["payload"] == "dnp3" and row["role_confidence"] < 0.99

    def test_a_trap_goes_to_the_manager(self) -> None:
        trap = bytes.fromhex("3026020101") + b"\4\6public" + bytes.fromhex("a719020401020304") + bytes(20)
        row = Talk(End("10.0.0.1", 161), End("10.0.0.2", 162)).datagram(0, trap).flow()
        assert (row["server_port"], row["role"]) == (162, "inferred")

    def test_four_packets_of_each_end_are_looked_at(self) -> None:
        noise = [(0, b"\xfe\xe1 nothing known")]
        assert midstream(*noise * 3, (0, REQUEST))["payload"] == "http"
        assert midstream(*noise * 4, (0, REQUEST))["payload"] is None


class TestServices:
    @pytest.mark.parametrize(
        ("port", "said", "service", "source"),
        [
            (443, client_hello("a.example"), "https", "payload"),
            (993, client_hello("a.example"), "imaps", "payload"),
            (80, REQUEST, "http", "payload"),
            (29_513, REQUEST, "http", "payload"),
            (29_513, client_hello("a.example", ("h2", "http/1.1")), "https", "payload"),
            (29_513, client_hello("a.example"), "tls", "payload"),
            (443, b"\xfe\xe1 nothing known", "https", "official"),
        ],
    )
    def test_the_payload_confirms_or_names(self, port: int, said: bytes, service: str, source: str) -> None:
        row = connection([(0, said)], port).flow()
        assert (row["service"], row["service_source"], row["mismatch"]) == (service, source, False)

    @pytest.mark.parametrize(
        ("port", "said", "service"),
        [
            (443, [(1, SSH), (0, SSH)], "ssh"),
            (22, [(0, REQUEST), (1, ANSWER)], "http"),
            (8080, [(0, client_hello("a.example"))], "tls"),
        ],
    )
    def test_something_else_than_the_port_promises(
        self, port: int, said: list[tuple[int, bytes]], service: str
    ) -> None:
        row = connection(said, port).flow()
        assert (row["service"], row["service_source"], row["mismatch"]) == (service, "payload", True)
        assert len(row["service_candidates"]) > 1

    def test_a_vpn_on_the_port_of_dns(self) -> None:
        reset = b"\x38" + bytes(range(1, 9)) + bytes(5)
        row = Talk(End("10.0.0.1", 50_000), End("10.0.0.2", 53)).datagram(0, reset).flow()
        assert (row["service"], row["payload"], row["mismatch"]) == ("openvpn", "openvpn", True)

    def test_a_name_that_is_only_registered_is_no_promise(self) -> None:
        row = connection([(0, REQUEST)], 1234).flow()
        assert (row["service"], row["mismatch"]) == ("http", False)

    @pytest.mark.parametrize(
        ("port", "said", "service"),
        [
            (80, client_hello("a.example"), "http"),
            (389, client_hello("a.example"), "ldap"),
            (1080, client_hello("a.example"), "socks"),
            (3128, SSH, "squid"),
        ],
    )
    def test_what_is_inside_of_an_unseen_beginning_is_no_mismatch(
        self, port: int, said: bytes, service: str
    ) -> None:
        talk = Talk(CLIENT, SERVER._replace(port=port))
        row = talk.segment(0, "PA", said).segment(1, "A").segment(0, "PA", b"\xfe\xe1").flow()
        assert (row["service"], row["mismatch"], row["expected"]) == (service, False, None)

    def test_another_protocol_of_a_late_flow_is_one(self) -> None:
        row = Talk(CLIENT, SERVER._replace(port=80)).segment(1, "PA", SSH).segment(0, "PA", SSH).flow()
        assert (row["service"], row["mismatch"], row["expected"]) == ("ssh", True, "http")

    @pytest.mark.parametrize("port", [8123, 18_080, 9000])
    def test_a_name_by_habit_is_no_promise_and_a_carrier_no_proof(self, port: int) -> None:
        for said in ([(0, REQUEST)], [(1, SSH), (0, SSH)]):
            row = connection(said, port).flow()
            assert (row["mismatch"], row["expected"]) == (False, None)
            carried = said == [(0, REQUEST)] and row["service"] == "home-assistant"
            assert not carried or row["service_source"] == "unofficial"

    def test_a_registered_name_that_nobody_uses_is_a_candidate(self) -> None:
        row = connection([(0, b"\xfe\xe1 nothing known")], 32_767).flow()
        assert (row["service"], row["service_source"]) == (None, None)
        assert row["service_candidates"] == ["filenet-powsrm"]

    def test_starttls_stays_what_it_began_as(self) -> None:
        said = [(1, GREETING), (0, b"EHLO a\r\n"), (0, b"STARTTLS\r\n"), (0, client_hello("mx.example"))]
        row = connection(said, 25).flow()
        assert (row["payload"], row["service"], row["server_name"]) == ("smtp", "smtp", "mx.example")

    def test_the_report_lists_mismatches_and_what_payload_shows(self) -> None:
        report = summary(connection([(1, SSH), (0, SSH)], 443).read())
        (row,) = report["mismatches"]
        assert {
            name: row[name] for name in ("client_ip", "server_ip", "server_port", "expected", "payload")
        } == {
            "client_ip": "10.0.0.1",
            "server_ip": "10.0.0.2",
            "server_port": 443,
            "expected": "https",
            "payload": "ssh",
        }
        assert [(row["service"], row["by_payload"]) for row in report["services"]] == [("ssh", 1)]

    def test_users_rules_keep_their_name_and_may_be_contradicted(self, tmp_path: Any) -> None:
        rules = tmp_path / "rules.toml"
        rules.write_text('[[service]]\nname = "our-app"\nports = ["443/tcp"]\ncarriers = ["tls"]\n')
        for said, mismatch in ((client_hello("a.example"), False), (REQUEST, True)):
            packets = connection([(0, said)], 443).packets
            (row,) = row_dicts(classifier.read(io.BytesIO(frames.pcap(packets)), rules=rules))
            assert (row["service"], row["service_source"], row["mismatch"]) == ("our-app", "user", mismatch)


def proxied(version: int) -> bytes:
    if version == 1:
        return b"PROXY TCP4 192.0.2.1 10.0.0.2 50000 443\r\n"
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)


class TestProxyHeader:
    @pytest.mark.parametrize("version", [1, 2])
    @pytest.mark.parametrize("together", [True, False])
    def test_what_stands_behind_it_is_read(self, version: int, together: bool) -> None:
        header, hello = proxied(version), client_hello("shop.example")
        said = [(0, header + hello)] if together else [(0, header), (0, hello)]
        row = connection(said, 29_513).flow()
        assert (row["payload"], row["server_name"]) == ("tls", "shop.example")

    @pytest.mark.parametrize("version", [1, 2])
    def test_who_sends_it_is_the_client(self, version: int) -> None:
        row = midstream((0, proxied(version)), (1, GREETING))
        assert (row["role"], server_of(row), row["payload"]) == ("inferred", SERVER, "smtp")

    def test_a_request_behind_it(self) -> None:
        row = connection([(0, proxied(1) + REQUEST)], 29_513).flow()
        assert (row["payload"], row["server_name"]) == ("http", "www.example")


class TestServerName:
    def test_of_a_hello_in_one_packet(self) -> None:
        assert connection([(0, client_hello("a.example"))], 443).flow()["server_name"] == "a.example"

    @pytest.mark.parametrize("size", [500, 1200])
    def test_of_a_hello_in_several_packets(self, size: int) -> None:
        hello = client_hello("a.example", padding=1000)
        pieces = [(0, hello[start : start + size]) for start in range(0, len(hello), size)]
        assert connection(pieces, 443).flow()["server_name"] == "a.example"

    def test_of_a_request(self) -> None:
        assert connection([(0, REQUEST)], 80).flow()["server_name"] == "www.example"

    def test_text_that_could_steer_a_terminal_is_no_name(self) -> None:
        row = connection([(0, client_hello("a\x1b[2J.example"))], 443).flow()
        assert (row["payload"], row["server_name"]) == ("tls", None)

    def test_it_survives_a_cut_between_two_files(self) -> None:
        packets = connection([(0, client_hello("a.example")), (1, SERVER_HELLO), (0, b"x")], 443).packets
        pieces = [io.BytesIO(frames.pcap(part)) for part in (packets[:5], packets[5:])]
        (row,) = row_dicts(classifier.read(pieces))
        assert (row["server_name"], row["payload"]) == ("a.example", "tls")


def together(*talks: Talk) -> list[dict[str, Any]]:
    """The rows of all talks as one capture, in the order of their first packets."""
    packets = sorted((packet for talk in talks for packet in talk.packets), key=lambda packet: packet.time_ns)
    return row_dicts(classifier.read(io.BytesIO(frames.pcap(packets))))


class TestAnnounced:
    @pytest.mark.parametrize(
        ("line", "sender", "end"),
        [
            (b"PORT 10,0,0,1,117,49\r\n", 0, End("10.0.0.1", 30_001)),
            (b"EPRT |1|10.0.0.1|30001|\r\n", 0, End("10.0.0.1", 30_001)),
            (b"227 Entering Passive Mode (10,0,0,2,117,49).\r\n", 1, End("10.0.0.2", 30_001)),
            (b"229 Entering Extended Passive Mode (|||30001|)\r\n", 1, End("10.0.0.2", 30_001)),
        ],
    )
    def test_ftp_data_goes_to_the_end_that_was_announced(self, line: bytes, sender: int, end: End) -> None:
        said = [(1, b"220 (vsFTPd 3.0.3)\r\n"), *[(0, b"NOOP\r\n")] * 9, (sender, line)]
        control = connection(said, 21)
        other = End("10.0.0.2" if end.ip == "10.0.0.1" else "10.0.0.1", OTHER)
        data = Talk(other, end)
        data.now_ns = control.now_ns
        data.server("A").client("PA", b"\xfe\xe1 contents").server("A")
        row = next(row for row in together(control, data) if row["service"] != "ftp")
        assert (server_of(row), row["role"]) == (end, "inferred")
        assert (row["service"], row["service_source"]) == ("ftp-data", "payload")
        assert row["role_evidence"][0] == "announced"

    def test_tftp_answers_from_a_port_of_its_own(self) -> None:
        client = End("10.0.0.1", 40_001)
        asks = Talk(client, End("10.0.0.2", 69)).datagram(0, b"\0\1boot.img\0octet\0")
        answers = Talk(client, End("10.0.0.2", 40_002))
        answers.now_ns = asks.now_ns
        answers.datagram(1, b"\0\3\0\1" + bytes(512)).datagram(0, b"\0\4\0\1")
        row = together(asks, answers)[1]
        assert (server_of(row), row["service"]) == (End("10.0.0.2", 40_002), "tftp")
        assert row["role"] == "inferred"

    def test_media_of_a_call_have_their_name(self) -> None:
        sdp = b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 30002 RTP/AVP 0\r\n"
        call = Talk(End("10.0.0.1", 5060), End("10.0.0.2", 5060))
        call.datagram(0, b"INVITE sip:bob@a.example SIP/2.0\r\n\r\n" + sdp)
        media = Talk(End("10.0.0.1", 30_002), End("10.0.0.3", 30_004))
        media.now_ns = call.now_ns
        assert together(call, media.datagram(0, b"\xfe\xe1").datagram(1, b"\xfe\xe1"))[1]["service"] == "rtp"

    def test_media_of_rtsp_have_their_name(self) -> None:
        """The ports of RFC 2326 §10.4."""
        asks = b"SETUP rtsp://a/b RTSP/1.0\r\nTransport: RTP/AVP;unicast;client_port=4588-4589\r\n\r\n"
        control = connection([(0, asks)], 554)
        media = Talk(End("10.0.0.2", 6256), End("10.0.0.1", 4588))
        media.now_ns = control.now_ns
        assert together(control, media.datagram(0, b"\xfe\xe1"))[1]["service"] == "rtp"

    def test_portmap_tells_where_a_program_lives(self) -> None:
        """RFC 1833 §2.2.1: GETPORT of mountd, version 3, over UDP, and its answer."""
        header = bytes.fromhex("00000009 00000000 00000002 000186a0 00000002 00000003")
        call = header + bytes(16) + bytes.fromhex("000186a5 00000003 00000011 00000000")
        answer = bytes.fromhex("00000009 00000001") + bytes(16) + OTHER.to_bytes(4)
        mapper = Talk(End("10.0.0.1", 700), End("10.0.0.2", 111)).datagram(0, call).datagram(1, answer)
        mount = Talk(End("10.0.0.1", ONE), End("10.0.0.2", OTHER))
        mount.now_ns = mapper.now_ns
        row = together(mapper, mount.datagram(1, b"\xfe\xe1"))[1]
        assert (server_of(row), row["service"]) == (End("10.0.0.2", OTHER), "onc-rpc")
        assert row["role_evidence"][0] == "announced"

    def test_a_mapped_port_with_a_service_of_its_own_keeps_it(self) -> None:
        answer = bytes.fromhex("00000009 00000001") + bytes(16) + (2049).to_bytes(4)
        mapper = Talk(End("10.0.0.1", 700), End("10.0.0.2", 111)).datagram(1, answer)
        files = Talk(End("10.0.0.1", ONE), End("10.0.0.2", 2049))
        files.now_ns = mapper.now_ns
        assert together(mapper, files.datagram(0, b"\xfe\xe1"))[1]["service"] == "nfs"

    def test_the_endpoint_mapper_tells_where_an_interface_lives(self) -> None:
        """C706 appendix L: the floors of TCP and IP in a tower, in a response to ept_map."""
        tower = bytes([1, 0, 7, 2, 0]) + OTHER.to_bytes(2) + bytes([1, 0, 9, 4, 0, 10, 0, 0, 2])
        response = bytes.fromhex("05000203 10000000 8800 0000 02000000") + bytes(60) + tower + bytes(10)
        mapper = connection([(1, response)], 135)
        calls = Talk(End("10.0.0.1", ONE), End("10.0.0.2", OTHER))
        calls.now_ns = mapper.now_ns
        row = together(mapper, calls.segment(1, "PA", b"\xfe\xe1").segment(0, "A"))[1]
        assert (server_of(row), row["service"]) == (End("10.0.0.2", OTHER), "dce-rpc")

    def test_what_was_announced_long_before_is_forgotten(self) -> None:
        control = connection([(1, b"220 FTP\r\n"), (0, b"PORT 10,0,0,1,117,49\r\n")], 21)
        data = Talk(End("10.0.0.2", OTHER), End("10.0.0.1", 30_001))
        data.now_ns = control.now_ns + 61 * 1_000_000_000
        rows = together(control, data.client("PA", b"\xfe\xe1").server("A"))
        assert [row["service"] for row in rows] == ["ftp", None]
