"""Conditions, times and networks filter the flows, and nothing else is ever run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.places import SAMPLES

import classifier
from classifier.errors import FilterError
from classifier.flows.table import SCHEMA
from classifier.traffic.tables import ATTEMPTS
from classifier.traffic.views import BY
from classifier.traffic.where import parse

OFFICE, HANDSHAKES = SAMPLES / "office.pcapng", SAMPLES / "handshakes.pcap"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def office() -> classifier.Traffic:
    return classifier.read(OFFICE)


@pytest.fixture(scope="module")
def rows(office: classifier.Traffic) -> list[Row]:
    found: list[Row] = office.to_arrow().to_pylist()
    return found


#: Conditions, and the same in Python, where None equals nothing.
CONDITIONS: dict[str, Callable[[Row], Any]] = {
    "service == 'https'": lambda row: row["service"] == "https",
    "'https' == service": lambda row: row["service"] == "https",
    "service != 'https'": lambda row: row["service"] != "https",
    "not service == 'https'": lambda row: row["service"] != "https",
    "service is None": lambda row: row["service"] is None,
    "service != None": lambda row: row["service"] is not None,
    "service in ('https', 'http')": lambda row: row["service"] in ("https", "http"),
    "service not in ['https', 'http']": lambda row: row["service"] not in ("https", "http"),
    "server_port in ()": lambda row: False,
    "server_port in {443, -1, 99999999}": lambda row: row["server_port"] == 443,
    "0 < server_port <= 443": lambda row: 0 < row["server_port"] <= 443,
    "443 >= server_port": lambda row: row["server_port"] <= 443,
    "client_port == server_port": lambda row: row["client_port"] == row["server_port"],
    "server_bytes > 1e3 and not (role == 'confirmed' or proto == 'udp')": lambda row: (
        row["server_bytes"] > 1000 and not (row["role"] == "confirmed" or row["proto"] == "udp")
    ),
    "client_bytes > -1": lambda row: True,
    "'handshake' in role_evidence": lambda row: "handshake" in row["role_evidence"],
    "'hand' in role_evidence": lambda row: False,
    "'77.0.1' in server_ip": lambda row: "77.0.1" in row["server_ip"],
    "not evicted": lambda row: True,
    "evicted == True": lambda row: False,
    "vlan == 1": lambda row: row["vlan"] == 1,
    "first_seen >= '2026-11-23T00:40:37'": lambda row: row["first_seen"] >= pd_time("2026-11-23T00:40:37Z"),
    "first_seen < '2026-11-23T01:40:37+01:00'": lambda row: (
        row["first_seen"] < pd_time("2026-11-23T00:40:37Z")
    ),
}


def pd_time(text: str) -> Any:
    import pandas as pd

    return pd.Timestamp(text)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions(office: classifier.Traffic, rows: list[Row], condition: str) -> None:
    found = office.select(condition).to_arrow()["flow_id"].to_pylist()
    assert found == [row["flow_id"] for row in rows if CONDITIONS[condition](row)]


#: Invalid conditions, the message, and the place that it points at.
WRONG = {
    "servce == 'x'": ("did you mean .service.", "servce"),
    "role == 'x' and  servce == 'x'": ("did you mean .service.", "servce"),
    "role == 'é' and servce == 'x'": ("did you mean .service.", "servce"),
    "service": ("compare it", "service"),
    "True": ("not a condition", "True"),
    "1 == 1": ("not a column", "1"),
    "client_port == '443'": ("client_port is number; write a number", "'443'"),
    "client_port == True": ("client_port is number; write a number", "True"),
    "client_port == 10**9": ("not a literal", "10**9"),
    "service == 5": ("service is text; write quoted text", "5"),
    "service == b'x'": ("service is text; write quoted text", "b'x'"),
    "service == f'{x}'": ("not a literal", "f'{x}'"),
    "service < 'a'": ("use == or !=", "service"),
    "evicted == 1": ("evicted is boolean; write True or False", "1"),
    "first_seen > 'yesterday'": ("not a time", "'yesterday'"),
    "first_seen > 5": ("first_seen is time; write quoted text like", "5"),
    "client_port == service": ("text, but client_port is number", "service"),
    "role_evidence == 'ports'": ("test its items", "role_evidence"),
    "role_evidence in ('ports',)": ("test its items", "role_evidence"),
    "server_ip in '10.0.0.0/8'": ("--net", "'10.0.0.0/8'"),
    "5 in service": ("not quoted text", "5"),
    "'5' in server_port": ("not text", "server_port"),
    "service is 'x'": ("not None; use ==", "'x'"),
    "__import__('os').system('id')": ("not a condition", "__import__('os').system('id')"),
    "service.upper() == 'X'": ("not a column", "service.upper()"),
    "role_evidence[0] == 'ports'": ("not a column", "role_evidence[0]"),
    "(evicted := True)": ("not a condition", "evicted := True"),
    "lambda: evicted": ("not a condition", "lambda: evicted"),
    "[evicted for x in ()]": ("not a condition", "[evicted for x in ()]"),
    "evicted if evicted else evicted": ("not a condition", "evicted if evicted else evicted"),
    "client_port in (1, *[2])": ("not a literal", "*[2]"),
    "-evicted": ("not a condition", "-evicted"),
    "service == 'a' +": ("invalid syntax", None),
    "service = 'a'": ("invalid syntax", None),
    "service == 'a'; evicted": ("invalid syntax", None),
    "": ("invalid syntax", None),
    "\0": ("invalid syntax", None),
    "(" * 500 + "evicted" + ")" * 500: ("invalid syntax", None),
    "-" * 9000 + "1 == client_port": ("not a condition|not a column|not a literal|invalid syntax", None),
    "not " * 2000 + "evicted": ("invalid syntax", None),
    "evicted or " * 5000 + "evicted": ("longer than", None),
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: ascii(text[:40]))
def test_what_can_not_be_read_is_pointed_at(text: str) -> None:
    message, place = WRONG[text]
    with pytest.raises(FilterError, match=message) as caught:
        parse(text, SCHEMA)
    if place is not None:
        assert caught.value.text[caught.value.start : caught.value.end] == place


class TestTimesAndNetworks:
    def test_flows_that_were_active(self, office: classifier.Traffic, rows: list[Row]) -> None:
        since, until = pd_time("2026-11-23T00:40:36Z"), pd_time("2026-11-23T00:40:38.5Z")
        found = office.select(since="2026-11-23T00:40:36", until="2026-11-23T01:40:38.5+01:00")
        assert found.to_arrow()["flow_id"].to_pylist() == [
            row["flow_id"] for row in rows if row["last_seen"] >= since and row["first_seen"] < until
        ]
        assert len(office.select(since=since, until=until).flows) == len(found.flows)

    def test_networks(self, office: classifier.Traffic, rows: list[Row]) -> None:
        def ids(*networks: str) -> list[str]:
            found: list[str] = office.select(net=networks).to_arrow()["flow_id"].to_pylist()
            return found

        six = [row["flow_id"] for row in rows if row["server_ip"].startswith("fd77:")]
        assert ids("fd77::/16") == six and six
        both = [row["flow_id"] for row in rows if "10.77.0.53" in (row["client_ip"], row["server_ip"])]
        assert ids("10.77.0.53") == both and both
        assert set(ids("fd77::/16", "10.77.0.53/32")) == {*six, *both}
        assert ids("0.0.0.0/0", "::/0") == [row["flow_id"] for row in rows]
        assert ids("::ffff:0:0/96") == []  # no IPv6 flow is one of IPv4

    @pytest.mark.parametrize(
        "wrong",
        [{"since": "yesterday"}, {"until": "25:00"}, {"net": "10.0/8"}, {"net": ["::1", "example.org"]}],
        ids=str,
    )
    def test_wrong(self, office: classifier.Traffic, wrong: dict[str, Any]) -> None:
        with pytest.raises(FilterError, match=r"^not a (time|valid network): .*; write "):
            office.select(**wrong)


@pytest.mark.parametrize("capture", [OFFICE, HANDSHAKES], ids=lambda path: path.stem)
class TestNothingIsLost:
    """Filtered or not, all sums together are those of the whole."""

    CONDITION = "proto == 'tcp' and role == 'confirmed'"

    def test_accounting(self, capture: Any) -> None:
        whole = classifier.read(capture)
        some = whole.select(self.CONDITION, net="10.0.0.0/8")
        counts = dict(some.accounting)
        flows = some.to_arrow()
        kept = sum(pc.sum(flows[name]).as_py() or 0 for name in ("client_packets", "server_packets"))
        assert counts["in_flows"] == kept < whole.accounting["in_flows"]
        assert counts.pop("packets") == sum(counts.values()) == whole.accounting["packets"]
        assert "filtered" not in whole.accounting

    @pytest.mark.parametrize("by", BY)
    def test_every_flow_is_in_one_row(self, capture: Any, by: str) -> None:
        traffic = classifier.read(capture)
        table, flows = traffic.breakdown(by), traffic.to_arrow()
        assert total(table, "flows", *ATTEMPTS) == flows.num_rows
        assert total(table, "bytes", "attempt_bytes") == total(flows, "client_bytes", "server_bytes")
        assert len(set(table["group"].to_pylist())) == table.num_rows
        some = traffic.select(self.CONDITION)
        rest = some.left_out
        for name in ("flows", *ATTEMPTS, "bytes", "attempt_packets", "client_packets"):
            assert total(some.breakdown(by), name) + rest[name] == total(table, name), name

    def test_selections_add_up(self, capture: Any) -> None:
        traffic = classifier.read(capture)
        one, other = traffic.select(self.CONDITION), traffic.select(f"not ({self.CONDITION})")
        assert one.to_arrow().num_rows + other.to_arrow().num_rows == traffic.to_arrow().num_rows
        assert traffic.select(self.CONDITION).select(f"not ({self.CONDITION})").to_arrow().num_rows == 0


def test_categories_are_those_of_the_rules(tmp_path: Path) -> None:
    rules = tmp_path / "mine.toml"
    rules.write_text(
        '[[service]]\nname = "our-cache"\nports = ["6379/tcp"]\ncategory = "storage"\n'
        '[[service]]\nname = "nobody-says"\nports = ["123/udp"]\n'
    )
    flows = classifier.read(OFFICE).by("category").set_index("group")["flows"]
    assert (flows["database"], flows["time"]) == (20, 3)
    flows = classifier.read(OFFICE, rules=rules).by("category").set_index("group")["flows"]
    assert (flows["storage"], flows["uncategorised"]) == (16, 3)
    assert "time" not in flows and flows["database"] == 4


def test_groups_of_nothing() -> None:
    nothing = classifier.read(SAMPLES / "trouble/arp.pcap")
    for by in BY:
        assert nothing.by(by).empty
    with pytest.raises(ValueError, match="country"):
        nothing.by("country")


def total(table: pa.Table, *columns: str) -> int:
    return sum(pc.sum(table[name]).as_py() or 0 for name in columns if table.num_rows)


@pytest.mark.parametrize(
    ("familiar", "registered"),
    [
        ("service == 'dns'", "service == 'domain'"),
        ("service in ('DNS', 'https')", "service in ('domain', 'https')"),
        ("service != 'rdp'", "service != 'ms-wbt-server'"),
        ("'smb' in service_candidates", "'microsoft-ds' in service_candidates"),
    ],
)
def test_a_familiar_name_means_iana_s(office: classifier.Traffic, familiar: str, registered: str) -> None:
    found = office.select(familiar).flows
    assert len(found) and found.equals(office.select(registered).flows)
