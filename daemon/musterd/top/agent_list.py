"""The list of agents on the screen: draws the rows that can be seen, and keeps the cursor."""

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from musterd.top import columns, wording
from musterd.top.listing import Listing, Row
from musterd.top.page import Page
from musterd.top.palette import state_style

_TITLES = 1
"""Lines above the first row, which do not scroll."""

_MARGIN = 10
"""Rows asked for around those that can be seen, so that the cursor can follow its agent."""


class AgentList(ScrollView, can_focus=True):
    """Rows of a listing that may be far longer than the screen, read as they are looked at."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "turn(-1)", show=False),
        Binding("pagedown", "turn(1)", show=False),
        Binding("home", "to_top", show=False),
        Binding("end", "to_end", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"list--titles", "list--cursor", "list--quiet"}

    class Turned(Message):
        """Other rows can be seen than before, so others are needed."""

    class Chosen(Message):
        """An agent was clicked on twice."""

    def __init__(self) -> None:
        super().__init__()
        self.page = Page(listing=Listing())
        self._rows: dict[int, Row] = {}
        self._now = 0.0
        self._cursor = 0
        self._agent_id = ""

    @property
    def selected(self) -> Row | None:
        """The agent under the cursor."""
        return self._rows.get(self._cursor)

    @property
    def first_seen(self) -> int:
        """The number of the first row that can be seen, from 0."""
        return round(self.scroll_y)

    @property
    def height_of_rows(self) -> int:
        """How many rows can be seen at once."""
        return max(1, self.size.height - _TITLES)

    @property
    def needed(self) -> tuple[int, int]:
        """The first row that is needed, and how many are."""
        first = max(0, self.first_seen - _MARGIN)
        return first, self.first_seen - first + self.height_of_rows + _MARGIN

    def show(self, page: Page, now: float) -> None:
        """Show these rows; the cursor stays on its agent, or at the top if it was there."""
        if page.listing != self.page.listing:
            self._cursor, self._agent_id = 0, ""
            self.scroll_to(y=0, animate=False)
        self.page, self._now = page, now
        self._rows = dict(enumerate(page.rows, page.first))
        self.virtual_size = Size(self.size.width, page.total + _TITLES)
        places = {row.agent_id: place for place, row in self._rows.items()}
        place = places.get(self._agent_id, self._cursor) if self._cursor else 0
        self._put_cursor(place)
        self.refresh()

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        self._put_cursor(self._cursor + rows)

    def action_turn(self, pages: int) -> None:
        """Move the cursor by so many pages."""
        self._put_cursor(self._cursor + pages * self.height_of_rows)

    def action_to_top(self) -> None:
        """Move the cursor to the first row."""
        self._put_cursor(0)

    def action_to_end(self) -> None:
        """Move the cursor to the last row."""
        self._put_cursor(self.page.total - 1)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where one clicked; twice is a choice."""
        place = self.first_seen + event.y - _TITLES
        if event.y >= _TITLES and place < self.page.total:
            self._put_cursor(place)
            if event.chain > 1:
                self.post_message(self.Chosen())

    def on_resize(self) -> None:
        """There is room for other rows."""
        self.post_message(self.Turned())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """The cursor stays in what can be seen."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            last = self.first_seen + self.height_of_rows - 1
            self._point(max(self.first_seen, min(self._cursor, last)))
            self.post_message(self.Turned())

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width = self.size.width
        if y < _TITLES:
            return self._line(self._title_segments(), width, "list--titles")
        place = self.first_seen + y - _TITLES
        row = self._rows.get(place)
        if row is not None:
            is_cursor = place == self._cursor
            return self._line(self._row_segments(row), width, "list--cursor" if is_cursor else "")
        empty = y == _TITLES + 1 and not self.page.total
        text = f"  {wording.nothing(self.page)}" if empty else ""
        return self._line([Segment(text)], width, "list--quiet")

    def _line(self, segments: list[Segment], width: int, component: str) -> Strip:
        style = self.rich_style
        if component:
            style += self.get_component_rich_style(component, partial=True)
        strip = Strip(Segment.apply_style(segments, style))
        return strip.adjust_cell_length(width, style)

    def _fitted(self) -> list[columns.Fitted]:
        return columns.fit(self.page, self.size.width - 2)

    def _title_segments(self) -> list[Segment]:
        listing = self.page.listing
        texts = [
            columns.cell(columns.title(fitted.column, listing), fitted) for fitted in self._fitted()
        ]
        return [Segment(" " + (" " * columns.GAP).join(texts))]

    def _row_segments(self, row: Row) -> list[Segment]:
        segments = [Segment(" ")]
        for fitted in self._fitted():
            text = fitted.column.text(row, self._now)
            is_state = fitted.column.title == columns.STATE
            style = Style.parse(state_style(text)) if is_state else None
            segments += [Segment(columns.cell(text, fitted), style), Segment(" " * columns.GAP)]
        return segments

    def _put_cursor(self, place: int) -> None:
        self._point(max(0, min(place, self.page.total - 1)))
        first, height = self.first_seen, self.height_of_rows
        if self._cursor < first:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= first + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False)

    def _point(self, place: int) -> None:
        self._cursor = place
        row = self._rows.get(place)
        self._agent_id = row.agent_id if row else ""
        self.refresh()
