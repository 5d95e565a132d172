"""The files through which a command and its daemon speak."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from musterd.errors import MusterdError, NotFoundError, TooLargeError
from musterd.jsons import MAX_BYTES
from musterd.runtimes.base import AgentFailed
from musterd.runtimes.exchange import Exchange
from musterd.runtimes.folders import Folders
from tests.support.contexts import PaperDesk, make_context


class StrictDesk(PaperDesk):
    """Refuses checkpoints as a daemon does: some as too large, and all once the task is gone."""

    def __init__(self, problem: MusterdError | None = None) -> None:
        super().__init__()
        self._problem = problem

    def checkpoint_soon(self, value: str, answer: Callable[[MusterdError | None], None]) -> None:
        """Answer at once."""
        if len(value) > 1000:
            raise TooLargeError("checkpoint", len(value), 1000)
        super().checkpoint_soon(value, lambda _: answer(self._problem))


@pytest.fixture
def desk() -> PaperDesk:
    """Where it is told."""
    return PaperDesk()


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """That of an agent without an earlier checkpoint."""
    exchange = Exchange(Folders(tmp_path / "scratch"), make_context())
    yield exchange
    exchange.remove()
    assert list((tmp_path / "scratch").glob("*/*")) == []


def place(exchange: Exchange, name: str) -> Path:
    """Where `MUSTERD_…` says that a file is."""
    return Path(exchange.variables()[f"MUSTERD_{name}"])


def saved(exchange: Exchange, suffix: str = ".saved") -> Path:
    """What the daemon leaves beside the checkpoint."""
    return Path(f"{place(exchange, 'CHECKPOINT')}{suffix}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0.4 cloned", (0.4, "cloned")),
        ("0.4\n", (0.4, None)),
        ("1", (1.0, None)),
        (" 0  two words \n", (0.0, "two words")),
        ("cloned it", (None, "cloned it")),
        ("3 files", (None, "3 files")),
        ("-0.5 x", (None, "-0.5 x")),
        ("nan", (None, "nan")),
        ("inf so", (None, "inf so")),
        ("- 1 file", (None, "1 file")),
        ("50% done", (None, "50% done")),
    ],
)
def test_progress(
    exchange: Exchange, desk: PaperDesk, text: str, told: tuple[float | None, str | None]
) -> None:
    """A fraction from 0 to 1, a note, or both; any other number belongs to the note."""
    place(exchange, "PROGRESS").write_text(text)
    exchange.look(desk)
    assert desk.told == [told]


def test_progress_in_no_encoding(exchange: Exchange, desk: PaperDesk) -> None:
    """What is no UTF-8 is replaced, what is giant is cut; what is empty tells nothing."""
    place(exchange, "PROGRESS").write_bytes(b"0.5 \xff\x00")
    exchange.look(desk)
    place(exchange, "PROGRESS").write_text("x" * 10_000_000)
    exchange.look(desk)
    place(exchange, "PROGRESS").write_text(" \n")
    exchange.look(desk)
    assert desk.told[0] == (0.5, "\ufffd\x00")
    assert desk.told[1] == (None, "x" * 4097)
    assert len(desk.told) == 2


def test_each_change_is_told_once(exchange: Exchange, desk: PaperDesk) -> None:
    """Whether it is written anew or replaced; looking again tells nothing."""
    path = place(exchange, "PROGRESS")
    for number in range(3):
        path.write_text("0." + "1" * (number + 1))
        exchange.look(desk)
        exchange.look(desk)
    (path.parent / "other").write_text("0.999")
    (path.parent / "other").replace(path)
    exchange.look(desk)
    exchange.look(desk)
    assert [fraction for fraction, _ in desk.told] == [0.1, 0.11, 0.111, 0.999]


def test_checkpoint_is_confirmed_byte_for_byte(exchange: Exchange, desk: PaperDesk) -> None:
    """So that `cmp` finds it; on many lines, too."""
    for text in ('{"page": 7}\n', '{\n  "page": "é"\n}\n', " null ", "0"):
        place(exchange, "CHECKPOINT").write_text(text)
        assert not saved(exchange).exists() or saved(exchange).read_text() != text
        exchange.look(desk)
        assert saved(exchange).read_text() == text
    assert desk.checkpoints == [{"page": 7}, {"page": "é"}, None, 0]


def test_half_a_checkpoint_waits_for_its_rest(exchange: Exchange, desk: PaperDesk) -> None:
    """It is no error; only at the end it is."""
    path = place(exchange, "CHECKPOINT")
    with capture_logs() as lines:
        for text in ("", '{"page"', '{"page": 7'):
            path.write_text(text)
            exchange.look(desk)
        path.write_text('{"page": 7}')
        exchange.close(desk)
    assert desk.checkpoints == [{"page": 7}]
    assert lines == []
    path.write_text("{")
    with capture_logs() as lines:
        exchange.close(desk)
    (line,) = lines
    assert (line["event"], line["file"]) == ("report not read", "MUSTERD_CHECKPOINT")
    assert "not JSON" in line["error"]


def test_bad_file_is_read_once(
    exchange: Exchange, desk: PaperDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte of nonsense is not parsed again with each look."""
    place(exchange, "CHECKPOINT").write_text("[" * 1000)
    exchange.look(desk)
    monkeypatch.setattr("musterd.runtimes.exchange._read_file", None)  # calling it would fail
    for _ in range(3):
        exchange.look(desk)


def test_restored_checkpoint_is_there_and_is_not_told(tmp_path: Path, desk: PaperDesk) -> None:
    """The command finds it; it is no news."""
    exchange = Exchange(Folders(tmp_path), make_context(restored={"page": "é"}))
    exchange.look(desk)
    assert json.loads(place(exchange, "CHECKPOINT").read_text()) == {"page": "é"}
    assert desk.checkpoints == []


@pytest.mark.parametrize("size", [1001, MAX_BYTES + 1, MAX_BYTES * 3])
def test_checkpoint_that_is_too_large_is_refused(exchange: Exchange, size: int) -> None:
    """Whoever waits for `.saved` finds why it never comes; the next one is kept."""
    desk = StrictDesk()
    place(exchange, "CHECKPOINT").write_text("1" * size)
    exchange.look(desk)
    assert "1000 are accepted" in saved(exchange, ".refused").read_text() or size > MAX_BYTES
    refused = saved(exchange, ".refused").read_text()
    assert refused.startswith("checkpoint: ")
    assert refused.endswith("are accepted (MUSTERD_MAX_CHECKPOINT)")
    assert not saved(exchange).exists()
    place(exchange, "CHECKPOINT").write_text("2")
    exchange.look(desk)
    assert saved(exchange).read_text() == "2"
    assert not saved(exchange, ".refused").exists()


def test_checkpoint_that_the_server_refuses(exchange: Exchange) -> None:
    """It says why, as well."""
    place(exchange, "CHECKPOINT").write_text("1")
    exchange.look(StrictDesk(NotFoundError("t1")))
    assert "t1" in saved(exchange, ".refused").read_text()
    assert not saved(exchange).exists()


def make_pipe(path: Path) -> None:
    """A pipe that nobody writes to, nor reads."""
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path)


def make_device(path: Path) -> None:
    """What never ends."""
    path.symlink_to("/dev/zero")


NONSENSE = [make_pipe, Path.mkdir, make_loop, make_device]


@pytest.mark.parametrize("make", NONSENSE)
@pytest.mark.parametrize("name", ["PROGRESS", "CHECKPOINT", "RESULT"])
def test_nonsense_in_a_files_place(
    exchange: Exchange, desk: PaperDesk, name: str, make: Callable[[Path], None]
) -> None:
    """Nobody waits for it, and it goes with the rest."""
    make(place(exchange, name))
    with capture_logs():
        exchange.look(desk)
        exchange.close(desk)
        if name == "RESULT":
            with pytest.raises(AgentFailed, match="MUSTERD_RESULT: "):
                exchange.result()
    assert (desk.told, desk.checkpoints) == ([], [])


@pytest.mark.parametrize("make", NONSENSE)
@pytest.mark.parametrize("suffix", [".saved", ".saved.new"])
def test_nonsense_in_the_daemons_place(
    exchange: Exchange, desk: PaperDesk, suffix: str, make: Callable[[Path], None]
) -> None:
    """The daemon opens no pipe to write to it, and follows no link."""
    make(saved(exchange, suffix))
    place(exchange, "CHECKPOINT").write_text("1")
    exchange.look(desk)
    assert desk.checkpoints == [1]


def test_link_is_not_written_through(exchange: Exchange, desk: PaperDesk, tmp_path: Path) -> None:
    """What it points to stays as it was."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for suffix in (".saved", ".saved.new"):
        saved(exchange, suffix).symlink_to(victim)
    place(exchange, "CHECKPOINT").write_text("1")
    exchange.look(desk)
    assert victim.read_text() == "mine"
    assert saved(exchange).read_text() == "1"


def test_answer_after_the_end_leaves_nothing(exchange: Exchange) -> None:
    """The folder is gone by then, and stays so."""
    answers = list[Callable[[MusterdError | None], None]]()

    class LateDesk(PaperDesk):
        def checkpoint_soon(
            self, value: str, answer: Callable[[MusterdError | None], None]
        ) -> None:
            del value
            answers.append(answer)

    place(exchange, "CHECKPOINT").write_text("1")
    exchange.close(LateDesk())
    exchange.remove()
    answers[0](None)
    answers[0](NotFoundError("t1"))
    assert not place(exchange, "CHECKPOINT").parent.exists()


def test_result(exchange: Exchange) -> None:
    """JSON on one line; none for nothing and for `null`."""
    assert exchange.result() is None
    for text, result in [("", None), (" null\n", None), ("[1]", "[1]"), ("[1,\n2]", "[1,2]")]:
        place(exchange, "RESULT").write_text(text)
        assert exchange.result() == result
    place(exchange, "RESULT").write_text('"' + "x" * MAX_BYTES)
    with pytest.raises(AgentFailed, match=rf"over {MAX_BYTES} bytes .* \(MUSTERD_MAX_RESULT\)$"):
        exchange.result()
