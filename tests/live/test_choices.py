"""The choices of `live`: capture backend, output, user; and its errors."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from feeding import OFFICE, windows_of

from classifier import payload
from classifier.cli import live_output, live_setup
from classifier.errors import CaptureError, ClassifierError, ExitStatus, UserError, missing_extra
from classifier.live.capture import engines, external_capture, interfaces, privileges
from classifier.live.capture.capture_source import CaptureOptions
from classifier.live.loop import Loop
from classifier.live.output.screen.views import VIEWS, ScreenData
from classifier.metering.options import MeterOptions

INTERFACE = interfaces.interfaces()[0].name
OPTIONS = CaptureOptions(
    meter=MeterOptions(tcp_idle_ns=10**9, udp_idle_ns=10**9, max_flows=10),
    signatures=payload.load().compiled,
    filter=None,
    promiscuous=False,
    snap_bytes=2048,
    buffer_bytes=4 << 20,
    keep=None,
    user=None,
)


class Opened:
    """Stands in for what captures: nothing is captured here."""

    def __init__(self, *given: Any) -> None:
        self.given = given


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_capture, "ExternalCapture", Opened)
    monkeypatch.setattr(engines, "PacketSocket", Opened)


def engine_of(engine: str | None, may: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> str:
    """The engine that an interface is captured with, where these may capture."""
    monkeypatch.setattr(engines, "rights", lambda: may)
    (source,) = engines.open_sources(INTERFACE, engine, OPTIONS)
    assert isinstance(source, Opened)
    return "socket" if len(source.given) == 2 else source.given[1]


class TestEngines:
    def test_the_first_that_may(self, opened: None, monkeypatch: pytest.MonkeyPatch) -> None:
        assert engine_of(None, {"socket": True, "dumpcap": True}, monkeypatch) == "socket"
        assert engine_of(None, {"socket": False, "dumpcap": True, "tcpdump": True}, monkeypatch) == "dumpcap"
        assert engine_of("tcpdump", {"dumpcap": True, "tcpdump": True}, monkeypatch) == "tcpdump"

    @pytest.mark.parametrize("engine", [None, "tcpdump"])
    def test_none_may(self, engine: str | None, opened: None, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(CaptureError, match="no permission to capture") as caught:
            engine_of(engine, {"socket": False, "tcpdump": False}, monkeypatch)
        assert caught.value.status == ExitStatus.NO_INPUT

    def test_one_that_is_not_installed_may_be_asked_for(
        self, opened: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Make the import fail."""
        assert engine_of("dumpcap", {"socket": False}, monkeypatch) == "dumpcap"

    def test_packet_sockets_are_linuxs(self, opened: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(interfaces, "LINUX", False)
        with pytest.raises(CaptureError, match="use --engine tcpdump"):
            engine_of("socket", {"tcpdump": True}, monkeypatch)

    def test_packets_of_several_sources_go_to_files_of_their_own(
        self, opened: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engines, "rights", lambda: {"tcpdump": True})
        sources = engines.open_sources([INTERFACE, INTERFACE], None, replace(OPTIONS, keep="in/kept.pcapng"))
        kept = [source.given[2].keep for source in sources if isinstance(source, Opened)]
        assert kept == [str(Path("in", f"kept-{INTERFACE}.pcapng"))] * 2

    def test_what_the_programs_are_told(self) -> None:
        plain, all_of_it = OPTIONS, replace(OPTIONS, filter="tcp port 80", promiscuous=True)
        for program in external_capture.COMMANDS.values():
            assert "-p" in program("eth0", plain) and "-p" not in program("eth0", all_of_it)
            assert program("eth0", all_of_it)[-1] == "tcp port 80"
        assert external_capture.dumpcap("eth0", plain)[-3:-1] == ["-B", "4"]  # MiB
        assert external_capture.tcpdump("eth0", plain)[-3:-1] == ["-B", "4096"]  # KiB


class Terminal:
    """Stands in for a terminal."""

    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """To be called by the test itself: pytest puts its own streams in place before."""
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(sys, "stdin", Terminal())


class TestForm:
    def test_a_pipe_gets_a_table(self) -> None:
        assert live_output.form(None) == "table"
        assert live_output.form("jsonl") == "jsonl"

    def test_a_terminal_gets_the_screen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        on_terminal(monkeypatch)
        assert live_output.form(None) == live_output.form("screen") == "screen"
        assert live_output.form("table") == "table"

    def test_without_textual_it_gets_a_table(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        on_terminal(monkeypatch)
        monkeypatch.setitem(sys.modules, "textual", None)
        assert live_output.form(None) == "table"
        told = capsys.readouterr().err
        assert told == f"classifier: {missing_extra('the full screen', 'live')}\n"
        with pytest.raises(ClassifierError, match='--format screen needs the extra "live"'):
            live_output.form("screen")


def test_metrics_need_prometheus_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ClassifierError, match='--metrics needs the extra "live"'):
        live_setup.preload("table", None, "127.0.0.1:0", None)


def test_after_rights_are_given_up_nothing_is_imported() -> None:
    """The user that it becomes need not be able to read the folder that it is installed in."""
    code = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]}
from classifier.cli import common, live_setup, live_output
with common.without_pandas():
    live_setup.preload("table", "flows.parquet", None, None)
from classifier.live.loop import Loop
from feeding import OFFICE, windows_of
before = set(sys.modules)
watch, windows = windows_of(OFFICE.read_bytes())
live_output.last_words(Loop(watch, None, [], None, None), "table", None)
print(*sorted(set(sys.modules) - before), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "Packets: 791" in done.stdout
    assert done.stderr == "\n"


def test_events_in_no_folder(tmp_path: Path) -> None:
    with ExitStack() as stack, pytest.raises(CaptureError, match="can't be written"):
        stack.enter_context(live_setup.events_to(str(tmp_path / "nowhere" / "events.jsonl")))


class TestUser:
    def test_who_called_sudo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        somebody = next(user for user in pwd.getpwall() if user.pw_uid)
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setenv("SUDO_UID", str(somebody.pw_uid))
        assert privileges.default_user() == somebody.pw_name
        for nobody in ("", "0", "2147483646"):
            monkeypatch.setenv("SUDO_UID", nobody)
            assert privileges.default_user() == "nobody"

    def test_without_roots_rights_nobody_is_become(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)
        assert privileges.default_user() is None
        assert privileges.only_capture_as("root") is None
        with pytest.raises(UserError, match="only root can switch users"):
            privileges.drop_to("root")

    def test_no_such_user(self) -> None:
        with pytest.raises(UserError, match="no-such-user: no such user"):
            privileges.drop_to("no-such-user")


def test_flows_that_are_forgotten_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    watch, _ = windows_of(OFFICE.read_bytes(), tcp_idle_s=0.5, udp_idle_s=0.5, most_flows_kept=20)
    status = live_output.last_words(Loop(watch, None, [], None, None), "table", None)
    told = capsys.readouterr()
    assert status == ExitStatus.OK
    assert f"{watch.forgotten:,} older flows are not in this report" in told.err
    assert "Packets: 791 = " in told.out


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_details_of_a_row_say_how_it_is_known(view: Any) -> None:
    watch, windows = windows_of(OFFICE.read_bytes())
    loop = Loop(watch, None, [], None, None)
    moment = None
    for window in windows:
        moment = ScreenData(window, loop.totals, loop.totals.take(window)).after(moment)
    assert moment
    rows = list(view.rows(moment))
    told = [dict(view.details(row)) for row in rows]
    if view.name == "services":
        assert any(details.get("Confirmed", "").endswith(" flow ended") for details in told)
    elif view.name in ("servers", "new"):
        assert {details["Role"] for details in told} <= {"confirmed", "inferred", "one_way"}
        assert any(" in 1 ended flow, and active ones" in details["Bytes"] for details in told)
    else:
        assert all(details["Role"] and details["Role evidence"] for details in told)
    assert rows or view.name == "ambiguous"
