"""Records and events: whatever stands in them is read, shown, and never an error of ours."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import MalformedError
from musterd.jsons import JsonError, dumps, loads
from musterd.records import AgentRecord, Event, NodeRecord, TaskRecord
from musterd.submission import Submission, seconds_text
from tests.properties.test_ids_properties import NAMES, TASK_IDS
from tests.properties.values import JSON, encoded, mutated

FIELDS = {
    TaskRecord: "taskId status kind attempt maxAttempts agentId context priority timeout createdAt "
    "updatedAt metadata result error reason",
    AgentRecord: "agentId taskId status kind attempt node createdAt startedAt completedAt "
    "updatedAt result error reason metadata epoch token",
    NodeRecord: "node state epoch host pid version startedAt capacity agents claim claimed",
}
NUMBERS = {"attempt", "maxAttempts", "priority", "timeout", "pid", "capacity", "agents"}
VALUES = {"context", "metadata", "result"}
TEXTS = (
    st.text(st.characters(codec="utf-8"), max_size=30)
    | st.integers().map(str)
    | st.floats().map(str)
    | JSON.map(json.dumps)
    | st.sampled_from(["", "\0", "�", "1e999", "0x10", "1_0", "9" * 5000, "[" * 5000, "null"])
)


@pytest.mark.parametrize("record", FIELDS)
@given(data=st.data())
def test_any_fields_are_read(record: Any, data: st.DataObject) -> None:
    """And shown: as JSON that every program can read, with each text as it stands."""
    names = FIELDS[record].split()
    fields = data.draw(st.dictionaries(st.sampled_from([*names, "other"]), TEXTS))
    shown = record.read(fields).as_json()
    assert loads(dumps(shown)) == shown
    assert shown.keys() <= set(names)
    for name in fields.keys() & shown.keys() - NUMBERS - VALUES:
        assert shown[name] == fields[name]
    for name in NUMBERS & shown.keys():
        assert type(shown[name]) in {int, float}


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(VALUES, JSON)))
def test_values_are_read_as_they_were_written(values: dict[str, Any]) -> None:
    """JSON in, the same JSON out."""
    record = TaskRecord.read({name: dumps(value) for name, value in values.items()})
    shown = record.as_json()
    assert {name: shown.get(name) for name in values} == values


EVENTS = st.dictionaries(st.text(max_size=8) | st.sampled_from(["type", "taskId", "agentId"]), JSON)


@given(st.text() | mutated(EVENTS.map(encoded)).map(lambda data: data.decode(errors="replace")))
def test_any_entry_is_an_event_or_refused(text: str) -> None:
    """With JsonError and nothing else; what is read has a type and ids that are texts."""
    with contextlib.suppress(JsonError):
        event = Event.read("1-0", text)
        assert isinstance(event.type + event.task_id + (event.agent_id or ""), str)
        json.dumps(event.fields)


@given(
    st.fixed_dictionaries(
        {"kind": NAMES | JSON, "task_id": TASK_IDS | JSON},
        optional={
            name: JSON | st.floats() | st.integers(-1, 12_000)
            for name in ("context", "priority", "delay", "timeout", "max_attempts", "metadata")
        },
    )
)
def test_any_submission_is_judged(fields: dict[str, Any]) -> None:
    """It is a step of texts and whole numbers, or MalformedError in a short sentence."""
    problem = ""
    try:
        step = Submission(**fields).step()
    except MalformedError as error:
        problem = str(error)
    else:
        assert all(type(part) in {int, str} for part in step)
        assert loads(str(step[3] or "null")) == fields.get("context")
        assert loads(str(step[8] or "null")) == fields.get("metadata")
    assert len(problem) < 500


@given(st.floats(0.001, 315_360_000) | st.integers(1, 315_360_000))
def test_durations_are_exact_and_plain(seconds: float) -> None:
    """As the scripts read them: digits, perhaps a point and digits, and the same number again."""
    text = seconds_text(seconds)
    assert float(text) == seconds
    assert set(text) <= set("0123456789.")
    assert text.count(".") <= 1
