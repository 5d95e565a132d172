"""The main screen: counts above, the agents below, and the keys that change what is listed."""

import dataclasses
from typing import ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from musterd.top import side, wording
from musterd.top.agent_list import AgentList
from musterd.top.dialogs import Help
from musterd.top.feed import Feed, Snapshot
from musterd.top.listing import Listing, Sort

WIDE: Final = 130
"""Cells from which on daemons, queues and events stand beside the list."""

SHORT: Final = 16
"""Lines below which there is room for the list alone."""

_SORTS: Final = list(Sort)


class MainScreen(Screen[None]):
    """What one sees first; on a wide terminal daemons, queues and events stand beside the list.

    Args:
        feed: is told which rows are needed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "details", "Details", key_display="Enter"),
        Binding("k", "app.kill", "Kill"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort"),
        Binding("r", "reverse", show=False),
        Binding("e", "ended", "Live/Ended"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "app.quit", "Quit"),
        Binding("escape", "clear", show=False),
    ]

    class Examined(Message):
        """One wants to see all of an agent."""

        def __init__(self, agent_id: str) -> None:
            super().__init__()
            self.agent_id = agent_id

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed = feed
        self.listing = Listing()
        self.snapshot: Snapshot | None = None

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield Static(id="head")
        yield Static(id="problem")
        with Horizontal():
            with Vertical(id="main"):
                yield Static(id="overview")
                yield Static(id="brief")
                yield Static(id="list-title")
                yield AgentList()
                yield Input(id="filter", placeholder="words that must occur", compact=True)
            yield Static(id="side")
        yield Footer(show_command_palette=False)

    @property
    def agents(self) -> AgentList:
        """The list."""
        return self.query_one(AgentList)

    def show(self, snapshot: Snapshot) -> None:
        """Show what is there now. Rows of a listing that was left meanwhile are not."""
        self.snapshot = snapshot
        if snapshot.page.listing == self.listing:
            self.agents.show(snapshot.page, snapshot.counts.now)
        self.write()

    def write(self) -> None:
        """Write anew what is no list, for the size that there is."""
        snapshot, width = self.snapshot, self.query_one("#main").content_size.width
        counts = snapshot.counts if snapshot else None
        self._update("head", wording.head(self._feed.where, counts, self.size.width - 2))
        if snapshot is None or not width:
            return
        agents = self.agents
        words = " ".join(self.listing.words)
        self._update("overview", wording.overview(snapshot, width - 2))
        self._update("brief", wording.brief(snapshot, width - 2))
        self._update(
            "list-title",
            wording.list_title(
                agents.page, agents.first_seen, agents.height_of_rows, words, width - 2
            ),
        )
        room = self.query_one("#side").content_size
        self._update("side", side.panel(snapshot, room.width, room.height))

    def on_resize(self) -> None:
        """What stands beside the list and above it needs room."""
        self.set_class(self.size.width >= WIDE, "wide")
        self.set_class(self.size.height < SHORT, "short")
        self.call_after_refresh(self.write)

    @on(AgentList.Turned)
    def ask_for_rows(self) -> None:
        """Other rows are needed."""
        self._feed.turn_to(self.listing, *self.agents.needed)
        self.write()

    @on(AgentList.Chosen)
    def action_details(self) -> None:
        """Look at one agent."""
        selected = self.agents.selected
        if selected is not None:
            self.post_message(self.Examined(selected.agent_id))

    def action_sort(self) -> None:
        """Sort by the next column."""
        following = _SORTS[(_SORTS.index(self.listing.sort) + 1) % len(_SORTS)]
        self._list(sort=following, reverse=False)

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._list(reverse=not self.listing.reverse)

    def action_ended(self) -> None:
        """From those that live to those that have ended, and back."""
        self._list(ended=not self.listing.ended, sort=Sort.AGE, reverse=False)

    def action_help(self) -> None:
        """Show the keys."""
        self.app.push_screen(Help())

    def action_filter(self) -> None:
        """Ask for words."""
        self.query_one("#filter").add_class("open").focus()
        self.refresh_bindings()

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool:
        """While one types a filter, its key is a character."""
        return action != "filter" or not self.query_one("#filter").has_class("open")

    def action_clear(self) -> None:
        """No filter."""
        entry = self.query_one("#filter", Input)
        entry.value = ""
        self.close_filter()

    @on(Input.Changed)
    def change_filter(self, event: Input.Changed) -> None:
        """Filter while one types."""
        self._list(words=tuple(event.value.lower().split()))

    @on(Input.Submitted)
    def close_filter(self) -> None:
        """Back to the list; the filter stays."""
        self.query_one("#filter").remove_class("open")
        self.agents.focus()
        self.refresh_bindings()

    def _list(self, **changes: object) -> None:
        self.listing = dataclasses.replace(self.listing, **changes)  # type: ignore[arg-type]  # names and types are those of the calls above
        self.ask_for_rows()

    def _update(self, name: str, text: Text) -> None:
        self.query_one(f"#{name}", Static).update(text)
