"""The form of ids and names, in one place."""

import re
from os import urandom
from typing import Final

from musterd.errors import MalformedError

MAX_LENGTH: Final = 120
"""Of a task's id, a kind's and a node's name, in characters."""

_SHOWN: Final = 200
"""Characters of a refused value that its error shows."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MOST_DIGITS: Final = 15
"""Of an attempt: larger numbers the scripts could not hold exactly."""

_ATTEMPT: Final = re.compile(r"\.[0-9]+\Z")
_RANDOM: Final = re.compile(r"[0-9a-f]{20}")


def is_name(text: object) -> bool:
    """Whether it is a text that can name a kind or a node."""
    return isinstance(text, str) and len(text) <= MAX_LENGTH and bool(_NAME.fullmatch(text))


def check_name(text: str, what: str) -> None:
    """Refuse what cannot name a kind or a node.

    Raises:
        MalformedError: with the text and the form that is accepted.
    """
    if not is_name(text):
        raise MalformedError(
            f"{what} {show(text)} is not accepted: letters, digits, '.', '_' and '-' only, "
            f"a letter or digit first, at most {MAX_LENGTH} characters"
        )


def check_task_id(text: str) -> None:
    """Refuse what cannot be a task's id; one ends in no dot and digits, as its agents' ids do.

    Raises:
        MalformedError: with the text and the form that is accepted.
    """
    check_name(text, "taskId")
    if _ATTEMPT.search(text):
        raise MalformedError(
            f"taskId {text!r} is not accepted: an id that ends in a dot and digits is an agent's"
        )


def check_agent_id(text: str) -> None:
    """Refuse what cannot be an agent's id, `{taskId}.{attempt}`.

    Raises:
        MalformedError: with the text and the form that is accepted.
    """
    task_id, _, attempt = text.rpartition(".")
    if not (attempt.isascii() and attempt.isdigit() and len(attempt) <= _MOST_DIGITS):
        raise MalformedError(
            f"agentId {show(text)} is not accepted: an agent's id is wanted, "
            "which is its task's, a dot and the number of the attempt"
        )
    check_task_id(task_id)


def is_agent_id(text: str) -> bool:
    """Whether an id is an agent's rather than a task's."""
    return _ATTEMPT.search(text) is not None


def task_id_of(agent_id: str) -> str:
    """The task that an agent is an attempt at."""
    return agent_id.rpartition(".")[0]


def new_task_id() -> str:
    """A random id: 80 bits, 20 characters."""
    return _random(10)


def is_random(task_id: str) -> bool:
    """Whether an id looks like one of `new_task_id`, and not like one that somebody chose."""
    return _RANDOM.fullmatch(task_id) is not None


def new_epoch() -> str:
    """128 random bits, 32 characters: one life of a daemon."""
    return _random(16)


def new_token() -> str:
    """96 random bits, 24 characters: the stem of the tokens of one claim."""
    return _random(12)


def _random(size: int) -> str:
    return urandom(size).hex()  # as `secrets` has it, whose import would take every command 5 ms


def show(value: object) -> str:
    """A value from outside as a sentence quotes it: its beginning alone where it is long."""
    try:
        text = repr(value[: _SHOWN + 1] if isinstance(value, str) else value)
    except ValueError:  # Python writes no number of so many digits
        return f"a {type(value).__name__} of very many digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
