"""What a check finds: where, how bad, what, and what to do. And how checks are run.

A check that itself fails is a finding too; no check harms the next one.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from musterd.doctor.remedies import remedy, say
from musterd.errors import MusterdError
from musterd.valkey import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from musterd.doctor.origins import Origin
    from musterd.jsons import Json


class Level(StrEnum):
    """How bad it is, the worst last."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class Area(StrEnum):
    """What a finding is about, in the order in which they are told."""

    SETTINGS = "settings"
    MACHINE = "this machine"
    KINDS = "agent kinds"
    CONNECTION = "connection"
    SERVER = "server"
    RIGHTS = "rights"
    TRAFFIC = "traffic"
    STATE = "state"
    DAEMONS = "daemons"

    def ok(self, what: str) -> "Finding":
        """All is well."""
        return Finding(self, Level.OK, what)

    def note(self, what: str, do: str = "") -> "Finding":
        """Worth knowing."""
        return Finding(self, Level.NOTE, what, do)

    def warning(self, what: str, do: str) -> "Finding":
        """Hurts, now or one day; no accepted work is lost by musterd's own doing."""
        return Finding(self, Level.WARNING, what, do)

    def problem(self, what: str, do: str) -> "Finding":
        """Loses work, or keeps the daemon from working."""
        return Finding(self, Level.PROBLEM, what, do)


class Finding(NamedTuple):
    """One of them. `do` is empty where nothing is to be done."""

    area: Area
    level: Level
    what: str
    do: str = ""


@dataclass(frozen=True)
class Report:
    """All that was found.

    Attributes:
        server: its name for people; empty if none could be named.
        settings: every setting and where its value comes from.
        findings: in the order in which they were made.
        refusal: why there is no connection, if there is none.
    """

    server: str
    settings: "list[Origin]"
    findings: list[Finding]
    refusal: MusterdError | None = None

    @property
    def exit_code(self) -> int:
        """That of the missing connection, else 1 if there is a problem, else 0."""
        if self.refusal is not None:
            return self.refusal.exit_code
        return int(self.count(Level.PROBLEM) > 0)

    def count(self, level: str) -> int:
        """How many findings are of a level."""
        return sum(finding.level == level for finding in self.findings)

    def as_json(self) -> "dict[str, Json]":
        """One document."""
        return {
            "server": self.server,
            "healthy": self.exit_code == 0,
            "settings": [dict(origin._asdict()) for origin in self.settings],
            "findings": [dict(finding._asdict()) for finding in self.findings],
        }


def look(area: Area, name: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Run a check of this machine."""
    found: list[Finding] = []
    with _failures(area, name, found):
        found.extend(check())
    return found


async def ask(area: Area, name: str, check: Callable[[], AsyncIterator[Finding]]) -> list[Finding]:
    """Run a check that talks to the server."""
    found: list[Finding] = []
    with _failures(area, name, found):
        async for finding in check():
            found.append(finding)  # noqa: PERF401 - what came before a failure is kept
    return found


@contextmanager
def _failures(area: Area, name: str, found: list[Finding]) -> "Iterator[None]":
    try:
        yield
    except FAULTS as error:
        found.append(area.problem(f"{name} could not be checked: {say(error)}", remedy(error)))
    except Exception as error:  # noqa: BLE001 - the other checks are still worth having
        problem = f"{name} could not be checked: {type(error).__name__}: {error}"
        found.append(area.warning(problem, "this is a fault of musterd's own; please report it"))
