"""What is told above the list of agents, as styled text that fits. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from musterd.counts import Counts
from musterd.display import one_line
from musterd.records import NodeRecord
from musterd.states import AgentState, TaskState
from musterd.top.feed import Snapshot
from musterd.top.listing import Sort
from musterd.top.page import Page
from musterd.top.palette import LOUD, QUIET, state_style
from musterd.top.rates import KEPT, Rates

_LABEL: Final = 9
_BAR: Final = 12
"""Cells below which bars say nothing."""

_FOUR: Final = 100
"""Cells that four rates need with what stands beside them."""

_SPARK_TITLE: Final = "  ended, last minute"
_BARS: Final = "▁▂▃▄▅▆▇█"
_SORTED: Final[Mapping[tuple[bool, bool], str]] = {
    (False, False): "oldest first",
    (False, True): "newest first",
    (True, False): "last ended first",
    (True, True): "first ended first",
}
NODE_STYLES: Final = {"active": "green", "paused": "yellow", "draining": "yellow"}


def head(where: str, counts: Counts | None, width: int) -> Text:
    """The first line: what this is, of which state, and the server's time."""
    left = Text.assemble(("musterd top", "bold"), "  ", (one_line(where), QUIET))
    return _ends(left, Text(f"{clock(counts.now)} UTC" if counts else "", QUIET), width)


def overview(snapshot: Snapshot, width: int) -> Text:
    """Agents, tasks and rates, a line each."""
    counts = snapshot.counts
    waiting = max(0, counts.tasks[TaskState.PENDING] - counts.scheduled)
    at_work = counts.tasks[TaskState.ASSIGNED] + counts.tasks[TaskState.EXECUTING]
    agents = [
        (f"{counts.agents[status]:,}", status, state_style(status))
        for status in (AgentState.RUNNING, AgentState.SPAWNING)
    ]
    tasks = [
        (f"{waiting:,}", "queued", state_style(TaskState.PENDING)),
        (f"{counts.scheduled:,}", "delayed", state_style(TaskState.PENDING)),
        (f"{at_work:,}", "taken", state_style(TaskState.EXECUTING)),
    ]
    lines = [_row("Agents", agents), _row("Tasks", tasks), _rates(snapshot.rates, width)]
    return join_lines(lines, width)


def brief(snapshot: Snapshot, width: int) -> Text:
    """Queues and daemons, a line each, as far as they have room."""
    queues = [
        Text.assemble(one_line(kind), " ", (f"{size:,}", LOUD))
        for kind, size in deepest(snapshot.counts.queues)
    ]
    daemons = [_daemon(node) for node in snapshot.nodes]
    return join_lines(
        [
            _listed("Queues", queues, "empty", width),
            _listed("Daemons", daemons, "none is running", width),
        ],
        width,
    )


def list_title(page: Page, first: int, height: int, words: str, width: int) -> Text:
    """The line above the list: which agents, how many, in what order."""
    listing = page.listing
    last = min(first + height, page.total)
    left = Text().append("Ended agents" if listing.ended else "Live agents", "bold")
    if page.total:
        left.append(f"  {first + 1:,} to {last:,} of {page.total:,}" if last else "", QUIET)
    order = f"by {listing.sort}" + (", reversed" if listing.reverse else "")
    if listing.sort is Sort.AGE:
        order = _SORTED[listing.ended, listing.reverse]
    left.append(f"  {order}", QUIET)
    right = Text()
    if page.unread:
        right.append(f"reading {page.unread:,} more  ", "yellow")
    if words:
        right.append("/", QUIET).append(one_line(words), "yellow")
    return _ends(left, right, width)


def nothing(page: Page) -> str:
    """What the list says when it is empty."""
    if page.unread:
        return "reading …"
    if page.listing.words:
        return "No agent matches. Esc clears the filter."
    return "No agent has ended." if page.listing.ended else "No agent is alive."


def clock(milliseconds: float) -> str:
    """The time of day, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%H:%M:%S")


def spark(values: Sequence[float], width: int) -> str:
    """The last of the values as a line of bars, as high as they are against the highest."""
    shown = values[-width:] if width > 0 else ()
    top = max(shown, default=0)
    return "".join(
        _BARS[round(value / top * (len(_BARS) - 1))] if top else _BARS[0] for value in shown
    )


def _row(label: str, parts: Iterable[tuple[str, str, str]]) -> Text:
    line = Text.assemble((label.ljust(_LABEL), QUIET))
    for number, word, style in parts:
        is_none = number.strip("0./s") == ""
        line.append(number.rjust(7), QUIET if is_none else LOUD)
        line.append(f" {word}".ljust(13), QUIET if is_none else style)
    return line


def _rates(rates: Rates, width: int) -> Text:
    parts = [("…" if rates.queued is None else _per_second(rates.queued), "queued", "yellow")]
    parts += [
        (_per_second(rates.ended[status]), status, state_style(status))
        for status in (AgentState.COMPLETED, AgentState.FAILED, AgentState.KILLED)
    ]
    line = _row("Rates", parts if width >= _FOUR else parts[:-1])
    room = min(KEPT, width - cell_len(line.plain) - len(_SPARK_TITLE))
    if room >= _BAR and any(rates.history):
        line.append(f"{spark(rates.history, room)}", "#3f5a78").append(_SPARK_TITLE, QUIET)
    return line


def _per_second(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 100 or not rate else f"{rate:.1f}/s"  # noqa: PLR2004 - a tenth says nothing then


def _listed(label: str, items: Sequence[Text], empty: str, width: int) -> Text:
    line = Text(label.ljust(_LABEL), QUIET)
    if not items:
        return line.append(f"  {empty}")
    for index, item in enumerate(items):
        left = len(items) - index
        more = f"   +{left} more"
        if cell_len(line.plain) + 3 + cell_len(item.plain) + (len(more) if left > 1 else 0) > width:
            return line.append(more, QUIET)
        line.append("   " if index else "  ").append_text(item)
    return line


def deepest(queues: Mapping[str, int]) -> list[tuple[str, int]]:
    """The queues that are not empty, the deepest first."""
    waiting = [(kind, size) for kind, size in queues.items() if size]
    return sorted(waiting, key=lambda queue: (-queue[1], queue[0]))


def load(node: NodeRecord) -> str:
    """How many agents a daemon has, of how many it may have."""
    return f"{node.agents or 0:,}/{node.capacity or 0:,}"


def paused_kinds(node: NodeRecord) -> str:
    """The kinds that a daemon does not claim just now, `paused: a, b`; else empty."""
    kinds = ", ".join(map(one_line, node.paused_kinds or ()))
    return f"paused: {kinds}" if kinds else ""


def _daemon(node: NodeRecord) -> Text:
    told = Text(f"{one_line(node.node)} ")
    told.append(one_line(node.state), NODE_STYLES.get(node.state, QUIET))
    told.append(f" {load(node)}", LOUD)
    paused = paused_kinds(node)
    return told.append(f" {paused}", "yellow") if paused else told


def _ends(left: Text, right: Text, width: int) -> Text:
    room = width - cell_len(right.plain) - 2
    left.truncate(max(0, room), overflow="ellipsis", pad=True)
    return left.append("  ").append_text(right)


def join_lines(lines: Iterable[Text], width: int) -> Text:
    """Lines below each other, each cut off where the room ends."""
    shown = list(lines)
    for line in shown:
        line.truncate(width, overflow="ellipsis")
    return Text("\n", no_wrap=True).join(shown)
