"""Logs: what a line holds, for programs and for people, and that no line ever harms its caller."""

import json
import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from musterd import logs

LOG_ONE_LINE = """
import structlog, sys
from musterd import logs
logs.configure("info", "auto")
structlog.get_logger().info("hello", agentId="t1.1")
sys.exit(7)
"""


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    logs.flush()
    root.handlers = before
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """What was logged as JSON; nothing went to standard output."""
    logs.flush()
    out, err = capfd.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def run_on_terminal(**env: str) -> str:
    """What a person sees of `LOG_ONE_LINE`."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", LOG_ONE_LINE]
    subprocess.run(command, stderr=follower, env=os.environ | {"TERM": "xterm"} | env, check=False)
    os.close(follower)
    seen = b""
    with suppress(OSError):  # the end of a terminal is an error
        while chunk := os.read(leader, 4096):
            seen += chunk
    os.close(leader)
    return seen.decode()


def test_json_line(capfd: pytest.CaptureFixture[str]) -> None:
    """Time in UTC with milliseconds, level, event, then what is bound and what is given."""
    logs.configure("info", "json")
    with structlog.contextvars.bound_contextvars(taskId="t1", agentId="t1.1"):
        structlog.get_logger().warning("größe", attempt=1, other={1, 2})
    (line,) = lines(capfd)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("timestamp")))
    assert line == {
        "level": "warning",
        "event": "größe",
        "taskId": "t1",
        "agentId": "t1.1",
        "attempt": 1,
        "other": "{1, 2}",
    }


def test_a_value_never_replaces_ours(capfd: pytest.CaptureFixture[str]) -> None:
    """An agent that logs a `level` or a `timestamp` of its own does not forge the line's."""
    logs.configure("info", "json")
    structlog.get_logger().info("x", level="error", timestamp="never")
    (line,) = lines(capfd)
    assert line["level"] == "info"
    assert line["timestamp"] != "never"


def test_exception_is_text(capfd: pytest.CaptureFixture[str]) -> None:
    """A traceback stays inside its JSON line."""
    logs.configure("info", "json")
    try:
        Path("/no/such/disk").stat()
    except OSError:
        structlog.get_logger().exception("failed")
    (line,) = lines(capfd)
    assert line["level"] == "error"
    assert str(line["exception"]).startswith("Traceback")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_level(capfd: pytest.CaptureFixture[str], level: str) -> None:
    """What is less than the level is dropped, also by a logger that was made before."""
    levels = ["debug", "info", "warning", "error"]
    log = structlog.get_logger()
    logs.configure("error", "json")
    log.error("before")
    logs.configure(level, "json")
    for name in levels:
        getattr(log, name)("x")
    assert [line["level"] for line in lines(capfd)[1:]] == levels[levels.index(level) :]


def test_libraries(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library's logging comes the same way, once, from warning upwards."""
    # pytest's own handlers raise on a record that is wrong.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logs.configure("debug", "json")
    logs.configure("debug", "json")
    library = logging.getLogger("redis.test")
    library.setLevel(logging.DEBUG)
    library.info("%s", "dropped")
    library.warning("slow %s", "call")
    library.log(45, "100% lost")
    library.error("wrong %d", "arguments")
    assert [(line["level"], line["event"], line["library"]) for line in lines(capfd)] == [
        ("warning", "slow call", "redis.test"),
        ("error", "100% lost", "redis.test"),
        ("error", "wrong %d", "redis.test"),
    ]


def test_broken_connection_met_as_garbage(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who used it has told of it; asyncio tells of it again, any time later, as an error."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logs.configure("info", "json")
    for error in (ConnectionResetError(104, "reset"), FileNotFoundError(2, "no file")):
        logging.getLogger("asyncio").error(
            "Future exception was never retrieved\nfuture: %r", "f", exc_info=error
        )
    (line,) = lines(capfd)
    assert "no file" in str(line["exception"])


def test_console_line(capfd: pytest.CaptureFixture[str]) -> None:
    """For people: time of day, level, event, values; off a terminal without colours."""
    logs.configure("info", "console")
    structlog.get_logger().info("agent running", agentId="t1.1")
    logs.flush()
    _, err = capfd.readouterr()
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[info +\] agent running +agentId=t1\.1\n", err)


def test_console_keeps_a_record_on_its_line(capfd: pytest.CaptureFixture[str]) -> None:
    """What an agent wrote cannot end the line, nor reach the terminal as a command."""
    logs.configure("info", "console")
    structlog.get_logger().info("a\nb\x1b[2J", value="\x1b]0;x\x07 \x9b", nested={"x": "\x1b"})
    logs.flush()
    _, err = capfd.readouterr()
    assert err.count("\n") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", err)
    assert "a␊b␛[2J" in err


def test_auto_on_a_terminal() -> None:
    """`auto` on a terminal: for people, in colour, unless `NO_COLOR` asks for none."""
    assert "\x1b[" in run_on_terminal(NO_COLOR="")
    plain = run_on_terminal(NO_COLOR="1")
    assert "\x1b[" not in plain
    assert re.search(r"hello +agentId=t1\.1\s*$", plain)


def test_auto_elsewhere() -> None:
    """`auto` in a pipe: JSON."""
    command = [sys.executable, "-c", LOG_ONE_LINE]
    done = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    assert json.loads(done.stderr)["event"] == "hello"


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full", "2> >(exit)"])
def test_stderr_that_takes_nothing(stderr: str) -> None:
    """Closed, full or broken: the caller goes on, and the exit code stays its own."""
    script = f"exec {stderr}; sleep 0.05; exec {sys.executable} -c '{LOG_ONE_LINE}'"
    done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, check=False)
    assert done.returncode == 7
    assert done.stdout == b""


def test_closed_stderr_is_never_a_socket() -> None:
    """If 2 was closed at our start, a socket may get that number; no log line goes there."""
    script = """
import os, socket, structlog
from musterd import logs
near, far = socket.socketpair()
os.dup2(near.fileno(), 2)
logs.configure("info", "json")
structlog.get_logger().error("x")
far.setblocking(False)
try:
    print(far.recv(100))
except BlockingIOError:
    print("nothing")
"""
    command = ["bash", "-c", f"exec 2>&-; exec {sys.executable} -c '{script}'"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"nothing\n"


class Kept:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def output(self, stream: str, line: str) -> None:
        """As `Keeper.output`."""
        self.lines.append((stream, line))


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_kept_exception_is_text(capfd: pytest.CaptureFixture[str], log_format: str) -> None:
    """An agent's `ctx.log.exception` is kept with its traceback; the log has it as before."""
    logs.configure("info", log_format)
    keeper = Kept()
    token = logs.KEEPER.set(keeper)
    try:
        Path("/no/such/disk").stat()
    except OSError:
        structlog.get_logger().exception("failed", page=3)
    finally:
        logs.KEEPER.reset(token)
    (_, first), (_, second), *_, (_, last) = keeper.lines
    assert first == "error: failed page=3"
    assert second == "Traceback (most recent call last):"
    assert last.startswith("FileNotFoundError: ")
    assert {stream for stream, _ in keeper.lines} == {"log"}
    logs.flush()
    assert "FileNotFoundError" in capfd.readouterr().err


def test_half_a_surrogate(capfd: pytest.CaptureFixture[str]) -> None:
    """A file name that is not UTF-8 can be logged in both formats."""
    for log_format in ("json", "console"):
        logs.configure("info", log_format)
        structlog.get_logger().info("read", path=os.fsdecode(b"\xff"))
    logs.flush()
    assert "\\udcff" in capfd.readouterr().err


LOG_MUCH = """
import structlog, sys
from musterd import logs
logs.configure("info", "json")
for number in range(3000):
    structlog.get_logger().info("x" * 100, number=number)
print("done", flush=True)
sys.exit(7)
"""


def test_reader_that_stalls() -> None:
    """It holds up no log call, and the exit for about a second."""
    reader, writer = os.pipe()
    command = [sys.executable, "-c", LOG_MUCH]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=writer) as process:
        os.close(writer)
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
        assert process.wait(3) == 7
    os.close(reader)


def test_exit_writes_what_waits() -> None:
    """The last lines of a process that ends are not lost."""
    command = [sys.executable, "-c", LOG_MUCH]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 7
    assert [json.loads(line)["number"] for line in done.stderr.splitlines()] == list(range(3000))


def test_forked_child_logs() -> None:
    """A child that was forked in the middle of a burst logs too, and ends."""
    script = """
import os, structlog
from musterd import logs
logs.configure("info", "json")
for number in range(50):
    structlog.get_logger().info("parent")
    if not os.fork():
        structlog.get_logger().info("child")
        os._exit(0)
    os.wait()
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, stderr=subprocess.PIPE, check=True, timeout=20)
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert sorted(events) == ["child"] * 50 + ["parent"] * 50
