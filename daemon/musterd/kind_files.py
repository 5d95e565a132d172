"""Agents that are commands, as a TOML file describes them."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from musterd import jsons
from musterd.errors import KindError
from musterd.functions import OptionError, Options
from musterd.schemas import JsonSchema, SchemaError


def _no_zero(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a zero byte")
    return text


def _variable(name: str) -> str:
    if not name or "=" in name:
        raise ValueError(f"{name!r} cannot name a variable")
    return _no_zero(name)


Text: TypeAlias = Annotated[str, AfterValidator(_no_zero)]
Variable: TypeAlias = Annotated[str, AfterValidator(_variable)]


class _Table(BaseModel):
    """One `[agents.NAME]`; the values of its options are judged by `Options`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    command: Annotated[list[Text], Field(min_length=1)]
    working_directory: Text | None = None
    environment: dict[Variable, Text] = {}
    schema_file: Annotated[Text | None, Field(alias="schema")] = None
    timeout: float | None = None
    max_attempts: int | None = None
    max_concurrent: int | None = None
    backoff: float | None = None
    backoff_max: float | None = None
    messages: bool = False
    exclusive: bool = False
    max_failures: int | None = None
    failure_window: float | None = None
    failure_pause: float | None = None
    memory_max: str | None = None
    cpu_max: str | None = None
    pids_max: int | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    agents: Annotated[dict[str, _Table], Field(min_length=1)]


class CommandKind(NamedTuple):
    """One table of the file; the working directory is made absolute, the schema is read."""

    options: Options
    command: list[str]
    working_directory: Path | None
    environment: dict[str, str]
    schema: JsonSchema | None = None


def read(source: str) -> Iterator[CommandKind]:
    """The kinds in a TOML file.

    Raises:
        KindError: the file cannot be read or used; it names the line where that is known.
    """
    text = _read_text(source)
    try:
        file = _File.model_validate(tomllib.loads(text))
    except ValidationError as error:
        # A misspelt key may be the reason why another is missing.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        raise KindError(source, _locate(text, first["loc"], _say(first))) from None
    except ValueError as error:  # also a number of too many digits, which tomllib does not wrap
        raise KindError(source, f"not TOML: {error}") from None
    except RecursionError:
        raise KindError(source, "not TOML: its lists or tables are nested too deep") from None
    for name, table in file.agents.items():
        yield _kind(source, text, name, table)


def _read_text(source: str) -> str:
    try:
        return Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise KindError(source, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KindError(source, "not valid UTF-8") from None


def _kind(source: str, text: str, name: str, table: _Table) -> CommandKind:
    given = table.model_dump(
        exclude={"command", "working_directory", "environment", "schema_file"}, exclude_none=True
    )
    try:
        options = Options(name=name, **given)
    except OptionError as error:
        key = () if error.option == "name" else (error.option,)
        raise KindError(source, _locate(text, ("agents", name, *key), error.problem)) from None
    home, folder = Path(source).absolute().parent, table.working_directory
    try:
        schema = None if table.schema_file is None else _read_schema(name, home / table.schema_file)
    except SchemaError as error:
        problem = f"{table.schema_file}: {error}"
        raise KindError(source, _locate(text, ("agents", name, "schema"), problem)) from None
    return CommandKind(
        options,
        table.command,
        None if folder is None else home / folder,
        table.environment,
        schema,
    )


def _read_schema(name: str, path: Path) -> JsonSchema:
    try:
        document = jsons.loads(path.read_bytes())
    except OSError as error:
        raise SchemaError(f"cannot be read: {error.strerror}") from None
    except jsons.JsonError as error:
        raise SchemaError(str(error)) from None
    if not isinstance(document, dict):
        raise SchemaError("a schema is a JSON object")
    return JsonSchema(name, document)


def _say(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such key"
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "list_type" and isinstance(error["input"], str):
        return f"give a list, {_as_list(error['input'])}"
    if error["type"] == "string_type":
        return f"give text{_as_text(error['input'])}"
    return str(error["msg"]).removeprefix("Value error, ")


def _as_list(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:  # a quote that is not closed
        words = command.split()
    return json.dumps(words or [""], ensure_ascii=False)


def _as_text(value: object) -> str:
    """How a value that stands without quotes is written as text; empty if it has parts."""
    if isinstance(value, (dict, list)):
        return ""
    return f', "{str(value).lower() if isinstance(value, bool) else value}"'


def _locate(text: str, place: tuple[int | str, ...], problem: str) -> str:
    """The problem with its place before it: the dotted key, and its line if that can be found."""
    key = ".".join(str(part) for part in place if part != "[key]")
    line = _find_line(text, [str(part) for part in place])
    return f"line {line}: {key}: {problem}" if line else f"{key}: {problem}"


def _find_line(text: str, place: list[str]) -> int | None:
    """The line of a key, else of its table; tomllib tells of neither."""
    table = r"\s*\.\s*".join(_quoted(part) for part in place[:2])
    key = _quoted(place[2]) if len(place) > 2 else None  # noqa: PLR2004, agents.NAME.key
    found, inside = None, False
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"\s*\[?\s*{table}\s*[].=]", line):
            found, inside = found or number, True
        elif re.match(r"\s*\[", line):
            inside = False
        elif inside and key and re.match(rf"\s*{key}\s*[.=]", line):
            return number
    return found


def _quoted(name: str) -> str:
    return rf"""["']?{re.escape(name)}["']?"""
