"""What stands beside the list on a wide terminal: daemons, queues, and what has happened. Pure."""

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from musterd.counts import Counts
from musterd.display import one_line, parse_time, why
from musterd.records import Event, NodeRecord
from musterd.top.feed import Snapshot
from musterd.top.palette import LOUD, QUIET, state_style
from musterd.top.wording import NODE_STYLES, deepest, join_lines, load, paused_kinds

_NAME: Final = 16
_STATE: Final = 9
_NUMBER: Final = 13
"""Cells of the columns."""


def panel(snapshot: Snapshot, width: int, height: int) -> Text:
    """Daemons, queues and events, in columns; as many as have room, the events last."""
    nodes = [_node_rows(node, width) for node in snapshot.nodes]
    queues = [
        _queue_row(snapshot.counts, *queue, width) for queue in deepest(snapshot.counts.queues)
    ]
    third = max(1, height // 3 - 3)
    lines = [
        *_section("DAEMONS", nodes, "none is running", third),
        *_section("QUEUES", queues, "all empty", third),
    ]
    room = height - len(lines) - 2
    events = [_event_row(event) for event in reversed(snapshot.events)]
    lines += _section("EVENTS", events[: max(0, room)], "none yet", max(1, room))
    return join_lines(lines[:height], width)


def event_text(event: Event) -> tuple[str, str]:
    """When something was told, the time of day, and what became of whom."""
    time = parse_time(str(event.fields.get("timestamp", "")))
    return time.strftime("%H:%M:%S") if time else "", one_line(event.type)


def event_cause(event: Event) -> str:
    """Why it came to it, where it went wrong."""
    reason, error = event.fields.get("reason"), event.fields.get("error")
    return why(str(reason) if reason else None, str(error) if error else None)


def bar(part: float, width: int) -> Text:
    """A bar that is full to a part, 0 to 1."""
    full = round(max(0.0, min(1.0, part)) * width)
    return Text.assemble(("━" * full, "blue"), ("━" * (width - full), "#2f3945"))


def _section(title: str, items: Sequence[Text], empty: str, most: int) -> list[Text]:
    """A title and below it what has room in so many lines; an item may have several."""
    shown: list[Text] = []
    for index, item in enumerate(items):
        rows, left = item.split("\n"), len(items) - index
        if len(shown) + len(rows) + (left > 1) > most:
            shown.append(Text(f"and {left} more", QUIET))
            break
        shown += rows
    return [Text(title, f"bold {QUIET}"), *(shown or [Text(empty, QUIET)]), Text()]


def _node_rows(node: NodeRecord, width: int) -> Text:
    paused = paused_kinds(node)
    row = _node_row(node, width)
    return row.append(f"\n  {paused}", "yellow") if paused else row


def _node_row(node: NodeRecord, width: int) -> Text:
    line = Text(_cut(one_line(node.node), _NAME))
    line.append(f"  {_cut(one_line(node.state), _STATE)}", NODE_STYLES.get(node.state, QUIET))
    line.append(load(node).rjust(_NUMBER), LOUD)
    room = width - cell_len(line.plain) - 2
    return line.append("  ").append_text(bar((node.agents or 0) / (node.capacity or 1), room))


def _queue_row(counts: Counts, kind: str, size: int, width: int) -> Text:
    line = Text(_cut(one_line(kind), _NAME + 2 + _STATE)).append(f"{size:,}".rjust(_NUMBER), LOUD)
    room = width - cell_len(line.plain) - 2
    return line.append("  ").append_text(bar(size / max(counts.queues.values()), room))


def _event_row(event: Event) -> Text:
    time, what = event_text(event)
    state = what.rpartition(".")[2]
    line = Text(f"{time}  ", QUIET).append(f"{state:{_STATE + 1}}", state_style(state))
    line.append(one_line(event.agent_id or event.task_id), "default")
    cause = event_cause(event)
    return line.append(f"  {cause}", QUIET) if cause else line


def _cut(text: str, width: int) -> str:
    return (
        set_cell_size(text, width)
        if cell_len(text) <= width
        else f"{set_cell_size(text, width - 1)}…"
    )
