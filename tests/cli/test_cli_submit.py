"""`musterd submit`."""

import subprocess
from pathlib import Path

import pytest

from musterd.cli.submit import _report
from musterd.errors import MusterdError, UnknownKindError
from musterd.jsons import MAX_BYTES
from musterd.records import TaskRecord
from tests.cli.conftest import Cli, Program, as_client, as_daemon

pytestmark = pytest.mark.leaves_work("submitted tasks that nobody runs")


def task(task_id: str) -> TaskRecord:
    """The record of a task."""
    record = as_client(lambda client: client.get(task_id))
    assert isinstance(record, TaskRecord)
    return record


def test_prints_the_id(cli: Cli) -> None:
    """The id is all that is printed, and the task is there."""
    outcome = cli("submit", "check")
    assert (outcome.code, outcome.err) == (0, "")
    assert task(outcome.out.strip()).status == "pending"


def test_json(cli: Cli) -> None:
    """`--json` prints one document."""
    assert cli("submit", "check", "--id", "t1", "--json").document == {"taskId": "t1"}


def test_every_option_reaches_the_record(cli: Cli) -> None:
    """Options end up on the task."""
    options = ["--id", "t1", "--priority", "3", "--timeout", "1.5", "--max-attempts", "4"]
    cli("submit", "check", *options, "--context", '{"a": [1]}', "--metadata", '"mine"')
    found = task("t1")
    assert (found.priority, found.timeout, found.max_attempts) == (3, 1.5, 4)
    assert (found.context, found.metadata) == ({"a": [1]}, "mine")


def test_context_from_a_file(cli: Cli, tmp_path: Path) -> None:
    """`--context-file` reads the context."""
    (tmp_path / "context.json").write_text('{"a": "ü"}')
    cli("submit", "check", "--id", "t1", "--context-file", "context.json")
    assert task("t1").context == {"a": "ü"}


def test_context_from_standard_input(program: Program) -> None:
    """`--context-file -` reads standard input."""
    process = program("submit", "check", "--context-file", "-", stdin=subprocess.PIPE)
    out, _ = process.communicate('{"a": 1}', timeout=60)
    assert task(out.strip()).context == {"a": 1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "--context", "{"], "--context"),
        (["check", "--metadata", "NaN"], "NaN"),
        (["check", "--context", "1", "--context-file", "-"], "not both"),
        (["check", "--wait-timeout", "1"], "--wait"),
        (["check", "--context-file", "bad.json"], "bad.json"),
        (["check", "--context-file", "absent.json"], "absent.json"),
        (["no kind"], "no kind"),
        (["check", "--id", "t.1"], "t.1"),
        (["check", "--priority", "10"], "10"),
    ],
)
def test_what_is_refused(cli: Cli, tmp_path: Path, arguments: list[str], says: str) -> None:
    """Wrong values end with 2, name what is wrong, and submit nothing."""
    (tmp_path / "bad.json").write_text("{")
    outcome = cli("submit", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err
    assert as_client(lambda client: client.tasks("pending")) == []


@pytest.mark.parametrize(
    ("path", "size"), [("large.json", 2 * MAX_BYTES), ("/dev/zero", f"over {MAX_BYTES}")]
)
def test_context_file_that_is_too_large(
    cli: Cli, tmp_path: Path, path: str, size: int | str
) -> None:
    """The error names the file, its size, the limit and the setting."""
    (tmp_path / "large.json").write_text("1" * 2 * MAX_BYTES)
    outcome = cli("submit", "check", "--context-file", path)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"--context-file {path}: context: {size} bytes of JSON, at most" in outcome.err
    assert "(MUSTERD_MAX_CONTEXT)" in outcome.err


def test_context_that_the_kind_does_not_accept(cli: Cli) -> None:
    """Is wrong usage: exit 2, one line with the field, and nothing is submitted."""
    pages = {"pages": {"items": {"type": "string"}}}
    as_daemon(lambda hand: hand.offer("check", {"schema": {"properties": pages}}))
    outcome = cli("submit", "check", "--context", '{"pages": ["a", 5]}')
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "musterd: check: context.pages[1]: give string, not 5\n"
    assert as_client(lambda client: client.tasks("pending")) == []


def test_unknown_kind_names_the_known() -> None:
    """What is offered is named, in order, and not without an end."""
    assert str(UnknownKindError("chek", ["summarise", "check"])).endswith(
        "; offered are: check, summarise"
    )
    many = UnknownKindError("chek", [f"k{number:02}" for number in range(25)])
    assert str(many).endswith("k18, k19 and 5 more")


def test_same_id_with_another_context_is_exit_1(cli: Cli) -> None:
    """The same task again is no error; another one of its id is."""
    assert cli("submit", "check", "--id", "t1").code == 0
    assert cli("submit", "check", "--id", "t1").code == 0
    outcome = cli("submit", "check", "--id", "t1", "--context", "1")
    assert outcome.code == 1
    assert outcome.err.startswith("musterd: t1: a task of this id exists")


def test_wait_timeout(cli: Cli) -> None:
    """A wait that is too short is exit 1; the id is known all the same."""
    outcome = cli("submit", "check", "--id", "t1", "--wait", "--wait-timeout", "0.01")
    assert (outcome.code, outcome.out) == (1, "t1\n")
    assert outcome.err == "musterd: t1: has not started after 0.01 s; no daemon is running\n"


def test_no_answer_leaves_it_open(program: Program) -> None:
    """Where no answer comes, the task may be there: its id is told, which is safe to repeat."""
    process = program("submit", "check", "--id", "t1", env={"VALKEY_URL": "redis://127.0.0.1:1"})
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (5, "")
    assert "t1 may have been submitted all the same, and with --id t1 it is safe" in err


def test_failure_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line of an error, before the sentence that has room for its ends alone."""
    fields = {"taskId": "t1", "kind": "check", "status": "failed", "reason": "error"}
    with pytest.raises(MusterdError, match=r"^t1: failed \(error: ValueError: … three\)$"):
        _report(TaskRecord.read(fields | {"error": "ValueError: one\ntwo\nthree"}), as_json=False)
    assert capsys.readouterr() == ("", "ValueError: one\ntwo\nthree\n")
