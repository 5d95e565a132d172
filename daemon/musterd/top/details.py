"""One agent on the whole screen: its record, its task's, what was told of it, and its output."""

import json
from collections.abc import Iterator
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from musterd.display import age_since, lines, one_line, parse_time, progress, visible
from musterd.jsons import Json
from musterd.records import AgentRecord, Line, TaskRecord
from musterd.top import side
from musterd.top.feed import Details, Snapshot
from musterd.top.palette import QUIET, STREAMS, state_style

_WIDTH: Final = 13
_STREAM: Final = 8
_LONGEST: Final = 200
"""Lines of one value that are shown."""

_OF_TASK: Final = (
    "status",
    "attempt",
    "maxAttempts",
    "priority",
    "timeout",
    "createdAt",
    "context",
    "checkpoint",
)
"""What a task's record says that its agent's does not."""

_JSON: Final = {"context", "metadata", "checkpoint", "result"}


class AgentScreen(Screen[None]):
    """Shows one agent for as long as it is open; at its end, it goes on with what is written.

    Args:
        agent_id: of the agent.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "close", "Back", key_display="Esc"),
        Binding("end", "to_end", "Follow output", key_display="End", priority=True),
        Binding("k", "app.kill", "Kill"),
    ]

    def __init__(self, agent_id: str) -> None:
        super().__init__()
        self.agent_id = agent_id
        self.details: Details | None = None

    def compose(self) -> ComposeResult:
        """A title, a problem where there is one, and what scrolls."""
        yield Static(id="title")
        yield Static(id="problem")
        with VerticalScroll():
            yield Static(Text("reading …", QUIET), id="record")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """The id is known before anything was read."""
        self.query_one("#title", Static).update(Text(one_line(self.agent_id), "bold"))

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()

    def action_to_end(self) -> None:
        """To the last line, and to those to come."""
        self.query_one(VerticalScroll).scroll_end(animate=False)

    def show(self, snapshot: Snapshot) -> None:
        """Show what is known now."""
        scroll = self.query_one(VerticalScroll)
        is_at_end = scroll.max_scroll_y > 0 and scroll.is_vertical_scroll_end
        details = snapshot.details
        if details is None or details.agent.agent_id != self.agent_id:
            text = Text("There is no record of this agent any more.", QUIET)
        else:
            self.details = details
            text = describe(details)
        self.query_one("#record", Static).update(text)
        if is_at_end:
            self.call_after_refresh(self.action_to_end)


def describe(details: Details) -> Text:
    """All of it as text."""
    parts = [
        _section("AGENT", _fields(details.agent)),
        _section("TASK", _fields(details.task, _OF_TASK)),
        _section("EVENTS", _events(details)),
        _section("OUTPUT", map(_output_row, details.output)),
    ]
    return Text("\n\n").join(part for part in parts if part)


def _section(title: str, rows: Iterator[Text]) -> Text:
    told = Text("\n").join(rows)
    return Text.assemble((f"{title}\n", f"bold {QUIET}"), told) if told else told


def _fields(
    record: AgentRecord | TaskRecord | None, only: tuple[str, ...] | None = None
) -> Iterator[Text]:
    """The fields that have a value, by the contract's names."""
    for name, value in (record.as_json() if record else {}).items():
        if only is not None and name not in only:
            continue
        yield from _field(name, lines(_as_text(name, value)))


def _as_text(name: str, value: Json) -> str:
    if name == "progress" and isinstance(value, float):
        return progress(value, None)
    return json.dumps(value, indent=2, ensure_ascii=False) if name in _JSON else str(value)


def _field(name: str, told: list[str]) -> Iterator[Text]:
    style = state_style(told[0]) if name == "status" else ""
    since = f"  {age_since(told[0])} ago" if name.endswith("At") else ""
    yield Text.assemble((name.ljust(_WIDTH), QUIET), (told[0], style), (since, QUIET))
    for line in told[1:_LONGEST]:
        yield Text(f"{'':{_WIDTH}}{line}")
    if len(told) > _LONGEST:
        rest = f"… {len(told) - _LONGEST:,} lines more: musterd show"
        yield Text(f"{'':{_WIDTH}}{rest}", QUIET)


def _events(details: Details) -> Iterator[Text]:
    for event in details.events:
        time, what = side.event_text(event)
        line = Text(time.ljust(_WIDTH), QUIET)
        line.append(f"{what:16}", state_style(what.rpartition(".")[2]))
        yield line.append(side.event_cause(event))


def _output_row(line: Line) -> Text:
    time = parse_time(line.at)
    style = STREAMS.get(line.stream, "")
    return Text.assemble(
        ((time.strftime("%H:%M:%S") if time else "").ljust(_WIDTH), QUIET),
        (one_line(line.stream).ljust(_STREAM), style or QUIET),
        (visible(line.line).expandtabs(), style),
    )
