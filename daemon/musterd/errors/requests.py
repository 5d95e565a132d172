"""What was asked for cannot be done: the request itself, or the task or agent that it names."""

from collections.abc import Collection

from musterd.errors.root import MusterdError


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


class ExistsError(MusterdError):
    """A task of this id is there, with another kind or context."""

    code = "exists"

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(
            f"{task_id}: a task of this id exists with another kind or context; choose another id"
        )


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
