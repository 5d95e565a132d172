"""Records and events as typed values, whatever somebody wrote into them by hand."""

import json
from typing import Any

import pytest

from musterd.jsons import MAX_BYTES, MAX_DEPTH, JsonError
from musterd.records import AgentRecord, Event, NodeRecord, TaskRecord

TASK = {
    "taskId": "t",
    "status": "failed",
    "kind": "k",
    "attempt": "2",
    "maxAttempts": "3",
    "agentId": "t.2",
    "context": '{"a":1}',
    "priority": "5",
    "timeout": "0.5",
    "createdAt": "2026-11-22T03:00:00.123Z",
    "updatedAt": "2026-11-22T03:00:01.000Z",
    "metadata": "[]",
    "result": "false",
    "error": "it broke",
    "reason": "error",
}


def test_task_and_its_json() -> None:
    """Values have their types, and JSON the names of the contract."""
    record = TaskRecord.read(TASK)
    assert (record.attempt, record.max_attempts, record.priority) == (2, 3, 5)
    assert (record.timeout, record.context, record.result) == (0.5, {"a": 1}, False)
    expected: dict[str, Any] = TASK | {
        "attempt": 2,
        "maxAttempts": 3,
        "priority": 5,
        "timeout": 0.5,
        "context": {"a": 1},
        "metadata": [],
        "result": False,
    }
    assert record.as_json() == expected


def test_agent_and_its_json() -> None:
    """Times and ids as they stand; the token stays inside."""
    fields = {
        "agentId": "t.1",
        "taskId": "t",
        "status": "killed",
        "kind": "k",
        "node": "n1",
        "epoch": "e1",
        "token": "secret",
        "attempt": "1",
        "createdAt": "a",
        "startedAt": "b",
        "completedAt": "c",
        "updatedAt": "d",
        "result": "[1]",
        "error": "x",
        "reason": "killed",
        "metadata": '"m"',
    }
    left_out = {"token", "epoch"}
    expected: dict[str, Any] = {k: v for k, v in fields.items() if k not in left_out}
    expected |= {"attempt": 1, "result": [1], "metadata": "m"}
    assert AgentRecord.read(fields).as_json() == expected


def test_node_and_its_json() -> None:
    """Numbers are numbers."""
    fields = {"node": "n1", "state": "active", "epoch": "e", "host": "h", "pid": "7"}
    more = {"version": "1", "startedAt": "a", "capacity": "10", "agents": "0"}
    expected: dict[str, Any] = fields | more | {"pid": 7, "capacity": 10, "agents": 0}
    assert NodeRecord.read(fields | more | {"claimed": "x"}).as_json() == expected


@pytest.mark.parametrize("record", [TaskRecord, AgentRecord, NodeRecord])
def test_nothing_there_is_no_error(record: Any) -> None:
    """What has no value is left out of the JSON."""
    found = record.read({}).as_json()
    assert {value for value in found.values() if not isinstance(value, int)} <= {""}


@pytest.mark.parametrize("text", ["", "x", "{", "nan", "NaN", "-inf", "1e999", "[" * 5000])
def test_nonsense_in_a_record_is_shown_or_left_out(text: str) -> None:
    """As text where JSON belongs, not at all where a number does."""
    numbers = ["attempt", "maxAttempts", "timeout"]
    record = TaskRecord.read(TASK | dict.fromkeys(["context", *numbers], text))
    assert record.context == text
    assert (record.attempt, record.max_attempts, record.timeout) == (0, None, None)


EVENT = {"type": "task.completed", "taskId": "t", "agentId": "t.1", "kind": "k", "attempt": 1}


def test_event() -> None:
    """Its place, its type, and all its fields, of kinds yet unknown too."""
    event = Event.read("7-1", json.dumps(EVENT | {"new": [1]}))
    assert (event.place, event.type) == ("7-1", "task.completed")
    assert (event.task_id, event.agent_id) == ("t", "t.1")
    assert event.fields == EVENT | {"new": [1]}
    assert Event.read("7-1", '{"type":"x"}').agent_id is None


def test_event_around_the_largest_result() -> None:
    """It is larger than what is accepted from outside, and one level deeper."""
    result = json.dumps("x" * (MAX_BYTES - 2))
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    for text in (result, deep):
        event = Event.read("1-0", json.dumps(EVENT)[:-1] + f',"result":{text}}}')
        assert event.fields["result"] == json.loads(text)


@pytest.mark.parametrize("text", ["", "x", "[]", "7", "null", '"a"', "[" * 100_000])
def test_entry_that_is_no_event(text: str) -> None:
    """Is refused, whatever it is."""
    with pytest.raises(JsonError):
        Event.read("1-0", text)
