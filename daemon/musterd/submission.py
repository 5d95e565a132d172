"""What is asked for when a task is submitted, checked."""

import math
from dataclasses import dataclass, field
from typing import Final

from musterd import ids, jsons
from musterd.errors import MalformedError, TooLargeError
from musterd.functions import LONGEST, MOST_ATTEMPTS, SHORTEST
from musterd.jsons import Json
from musterd.scripts import Step

LOWEST_PRIORITY: Final = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """One task to be. Raises MalformedError where a value is not acceptable.

    Attributes:
        kind: what shall run.
        task_id: the same id again is the same task; a new one unless given.
        context: what the agent is given, a JSON value.
        priority: 0 to 9, 0 first.
        delay: seconds before it may start.
        timeout: seconds that one attempt may take; the kind's unless given.
        max_attempts: the kind's unless given.
        metadata: the submitter's own, a JSON value; musterd keeps it and does not read it.
    """

    kind: str
    task_id: str = field(default_factory=ids.new_task_id)
    context: Json = None
    priority: int = 0
    delay: float = 0.0
    timeout: float | None = None
    max_attempts: int | None = None
    metadata: Json = None

    def __post_init__(self) -> None:
        ids.check_name(self.kind, "kind")
        ids.check_task_id(self.task_id)
        _check_integer("priority", self.priority, 0, LOWEST_PRIORITY)
        _check_seconds("delay", self.delay, 0.0)
        if self.timeout is not None:
            _check_seconds("timeout", self.timeout, SHORTEST)
        if self.max_attempts is not None:
            _check_integer("maxAttempts", self.max_attempts, 1, MOST_ATTEMPTS)

    def step(self, max_context: int = jsons.MAX_BYTES, max_metadata: int = jsons.MAX_BYTES) -> Step:
        """The step that submits it.

        Raises:
            MalformedError: context or metadata is no JSON value, or has more bytes.
        """
        return (
            "submit",
            self.task_id,
            self.kind,
            _text("context", self.context, max_context),
            self.priority,
            math.ceil(self.delay * 1000),
            optional_seconds(self.timeout),
            "" if self.max_attempts is None else self.max_attempts,
            _text("metadata", self.metadata, max_metadata),
        )


def seconds_text(value: float) -> str:
    """A duration as records hold it: `600`, `0.5`."""
    return str(int(value)) if value == int(value) else repr(value)


def optional_seconds(value: float | None) -> str:
    """The same; empty for none."""
    return "" if value is None else seconds_text(value)


def _text(name: str, value: Json, most: int) -> str:
    if value is None:
        return ""
    try:
        text = jsons.dumps(value)
    except jsons.JsonError as error:
        raise MalformedError(f"{name}: {error}") from None
    if (size := jsons.size_of(text)) > most:
        raise TooLargeError(name, size, most)
    return text


def _check_integer(name: str, value: int, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise MalformedError(
            f"{name} {ids.show(value)} is not accepted: a whole number, {least} to {most}"
        )


def _check_seconds(name: str, value: float, least: float) -> None:
    if not (type(value) in {int, float} and least <= value <= LONGEST):  # NaN compares false
        raise MalformedError(
            f"{name} {ids.show(value)} is not accepted: seconds, {least:g} to {LONGEST:.0f}"
        )
