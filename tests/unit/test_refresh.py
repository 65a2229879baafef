"""Bringing the registry up to date with a file in IANA's format."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifier.ports import refresh, registry

HEAD = (
    "Service Name,Port Number,Transport Protocol,Description,Assignee,Contact,Registration Date,"
    "Modification Date,Reference,Service Code,Unauthorized Use Reported,Assignment Notes\n"
)
IANA = (
    HEAD
    + """\
,0,tcp,Reserved,[Somebody],[Somebody],,,,,,
,4,tcp,Unassigned,,,,,,,,
echo,7,tcp,Echo,,,,,,,,
echo,7,udp,Echo,,,,,,,,
,51,,Reserved,,,,2013-05-24,,,,Removed in 2013.
fine-name,63,tcp,Fine name,,,,,,,,
fine++name,63,tcp,Fine name,,,,,,,,"This entry is an alias to ""fine-name"".
This entry is now historic."
,75,tcp,any private service,,,,,,,,
http,80,tcp,Web,,,,,,,,"A note
over two lines"
www,80,tcp,Web,,,,,,,,This is a duplicate of the http service.
SCTP-Thing,700,sctp,Thing,,,,,,,,
x11,6000-6003,tcp,X Window System,,,,,,,,
x11,6000-6003,udp,X Window System,,,,,,,,
no-port,,tcp,A name without a port,,,,,,,,
,49151,tcp,IANA Reserved,,,,,,,,
"""
)
REGISTRY = """\
ports,transports,name
0,tcp,
7,tcp udp,echo
51,tcp udp dccp sctp,
63,tcp,fine-name
80,tcp,http
80,tcp,www
700,sctp,sctp-thing
6000-6003,tcp udp,x11
49151,tcp,
"""
SERVICES = """\
[[service]]
name = "echo"
ports = ["7/tcp", "8/tcp"]
status = "official"

[[service]]
name = "x"
aliases = ["x11"]
ports = ["6000-6001/tcp"]
status = "unofficial"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "iana.csv").write_text(IANA, encoding="utf-8")
    (tmp_path / "registry.csv").write_text(REGISTRY, encoding="utf-8")
    (tmp_path / "services.toml").write_text("service = []\n", encoding="utf-8")
    return tmp_path


def test_iana_s_file_is_read(folder: Path) -> None:
    with (folder / "new.csv").open("w", encoding="utf-8", newline="") as file:
        registry.write(refresh.read_iana(folder / "iana.csv"), file)
    assert (folder / "new.csv").read_text(encoding="utf-8") == REGISTRY


def test_what_is_written_reads_the_same(folder: Path) -> None:
    new = refresh.read_iana(folder / "iana.csv")
    assert registry.expand(registry.read(folder / "registry.csv")) == new


def test_nothing_new(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refresh.main([str(folder / "iana.csv"), "--write"], folder)
    assert (folder / "registry.csv").read_text(encoding="utf-8") == REGISTRY
    assert capsys.readouterr() == ("", "0 changes; 0 entries of services.toml to check\n")


OLDER = REGISTRY.replace("7,tcp udp,echo", "7,tcp,echo").replace("700,sctp,sctp-thing", "700,sctp,old")
DIFFERENCE = ["+ 7/udp echo", "- 700/sctp old", "+ 700/sctp sctp-thing"]


def test_the_difference_is_shown_and_nothing_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "registry.csv").write_text(OLDER, encoding="utf-8")
    refresh.main([str(folder / "iana.csv")], folder)
    assert capsys.readouterr().out.splitlines() == DIFFERENCE
    assert (folder / "registry.csv").read_text(encoding="utf-8") == OLDER


def test_the_registry_is_written_if_asked_for(folder: Path) -> None:
    (folder / "registry.csv").write_text(OLDER, encoding="utf-8")
    refresh.main([str(folder / "iana.csv"), "--write"], folder)
    assert (folder / "registry.csv").read_text(encoding="utf-8") == REGISTRY


def test_what_was_made_by_hand_is_kept_and_contradictions_are_listed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "services.toml").write_text(SERVICES, encoding="utf-8")
    refresh.main([str(folder / "iana.csv"), "--write"], folder)
    assert (folder / "services.toml").read_text(encoding="utf-8") == SERVICES
    assert capsys.readouterr().out.splitlines() == [
        "services.toml: echo 8/tcp: no longer registered",
        "services.toml: x 6000/tcp: now registered",
        "services.toml: x 6001/tcp: now registered",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("port,name\n7,echo\n", "no column Assignment Notes, Description"),
        (HEAD + "echo,seven,tcp,Echo,,,,,,,,\n", "iana.csv:2: "),
        (HEAD + "echo,7,tpc,Echo,,,,,,,,\n", "iana.csv:2: "),
    ],
)
def test_another_file_is_refused(text: str, told: str, folder: Path) -> None:
    (folder / "iana.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=told):
        refresh.main([str(folder / "iana.csv"), "--write"], folder)
    assert (folder / "registry.csv").read_text(encoding="utf-8") == REGISTRY
