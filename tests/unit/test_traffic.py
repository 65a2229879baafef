"""`Traffic`: the public tables, their types, and the sums that must agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import parquet
from support.frames import End
from support.places import SAMPLES
from support.talk import Talk

import classifier
from classifier.reports.export import tabular
from classifier.traffic.views import BY

OFFICE, HANDSHAKES = SAMPLES / "office.pcapng", SAMPLES / "handshakes.pcap"

#: DESIGN, "The public flow table": names, order and kinds.
FLOWS = {
    "flow_id": "text",
    "community_id": "text",
    "capture": "word",
    "first_seen": "time",
    "last_seen": "time",
    "duration_s": "float64",
    "proto": "word",
    "client_ip": "text",
    "client_port": "int32",
    "server_ip": "text",
    "server_port": "int32",
    "role": "word",
    "role_confidence": "float64",
    "role_evidence": "texts",
    "service": "word",
    "service_source": "word",
    "service_candidates": "texts",
    "payload": "word",
    "server_name": "text",
    "mismatch": "bool",
    "expected": "word",
    "outcome": "word",
    "client_packets": "int64",
    "server_packets": "int64",
    "client_bytes": "int64",
    "server_bytes": "int64",
    "client_payload_bytes": "int64",
    "server_payload_bytes": "int64",
    "conn_state": "word",
    "history": "word",
    "vlan": "int32, null possible",
    "tunnel": "word",
    "evicted": "bool",
    "duplicate_packets": "int64",
}
ARROW = {
    "text": pa.string(),
    "word": pa.dictionary(pa.int32(), pa.string()),
    "texts": pa.list_(pa.string()),
    "time": pa.timestamp("ns", tz="UTC"),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "int32": pa.int32(),
    "int32, null possible": pa.int32(),
    "int64": pa.int64(),
}
PANDAS = {
    "time": "datetime64[ns, UTC]",
    "float64": "float64",
    "bool": "bool",
    "int32": "int32",
    "int32, null possible": "Int32",
    "int64": "int64",
}


@pytest.fixture(scope="module")
def office() -> classifier.Traffic:
    return classifier.read(OFFICE)


@pytest.fixture(scope="module")
def nothing() -> classifier.Traffic:
    return classifier.read(SAMPLES / "trouble/arp.pcap")


def total(table: pa.Table, *columns: str) -> int:
    return sum(pc.sum(table[name]).as_py() or 0 for name in columns)


def plain(value: Any) -> Any:
    """A value of a DataFrame as Arrow would give it."""
    if isinstance(value, pd.Timestamp):
        return value.value
    if pd.api.types.is_list_like(value):
        return list(value)
    return None if pd.isna(value) else value


class TestTheFlowTable:
    def test_arrow_columns(self, office: classifier.Traffic) -> None:
        schema = office.to_arrow().schema
        assert schema.names == list(FLOWS)
        assert {field.name: field.type for field in schema} == {n: ARROW[kind] for n, kind in FLOWS.items()}

    @pytest.mark.parametrize("which", ["office", "nothing"])
    def test_pandas_columns(self, which: str, request: pytest.FixtureRequest) -> None:
        """Also without rows: a program that concatenates frames must not fall over an empty capture."""
        frame = request.getfixturevalue(which).flows
        assert list(frame.columns) == list(FLOWS)
        for name, kind in FLOWS.items():
            if kind == "word":
                assert isinstance(frame[name].dtype, pd.CategoricalDtype), name
            elif kind == "text":
                assert pd.api.types.is_string_dtype(frame[name].dtype) or not len(frame), name
            elif kind != "texts":
                assert frame[name].dtype == PANDAS[kind], name

    def test_batches_have_the_schema_of_the_table(self, office: classifier.Traffic) -> None:
        batches = list(office.batches())
        assert batches
        assert {batch.schema == office.to_arrow().schema for batch in batches} == {True}

    def test_every_column_says_what_it_means(self, office: classifier.Traffic) -> None:
        assert all(field.metadata[b"doc"] for field in office.to_arrow().schema)

    def test_times_are_those_of_the_packets(self) -> None:
        talk = Talk().handshake()
        (row,) = talk.read().flows.to_dict("records")
        begin, end = talk.packets[0].time_ns, talk.packets[-1].time_ns
        assert (row["first_seen"].value, row["last_seen"].value) == (begin, end)
        assert row["first_seen"] == pd.Timestamp("2026-01-05T09:00:00Z")
        assert row["duration_s"] == pytest.approx(0.002)

    def test_vlan_is_a_number_or_nothing(self) -> None:
        assert classifier.read(SAMPLES / "links/vlan.pcap").flows["vlan"].tolist() == [100, 100]
        assert classifier.read(SAMPLES / "links/ethernet.pcap").flows["vlan"].isna().all()

    def test_flow_ids_are_unique(self) -> None:
        """Also where a port was reused: Community ID is the same, the beginning isn't."""
        flows = classifier.read(HANDSHAKES).flows
        assert flows["flow_id"].is_unique
        assert not flows["community_id"].is_unique

    def test_community_id_is_that_of_the_specification(self) -> None:
        """The worked example of https://github.com/corelight/community-id-spec."""
        talk = Talk(End("128.232.110.120", 34_855), End("66.35.250.204", 80)).client("S")
        assert talk.flow()["community_id"] == "1:LQU9qZlK+B5F3KDmev6m5PMibrg="

    def test_rows_are_in_the_order_of_time(self, office: classifier.Traffic) -> None:
        assert office.flows["first_seen"].is_monotonic_increasing

    def test_arrow_and_pandas_say_the_same(self, office: classifier.Traffic) -> None:
        frame, table = office.flows, office.to_arrow()
        for name, kind in FLOWS.items():
            column = table[name].cast(pa.int64()) if kind == "time" else table[name]
            assert [plain(value) for value in frame[name].astype(object)] == column.to_pylist(), name

    def test_reading_again_gives_the_same(self, office: classifier.Traffic) -> None:
        assert classifier.read(OFFICE).to_arrow().equals(office.to_arrow())
        assert office.to_arrow().equals(office.to_arrow())

    def test_confidence(self, office: classifier.Traffic) -> None:
        """1.0 where a handshake, or the SYN of an attempt, shows who opened; `inferred` from 0.9."""
        flows = office.flows
        told = {role: group["role_confidence"] for role, group in flows.groupby("role", observed=True)}
        assert set(told) == {"confirmed", "inferred", "attempted"}
        assert (told["confirmed"] == 1).all()
        assert told["inferred"].between(0.9, 1, inclusive="left").all()
        attempts = flows[flows["role"] == "attempted"]
        assert ((attempts["role_confidence"] == 1) == attempts["history"].str.startswith("S")).all()


def tables(traffic: classifier.Traffic) -> dict[str, pa.Table]:
    """Every Arrow table that users get of a capture."""
    totals, nothing = traffic.totals, classifier.read(SAMPLES / "trouble/arp.pcap")
    named = {name: getattr(totals, name)() for name in ("services", "servers", "clients", "attempts")}
    grouped = {f"by {by}": traffic.breakdown(by, 2) for by in BY}
    return {
        **named,
        **{f"{name}, cut": getattr(totals, name)(1) for name in ("servers", "clients", "conversations")},
        **grouped,
        "flows": traffic.to_arrow(),
        "conversations": totals.conversations(),
        "mismatches": totals.mismatches(),
        "timeline": traffic.over_time(),
        "difference": traffic.difference(nothing),
    }


class TestIntegersAreSigned:
    """So that differences of columns don't wrap round, in Arrow, Parquet and pandas."""

    def test_arrow(self, office: classifier.Traffic) -> None:
        for name, table in tables(office).items():
            for field in table.schema:
                kind = field.type.value_type if pa.types.is_list(field.type) else field.type
                assert not pa.types.is_unsigned_integer(kind), f"{name}: {field}"

    def test_pandas(self, office: classifier.Traffic) -> None:
        nothing = classifier.read(SAMPLES / "trouble/arp.pcap")
        frames = [office.flows, office.services, office.servers, office.timeline, office.diff(nothing)]
        frames += [office.by(by) for by in BY]
        for frame in frames:
            kinds = {name: kind for name, kind in frame.dtypes.items() if pd.api.types.is_numeric_dtype(kind)}
            assert kinds
            assert not [name for name, kind in kinds.items() if pd.api.types.is_unsigned_integer_dtype(kind)]

    def test_parquet(self, office: classifier.Traffic, tmp_path: Path) -> None:
        """What the command line writes, and a server directory."""
        classifier.read(OFFICE, directory=tmp_path / "directory.parquet")
        for command in ("flows", "servers"):
            with (tmp_path / f"{command}.parquet").open("wb") as file:
                table = tables(office)[command]
                tabular.write(table, table.schema, file, "parquet")
        for path in tmp_path.iterdir():
            schema = parquet.read_schema(path)
            assert not [field for field in schema if pa.types.is_unsigned_integer(field.type)], path.name

    def test_differences(self, office: classifier.Traffic) -> None:
        for frame in (office.flows, office.services, office.servers, office.timeline):
            difference = frame["client_bytes"] - frame["server_bytes"]
            assert difference.abs().max() < 10**9
            assert difference.sum() == sum(frame["client_bytes"]) - sum(frame["server_bytes"]) < 0

    def test_large_numbers_in_nullable_columns(self) -> None:
        """A DataFrame has them whole, and nulls stay nulls."""
        everything, nothing = (classifier.read(path) for path in (SAMPLES, SAMPLES / "trouble/arp.pcap"))
        frame = everything.diff(nothing)
        assert frame["bytes_before"].max() == everything.services["bytes"].max() > 1 << 16
        assert frame["bytes_after"].isna().all()


class TestAccounting:
    CAPTURES = sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.rglob("*") if ".pcap" in path.name)

    @pytest.mark.parametrize("name", CAPTURES)
    def test_every_packet_is_somewhere(self, name: str) -> None:
        traffic = classifier.read(SAMPLES / name)
        counts = dict(traffic.accounting)
        packets, in_flows = counts.pop("packets"), counts["in_flows"]
        assert packets == sum(counts.values())
        assert in_flows == total(traffic.to_arrow(), "client_packets", "server_packets")

    def test_several_captures_add_up(self) -> None:
        both = classifier.read([HANDSHAKES, SAMPLES / "trouble/icmp.pcap"]).accounting
        one, other = (classifier.read(p).accounting for p in (HANDSHAKES, SAMPLES / "trouble/icmp.pcap"))
        assert dict(both) == {name: one[name] + other[name] for name in one}


@pytest.mark.parametrize("capture", [OFFICE, HANDSHAKES], ids=lambda path: path.stem)
class TestSums:
    """Services and attempts apart, together they are the flows."""

    def test_services(self, capture: Path) -> None:
        traffic = classifier.read(capture)
        flows, services = traffic.to_arrow(), traffic.totals.services()
        moved = total(services, "bytes", "attempt_bytes")
        assert moved == total(flows, "client_bytes", "server_bytes")
        packets = total(services, "client_packets", "server_packets", "attempt_packets")
        assert packets == total(flows, "client_packets", "server_packets")
        counted = total(services, "flows", "refused", "unanswered", "unsolicited")
        assert counted == flows.num_rows

    def test_attempts(self, capture: Path) -> None:
        traffic = classifier.read(capture)
        services, attempts = traffic.totals.services(), traffic.totals.attempts()
        for name in ("refused", "unanswered", "unsolicited", "attempt_packets", "attempt_bytes"):
            assert total(attempts, name) == total(services, name), name

    def test_roles(self, capture: Path) -> None:
        services = classifier.read(capture).totals.services()
        assert total(services, "confirmed", "inferred", "ambiguous") == total(services, "flows")

    def test_shares_and_volumes(self, capture: Path) -> None:
        traffic = classifier.read(capture)
        services = traffic.services
        volume = services["bytes"].sum()
        assert (services["bytes"] == services["client_bytes"] + services["server_bytes"]).all()
        assert services["share"].tolist() == pytest.approx((services["bytes"] / volume).tolist())
        assert services["bytes"].is_monotonic_decreasing

    def test_attempts_are_never_traffic_of_a_service(self, capture: Path) -> None:
        traffic = classifier.read(capture)
        flows = traffic.flows
        real = flows[~flows["outcome"].isin(["refused", "unanswered", "unsolicited"])]
        expected = real.groupby("service", observed=True)[["client_bytes", "server_bytes"]].sum()
        found = traffic.services.dropna(subset="service").groupby("service")["bytes"].sum()
        for name, sums in expected.iterrows():
            assert found[str(name)] == sums.sum(), name

    def test_one_row_per_server(self, capture: Path) -> None:
        servers = classifier.read(capture).servers
        assert not servers.duplicated(["server_ip", "server_port", "proto"]).any()

    def test_servers_are_those_of_the_flows(self, capture: Path) -> None:
        traffic = classifier.read(capture)
        flows = traffic.flows
        real = flows[~flows["outcome"].isin(["refused", "unanswered", "unsolicited"])]
        known = real[(real["role"] != "ambiguous") & (real["server_ip"] != "224.0.0.251")]
        ends = ["server_ip", "server_port", "proto"]
        expected = {tuple(row) for row in known[ends].astype(str).to_numpy()}
        assert {tuple(row) for row in traffic.servers[ends].astype(str).to_numpy()} == expected

    @pytest.mark.parametrize("keys", [["service", "proto"], ["server_ip", "server_port", "service", "proto"]])
    def test_names_have_the_strongest_source_of_their_flows(self, capture: Path, keys: list[str]) -> None:
        traffic = classifier.read(capture)
        flows = traffic.flows.dropna(subset="service").astype({"service": str, "service_source": str})
        order = ["official", "unofficial", "payload", "user"]
        strongest = flows["service_source"].map(order.index).groupby([flows[name] for name in keys]).max()
        table = traffic.services if len(keys) == 2 else traffic.servers
        found = table.dropna(subset="service_source").set_index(keys)["service_source"].map(order.index)
        assert len(found)
        assert {key: strongest[key] for key in found.index} == found.to_dict()

    @pytest.mark.parametrize("table", ["services", "servers", "clients", "attempts"])
    @pytest.mark.parametrize("top", [1, 3])
    def test_folding_keeps_the_sums(self, capture: Path, table: str, top: int) -> None:
        totals = classifier.read(capture).totals
        whole, folded = getattr(totals, table)(), getattr(totals, table)(top)
        label = whole.column_names[0]
        assert folded.num_rows == min(whole.num_rows, top + 1)
        assert folded.slice(0, top).to_pylist() == whole.slice(0, top).to_pylist()
        if whole.num_rows > top:
            assert folded[label].to_pylist()[-1] == "other"
        for name in set(folded.column_names) & ADD_UP:
            assert pc.sum(folded[name]).as_py() == pytest.approx(pc.sum(whole[name]).as_py()), name
        for name, reduce in (("first_seen", pc.min), ("last_seen", pc.max)):
            if name in folded.column_names:
                assert reduce(folded[name]) == reduce(whole[name])


#: What adds up in a row `other`. Distinct things (servers, clients, sources) don't.
ADD_UP = {
    *(
        "flows",
        "confirmed",
        "inferred",
        "ambiguous",
        "by_payload",
        "refused",
        "unanswered",
        "unsolicited",
        "attempts",
    ),
    *("client_packets", "server_packets", "client_bytes", "server_bytes", "bytes", "share"),
    *("attempt_packets", "attempt_bytes"),
}


class TestServices:
    def test_counts_of_the_office(self, office: classifier.Traffic) -> None:
        """By samples/README.md: servers and clients of some services."""
        services: Any = office.services.set_index(["service", "proto"])  # pandas-stubs: a scalar for a row
        redis = services.loc[("redis", "tcp")]
        assert (redis["flows"], redis["confirmed"], redis["inferred"], redis["ambiguous"]) == (16, 15, 1, 0)
        assert (redis["servers"], list(redis["server_ports"])) == (2, [6379])
        assert redis["clients"] == 3  # Ben by IPv4 and by IPv6, Cara
        ntp = services.loc[("ntp", "udp")]
        assert (ntp["flows"], ntp["ambiguous"], ntp["servers"]) == (3, 0, 1)
        http = services.loc[("http", "tcp")]
        assert (http["flows"], http["unanswered"], http["servers"]) == (5, 1, 2)
        assert services.loc[("mysql", "tcp")][["flows", "refused", "bytes"]].tolist() == [0, 1, 0]

    def test_undecided_candidates_are_a_row(self) -> None:
        traffic = classifier.read(SAMPLES / "no-handshake.pcap")
        (row,) = traffic.services.to_dict("records")
        assert (row["service"], row["flows"], row["ambiguous"], row["servers"]) == ("socks|ica", 1, 1, 0)
        assert traffic.servers.empty

    def test_nothing(self, nothing: classifier.Traffic) -> None:
        tables: list[Any] = [nothing.flows, nothing.services, nothing.servers]
        assert [len(table) for table in tables] == [0, 0, 0]
        for table in ("clients", "attempts"):
            assert getattr(nothing.totals, table)().num_rows == 0

    def test_short_tables_are_not_cut(self, office: classifier.Traffic) -> None:
        whole = office.totals.services()
        for top in (None, whole.num_rows, whole.num_rows + 1):
            assert office.totals.services(top).equals(whole)
