"""`classifier ports`: what people ask of ports, and of services."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from launching import run
from pyarrow import parquet
from support.places import NO_SHARED, SHARED

from classifier.errors import ExitStatus


def ask(*queries: str) -> list[dict[str, Any]]:
    result = run("ports", *queries, "--format", "json")
    assert (result.status, result.error) == (ExitStatus.OK, b"")
    return list(json.loads(result.text))


def names(answer: dict[str, Any], transport: str) -> list[str]:
    return [row["service"] for row in answer["services"] if row["transport"] == transport]


class TestTables:
    """What people see."""

    def test_the_projects_example(self) -> None:
        text = run("ports", "1080", "1494").text
        assert re.search(r"^1080/tcp +socks +official +Proxy .* IANA$", text, re.M)
        assert re.search(r"^1494/tcp +ica +official +Citrix .* IANA$", text, re.M)
        assert re.search(r"^1024-5000 +client port +.*Windows 95", text, re.M)

    def test_what_really_runs_comes_first(self) -> None:
        lines = run("ports", "8000").text.splitlines()
        assert lines[1].split()[:4] == ["8000/tcp", "http-alt", "de", "facto"]
        assert lines[2].split()[:3] == ["8000/tcp,udp", "irdmi", "official"]

    def test_a_port_of_linux_clients(self) -> None:
        text = run("ports", "45100").text
        assert re.search(r"^45100/tcp +limewire-local +unofficial ", text, re.M)
        assert re.search(r"^32768-60999 +client port +Linux 4\.2 and later", text, re.M)

    def test_a_reserved_port(self) -> None:
        text = run("ports", "1023").text
        assert "1023/tcp,udp,dccp,sctp: reserved by IANA\n" in text
        assert "1023: in IANA's system range, 0-1023\n" in text

    def test_a_port_that_nobody_names(self) -> None:
        text = run("ports", "60999/tcp").text
        assert text.startswith("60999/tcp: no known service\n")
        assert "60999/tcp: in IANA's dynamic range, 49152-65535\n" in text

    def test_what_is_only_registered_says_so(self) -> None:
        assert re.search(
            r"^1026/tcp,udp +cap +official +registered with IANA; ", run("ports", "1026").text, re.M
        )

    def test_a_word(self) -> None:
        text = run("ports", "limewire").text
        assert text.index("6346/tcp,udp  gnutella-svc") < text.index("Related to limewire")
        assert text.index("Related to limewire") < text.index("45100/tcp  limewire-local")

    def test_much_that_is_related_is_cut(self) -> None:
        text = run("ports", "http").text
        assert re.search(r"^and \d+ more; --format csv lists all$", text, re.M)


class TestMistakes:
    """What is answered to them."""

    @pytest.mark.parametrize(
        ("typo", "meant"), [("limewrie", "limewire"), ("postgers", "postgres"), ("databse", "database")]
    )
    def test_a_typo(self, typo: str, meant: str) -> None:
        result = run("ports", typo)
        assert (result.status, result.output) == (ExitStatus.NOT_FOUND, b"")
        assert re.fullmatch(
            rf"classifier: {typo}: no such service; did you mean .*\b{meant}\b.*\?\n", result.complaint
        )

    def test_a_word_that_is_like_nothing(self) -> None:
        result = run("ports", "qqqqqqqq")
        assert result.status == ExitStatus.NOT_FOUND
        assert result.complaint.endswith("try a port, or another word\n")

    def test_what_is_found_beside_a_miss_is_shown(self) -> None:
        result = run("ports", "ssh", "qqqqqqqq")
        assert result.status == ExitStatus.NOT_FOUND and "22/tcp" in result.text

    @pytest.mark.parametrize("query", ["65536", "70000-70001", "90-80", "80/icmp"])
    def test_ports_that_cannot_be(self, query: str) -> None:
        result = run("ports", query)
        assert (result.status, result.output) == (ExitStatus.USAGE, b"")
        assert result.complaint.startswith(f"classifier: {query}: ")

    def test_a_query_cannot_steer_the_terminal(self) -> None:
        assert "\x1b" not in run("ports", "\x1b[31mred").complaint

    def test_block_prints_no_table(self) -> None:
        result = run("ports", "22", "--block", "nft", "--format", "csv")
        assert result.status == ExitStatus.USAGE and "remove --format and -o" in result.complaint

    def test_block_needs_a_name(self) -> None:
        result = run("ports", "citrix", "--block", "nft")
        assert result.status == ExitStatus.USAGE
        assert (
            "citrix: not a service's name; --block needs one of ica, icabrowser, citrix-cgp"
            in result.complaint
        )

    def test_block_of_a_typo_prints_nothing(self) -> None:
        result = run("ports", "limewrie", "--block", "nft")
        assert (result.status, result.output) == (ExitStatus.NOT_FOUND, b"")


class TestForPrograms:
    """JSON and CSV."""

    def test_json(self) -> None:
        (answer,) = ask("8000/tcp")
        assert names(answer, "tcp") == ["http-alt", "irdmi"]
        assert [found["name"] for found in answer["ranges"]] == ["user"]
        assert "OpenBSD" in {other["system"] for other in answer["taken_by"]}

    def test_csv_has_the_same(self) -> None:
        rows = list(csv.DictReader(io.StringIO(run("ports", "8000", "dns", "--format", "csv").text)))
        told = [
            (row["query"], row["ports"], row["service"], row["usual"], row["speaks"].split("|"))
            for row in rows
        ]
        assert told == [
            (answer["query"], use["ports"], use["service"], str(use["usual"]).lower(), use["speaks"])
            for answer in ask("8000", "dns")
            for use in (*answer["services"], *answer["related"])
        ]

    def test_every_format_has_the_same_rows(self, tmp_path: Path) -> None:
        mine = tmp_path / "mine.toml"
        mine.write_text('[[service]]\nname = "=ours"\nports = ["8000/tcp"]\n', encoding="utf-8")
        for name in ("ports.csv", "ports.parquet", "ports.jsonl"):
            args = ("ports", "8000", "--rules", str(mine), "-o", str(tmp_path / name))
            assert run(*args).output == b""
        typed = parquet.read_table(tmp_path / "ports.parquet")
        lines = (tmp_path / "ports.jsonl").read_text().splitlines()
        assert typed.to_pylist() == [json.loads(line) for line in lines]
        rows = list(csv.DictReader((tmp_path / "ports.csv").open(encoding="utf-8", newline="")))
        assert [row["service"] for row in rows] == ["'=ours", *typed["service"].to_pylist()[1:]]

    def test_users_rules(self, tmp_path: Path) -> None:
        mine = tmp_path / "mine.toml"
        mine.write_text(
            '[[service]]\nname = "our-wiki"\nports = ["8080/tcp"]\naddresses = ["10.1.2.3"]\n',
            encoding="utf-8",
        )
        for result in (
            run("ports", "8080/tcp", "--rules", str(mine), "--format", "json"),
            run("ports", "8080/tcp", "--format", "json", env={"CLASSIFIER_RULES": str(mine)}),
        ):
            (answer,) = json.loads(result.text)
            first = answer["services"][0]
            assert (first["service"], first["status"], first["addresses"]) == (
                "our-wiki",
                "user",
                ["10.1.2.3/32"],
            )
        assert "8080/tcp at 10.1.2.3/32" in run("ports", "8080", "--rules", str(mine)).text


@pytest.mark.skipif(not SHARED.is_dir(), reason=NO_SHARED)
def test_every_fact_of_the_source_document() -> None:
    """A list of ports with corrections; rows without a number are about something else."""
    with (SHARED / "data/source_services.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["ports"] != "-"]
    queries = sorted({port for row in rows for port in row["ports"].split(";")})
    answers = {answer["query"]: answer for answer in ask(*queries)}
    assert len(rows) >= 70
    for row in rows:
        for port in row["ports"].split(";"):
            _holds(row, answers[port])


def _holds(row: dict[str, str], answer: dict[str, Any]) -> None:
    """Check a fact. Names of clients' ranges are not services; `(…)` in a name is a remark."""
    service = row["service"].partition(" (")[0]
    if "-" in answer["query"]:
        first, last = map(int, answer["query"].split("-"))
        ranges = [(found["first"], found["last"]) for found in (*answer["ranges"], *answer["taken_by"])]
        assert (first, last) in ranges, row
        return
    if service == "reserved":
        assert f"{answer['query']}/udp" in answer["reserved"], row
        assert all(use["status"] == "unofficial" for use in answer["services"]), row
        return
    for transport in row["transports"].split(";"):
        found = [use for use in answer["services"] if use["transport"] == transport]
        places = [place for place, use in enumerate(found) if service in (use["service"], *use["aliases"])]
        assert places, row
        if row["status"] == "IANA official" and row["service"] not in OUTRANKED:
            assert places == [0], row
        if row["status"] == "conflict":
            assert (places == [0]) == (row["service"] in REALLY_THERE), row


#: Registered, but another service is in real use there, according to the notes.
OUTRANKED = {"irdmi"}
#: Of the conflicts, those that really run there.
REALLY_THERE = {"vmware-rc", "vmware-auth", "pcanywhere-old-status", "http-alt", "lantronix-setup"}


def block(firewall: str, *queries: str, rules: Path | None = None) -> str:
    result = run("ports", *queries, "--block", firewall, *(["--rules", str(rules)] if rules else []))
    assert (result.status, result.error) == (ExitStatus.OK, b"")
    return result.text


def accepted(command: str, *arguments: str) -> None:
    """Check that a firewall's own reader takes a file; nothing is applied."""
    program = shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not program:
        pytest.skip(f"{command} is not installed")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if re.search("not permitted|[Pp]ermission denied|you must be root", done.stderr):
        pytest.skip(f"{command}: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")


class TestBlocking:
    """Rules for firewalls: only text, and text that they take."""

    QUERIES = (("limewire",), ("6881-6889",), ("sip", "diameter"), ("80/sctp", "9/dccp"), ("rdp", "our-wiki"))

    @pytest.fixture
    def mine(self, tmp_path: Path) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(
            '[[service]]\nname = "our-wiki"\nports = ["8080-8081/tcp", "8080/udp"]\n'
            'addresses = ["10.1.2.3", "10.1.4.0/24", "2001:db8::7", "2001:db8:1::/48"]\n',
            encoding="utf-8",
        )
        return path

    def test_limewire(self) -> None:
        text = block("nft", "limewire")
        assert "tcp dport 6346-6347 counter drop" in text and "udp dport 6346-6347 counter drop" in text
        assert "45100" not in text, "that is not reached through a router"
        assert "there these rules block nothing" in text and "Nothing was applied." in text

    def test_what_else_is_hit_is_told(self) -> None:
        assert re.search("^# Also affects: .*directadmin .2222/tcp.", block("nft", "ssh"), re.M)
        assert re.search("^# Affects: ssh .22/tcp.", block("nft", "22"), re.M)
        assert "ffects" not in block("nft", "limewire")

    def test_much_else_is_counted(self) -> None:
        assert re.search(r"^# Affects: .* and \d{3} more$", block("nft", "0-65535"), re.M)

    def test_what_is_only_registered_is_blocked_too(self) -> None:
        assert "tcp dport 1026 " in block("nft", "cap")

    def test_a_line_break_in_a_query_ends_no_comment(self) -> None:
        assert all(line.startswith("#") for line in block("nft", "22\n").splitlines()[:4])

    def test_a_wrong_number_is_not_blocked(self) -> None:
        assert " 38 " in block("nft", "rap") and " 56 " not in block("nft", "rap")

    @pytest.mark.parametrize("queries", QUERIES, ids=" ".join)
    def test_nft_takes_it(self, queries: tuple[str, ...], mine: Path, tmp_path: Path) -> None:
        (tmp_path / "rules").write_text(block("nft", *queries, rules=mine), encoding="utf-8")
        accepted("nft", "-c", "-f", str(tmp_path / "rules"))

    @pytest.mark.parametrize("command", ["iptables-restore", "ip6tables-restore", "iptables-legacy-restore"])
    @pytest.mark.parametrize("queries", QUERIES, ids=" ".join)
    def test_iptables_takes_it(
        self, queries: tuple[str, ...], command: str, mine: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "rules").write_text(block("iptables", *queries, rules=mine), encoding="utf-8")
        accepted(command, "--test", "--noflush", str(tmp_path / "rules"))

    @pytest.mark.parametrize("queries", QUERIES, ids=" ".join)
    def test_cisco_would_take_it(self, queries: tuple[str, ...], mine: Path) -> None:
        """By the grammar of IOS's access lists, as its command reference gives it."""
        address4, address6 = r"\d+(?:\.\d+){3}", r"[0-9a-f:]+"
        where = rf"(?:any|host {address4}|{address4} {address4}|host {address6}|{address6}/\d+)"
        grammar = re.compile(
            r"!.*|ip access-list extended [A-Z][\w-]*|ipv6 access-list [A-Z][\w-]*"
            rf"| deny (?:tcp|udp|sctp) any {where} (?:eq \d+|range \d+ \d+)"
            r"| permit (?:ip|ipv6) any any"
        )
        lines = block("cisco", *queries, rules=mine).splitlines()
        assert [line for line in lines if not grammar.fullmatch(line)] == []
        lists = sum("access-list" in line for line in lines)
        assert sum(line.startswith(" permit") for line in lines) == lists > 0

    def test_addresses(self, mine: Path) -> None:
        text = block("cisco", "our-wiki", rules=mine)
        assert " deny tcp any host 10.1.2.3 range 8080 8081\n" in text
        assert " deny udp any 10.1.4.0 0.0.0.255 eq 8080\n" in text
        assert " deny tcp any 2001:db8:1::/48 range 8080 8081\n" in text
        assert "ip daddr 10.1.4.0/24 tcp dport 8080-8081" in block("nft", "our-wiki", rules=mine)
        iptables = block("iptables", "our-wiki", rules=mine)
        assert "-I FORWARD -4 -d 10.1.4.0/24 -p tcp --dport 8080:8081 " in iptables
        assert "-I FORWARD -6 -d 2001:db8::7/128 -p udp --dport 8080 " in iptables
