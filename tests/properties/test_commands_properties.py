"""Commands: any message is one or is refused, soon, and what parses is what was meant."""

import json
import time
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from musterd.commands import COMMANDS, Kill, Spawn, parse
from musterd.errors import SHOWN, MalformedError
from musterd.submission import Submission
from tests.properties.test_ids_properties import NAMES, TASK_IDS
from tests.properties.values import JSON, TEXTS, encoded, mutated

SLOWEST: Final = 5.0
"""Seconds for the worst message of a mebibyte; it takes half of one on an idle machine."""

WORDS = TEXTS.filter(bool)
SHARED = {"id": WORDS | st.integers(), "replyTo": WORDS, "node": WORDS}
SECONDS = st.integers(1, 86_400) | st.floats(1, 86_400)
SPAWN = st.fixed_dictionaries(
    {"command": st.just("spawn"), "kind": NAMES, "taskId": TASK_IDS},
    optional=SHARED
    | {
        "context": JSON,
        "priority": st.integers(0, 9),
        "delay": SECONDS,
        "timeout": SECONDS,
        "maxAttempts": st.integers(1, 10_000),
        "metadata": JSON,
    },
)
AGENT_IDS = st.builds("{}.{}".format, TASK_IDS, st.integers(1, 10_000))
TARGETS = st.one_of(
    st.fixed_dictionaries({"agentId": AGENT_IDS}),
    st.fixed_dictionaries({"taskId": TASK_IDS}),
    st.fixed_dictionaries({"kind": NAMES}),
    st.just({"all": True}),
)
KILL = st.builds(
    lambda target, more: {"command": "kill"} | target | more,
    TARGETS,
    st.fixed_dictionaries({}, optional=SHARED | {"reason": WORDS, "grace": SECONDS}),
)
PLAIN = st.fixed_dictionaries(
    {"command": st.sampled_from(["pause", "resume", "drain", "ping", "status"])}, optional=SHARED
)
COMMAND = SPAWN | KILL | PLAIN
FIELDS = (
    "command", "id", "replyTo", "node", "kind", "taskId", "agentId", "all", "context", "priority",
    "delay", "timeout", "maxAttempts", "metadata", "reason", "grace", "x",
)  # fmt: skip


def judged(data: bytes | str) -> Any:
    """The command that a message is; None if it is refused, with a short sentence and in time."""
    command, problem = None, ""
    began = time.thread_time()
    try:
        command = parse(data)
        if isinstance(command, Spawn):
            command.submission().step()
    except MalformedError as error:
        command, problem = None, str(error)
    assert time.thread_time() - began < SLOWEST
    assert command or 0 < len(problem) <= SHOWN + 1
    return command


def meant(command: Any) -> dict[str, Any]:
    """A command as its sender would write it: with the fields that it was given."""
    given_fields: dict[str, Any] = command.model_dump(by_alias=True, exclude_unset=True)
    return given_fields


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same kinds: true is not 1, and "1" is not 1."""
    number = (int, float)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other and (type(one) is type(other) or isinstance(one, number))


@given(COMMAND)
def test_what_parses_is_what_was_meant(message: dict[str, Any]) -> None:
    """No field is dropped, none is converted."""
    assert same(meant(parse(encoded(message))), message)


@given(SPAWN)
def test_spawn_reaches_its_submission_whole(message: dict[str, Any]) -> None:
    """Each field under its own name, all others as they are by default."""
    command = parse(encoded(message))
    assert isinstance(command, Spawn)
    submission = command.submission()
    plain = Submission(kind=message["kind"], task_id=message["taskId"])
    for field, name in (("maxAttempts", "max_attempts"), *((f, f) for f in ("context", "priority", "delay", "timeout", "metadata"))):  # fmt: skip  # noqa: E501 - a table
        assert getattr(submission, name) == message.get(field, getattr(plain, name))


@given(COMMAND, st.sampled_from(FIELDS), JSON)
def test_one_field_changed(message: dict[str, Any], name: str, value: Any) -> None:
    """To any value: it is refused, or it is the command that is written there."""
    changed = message | {name: value}
    command = judged(encoded(changed))
    if command is not None:
        assert same(meant(command), changed)


@given(COMMAND, COMMAND)
def test_two_commands_in_one(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Fields of both: a kill never takes two targets, and nothing takes what is another's."""
    both = one | other
    command = judged(encoded(both))
    if command is not None:
        assert same(meant(command), both)
    if isinstance(command, Kill):
        assert len(both.keys() & {"agentId", "taskId", "kind", "all"}) == 1


@given(st.binary() | st.text() | mutated(COMMAND.map(encoded)))
def test_any_message_is_judged(data: bytes | str) -> None:
    """Random bytes and mutations of real commands; what parses says the same as plain JSON does."""
    command = judged(data)
    if command is not None:
        assert same(meant(command), json.loads(data))


@given(JSON)
def test_any_json_is_judged(value: Any) -> None:
    """Only an object that names a command can be one."""
    assume(not (isinstance(value, dict) and value.get("command") in COMMANDS))
    assert judged(encoded(value)) is None


SIZE = 1_000_000
LARGE = {
    "numbers": ",".join(["0"] * (SIZE // 2)),
    "lists": ",".join(["[]"] * (SIZE // 3)),
    "towers": ",".join(["[" * 97 + "]" * 97] * (SIZE // 195)),
    "objects": ",".join(['{"a":{}}'] * (SIZE // 9)),
    "floats": ",".join(["1.5e300"] * (SIZE // 9)),
    "digits": ",".join(["9" * 4300] * (SIZE // 4301)),
    "escapes": '"' + "\\u00e9" * (SIZE // 6) + '"',
    "words": ",".join(['"😀"'] * (SIZE // 7)),
}


@pytest.mark.parametrize("name", LARGE)
def test_largest_messages_are_judged_in_time(name: str) -> None:
    """A mebibyte of whatever takes longest, as a context, and where nothing like it belongs."""
    context = f"[{LARGE[name]}]"
    judged('{"command":"spawn","kind":"k","taskId":"t","context":' + context + "}")
    assert judged('{"command":"spawn","kind":"k","taskId":' + context + "}") is None


def test_many_fields_are_judged_in_time() -> None:
    """A hundred thousand that no command has, and as many that are null."""
    for value in ("1", "null"):
        fields = ",".join(f'"{number:x}":{value}' for number in range(70_000))
        assert judged('{"command":"ping",' + fields + "}") is None


@pytest.mark.parametrize("field", ["priority", "delay", "timeout", "maxAttempts", "id", "grace"])
@pytest.mark.parametrize("digits", [400, 4300, 4301, 900_000])
def test_numbers_of_many_digits(field: str, digits: int) -> None:
    """Are refused without being repeated; as an id, those that Python reads pass."""
    start = '"kill","taskId":"t"' if field == "grace" else '"spawn","kind":"k","taskId":"t"'
    command = judged(f'{{"command":{start},"{field}":{"9" * digits}}}')
    assert (command is not None) == (field == "id" and digits <= 4300)


def test_agent_id_of_many_digits() -> None:
    """Is none, and does not come back as a sentence of a megabyte."""
    assert judged('{"command":"kill","agentId":"t.' + "9" * 900_000 + '"}') is None
