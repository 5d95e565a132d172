"""Agents that are plain functions: one call in a process of its own, so that a kill can end it.

Run as `python -m musterd.runtimes.worker SOURCE KIND`; SOURCE is an import path as in
MUSTERD_AGENTS. It does what every command does: the context and messages come in on standard
input, the result goes to a file, the exit code tells how it went.
"""

import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from musterd import functions, jsons
from musterd.errors import KindError
from musterd.functions import AgentFunction
from musterd.runtimes.base import REJECTED, AgentFailed, Context, ContextRejected, encode_result
from musterd.runtimes.model import find_model
from musterd.runtimes.worker_desk import WorkerDesk

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class WorkerContext(Context[Any]):
    """The context, with a logger that writes to standard output, where the daemon reads it."""

    __slots__ = ()

    @property
    def log(self) -> "FilteringBoundLogger":
        """See `Context.log`; a module that has configured structlog itself is left alone."""
        import structlog  # noqa: PLC0415, as in `Context.log`

        if not structlog.is_configured():
            structlog.configure(
                processors=[
                    structlog.processors.add_log_level,
                    structlog.processors.format_exc_info,
                    structlog.processors.LogfmtRenderer(key_order=["level", "event"]),
                ],
                cache_logger_on_first_use=True,
            )
        return super().log


def main() -> int:
    """Make the call; returns the exit code."""
    source, kind = sys.argv[1:]
    try:
        function = _find(source, kind)
        text = encode_result(function(_read_context(source, kind, function)))
    except (AgentFailed, ContextRejected) as error:
        sys.stderr.write(f"{error}\n")
        return REJECTED if isinstance(error, ContextRejected) else 1
    except Exception as error:  # noqa: BLE001, the agent's errors are told, whatever they are
        # The daemon keeps the end of this as the agent's error; our own frame is of no interest.
        traceback.print_exception(error.with_traceback(_callee(error.__traceback__)))
        return 1
    if text is not None:
        Path(os.environ["MUSTERD_RESULT"]).write_text(text, encoding="utf-8")
    return 0


def _callee(frames: TracebackType | None) -> TracebackType | None:
    return frames.tb_next if frames else None


def _find(source: str, kind: str) -> AgentFunction:
    for options, function in functions.find(source):
        if options.name == kind:
            return function
    raise KindError(source, f"defined {kind} when the daemon started, and does not now")


def _read_context(source: str, kind: str, function: AgentFunction) -> Context:
    value = jsons.loads(sys.stdin.readline())
    model = find_model(source, function)
    desk = WorkerDesk(Path(os.environ["MUSTERD_PROGRESS"]), Path(os.environ["MUSTERD_CHECKPOINT"]))
    return WorkerContext(
        task_id=os.environ["MUSTERD_TASK_ID"],
        agent_id=os.environ["MUSTERD_AGENT_ID"],
        attempt=int(os.environ["MUSTERD_ATTEMPT"]),
        kind=kind,
        context=value if model is None else model.check(value),
        owner=os.environ["MUSTERD_OWNER"],
        desk=desk,
        restored=desk.restored(),
    )


if __name__ == "__main__":
    sys.exit(main())
