"""Commands: each one as the contract has it, and each way of getting one wrong."""

import json
from typing import Any

import pytest

from musterd.commands import (
    COMMANDS,
    BadCommandError,
    Drain,
    Kill,
    Pause,
    Ping,
    Resume,
    Spawn,
    Status,
    parse,
)
from musterd.errors import SHOWN, MalformedError

SHARED = {"id": "r1", "replyTo": "orchestrator:reply:x", "node": "n1"}
SPAWN = {"command": "spawn", "kind": "k", "taskId": "t"}
SPAWN_MORE = {
    "context": {"a": [1]},
    "priority": 3,
    "delay": 1.5,
    "timeout": 60,
    "maxAttempts": 2,
    "metadata": ["m"],
}
KILL = {"command": "kill", "agentId": "t.1"}
PLAIN = {"pause": Pause, "resume": Resume, "drain": Drain, "ping": Ping, "status": Status}


def refused(message: object) -> BadCommandError:
    """What parse says of a message that is no command."""
    text = message if isinstance(message, str | bytes) else json.dumps(message)
    with pytest.raises(BadCommandError) as caught:
        parse(text)
    return caught.value


def test_all_commands_are_listed() -> None:
    """Those of the contract, in the sentence that refuses any other."""
    assert set(COMMANDS) == {"spawn", "kill", "message", *PLAIN}


@pytest.mark.parametrize(("name", "kind"), PLAIN.items())
def test_commands_without_fields(name: str, kind: type) -> None:
    """Alone, and with what every command may carry; text or bytes."""
    assert type(parse(json.dumps({"command": name}))) is kind
    command = parse(json.dumps({"command": name} | SHARED).encode())
    assert (command.id, command.reply_to, command.node) == tuple(SHARED.values())


@pytest.mark.parametrize("name", ["pause", "resume"])
def test_one_kind_alone(name: str) -> None:
    """A kind may be named, if it can be one."""
    command = parse(json.dumps({"command": name, "kind": "check"}))
    assert isinstance(command, Pause | Resume)
    assert command.kind == "check"
    for wrong in ("", "a b", None, 7, ["check"]):
        refused({"command": name, "kind": wrong})
    refused({"command": "drain", "kind": "check"})


def test_spawn() -> None:
    """Each field reaches the submission."""
    command = parse(json.dumps(SPAWN | SPAWN_MORE | SHARED))
    assert isinstance(command, Spawn)
    submission = command.submission()
    assert (submission.kind, submission.task_id) == ("k", "t")
    assert (submission.context, submission.metadata) == ({"a": [1]}, ["m"])
    assert (submission.priority, submission.delay) == (3, 1.5)
    assert (submission.timeout, submission.max_attempts) == (60, 2)


def test_spawn_with_the_least() -> None:
    """And a context that is null, which a JSON value may be."""
    for message in (SPAWN, SPAWN | {"context": None, "metadata": None}):
        command = parse(json.dumps(message))
        assert isinstance(command, Spawn)
        assert command.submission().step()[3:] == ("", 0, 0, "", "", "")


@pytest.mark.parametrize(
    "target", [{"agentId": "t.1"}, {"taskId": "t"}, {"kind": "k"}, {"all": True}]
)
def test_kill(target: dict[str, Any]) -> None:
    """One target of four; with a reason and a grace."""
    more = {"reason": "too expensive", "grace": 2}
    command = parse(json.dumps({"command": "kill"} | target | more | SHARED))
    assert isinstance(command, Kill)
    (value,) = target.values()
    assert value in (command.agent_id, command.task_id, command.kind, command.all)
    assert (command.reason, command.grace) == ("too expensive", 2)


@pytest.mark.parametrize(
    "targets",
    [
        {},
        {"agentId": "t.1", "taskId": "t"},
        {"kind": "k", "all": True},
        {"agentId": "t.1", "taskId": "t", "kind": "k", "all": True},
    ],
)
def test_kill_of_none_or_of_two(targets: dict[str, Any]) -> None:
    """Nobody may end up killing more than was meant."""
    problem = str(refused({"command": "kill"} | targets))
    assert problem == "name exactly one of agentId, taskId, kind and all"


@pytest.mark.parametrize(
    "bad",
    [
        {"agentId": "t"},
        {"agentId": "t.x"},
        {"agentId": ""},
        {"agentId": 7},
        {"taskId": "t.1"},
        {"taskId": "*"},
        {"taskId": ["t"]},
        {"kind": ""},
        {"kind": "*"},
        {"all": False},
        {"all": "true"},
        {"all": 1},
    ],
)
def test_kill_of_what_cannot_be(bad: dict[str, Any]) -> None:
    """A wrong id is no pattern, and a wrong type no truth."""
    refused({"command": "kill"} | bad)


@pytest.mark.parametrize("name", ["agentId", "reason", "grace", "id", "replyTo", "node"])
def test_kill_with_a_field_that_is_null(name: str) -> None:
    """Null is not the same as left out: it may be a target that got lost."""
    problem = str(refused(KILL | {name: None}))
    assert problem == f"{name} must not be null; leave it out"


@pytest.mark.parametrize("name", ["kind", "taskId", "priority", "delay", "timeout", "maxAttempts"])
def test_spawn_with_a_field_that_is_null(name: str) -> None:
    """Only a JSON value may be null."""
    assert f"{name} must not be null" in str(refused(SPAWN | {name: None}))


@pytest.mark.parametrize("name", ["kind", "taskId"])
def test_spawn_without_what_it_needs(name: str) -> None:
    """The field that is missing is named."""
    message = {key: value for key, value in SPAWN.items() if key != name}
    assert str(refused(message)) == f"{name}: Field required"


@pytest.mark.parametrize(
    "bad",
    [
        {"priority": "1"},
        {"priority": 1.5},
        {"priority": True},
        {"delay": "1"},
        {"delay": True},
        {"timeout": []},
        {"maxAttempts": 1.5},
        {"maxAttempts": "2"},
        {"kind": 7},
        {"taskId": 7},
        {"id": 1.5},
        {"id": True},
        {"id": ""},
        {"id": "x" * 1001},
        {"id": {}},
        {"replyTo": 7},
        {"replyTo": ""},
        {"node": ""},
        {"node": ["n1"]},
    ],
)
def test_field_of_another_type(bad: dict[str, Any]) -> None:
    """Nothing is converted, and the field is named."""
    (name,) = bad
    assert str(refused(SPAWN | bad)).startswith(f"{name}")


@pytest.mark.parametrize(
    "bad",
    [
        {"priority": 10},
        {"delay": -1},
        {"timeout": 0},
        {"maxAttempts": 0},
        {"taskId": "t.1"},
        {"kind": "a b"},
        {"delay": 10**400},
        {"timeout": 10**30},
    ],
)
def test_spawn_with_a_value_that_is_not_accepted(bad: dict[str, Any]) -> None:
    """By the time that its submission is made, at the latest."""
    with pytest.raises(MalformedError):
        parse(json.dumps(SPAWN | bad)).submission()  # type: ignore[union-attr]  # it is a Spawn


@pytest.mark.parametrize("bad", [-1, 86_401, "5", True, 10**400])
def test_kill_with_a_grace_that_is_not_accepted(bad: Any) -> None:
    """Seconds, from none to a day."""
    assert str(refused(KILL | {"grace": bad})).startswith("grace")


@pytest.mark.parametrize("message", [SPAWN, KILL, *({"command": name} for name in PLAIN)])
@pytest.mark.parametrize(
    "name", ["agentID", "task_id", "reply_to", "Command", "x", "__class__", ""]
)
def test_field_that_no_command_has(message: dict[str, Any], name: str) -> None:
    """A misspelt one is not ignored: it may have been the one that mattered."""
    assert "Extra inputs are not permitted" in str(refused(message | {name: "t.1"}))


@pytest.mark.parametrize("name", ["kind", "taskId", "all", "reason", "priority"])
@pytest.mark.parametrize("command", PLAIN)
def test_field_of_another_command(command: str, name: str) -> None:
    """Is as wrong as one that does not exist."""
    refused({"command": command, name: True})


@pytest.mark.parametrize("command", [None, "", "Kill", "kill ", "stop", 7, [], {}])
def test_command_that_there_is_not(command: Any) -> None:
    """The answer lists those that there are."""
    assert str(refused({"command": command})).startswith("command ")


def test_message_without_a_command() -> None:
    """The answer lists them as well."""
    expected = "command must be one of spawn, kill, message, pause, resume, drain, ping, status"
    assert str(refused({"agentId": "t.1"})) == expected
    assert str(refused({"command": "stop"})) == expected


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"kill",
        b"\xff\xfe",
        b'{"command":"kill","taskId":"\xff"}',
        '{"command":"kill","taskId":"t"',
        '{"command":"kill","taskId":"t","taskId":"u"}',
        '{"command":"ping","command":"drain"}',
        '{"command":"kill","taskId":"t","grace":NaN}',
        '{"command":"kill","taskId":"t","grace":1e999}',
        '{"command":"kill","taskId":"t","reason":"\\ud800"}',
        '{"command":"spawn","kind":"k","taskId":"t","context":' + "[" * 100 + "]" * 100 + "}",
        '{"command":"ping","id":' + "[" * 100_000,
        '{"command":"spawn","kind":"k","taskId":"t","context":"' + "x" * 1024 * 1024 + '"}',
        "9" * 10_000,
    ],
)
def test_message_that_is_not_json(message: str | bytes) -> None:
    """Deep, giant, cut off, twice named, not Unicode, not a number: refused, without its fields."""
    assert refused(message).fields == {}


@pytest.mark.parametrize("message", [[], 7, None, True, [KILL], '"kill"'])
def test_message_that_is_no_object(message: Any) -> None:
    """A command is one."""
    assert str(refused(message)) == "a command is a JSON object"


def test_refusal_keeps_the_fields() -> None:
    """So that it can be answered."""
    message = {"command": "kil"} | SHARED
    assert refused(message).fields == message
    message = KILL | SHARED | {"taskId": "t"}
    assert refused(message).fields == message


@pytest.mark.parametrize(
    ("message", "beginning", "end"),
    [
        ({"command": "ping", "x" * 900_000: 1}, "xxx", "Extra inputs are not permitted"),
        ({"command": "ping", "x" * 900_000: None}, "xxx", "must not be null; leave it out"),
        ('{"command":"ping","id":' + "9" * 900_000 + ".0}", "not JSON: 999", "too large a number"),
        ({"command": "ping", "replyTo": "x" * 900_000}, "replyTo: ", "at most 1000 characters"),
        ({"command": "x" * 900_000}, "command must be one of", "status"),
        ({"command": "kill", "taskId": "x" * 900_000}, "taskId", "characters"),
    ],
)
def test_refusal_is_short(message: Any, beginning: str, end: str) -> None:
    """Whatever is long in the message, the sentence tells what is wrong and stays a sentence."""
    problem = str(refused(message))
    assert len(problem) <= SHOWN + 1
    assert problem.startswith(beginning)
    assert end in problem


def test_longest_command() -> None:
    """To the byte; one more is refused unread, so that there is nothing to answer."""
    message = b'{"command":"ping","id":"0"}'
    assert parse(message, len(message)).id == "0"
    with pytest.raises(BadCommandError, match=r"27 bytes, at most 26 .*MUSTERD_MAX_COMMAND") as bad:
        parse(message, 26)
    assert bad.value.fields == {}


def test_deepest_context_is_accepted() -> None:
    """A hundred levels, the command's own among them."""
    text = '{"command":"spawn","kind":"k","taskId":"t","context":' + "[" * 99 + "]" * 99 + "}"
    assert isinstance(parse(text), Spawn)
