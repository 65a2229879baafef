"""The screen, driven by keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from feeding import OFFICE, Pipe, pipe
from textual.pilot import Pilot
from textual.widgets import DataTable, Static, TabbedContent

from classifier.live import LiveCapture
from classifier.live.loop import Loop
from classifier.live.output.screen.app import LiveScreen, Look
from classifier.live.output.screen.views import VIEWS

Act = Callable[[LiveScreen, Pilot[None]], Awaitable[None]]


def drive(act: Act, keep: str | None = None) -> LiveScreen:
    """Run the screen over a capture that has arrived and stays open, and act on it."""

    async def run(one: Pipe, app: LiveScreen) -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            one.write(OFFICE.read_bytes())
            await until(pilot, lambda: table(app, "services").row_count > 5)
            await act(app, pilot)
            one.close()
            app.action_end()
            await until(pilot, lambda: not app.is_running)

    with pipe() as one, LiveCapture(one.reading, window_s=0.2, keep=keep) as watch:
        app = LiveScreen(Loop(watch, None, [], None, None))
        asyncio.run(run(one, app))
    return app


async def until(pilot: Pilot[None], it_happens: Callable[[], object]) -> None:
    for _ in range(1500):
        if it_happens():
            return
        await pilot.pause(0.02)
    raise AssertionError("it never happened")


def table(app: LiveScreen, name: str) -> DataTable[object]:
    return app.screen_stack[0].query_one(f"#table-{name}", DataTable)


def column(app: LiveScreen, name: str, number: int) -> list[str]:
    shown = table(app, name)
    return [str(shown.get_row_at(row)[number]) for row in range(shown.row_count)]


def head(app: LiveScreen) -> str:
    return str(app.screen_stack[0].query_one("#head", Static).render())


def test_services_come_first_the_largest_on_top() -> None:
    async def act(app: LiveScreen, pilot: Pilot[None]) -> None:
        assert column(app, "services", 0)[:3] == ["http/tcp", "https/tcp", "ssh/tcp"]
        assert "0 dropped" in head(app)

    drive(act)


def test_numbers_bring_tables_to_the_front() -> None:
    async def bring(app: LiveScreen, pilot: Pilot[None], number: int, view: str) -> None:
        shown = table(app, view)
        await pilot.press(str(number))
        await until(pilot, lambda: app.query_one(TabbedContent).active == view and app.focused is shown)
        # With payload no flow of the office is ambiguous.
        if view != "ambiguous":
            await until(pilot, lambda: shown.row_count > 0)
            cells = map(str, shown.get_row_at(0))
            assert all(
                len(cell) <= wide.width for cell, wide in zip(cells, shown.ordered_columns, strict=True)
            )

    async def act(app: LiveScreen, pilot: Pilot[None]) -> None:
        for number, view in enumerate(VIEWS, 1):
            await bring(app, pilot, number, view.name)

    drive(act)


def test_sorting() -> None:
    async def act(app: LiveScreen, pilot: Pilot[None]) -> None:
        for _ in range(len(VIEWS[0].columns) - VIEWS[0].first_order):  # over the last column to the first
            await pilot.press("s")
        await until(pilot, lambda: column(app, "services", 0) == sorted(column(app, "services", 0)))
        await pilot.press("S")
        names = column(app, "services", 0)
        assert names == sorted(names, reverse=True) and len(names) > 5

    drive(act)


def test_filtering() -> None:
    async def act(app: LiveScreen, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"HTTP")
        await until(pilot, lambda: len(column(app, "services", 0)) < 5)
        assert all("http" in name for name in column(app, "services", 0))
        await pilot.press("enter", "escape")
        await until(pilot, lambda: len(column(app, "services", 0)) > 5)

    drive(act)


def test_freezing() -> None:
    async def act(app: LiveScreen, pilot: Pilot[None]) -> None:
        await pilot.press("space")
        frozen = head(app)
        assert frozen.startswith("FROZEN")
        seen = app._course.totals.rates.copy()
        await until(pilot, lambda: app._course.totals.rates != seen or len(app._course.totals.rates) == 60)
        assert head(app) == frozen
        await pilot.press("space")
        assert not head(app).startswith("FROZEN")

    drive(act)


def test_looking_closer_at_a_flow_says_how_its_server_is_known() -> None:
    async def act(app: LiveScreen, pilot: Pilot[None]) -> None:
        await pilot.press("3")
        await until(pilot, lambda: table(app, "flows").row_count > 0)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Look))
        text = str(app.screen.query_one(Static).render())
        assert "Role evidence" in text and "Outcome" in text
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Look))

    drive(act)


def test_the_help_lists_every_key() -> None:
    async def act(app: LiveScreen, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Look))
        text = str(app.screen.query_one(Static).render())
        for key in ("Enter", "Space", "sort", "Esc", "confirmed", "ambiguous"):
            assert key in text

    drive(act)


def test_q_ends_it_and_everything_is_there_for_the_report() -> None:
    async def act(app: LiveScreen, pilot: Pilot[None]) -> None:
        await pilot.press("q")

    app = drive(act)
    assert app.return_code == 0
    assert app._course.watch.traffic().accounting["packets"] == 791


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_happens_is_said_and_said_again() -> None:
    async def act(app: LiveScreen, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.said)

    app = drive(act, keep="/dev/full")
    assert "packets are no longer saved (No space left" in app.said[0]
