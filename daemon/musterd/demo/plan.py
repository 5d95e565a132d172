"""Which tasks the demo submits, and how each of them has to end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import musterd
from musterd.demo import repositories
from musterd.demo.repositories import LIGHTHOUSE, ORCHARD, Repository
from musterd.records import TaskRecord
from musterd.states import Reason, TaskState
from musterd.submission import Submission

PUBLISH: Final = "publish"
WATCH: Final = "watch"

PAUSE: Final = 0.4
"""Seconds between two files of a check, so that one can watch."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A task of the demo.

    Attributes:
        submission: the task.
        runs_as: for people: a command, a coroutine, a process.
        status: how it has to end.
        reason: why it has to fail, if it has to.
        least_attempts: how many attempts it has to take at least.
        expects: some fields that its result must have.
        describe: what its result says, in a few words.
    """

    submission: Submission
    runs_as: str
    status: TaskState = TaskState.COMPLETED
    reason: Reason | None = None
    least_attempts: int = 1
    expects: dict[str, Any]
    describe: Callable[[Any], str]

    @property
    def task_id(self) -> str:
        """The id of its task."""
        return self.submission.task_id

    def problem(self, record: TaskRecord) -> str:
        """What is wrong with how it ended; empty if nothing is."""
        ended, wanted = (record.status, record.reason), (self.status, self.reason)
        if ended != wanted:
            return f"is {_name(*ended)}, should be {_name(*wanted)}"
        if record.attempt < self.least_attempts:
            return f"took {record.attempt} attempts, should have taken {self.least_attempts}"
        result = record.result if isinstance(record.result, dict) else {}
        for name, value in self.expects.items():
            if result.get(name) != value:
                return f"{name} is {result.get(name)!r} in its result, should be {value!r}"
        return ""


def make(folder: Path) -> list[Part]:
    """The parts; what they work on is made in the folder.

    Raises:
        MusterdError: git failed.
    """
    page = folder / "page.html"
    page.with_suffix(".lock").write_text("the demo", encoding="utf-8")
    checks = [_check(repository, folder) for repository in (ORCHARD, LIGHTHOUSE)]
    return [*checks, _summarise(checks), _publish(page), _count(), _watch()]


def unlock(folder: Path) -> None:
    """Let go of the lock that made `publish` fail."""
    (folder / "page.lock").unlink(missing_ok=True)


def _check(repository: Repository, folder: Path) -> Part:
    path = repositories.make(repository, folder)
    context: dict[str, Any] = {
        "repository": str(path),
        "largest": repositories.LARGEST,
        "pause": PAUSE,
    }
    return Part(
        submission=Submission(
            kind="check-repository", task_id=f"check-{repository.name}", context=context
        ),
        runs_as="command",
        expects={"repository": repository.name, "problems": repository.faults},
        describe=lambda result: "{files} files, {problems} problems".format(**result),
    )


def _summarise(checks: Sequence[Part]) -> Part:
    return Part(
        submission=Submission(
            kind="summarise",
            task_id="summarise",
            context={"tasks": [check.task_id for check in checks]},
        ),
        runs_as="coroutine",
        expects={
            "repositories": len(checks),
            "problems": sum(check.expects["problems"] for check in checks),
        },
        describe=lambda result: "{problems} problems in all".format(**result),
    )


def _publish(page: Path) -> Part:
    return Part(
        submission=Submission(
            kind="publish",
            task_id=PUBLISH,
            context={"page": str(page), "text": "<h1>All is well</h1>\n"},
        ),
        runs_as="process",
        least_attempts=2,
        expects={"page": page.name},
        describe=lambda result: "{page}, {bytes} bytes".format(**result),
    )


def _count() -> Part:
    folder = Path(musterd.__file__).parent
    return Part(
        submission=Submission(
            kind="count-lines", task_id="count-lines", context={"folder": str(folder)}
        ),
        runs_as="process",
        expects={},
        describe=lambda result: "{lines} lines in {files} files".format(**result),
    )


def _watch() -> Part:
    return Part(
        submission=Submission(kind="watch", task_id=WATCH),
        runs_as="command",
        status=TaskState.FAILED,
        reason=Reason.KILLED,
        expects={},
        describe=str,
    )


def _name(status: str, reason: str | None) -> str:
    return f"{status} ({reason})" if reason else status
