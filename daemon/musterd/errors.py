"""Every error that musterd raises on purpose. Each builds its own sentence from typed fields.

`exit_code` is what the command line ends with when the error reaches it; `code` is the error's name
in a reply on the control channel.
"""

from collections.abc import Collection
from typing import ClassVar, Final, NamedTuple

_SHOWN_NAMES: Final = 20

SHOWN: Final = 400
"""Characters of a problem, or of a field, that a log line or a reply shows."""


def shorten(text: str) -> str:
    """A text from outside for errors, logs and replies: of a long one how it begins and ends."""
    if len(text) <= SHOWN:
        return text
    return f"{text[: SHOWN // 2]}…{text[-SHOWN // 2 :]}"


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


class TooLargeError(MalformedError):
    """A value is larger than the setting for it allows.

    Attributes:
        name: of the value, and of its setting.
        size: in bytes; None where it was not read to its end.
        most: that are accepted.
    """

    def __init__(self, name: str, size: int | None, most: int) -> None:
        self.name = name
        self.size = size
        self.most = most
        told = f"over {most}" if size is None else str(size)
        super().__init__(
            f"{name}: {told} bytes of JSON, at most {most} are accepted "
            f"(MUSTERD_MAX_{name.upper()})"
        )


class TooManyKindsError(MusterdError):
    """More kinds would be offered than the setting allows."""

    def __init__(self, count: int, most: int) -> None:
        self.count = count
        self.most = most
        super().__init__(
            f"{count} kinds would be offered, at most {most} are accepted (MUSTERD_MAX_KINDS); "
            "those that nobody offers are forgotten after 30 days"
        )


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


class AmbiguousIdError(MusterdError):
    """A shortened id may stand for several tasks or agents.

    Attributes:
        text: what was given.
        candidates: some of the ids that it may stand for.
        more: whether it may stand for others as well.
    """

    exit_code = 2

    def __init__(self, text: str, candidates: Collection[str], *, more: bool) -> None:
        self.text = text
        self.candidates = sorted(candidates)
        self.more = more
        named = ", ".join(self.candidates) + (" or others" if more else "")
        told = f"may stand for {named}" if candidates else "is too short to look for"
        super().__init__(f"{text}: there is no such task or agent, and it {told}; give more of it")


class NoAgentError(MusterdError):
    """A task has had no agent yet."""

    exit_code = 3
    code = "not_found"

    def __init__(self, task_id: str, status: str) -> None:
        self.task_id = task_id
        super().__init__(
            f"{task_id}: has had no agent yet, it is {status}; "
            f"`musterd show {task_id}` says what it waits for"
        )


class AlreadyTerminalError(MusterdError):
    """What should be stopped had ended before."""

    exit_code = 4
    code = "already_terminal"

    def __init__(self, record_id: str, status: str) -> None:
        self.record_id = record_id
        self.status = status
        super().__init__(f"{record_id}: has already ended, it is {status}")


class DeafError(MusterdError):
    """The agents of this kind take no messages."""

    code = "deaf"

    def __init__(self, agent_id: str, kind: str) -> None:
        self.agent_id = agent_id
        self.kind = kind
        super().__init__(
            f"{agent_id}: agents of kind {kind} take no messages; "
            "set `messages = true` where that kind is defined"
        )


class MailboxFullError(MusterdError):
    """An agent has not taken the messages that wait for it."""

    code = "full"

    def __init__(self, agent_id: str, most: int) -> None:
        self.agent_id = agent_id
        self.most = most
        super().__init__(
            f"{agent_id}: {most} messages wait for it, which is MUSTERD_MAX_MESSAGES; "
            "this one was not kept, send it again once the agent has taken some"
        )


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


class RejectedContextError(MusterdError):
    """The context is not one that its kind accepts; nothing was written.

    Attributes:
        kind: the kind whose schema it does not meet.
        field: where, as in `context.pages[2].url`.
        problem: what is wrong there, and what is accepted.
    """

    exit_code = 2
    code = "rejected"

    def __init__(self, kind: str, field: str, problem: str) -> None:
        self.kind = kind
        self.field = shorten(field)
        self.problem = shorten(problem)
        super().__init__(f"{kind}: {self.field}: {self.problem}")


class NotOfferedError(MusterdError):
    """A daemon was told something of a kind that it does not offer itself."""

    exit_code = 2
    code = "unknown_kind"

    def __init__(self, kind: str, offered: Collection[str]) -> None:
        self.kind = kind
        self.offered = sorted(offered)
        known = f"it offers: {_some(self.offered)}" if offered else "it offers none"
        super().__init__(f"{kind}: this daemon does not offer this kind; {known}")


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
