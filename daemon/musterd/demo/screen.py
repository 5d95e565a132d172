"""What the demo shows: live on a terminal, or plain lines; and the table at the end."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from musterd.demo.board import RECENT, STEPS, Board, Line, Row
from musterd.demo.plan import Part
from musterd.demo.stage import Stage
from musterd.display import STYLES, one_line
from musterd.records import TaskRecord
from musterd.states import TaskState

_REFRESHES: Final = 10
_PLAIN_WIDTH: Final = 110
_SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


Tell: TypeAlias = Callable[[Line], None]
"""Shows one more event."""


def console() -> Console:
    """The console on standard output; where that is no terminal, wide enough for the lines."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH)


@contextlib.contextmanager
def showing(to: Console, board: Board, stage: Stage) -> Iterator[Tell]:
    """Show the board as it changes; what it gives is called for each event."""
    if not to.is_terminal or to.is_dumb_terminal:
        yield lambda line: _print_line(to, line)
        return

    def draw() -> RenderableType:
        board.hear(stage.new_log_lines())
        return _picture(board)

    with Live(console=to, get_renderable=draw, refresh_per_second=_REFRESHES, transient=True):
        yield lambda _line: None  # the board holds it already


def print_ending(
    to: Console, parts: Sequence[Part], records: Sequence[TaskRecord], board: Board
) -> None:
    """Print what became of each task."""
    table = _table("", "TASK", "RAN AS", "ENDED", "TRY", "TOOK", "WHAT CAME OF IT")
    for part, record in zip(parts, records, strict=True):
        problem = part.problem(record)
        row = board.rows[part.task_id]
        table.add_row(
            Text("✗", "red bold") if problem else Text("✓", "green"),
            part.task_id,
            part.runs_as,
            _state(row),
            str(record.attempt),
            _seconds(row),
            Text(problem, "red") if problem else _came_of(part, record),
        )
    to.print(table)


def _came_of(part: Part, record: TaskRecord) -> Text:
    if record.result is None:
        return Text(one_line(record.error or ""))
    return Text(part.describe(record.result))


def _picture(board: Board) -> RenderableType:
    rows = board.rows.values()
    table = _table("TASK", "RUNS AS", "STATE", "TRY", "TIME", "IT SAYS")
    for row in rows:
        says = Text(row.says, "dim", no_wrap=True, overflow="ellipsis")
        tries = str(row.attempt or "")
        table.add_row(row.part.task_id, row.part.runs_as, _state(row), tries, _seconds(row), says)
    ended = sum(row.ended is not None for row in rows)
    steps = max(STEPS.values()) * len(rows)
    bar = Table.grid(padding=(0, 1))
    progress = ProgressBar(total=steps, completed=sum(row.steps for row in rows), width=50)
    bar.add_row(progress, f"{ended} of {len(rows)} have ended")
    missing = [Text("")] * (RECENT - len(board.recent))
    events = [_line(line) for line in board.recent]
    return Group(table, Text(""), *events, *missing, Text(""), bar)


def _table(*titles: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, no_wrap=title != titles[-1])
    return table


def _state(row: Row) -> Text:
    running = row.state == TaskState.EXECUTING
    mark = _SPINNER[int((row.seconds() or 0) * _REFRESHES) % len(_SPINNER)] if running else " "
    return Text(f"{mark} {row.state}".strip(), STYLES.get(row.state, ""))


def _seconds(row: Row) -> str:
    seconds = row.seconds()
    return "" if seconds is None else f"{seconds:.1f} s"


def _line(line: Line) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{line.seconds:6.2f} s  ", "dim")
    text.append(f"{line.type:15}", STYLES.get(line.type.rpartition(".")[2], "bold"))
    text.append(f"  {line.subject:20}  {line.cause}".rstrip())
    return text


def _print_line(to: Console, line: Line) -> None:
    to.print(_line(line), soft_wrap=True)
    to.file.flush()
