"""`Traffic.report()`: pictures, what notebooks and rich's consoles show; all text in it is harmless."""

from __future__ import annotations

import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click import UsageError
from click.testing import CliRunner
from rich.console import Console
from support.places import SAMPLES

import classifier
from classifier.cli import app
from classifier.errors import CaptureError, ClassifierError, ExitStatus, MissingExtraError

OFFICE = SAMPLES / "office.pcapng"
EVIL = "<script>alert(1)</script>\x1b[31m"
PICTURES = ("timeline", "services", "conversations", "evidence")


@pytest.fixture(scope="module")
def office() -> classifier.Traffic:
    return classifier.read(OFFICE)


@pytest.fixture
def evil_hosts(tmp_path: Path) -> Path:
    (tmp_path / "hosts").write_text(f"10.77.0.10 {EVIL}\n10.77.0.101 {EVIL}\n")
    return tmp_path / "hosts"


class Tags(HTMLParser):
    """The elements of some HTML, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_sentence_says_what_it_is(office: classifier.Traffic) -> None:
    assert repr(office) == f"<Traffic of {str(OFFICE)!r}: 791 packets in 10.0 s>"
    assert (
        repr(office.report(by="client")) == f"<Report on {str(OFFICE)!r}: 791 packets in 10.0 s, by client>"
    )
    several = classifier.read([OFFICE, SAMPLES / "handshakes.pcap"])
    assert "office.pcapng' and 1 more: 971 packets" in repr(several)


def test_a_sentence_steers_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / f"{EVIL.replace('/', chr(0x2215))}.pcap"
    path.write_bytes((SAMPLES / "handshakes.pcap").read_bytes())
    traffic = classifier.read(path)
    assert repr(traffic).isprintable() and repr(traffic).isascii()
    assert "<script>" not in traffic._repr_html_() and "\x1b" not in traffic._repr_html_()


def test_notebooks_show_the_services(office: classifier.Traffic) -> None:
    shown = Tags(office._repr_html_())
    assert shown.found == {"div", "p", "b", "br", "table", "thead", "tbody", "tr", "th", "td"}
    assert "78 flows" in shown.text and "postgresql" in shown.text
    assert office.report()._repr_html_() == office._repr_html_()


def test_notebooks_show_the_table_that_was_asked_for(office: classifier.Traffic) -> None:
    html = office.report(by="category", top=2)._repr_html_()
    groups = re.findall(r'<tr><td style="[^"]*">([^<]*)</td>', html)
    assert groups == ["web", "remote access", "other"]


def test_notebooks_show_names_as_text(office: classifier.Traffic, evil_hosts: Path) -> None:
    for by in ("server", "client"):
        shown = Tags(office.report(by=by, hosts=evil_hosts)._repr_html_())
        assert "script" not in shown.found
        assert "<script>alert(1)</script>�[31m" in shown.text


def test_consoles_show_what_the_command_line_does(office: classifier.Traffic) -> None:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(office)
    assert isinstance(console.file, io.StringIO)
    printed = [line.rstrip() for line in console.file.getvalue().splitlines()]
    said = CliRunner().invoke(app, ["report", str(OFFICE)], standalone_mode=False).output
    assert printed == said.splitlines()


def test_the_same_as_json_and_as_a_table(office: classifier.Traffic) -> None:
    report = office.report(top=3)
    said = json.loads(report.to_json())
    assert said["accounting"] == dict(office.accounting)
    assert [row["service"] for row in said["services"]] == report.table()["service"].to_pylist()


def test_a_group_that_there_isnt(office: classifier.Traffic) -> None:
    with pytest.raises(ValueError, match="unknown group 'country'; choose from service"):
        office.report(by="country")
    with pytest.raises(ClassifierError, match="can't be read"):
        office.report(hosts="no such file")


class TestPictures:
    @pytest.fixture(autouse=True)
    def needed(self) -> None:
        pytest.importorskip("altair", reason="pip install 'pcap-classifier[web]'")
        pytest.importorskip("vl_convert", reason="pip install 'pcap-classifier[web]'")

    def test_svg(self, office: classifier.Traffic, evil_hosts: Path, tmp_path: Path) -> None:
        paths = office.report(hosts=evil_hosts).save_pictures(tmp_path / "new" / "folder", "svg")
        assert [path.name for path in paths] == [f"{name}.svg" for name in PICTURES]
        texts = [path.read_text(encoding="utf-8") for path in paths]
        assert all(text.startswith("<svg") and "office.pcapng, 2026-11-23" in text for text in texts)
        assert "postgresql/tcp" in texts[0] and "postgresql/tcp" in texts[1]
        assert "&lt;script&gt;" in texts[2] and not any("<script" in text for text in texts)
        assert "handshake" in texts[3]

    def test_a_page_of_nothing_says_so(self, tmp_path: Path) -> None:
        pytest.importorskip("itables", reason="pip install 'pcap-classifier[web]'")
        (tmp_path / "none.pcap").write_bytes((SAMPLES / "handshakes.pcap").read_bytes()[:24])
        nothing, arp = tmp_path / "none.pcap", SAMPLES / "trouble/arp.pcap"
        assert "<li>The capture has no packets.</li>" in classifier.read(nothing).report().to_html()
        assert "<li>No flows to show; see Packet accounting.</li>" in classifier.read(arp).report().to_html()

    def test_png_from_the_command_line(self, tmp_path: Path) -> None:
        args = ["report", str(OFFICE), "--png", str(tmp_path), "--where", "service == 'https'"]
        result = CliRunner().invoke(app, args, standalone_mode=False)
        assert result.exception is None and result.output == ""
        for name in PICTURES:
            content = (tmp_path / f"{name}.png").read_bytes()
            width, height = (int.from_bytes(content[place : place + 4]) for place in (16, 20))
            assert content.startswith(b"\x89PNG") and width > 1500 and height > 300

    def test_nothing_has_no_pictures(self, tmp_path: Path) -> None:
        nothing = classifier.read(SAMPLES / "trouble/arp.pcap")
        assert nothing.report().save_pictures(tmp_path) == []

    def test_a_folder_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        args = ["report", str(OFFICE), "--svg", str(tmp_path / "file")]
        error = CliRunner().invoke(app, args, standalone_mode=False).exception
        assert isinstance(error, CaptureError) and "choose another place with --svg" in str(error)


@pytest.mark.parametrize("args", [("--interval", "1", "--top", "3"), ("--png", "charts", "--by", "client")])
def test_options_that_contradict_each_other(args: tuple[str, ...]) -> None:
    error = CliRunner().invoke(app, ["report", str(OFFICE), *args], standalone_mode=False).exception
    assert isinstance(error, UsageError) and args[2] in error.message


@pytest.mark.parametrize("option", ["--png", "--html"])
def test_what_is_missing_is_named(option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    args = ["report", str(OFFICE), option, str(tmp_path / "place")]
    error = CliRunner().invoke(app, args, standalone_mode=False).exception
    assert isinstance(error, MissingExtraError) and "pip install 'pcap-classifier[web]'" in str(error)
    assert error.status == ExitStatus.NOT_INSTALLED
    assert not (tmp_path / "place").exists()


@pytest.mark.parametrize("top", [0, -3])
def test_no_table_has_less_than_a_row(top: int) -> None:
    with pytest.raises(ValueError, match=f"top must be 1 or more, not {top}"):
        classifier.read(OFFICE).report(top=top)


def test_pictures_of_another_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown format 'gif'; choose from png, svg"):
        classifier.read(OFFICE).report().save_pictures(tmp_path / "charts", "gif")  # type: ignore[arg-type]
    assert not (tmp_path / "charts").exists()
