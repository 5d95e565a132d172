"""What is logged, by us and by the libraries, leaves here: one line a record.

It goes to standard error, or to the journal as an entry where standard error leads there.

Others call `structlog.get_logger()` and bind ids with `structlog.contextvars`. A log call never
raises or waits because of where the line goes: a daemon outlives its terminal and its log
collector, and works on while they stall.
"""

import atexit
import json
import logging
import os
import sys
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import orjson
import structlog
from structlog.contextvars import merge_contextvars
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import TimeStamper, add_log_level, format_exc_info
from structlog.typing import EventDict, Processor

from musterd import journal
from musterd.environment import color_allowed
from musterd.logwriter import LogWriter


class Keeper(Protocol):
    """Keeps an agent's output; for coroutines that is its desk."""

    def output(self, stream: str, line: str) -> None:
        """A line was written."""
        ...


KEEPER: Final = ContextVar[Keeper | None]("KEEPER", default=None)
"""What is logged in this context is an agent's output, on its stream `log`."""

_STDERR = 2
_LIBRARY_LEVEL = logging.WARNING
_FLUSH = 1.0
# Their pictures: ␛ for an escape, ␊ for the end of a line.
_CONTROL_CHARACTERS = (
    {code: 0x2400 + code for code in range(0x20)}
    | {0x7F: 0x2421}
    | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
)

_encode_anything = json.JSONEncoder(separators=(",", ":"), skipkeys=True, default=repr).encode


def configure(level: str, log_format: str) -> None:
    """Choose what is logged and how; a later call replaces an earlier one.

    Args:
        level: `debug`, `info`, `warning` or `error`; less is dropped.
        log_format: `console` for people, `json` for programs, `auto` for console on a terminal,
            entries of the journal under systemd, and JSON elsewhere.
    """
    terminal = _is_terminal()
    for_people = log_format == "console" or (log_format == "auto" and terminal)
    to_journal = log_format == "auto" and journal.is_behind(_STDERR)
    if not to_journal:
        _writer.forward = None
    elif _writer.forward is None:
        _writer.forward = journal.Journal().send
    structlog.configure(
        processors=_for_people(colors=terminal and color_allowed()) if for_people else _for_json(),
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=_StandardError,
        # A cached logger would keep its level over the next call; the cache saves 1 µs of 10.
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    if not any(isinstance(handler, _LibraryHandler) for handler in root.handlers):
        root.addHandler(_LibraryHandler(_LIBRARY_LEVEL))


def flush() -> None:
    """Wait until what was logged is written, or nothing has been for a second.

    The interpreter's own end does it too; `os._exit`, and a line that goes to standard error past
    the log, need it before.
    """
    _writer.flush(_FLUSH)


def _is_terminal() -> bool:
    with suppress(OSError):  # it may be closed
        return os.isatty(_STDERR)
    return False


def _for_json() -> list[Processor]:
    return [_keep, merge_contextvars, format_exc_info, _as_json]


def _for_people(*, colors: bool) -> list[Processor]:
    return [
        _keep,
        merge_contextvars,
        add_log_level,
        _escape,
        TimeStamper(fmt="%H:%M:%S", utc=False),
        ConsoleRenderer(colors=colors, exception_formatter=plain_traceback),
    ]


def _keep(logger: Any, level: str, record: EventDict) -> EventDict:
    keeper = KEEPER.get()
    if keeper is not None:
        # On a copy: people are shown their tracebacks in another form.
        told = format_exc_info(logger, level, dict(record))
        event, exception = told.pop("event", None), told.pop("exception", None)
        fields = (f"{name}={value!r}" for name, value in told.items())
        keeper.output("log", " ".join((f"{level}: {event}", *fields)))
        for line in str(exception or "").splitlines():
            keeper.output("log", line)
    return record


def _as_json(_logger: Any, level: str, record: EventDict) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    # These three come first, and no value that an agent logs takes their place.
    own = {"timestamp": f"{now}Z", "level": level, "event": record.get("event")}
    line = {**own, **record, **own}
    try:
        return orjson.dumps(line, default=repr)
    except TypeError:  # keys that are no text, a number of over 64 bits, half a surrogate pair
        return _encode_anything(line).encode()


def _escape(_logger: Any, _level: str, record: EventDict) -> EventDict:
    """Keep a record on its line, and keep an agent's escape sequences from the terminal."""
    return {
        key: value.translate(_CONTROL_CHARACTERS) if isinstance(value, str) else value
        for key, value in record.items()
    }


class _StandardError:
    """Hands each line to the thread that writes to the descriptor.

    `sys.stderr` would keep a line that it could not write, fail again at exit, and so change the
    exit code.
    """

    def __init__(self, *_args: Any) -> None:
        pass

    def _write(self, line: str | bytes) -> None:
        if sys.stderr is None:  # it was closed at our start: the number may be a socket's by now
            return
        text = line if isinstance(line, bytes) else line.encode(errors="backslashreplace")
        _writer.write(text + b"\n")

    debug = info = warning = error = critical = _write


class _LibraryHandler(logging.Handler):
    """Hands records of the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(library=record.name)
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - the arguments of a foreign log call may be anything
            message = str(record.msg)
        cause = record.exc_info and record.exc_info[1]
        if message.startswith("Future exception") and isinstance(cause, ConnectionError):
            return  # a connection that broke, met as garbage: who used it has told of it
        write = log.error if record.levelno >= logging.ERROR else log.warning
        write(message, exc_info=record.exc_info)


def _tell_dropped(count: int) -> None:
    structlog.get_logger().error("log lines dropped, standard error was not read", count=count)


_writer = LogWriter(_STDERR, _tell_dropped)
atexit.register(_writer.close, _FLUSH)
os.register_at_fork(after_in_child=_writer.go_direct)
