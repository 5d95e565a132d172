"""Entries of the journal: their form, large ones, and a journald that is not there."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from musterd import journal
from musterd.journal import Journal
from musterd.logwriter import LogWriter

LOG_TO_STDERR = """
import structlog
from musterd import logs
logs.configure("info", "auto")
structlog.get_logger().info("hello", agent_id="t1.1")
"""


class Journald:
    """What listens where journald would."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.socket.bind(self.path)

    def entry(self) -> dict[str, bytes]:
        """The next one; a file is read and its seals are looked at, as journald does."""
        data, files, _, _ = socket.recv_fds(self.socket, 1 << 20, 1)
        for file in files:
            with os.fdopen(file, "rb") as memory:
                memory.seek(0)
                data = memory.read()
        return dict(_fields(data))


def _fields(data: bytes) -> Iterator[tuple[str, bytes]]:
    while data:
        name, _, rest = data.partition(b"\n")
        size = int.from_bytes(rest[:8], "little")
        assert rest[8 + size : 9 + size] == b"\n"
        yield name.decode(), rest[8 : 8 + size]
        data = rest[9 + size :]


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    """One in the test's folder."""
    listening = Journald(tmp_path / "journal")
    yield listening
    listening.socket.close()


@pytest.fixture
def sender(journald: Journald) -> Iterator[Journal]:
    """A way to it."""
    with closing(Journal(journald.path)) as sender:
        yield sender


def line(**fields: Any) -> bytes:
    """As the log writes it."""
    return json.dumps({"timestamp": "t", "level": "info", "event": "e"} | fields).encode() + b"\n"


def test_entry(journald: Journald, sender: Journal) -> None:
    """Ids are fields, the message says all, the level is a priority."""
    sent = line(level="warning", event="lease lost", agent_id="t1.1", task_id="t1", count=3)
    assert sender.send(sent)
    assert journald.entry() == {
        "MESSAGE": b"lease lost agent_id=t1.1 task_id=t1 count=3",
        "PRIORITY": b"4",
        "SYSLOG_IDENTIFIER": b"musterd",
        "EVENT": b"lease lost",
        "AGENT_ID": b"t1.1",
        "TASK_ID": b"t1",
        "COUNT": b"3",
    }


def test_output_is_the_message(journald: Journald, sender: Journal) -> None:
    """What an agent writes stands behind its id, and by itself as a field."""
    sender.send(line(event="output", agent_id="t1.1", stream="stderr", line="größe"))
    entry = journald.entry()
    assert entry["MESSAGE"].decode() == "t1.1: größe"
    assert entry["LINE"].decode() == "größe"


def test_an_agent_forges_nothing(journald: Journald, sender: Journal) -> None:
    """Neither a new field by the end of a line, nor ours, nor one of journald's own."""
    forged = {
        "priority": 0,
        "message": "x",
        "_uid": "0",
        "a\nB=1": "y\nPRIORITY=0",
        "1": "z",
        "": 0,
    }
    sender.send(line(event="said", **forged))
    entry = journald.entry()
    assert (entry["PRIORITY"], entry["MESSAGE"][:4]) == (b"6", b"said")
    assert entry["A_B_1"] == b"y\nPRIORITY=0"
    assert entry["UID"] == b"0"
    assert all(name[0].isalpha() for name in entry)


def test_traceback_is_below_the_message(journald: Journald, sender: Journal) -> None:
    """It is text on lines of its own."""
    sender.send(line(event="failed", exception="Traceback:\n  here"))
    assert journald.entry()["MESSAGE"] == b"failed\nTraceback:\n  here"


def test_large_entry_goes_as_a_file(journald: Journald, sender: Journal) -> None:
    """What no datagram holds arrives whole."""
    assert sender.send(line(value="x" * 5_000_000))
    assert len(journald.entry()["VALUE"]) == 5_000_000


def test_missing_journald_leaves_lines_to_standard_error(tmp_path: Path) -> None:
    """Each line that it does not take is written to the descriptor, and none twice."""
    reader, writer = os.pipe()
    lines = LogWriter(writer, lambda _: None)
    sender = Journal(str(tmp_path / "nobody"))
    lines.forward = sender.send
    lines.write(line(number=1))
    assert lines.flush(5)
    journald = Journald(tmp_path / "nobody")
    lines.write(line(number=2))
    assert lines.flush(5)
    os.close(writer)
    assert json.loads(os.read(reader, 1000))["number"] == 1
    assert journald.entry()["NUMBER"] == b"2"
    os.close(reader)
    journald.socket.close()
    sender.close()


def test_chosen_where_systemd_connected_standard_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By device and inode: the variable alone, inherited say, is no reason."""
    with (tmp_path / "stream").open("wb") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        assert journal.is_behind(stream.fileno())
        assert not journal.is_behind(2)


def test_inherited_variable_changes_nothing() -> None:
    """A daemon whose standard error goes elsewhere writes JSON there."""
    done = subprocess.run(
        [sys.executable, "-c", LOG_TO_STDERR],
        env=os.environ | {"JOURNAL_STREAM": "8:1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stderr)["agent_id"] == "t1.1"
