"""One agent on the whole screen: its record, its task's, and what was told of it."""

import json
from collections.abc import Iterator
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from musterd.display import age_since, lines, one_line
from musterd.records import AgentRecord, TaskRecord
from musterd.top import side
from musterd.top.feed import Details, Snapshot
from musterd.top.palette import QUIET, state_style

_WIDTH: Final = 13
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
)
"""What a task's record says that its agent's does not."""

_JSON: Final = {"context", "metadata", "result"}


class AgentScreen(Screen[None]):
    """Shows one agent for as long as it is open.

    Args:
        agent_id: of the agent.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "close", "Back", key_display="Esc"),
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

    def show(self, snapshot: Snapshot) -> None:
        """Show what is known now."""
        details = snapshot.details
        if details is None or details.agent.agent_id != self.agent_id:
            text = Text("There is no record of this agent any more.", QUIET)
        else:
            self.details = details
            text = describe(details)
        self.query_one("#record", Static).update(text)


def describe(details: Details) -> Text:
    """All of it as text."""
    parts = [
        _section("AGENT", _fields(details.agent)),
        _section("TASK", _fields(details.task, _OF_TASK)),
        _section("EVENTS", _events(details)),
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
        text = json.dumps(value, indent=2, ensure_ascii=False) if name in _JSON else str(value)
        yield from _field(name, lines(text))


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
