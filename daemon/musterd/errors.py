"""Every error that musterd raises on purpose. Each builds its own sentence from typed fields.

`exit_code` is what the command line ends with when the error reaches it; `code` is the error's name
in a reply on the control channel.
"""

from collections.abc import Collection
from typing import ClassVar, Final, NamedTuple

_SHOWN_NAMES: Final = 20


class MusterdError(Exception):
    """The root of all of them."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "failed"


class SettingError(MusterdError):
    """A setting's value is not acceptable."""

    exit_code = 2

    def __init__(self, name: str, value: str, accepted: str) -> None:
        self.name = name
        super().__init__(f"{name}: {value!r} is not accepted; give {accepted}")


class KindError(MusterdError):
    """A definition of agent kinds cannot be used."""

    exit_code = 2

    def __init__(self, source: str, problem: str) -> None:
        self.source = source
        super().__init__(f"MUSTERD_AGENTS: {source}: {problem}")


class MalformedError(MusterdError):
    """A command or an argument is not of the form that the contract describes."""

    exit_code = 2
    code = "malformed"


class NotFoundError(MusterdError):
    """There is no such task or agent."""

    exit_code = 3
    code = "not_found"

    def __init__(self, record_id: str) -> None:
        self.record_id = record_id
        super().__init__(
            f"{record_id}: there is no such task or agent; "
            "ended ones are kept for MUSTERD_RETENTION seconds"
        )


class AlreadyTerminalError(MusterdError):
    """What should be stopped had ended before."""

    exit_code = 4
    code = "already_terminal"

    def __init__(self, record_id: str, status: str) -> None:
        self.record_id = record_id
        self.status = status
        super().__init__(f"{record_id}: has already ended, it is {status}")


class ExistsError(MusterdError):
    """A task of this id is there, with another kind or context."""

    code = "exists"

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(
            f"{task_id}: a task of this id exists with another kind or context; choose another id"
        )


class UnknownKindError(MusterdError):
    """Some daemon has offered kinds, and this is not among them."""

    exit_code = 2
    code = "unknown_kind"

    def __init__(self, kind: str, offered: Collection[str] = ()) -> None:
        self.kind = kind
        self.offered = sorted(offered)
        known = f"offered are: {_some(self.offered)}" if offered else "see MUSTERD_AGENTS"
        super().__init__(f"{kind}: no daemon has offered this kind; {known}")


class IllegalStepError(MusterdError):
    """A record is not in a state from which this step leads anywhere."""

    def __init__(self, record_id: str, source: str, target: str) -> None:
        self.record_id = record_id
        self.source = source
        self.target = target
        super().__init__(f"{record_id}: {source} → {target} is not a legal step")


class NotOwnerError(MusterdError):
    """Another owner (node, epoch, token) holds the record."""

    def __init__(self, record_id: str) -> None:
        self.record_id = record_id
        super().__init__(f"{record_id}: belongs to another owner; what was to be written was not")


class Holder(NamedTuple):
    """Who has a node's name, as its record says."""

    epoch: str
    host: str
    pid: str
    process: str


class NameTakenError(MusterdError):
    """Another live daemon has this node's name."""

    def __init__(self, node: str, holder: Holder) -> None:
        self.node = node
        self.holder = holder
        super().__init__(
            f"MUSTERD_NODE: {node!r} is the name of a daemon that is alive "
            f"(pid {holder.pid} on {holder.host}); stop that one, or give this one another name"
        )


class BrokenRecordError(MusterdError):
    """A step met a key whose type or content is not ours; nothing was written."""

    def __init__(self, record_id: str, problem: str) -> None:
        self.record_id = record_id
        self.problem = problem
        super().__init__(f"{record_id}: {problem}; nothing was written, repair or delete the key")


class UnreachableError(MusterdError):
    """Valkey does not answer.

    Attributes:
        where: the server, or the folder of the embedded one.
        problem: what was met.
        advice: what to do.
    """

    exit_code = 5

    def __init__(
        self,
        where: str,
        problem: str,
        advice: str = "start `musterd run --embedded`, or name a server with VALKEY_URL",
    ) -> None:
        self.where = where
        self.problem = problem
        self.advice = advice
        super().__init__(f"Valkey at {where} is not reachable: {problem}; {advice}")


class RefusedError(MusterdError):
    """Valkey answers, but not to us, or not as it must."""

    exit_code = 2

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"Valkey at {where} refuses: {problem}")


class StateDirError(MusterdError):
    """The state folder cannot be used, or is another daemon's."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"MUSTERD_STATE_DIR: {path}: {problem}")


class UnwrittenError(MusterdError):
    """A daemon ended while Valkey did not take the endings of its last agents."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"the endings of {count} agents could not be written; "
            "they are settled as lost when this daemon starts again, or by another one"
        )


class EventsTrimmedError(MusterdError):
    """Events after a reader's place are gone from the log."""

    def __init__(self, place: str, first_left: str | None) -> None:
        self.place = place
        self.first_left = first_left
        left = f"the first one left is {first_left}" if first_left else "none are left"
        # A place that was never an event's cannot be told from one that is gone.
        super().__init__(f"events after {place} may have been trimmed away; {left}")


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
