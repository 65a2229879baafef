"""Choosing and grouping flows, and names for addresses, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from launching import OFFICE, SAMPLES, run

from classifier.cli.report import BY
from classifier.errors import ExitStatus
from classifier.traffic.views import BY as GROUPS


def test_the_command_line_knows_all_groups() -> None:
    assert tuple(GROUPS) == BY


@pytest.mark.parametrize("format", ["table", "json", "csv"])
@pytest.mark.parametrize("by", [None, *BY])
def test_filtered_and_other_are_rows(by: str | None, format: str) -> None:
    args = [*(("--by", by) if by else ()), "--top", "1", "--where", "server_port in (53, 80, 443)"]
    result = run("report", OFFICE, *args, "--format", format)
    assert (result.status, result.error) == (ExitStatus.OK, b"")
    assert "filtered" in result.text
    if format == "json":
        found = json.loads(result.text)
        table = found["groups" if by else "services"]
        assert [row["group" if by else "service"] for row in table][-1] == "filtered"
        packets = sum(row["client_packets"] + row["server_packets"] + row["attempt_packets"] for row in table)
        assert packets == found["accounting"]["in_flows"] + found["accounting"]["filtered"]
        assert len(table) == (3 if by not in ("vlan", "capture") else len(table))


def test_flows_say_what_was_filtered_out() -> None:
    result = run("flows", OFFICE, "--where", "service == 'https'", "--format", "jsonl")
    assert {json.loads(line)["service"] for line in result.text.splitlines()} == {"https"}
    assert result.status == ExitStatus.OK
    assert result.complaint == "classifier: filter excluded 73 flows (624 packets)\n"


@pytest.mark.parametrize("command", ["flows", "servers"])
def test_nothing_left_is_told(command: str) -> None:
    result = run(command, OFFICE, "--net", "192.0.2.0/24")
    assert result.complaint == "classifier: filter excluded 78 flows (736 packets); no flows match\n"
    assert not result.text


def test_servers_of_a_network() -> None:
    found = json.loads(run("servers", OFFICE, "--net", "fd77::/16", "--format", "json").text)
    assert found and all(row["server_ip"].startswith("fd77:") for row in found)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (
            ("--where", "role == 'é' and servce == 1"),
            "--where: unknown column 'servce'; did you mean 'service'?\n"
            "  role == 'é' and servce == 1\n"
            "                  ^^^^^^\n",
        ),
        (
            ("--where", "service == https"),
            "--where: unknown column 'https'; if it is text, quote it: 'https'\n",
        ),
        (("--net", "10.0/8"), "--net: not a valid network: 10.0/8; write 10.0.0.0/8 or 2001:db8::/32\n"),
        (("--since", "yesterday"), "--since: not a time: yesterday; write 2026-"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_an_error_points_at_the_place(args: tuple[str, ...], expected: str) -> None:
    result = run("report", "there-is-no-such-file.pcap", *args)  # seen before any file is opened
    assert (result.status, result.output) == (ExitStatus.USAGE, b"")
    assert result.complaint.startswith(f"classifier: {expected}")


def test_an_error_does_not_steer_the_terminal() -> None:
    result = run("report", OFFICE, "--where", "service == '\x1b[2J' +")
    assert result.status == ExitStatus.USAGE and "\x1b" not in result.complaint


class TestHosts:
    @pytest.fixture
    def hosts(self, tmp_path: Path) -> Path:
        path = tmp_path / "hosts"
        path.write_text(
            "# ours\n10.77.0.10\tfiles.example www\nFD77:0::10 files6.example\n10.77.0.10 later\n"
        )
        return path

    def test_names_in_tables(self, hosts: Path) -> None:
        for command in ("report", "servers", "flows"):
            text = run(command, OFFICE, "--hosts", hosts).text
            assert "files.example:443" in text and "files6.example:443" in text and "later" not in text
            assert "10.77.0.10:443" not in text

    def test_names_for_programs(self, hosts: Path) -> None:
        lines = run("flows", OFFICE, "--hosts", hosts, "--format", "jsonl").text.splitlines()
        for flow in map(json.loads, lines):
            named = {"10.77.0.10": "files.example", "fd77::10": "files6.example"}
            assert flow["server_host"] == named.get(flow["server_ip"])
        rows = json.loads(run("servers", OFFICE, "--hosts", hosts, "--format", "json").text)
        assert {row["server_host"] for row in rows} == {"files.example", "files6.example", None}

    def test_by_server(self, hosts: Path) -> None:
        text = run("report", OFFICE, "--hosts", hosts, "--by", "server").text
        assert "10.77.0.10:443/tcp (files.example)" in text

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (
                b"127.0.0.1 localhost\nexample 10.0.0.1\n",
                "line 2: not an IP address: 'example'; see hosts(5)",
            ),
            (b"10.0.0.1\n", "line 1: 10.0.0.1 has no name"),
            (b"10.0.0.1 caf\xe9\n", "not UTF-8 text; convert it"),
        ],
    )
    def test_unfit_files(self, tmp_path: Path, content: bytes, complaint: str) -> None:
        (tmp_path / "hosts").write_bytes(content)
        result = run("report", OFFICE, "--hosts", tmp_path / "hosts")
        assert result.status == ExitStatus.NO_INPUT and complaint in result.complaint

    def test_no_file(self) -> None:
        result = run("report", OFFICE, "--hosts", SAMPLES / "no-such-file")
        assert result.status == ExitStatus.NO_INPUT and "can't be read" in result.complaint


class TestDnsNames:
    """Names from DNS answers in the capture: the office asks for www, db and redis."""

    def test_names_for_programs(self) -> None:
        lines = run("flows", OFFICE, "--dns-names", "--format", "jsonl").text.splitlines()
        found = {row["server_ip"]: row["server_host"] for row in map(json.loads, lines)}
        assert found["10.77.0.10"] == found["fd77::10"] == "www.office.example"
        assert found["10.77.0.22"] is None

    def test_a_hosts_file_goes_first(self, tmp_path: Path) -> None:
        (tmp_path / "hosts").write_text("10.77.0.10 mine\n")
        text = run("servers", OFFICE, "--dns-names", "--hosts", tmp_path / "hosts").text
        assert "mine:443" in text and "db.office.example:5432" in text

    def test_all_tables_have_them(self) -> None:
        for args in (["report"], ["report", "--by", "server"], ["diff", SAMPLES / "handshakes.pcap"]):
            assert "www.office.example" in run(*args, OFFICE, "--dns-names").text
            assert "www.office.example:" not in run(*args, OFFICE).text
