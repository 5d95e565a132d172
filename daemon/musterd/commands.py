"""Commands as they arrive on the control channel: strictly read, or refused with what is wrong.

A field that is misspelt, null, of another type or one too many refuses the whole command: nobody
may end up killing more than was meant.
"""

from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from musterd import ids, jsons
from musterd.errors import MalformedError, shorten
from musterd.submission import Submission

MAX_TEXT = 1000
"""Characters of an id, a reply channel or a kill's reason."""

Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class _Command(BaseModel):
    """What every command may carry."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, allow_inf_nan=False
    )
    may_be_null: ClassVar[frozenset[str]] = frozenset()

    id: Text | int | None = None
    reply_to: Text | None = None
    node: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_null(cls, fields: dict[str, Any]) -> dict[str, Any]:
        for name, value in fields.items():
            if value is None and name not in cls.may_be_null:
                raise ValueError(f"{name} must not be null; leave it out")
        return fields


class Spawn(_Command):
    """Submit a task."""

    may_be_null: ClassVar[frozenset[str]] = frozenset({"context", "metadata"})

    command: Literal["spawn"]
    kind: str
    task_id: str
    context: Any = None  # JSON it is already, and to look through a large one again takes long
    priority: int = 0
    delay: float = 0.0
    timeout: float | None = None
    max_attempts: int | None = None
    metadata: Any = None

    def submission(self) -> Submission:
        """What it asks for.

        Raises:
            MalformedError: a value that is not acceptable.
        """
        shared = {name: getattr(self, name) for name in Submission.__slots__}
        return Submission(**shared)


class Kill(_Command):
    """Stop an agent, a task, all of a kind, or all, and do not retry."""

    command: Literal["kill"]
    agent_id: str | None = None
    task_id: str | None = None
    kind: str | None = None
    all: bool | None = None
    reason: Text | None = None
    grace: Annotated[float, Field(ge=0, le=86_400)] | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        targets = [self.agent_id, self.task_id, self.kind, self.all]
        if sum(target is not None for target in targets) != 1:
            raise ValueError("name exactly one of agentId, taskId, kind and all")
        if self.all is False:
            raise ValueError("all is true, or is left out")
        if self.agent_id is not None:
            ids.check_agent_id(self.agent_id)
        if self.task_id is not None:
            ids.check_task_id(self.task_id)
        if self.kind is not None:
            ids.check_name(self.kind, "kind")
        return self


class Message(_Command):
    """Leave a message for a live agent."""

    may_be_null: ClassVar[frozenset[str]] = frozenset({"message"})

    command: Literal["message"]
    agent_id: str
    message: Any

    @model_validator(mode="after")
    def _check(self) -> Self:
        ids.check_agent_id(self.agent_id)
        return self


class _OfOneKind(_Command):
    """What may be told of one kind alone."""

    kind: str | None = None

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.kind is not None:
            ids.check_name(self.kind, "kind")
        return self


class Pause(_OfOneKind):
    """Claim no new tasks, or none of one kind."""

    command: Literal["pause"]


class Resume(_OfOneKind):
    """Claim again: everything, or one kind."""

    command: Literal["resume"]


class Drain(_Command):
    """Claim nothing more, let running agents finish, exit."""

    command: Literal["drain"]


class Ping(_Command):
    """Answer."""

    command: Literal["ping"]


class Status(_Command):
    """Answer with what the daemon is doing."""

    command: Literal["status"]


Command: TypeAlias = Annotated[
    Spawn | Kill | Message | Pause | Resume | Drain | Ping | Status, Field(discriminator="command")
]

COMMANDS = ("spawn", "kill", "message", "pause", "resume", "drain", "ping", "status")

_ADAPTER: TypeAdapter[Command] = TypeAdapter(Command)


class BadCommandError(MalformedError):
    """A message that is no command; with the fields, if it is an object at all."""

    def __init__(self, problem: str, fields: dict[str, Any] | None = None) -> None:
        self.fields = fields or {}
        super().__init__(shorten(problem))


def parse(data: bytes | str, longest: int = jsons.MAX_BYTES) -> Command:
    """Read one message of the control channel, of at most so many bytes.

    Raises:
        BadCommandError: with the first thing that is wrong.
    """
    if len(data) > longest:
        raise BadCommandError(
            f"{len(data)} bytes, at most {longest} are accepted (MUSTERD_MAX_COMMAND)"
        )
    try:
        fields = jsons.loads(data)
    except jsons.JsonError as error:
        raise BadCommandError(str(error)) from None
    if not isinstance(fields, dict):
        raise BadCommandError("a command is a JSON object")
    try:
        return _ADAPTER.validate_python(fields)
    except ValidationError as error:
        raise BadCommandError(_first_problem(error), fields) from None
    except MalformedError as error:
        raise BadCommandError(str(error), fields) from None


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"].startswith("union_tag"):
        return f"command must be one of {', '.join(COMMANDS)}"
    where = ".".join(str(part) for part in first["loc"][1:])
    text = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {text}" if where else text
