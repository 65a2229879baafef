"""What differs between two captures: new, gone, changed, and what is news."""

from __future__ import annotations

import io
from typing import Any

import pytest
from click.testing import CliRunner
from support import frames
from support.frames import End
from support.places import SAMPLES
from support.talk import Talk

import classifier
from classifier.cli import app
from classifier.cli.diff import diff
from classifier.errors import ExitStatus
from classifier.reports.export import tabular
from classifier.traffic.comparison import FACTOR

OFFICE = str(SAMPLES / "office.pcapng")
WEB, MAIL = End("10.0.0.2", 80), End("10.0.0.3", 25)
Row = dict[str, Any]


def client(number: int) -> End:
    return End(f"10.0.1.{number}", 40_000 + number)


def opened(server: End, number: int = 1, payload: bytes = b"GET / HTTP/1.1\r\n\r\n") -> Talk:
    talk = Talk(client(number), server)
    return talk.client("S").server("SA").client("A").client("PA", payload).server("A")


def midstream(server: End, number: int = 1) -> Talk:
    return Talk(client(number), server).client("PA", b"some data").server("PA", b"more of it")


def refused(server: End) -> Talk:
    return Talk(client(1), server).client("S").server("RA")


def asked(server: End) -> Talk:
    return Talk(client(1), server).datagram(0).datagram(0)


def traffic(*talks: Talk) -> classifier.Traffic:
    packets = sorted(packet for talk in talks for packet in talk.packets)
    return classifier.read(io.BytesIO(frames.pcap(packets)))


def rows(before: classifier.Traffic, after: classifier.Traffic, factor: float = 10) -> list[Row]:
    return tabular.rows(before.difference(after, factor))


def told(found: list[Row]) -> list[tuple[str, str, str | None, list[str], bool]]:
    return [(row["status"], row["kind"], row["server_ip"], row["changes"], row["is_news"]) for row in found]


def test_the_same_differs_in_nothing() -> None:
    office = classifier.read(OFFICE)
    assert rows(office, classifier.read(OFFICE)) == []
    assert office.diff(office).empty


def test_new_and_gone() -> None:
    before, after = traffic(opened(WEB)), traffic(opened(WEB), opened(MAIL, payload=b""))
    assert told(rows(before, after)) == [
        ("new", "service", None, [], True),
        ("new", "server", MAIL.ip, [], True),
    ]
    assert told(rows(after, before)) == [
        ("gone", "service", None, [], False),
        ("gone", "server", MAIL.ip, [], False),
    ]
    (_, server) = rows(before, after)
    assert (server["services_before"], server["services_after"]) == (None, ["smtp"])
    assert (server["bytes_before"], server["bytes_after"]) == (None, 5 * 40)
    assert server["first_seen"].startswith("2026-01-05T09:00:00.000")


def test_attempts_make_no_server_new() -> None:
    assert rows(traffic(opened(WEB)), traffic(opened(WEB), refused(MAIL))) == []


def test_what_was_only_spoken_to_is_no_news() -> None:
    found = rows(traffic(opened(WEB)), traffic(opened(WEB), asked(End("10.0.0.4", 514))))
    assert told(found) == [("new", "service", None, [], False), ("new", "server", "10.0.0.4", [], False)]
    assert {row["known_by_after"] for row in found} == {"one_way"}


def test_another_service_behind_the_same_port_is_news() -> None:
    ssh = opened(WEB, payload=b"").server("PA", b"SSH-2.0-OpenSSH_9.7\r\n").client("PA", b"SSH-2.0-x\r\n")
    (*_, server) = rows(traffic(opened(WEB)), traffic(ssh))
    assert (server["kind"], server["status"], server["changes"]) == ("server", "changed", ["services"])
    assert (server["services_before"], server["services_after"]) == (["http"], ["ssh"])
    assert server["is_news"]


def test_how_it_is_known_may_change() -> None:
    found = rows(traffic(midstream(WEB)), traffic(opened(WEB)))
    assert told(found) == [
        ("changed", "service", None, ["known_by"], False),
        ("changed", "server", WEB.ip, ["known_by"], False),
    ]
    assert (found[1]["known_by_before"], found[1]["known_by_after"]) == ("inferred", "confirmed")


@pytest.mark.parametrize(("factor", "changes"), [(2.5, ["clients", "bytes"]), (3.5, [])])
def test_clients_and_bytes_change_by_the_factor(factor: float, changes: list[str]) -> None:
    one, three = traffic(opened(WEB, 1)), traffic(*(opened(WEB, number) for number in (1, 2, 3)))
    for before, after in ((one, three), (three, one)):
        assert [row["changes"] for row in rows(before, after, factor)] == ([changes] * 2 if changes else [])


def test_a_factor_is_above_one() -> None:
    with pytest.raises(ValueError, match="not above 1"):
        rows(traffic(opened(WEB)), traffic(opened(WEB)), 1)


class TestTheCommand:
    def run(self, *args: str) -> tuple[str, int]:
        result = CliRunner().invoke(app, ["diff", *args], standalone_mode=False)
        assert result.exception is None
        return result.output, result.return_value

    @pytest.fixture
    def files(self, tmp_path: Any) -> tuple[str, str]:
        for name, talks in (("monday", [opened(WEB)]), ("tuesday", [opened(WEB), opened(MAIL, payload=b"")])):
            packets = sorted(packet for talk in talks for packet in talk.packets)
            (tmp_path / f"{name}.pcap").write_bytes(frames.pcap(packets))
        return str(tmp_path / "monday.pcap"), str(tmp_path / "tuesday.pcap")

    def test_the_status_tells_of_news(self, files: tuple[str, str]) -> None:
        monday, tuesday = files
        output, status = self.run(monday, tuesday)
        assert status == ExitStatus.NEWS
        assert "Services: 1 new, 0 gone, 0 changed\nServers: 1 new, 0 gone, 0 changed\n" in output
        assert any(line.split()[:3] == ["new", "10.0.0.3:25", "smtp/tcp"] for line in output.splitlines())
        output, status = self.run(tuesday, monday)
        assert status == ExitStatus.OK and "Servers: 0 new, 1 gone, 0 changed\n" in output

    def test_filters_choose_on_both_sides(self, files: tuple[str, str]) -> None:
        assert self.run(*files, "--where", "service == 'http'")[1] == ExitStatus.OK

    def test_for_programs(self, files: tuple[str, str], tmp_path: Any) -> None:
        (tmp_path / "hosts").write_text("10.0.0.3 mail.example\n")
        output, _ = self.run(*files, "--format", "csv", "--hosts", str(tmp_path / "hosts"))
        head, *lines = output.splitlines()
        assert head.startswith("status,kind,server_ip,server_host,server_port,proto,changes,is_news,")
        assert [line[:30] for line in lines] == [
            "new,service,,,,tcp,,true,,smtp",
            "new,server,10.0.0.3,mail.examp",
        ]

    def test_trouble_goes_before_news(self, files: tuple[str, str]) -> None:
        cut = str(SAMPLES / "trouble/cut-inside-packet.pcap")
        assert self.run(files[0], cut)[1] == ExitStatus.PARTIAL

    def test_its_default_is_that_of_the_api(self) -> None:
        (factor,) = (option for option in diff.params if option.name == "factor")
        assert float(str(factor.default)) == FACTOR
