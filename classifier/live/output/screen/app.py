"""The live screen: tables that follow the traffic, and keys for details."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.css.query import NoMatches
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Sparkline, Static, TabbedContent, TabPane

from classifier.live.output.screen.views import VIEWS, ScreenColumn, ScreenData, ScreenView
from classifier.live.output.table_view import headline
from classifier.reports.text.tables import clean

if TYPE_CHECKING:
    from classifier.live.loop import Loop
    from classifier.live.windows.running_totals import RunningTotals, WindowChanges
    from classifier.live.windows.window import Window

#: Rows of a table; filter to find others.
MOST_ROWS = 200

HELP = """\
Services, servers and flows of the current traffic.

[b]1 … 5[/b]    services, servers, flows, ambiguous flows, new servers
[b]↑ ↓[/b]      select a row
[b]Enter[/b]    show the details of the row
[b]s[/b]        sort by the next column      [b]S[/b]   reverse the order
[b]/[/b]        show only rows with a text   [b]Esc[/b] show all rows
[b]Space[/b]    freeze the display; counting continues
[b]q[/b]        quit and print a report, judged once more with all evidence

[b]confirmed[/b]   a handshake proves the server; final
[b]inferred[/b]    other evidence, with a confidence of 90% or more; may change
[b]ambiguous[/b]   less than 90%
[b]attempted[/b]   refused, unanswered or unsolicited; not traffic of the service
[b]dropped[/b]     packets lost because a capture buffer was full
"""


class Look(ModalScreen[None]):
    """Text in a frame above the tables; any key in its bindings closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, "dismiss", "Back") for key in ("escape", "enter", "q", "question_mark")
    ]

    def __init__(self, title: str, text: str | Text) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        """Build the frame."""
        with VerticalScroll(id="look") as frame:
            frame.border_title = self._title
            frame.border_subtitle = "Esc: back"
            yield Static(self._text)


class LiveScreen(App[None]):
    """The live screen of a loop of windows, which it runs in a thread."""

    TITLE = "classifier live"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: 1; padding: 0 1; background: $panel; }
    #head.lost { background: $error; color: $text; }
    #rate { height: 2; margin: 0 1; }
    #wanted { display: none; height: 3; }
    #wanted.open { display: block; }
    TabbedContent, DataTable { height: 1fr; }
    Look { align: center middle; }
    #look { width: 84; max-width: 96%; height: auto; max-height: 90%; border: round $accent; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"view('{view.name}')", view.title, show=False)
            for number, view in enumerate(VIEWS, 1)
        ),
        Binding("s", "sort", "Sort"),
        Binding("S", "turn", "Reverse", show=False),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "everything", "Show all", show=False),
        Binding("space", "freeze", "Freeze"),
        Binding("question_mark", "explain_keys", "Help", key_display="?"),
        Binding("q", "end", "Quit"),
    ]

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self._course = loop
        self._moment: ScreenData | None = None
        self._frozen = False
        self._wanted = ""
        #: By view: the column it is sorted by, and whether reversed.
        self._order = {view.name: (view.first_order, False) for view in VIEWS}
        self._rows: dict[str, dict[str, Any]] = {view.name: {} for view in VIEWS}
        #: Notices, to be printed again when the screen is closed.
        self.said: list[str] = []

    def compose(self) -> ComposeResult:
        """Build the screen."""
        with Vertical():
            yield Static("waiting for the first packets …", id="head")
            yield Sparkline([], id="rate")
            with TabbedContent(initial=VIEWS[0].name, id="views"):
                for number, view in enumerate(VIEWS, 1):
                    with TabPane(f"{number} {view.title}", id=view.name):
                        yield DataTable(id=f"table-{view.name}", cursor_type="row", zebra_stripes=True)
            yield Input(placeholder="rows with this text; Enter: keep, Esc: show all", id="wanted")
        yield Footer()

    def on_mount(self) -> None:
        """Start the windows."""
        self.query_one(f"#table-{VIEWS[0].name}").focus()
        self._listen()

    @work(thread=True, exit_on_error=True)
    def _listen(self) -> None:
        """Run the windows, in a thread."""
        self._course.run(self, lambda text: self.call_from_thread(self._say, text))
        self.call_from_thread(self.exit)

    def take(self, window: Window, totals: RunningTotals, change: WindowChanges) -> None:
        """Show a window; called in the thread of the windows."""
        if not window.last:
            self.call_from_thread(self._follow, ScreenData(window, totals, change))

    def _follow(self, moment: ScreenData) -> None:
        self._moment = moment.after(self._moment)
        if not self._frozen:
            self._draw()

    def _say(self, text: str) -> None:
        self.said.append(text)
        self.notify(clean(text), timeout=10, markup=False)

    def _draw(self) -> None:
        moment = self._moment
        if moment is None:
            return
        try:
            head = self.query_one("#head", Static)
        except NoMatches:  # a frame is open above the tables
            head = self.screen_stack[0].query_one("#head", Static)
        frozen = "FROZEN   " if self._frozen else ""
        head.update(Text(frozen + headline(moment.window, moment.totals), no_wrap=True))
        head.set_class(moment.totals.counters.dropped > 0, "lost")
        below = self.screen_stack[0]
        below.query_one("#rate", Sparkline).data = list(moment.totals.rates)
        self._fill(self._view(), moment)

    def _view(self) -> ScreenView:
        active = self.screen_stack[0].query_one("#views", TabbedContent).active
        return next(view for view in VIEWS if view.name == active)

    def _fill(self, view: ScreenView, moment: ScreenData) -> None:
        """Refill a table; the selected row stays selected if it is still there."""
        table: DataTable[Text] = self.screen_stack[0].query_one(f"#table-{view.name}", DataTable)
        by, backwards = self._order[view.name]
        chosen = self._chosen(table)
        offset = table.scroll_x, table.scroll_y
        found: dict[str, tuple[Any, list[str]]] = {}
        for row, cells in view.arranged(moment, by, backwards, self._wanted)[:MOST_ROWS]:
            found.setdefault(view.identity(row), (row, cells))
        self._rows[view.name] = {key: row for key, (row, _) in found.items()}
        heads = [column.head for column in view.columns]
        heads[by] += " ▲" if view.columns[by].number == backwards else " ▼"
        texts_of = zip(heads, *(cells for _, cells in found.values()), strict=True)
        table.clear(columns=True)
        for column, texts in zip(view.columns, texts_of, strict=True):
            # The table would compute the width itself, one window late.
            width = max(map(cell_len, texts))
            table.add_column(_text(texts[0], column), width=width, key=column.head)
        for key, (_, cells) in found.items():
            table.add_row(
                *(_text(cell, column) for cell, column in zip(cells, view.columns, strict=True)), key=key
            )
        if chosen in found:
            table.move_cursor(row=table.get_row_index(chosen), scroll=False)
        table.scroll_to(*offset, animate=False)

    @staticmethod
    def _chosen(table: DataTable[Text]) -> str:
        if not table.row_count or not table.cursor_row:  # nothing selected: the cursor stays on the first row
            return ""
        return str(table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value)

    def on_tabbed_content_tab_activated(self) -> None:
        """Fill the table that was brought to the front."""
        self._draw()
        self.screen_stack[0].query_one(f"#table-{self._view().name}").focus()

    def on_data_table_row_selected(self, chosen: DataTable.RowSelected) -> None:
        """Show the details of a row."""
        view = self._view()
        row = self._rows[view.name].get(str(chosen.row_key.value))
        if row is None:
            return
        details = Text()
        for name, value in view.details(row):
            details.append(f"{name:<22} ", style="bold").append(f"{clean(value)}\n")
        self.push_screen(Look(view.title.removesuffix("s"), details))

    def on_input_changed(self, typed: Input.Changed) -> None:
        """Filter as the user types."""
        self._wanted = typed.value
        self._draw()

    def on_input_submitted(self) -> None:
        """Keep the filter."""
        self.query_one(f"#table-{self._view().name}").focus()

    def action_view(self, name: str) -> None:
        """Bring a table to the front."""
        self.query_one("#views", TabbedContent).active = name

    def action_sort(self) -> None:
        """Sort by the next column."""
        view = self._view()
        by, _ = self._order[view.name]
        self._order[view.name] = ((by + 1) % len(view.columns), False)
        self._draw()

    def action_turn(self) -> None:
        """Reverse the order."""
        by, backwards = self._order[self._view().name]
        self._order[self._view().name] = (by, not backwards)
        self._draw()

    def action_filter(self) -> None:
        """Open the filter."""
        wanted = self.query_one("#wanted", Input)
        wanted.add_class("open")
        wanted.focus()

    def action_everything(self) -> None:
        """Clear and close the filter."""
        wanted = self.query_one("#wanted", Input)
        wanted.value = ""
        wanted.remove_class("open")
        self.query_one(f"#table-{self._view().name}").focus()

    def action_freeze(self) -> None:
        """Freeze or resume the display."""
        self._frozen = not self._frozen
        self._draw()

    def action_explain_keys(self) -> None:
        """Show the help."""
        self.push_screen(Look("Keys", HELP))

    def action_end(self) -> None:
        """End the windows, which closes the screen."""
        self._course.watch.stop()

    async def action_quit(self) -> None:
        """Quit on Ctrl-Q and Ctrl-C, as on q."""
        self.action_end()


def _text(text: str, column: ScreenColumn) -> Text:
    return Text(text, justify="right" if column.number else "left", no_wrap=True)


def run(loop: Loop) -> list[str]:
    """Show a loop of windows until its end; return its notices."""
    app = LiveScreen(loop)
    app.run()
    loop.watch.stop()
    return app.said
