"""The event checker accepts right histories and names what is wrong with each planted fault."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.checker.event_checker import EventChecker
from tests.checker.history import History

Plant = Callable[[History], None]


def _name(value: object) -> str | None:
    return getattr(value, "__name__", "")


def check(history: History, **options: Any) -> EventChecker:
    """All events of a history, fed in order."""
    checker = EventChecker(**options)
    for number, event in enumerate(history.events):
        checker.feed(f"1-{number}", json.dumps(event))
    checker.finish()
    return checker


def running(history: History, task_id: str = "t") -> None:
    """A task whose first agent runs."""
    history.submit(task_id)
    history.spawn(task_id)
    history.run(task_id)


def right_histories(history: History) -> None:
    """Every way that a task may go."""
    history.whole("retried")
    running(history, "killed")
    history.kill("killed")
    history.submit("unwanted")
    history.kill_waiting("unwanted")
    history.submit("rejected")
    history.spawn("rejected")
    history.fail("rejected", "rejected", final=True)
    for reason in ("lost", "timeout", "shutdown"):
        running(history, reason)
        history.fail(reason, reason)
        history.spawn(reason)
        history.fail(reason, reason, final=True)
    running(history, "killed-while-waiting-for-its-retry")
    history.fail("killed-while-waiting-for-its-retry")
    history.kill_waiting("killed-while-waiting-for-its-retry")
    running(history, "live")


def test_right_histories_are_accepted() -> None:
    """No break, and each task is counted where it stands."""
    history = History("p")
    right_histories(history)
    checker = check(history)
    assert checker.breaks == []
    assert checker.ended_count == 8
    assert checker.lives.keys() == {"live"}
    assert checker.ended("retried") == "fcC"
    assert checker.ended("killed") == "kK"
    assert checker.ended("lost") == "llF"


def test_lost_and_then_killed_is_accepted() -> None:
    """Another daemon cannot see that the work has ended: agent lost, task killed, no retry."""
    history = History("p")
    running(history)
    history.now += 1
    history.tell("agent.failed", "t", reason="lost", error="gone", node="n2")
    history.tell("task.failed", "t", reason="killed", final=True)
    checker = EventChecker()
    checker.expect_killed("t.1")
    for number, event in enumerate(history.events):
        checker.feed(f"1-{number}", json.dumps(event))
    assert checker.breaks == []


def test_events_of_other_types_are_let_pass() -> None:
    """The contract allows more types, of which it says nothing."""
    history = History("p")
    history.tell("daemon.started", "t", anything=1)
    assert check(history).breaks == []


def _double_terminal(history: History) -> None:
    running(history)
    history.complete("t")
    history.tell("agent.completed", "t")


def _double_terminal_before_the_retry(history: History) -> None:
    running(history)
    history.fail("t")
    history.tell("agent.failed", "t", reason="lost")


def _two_endings(history: History) -> None:
    running(history)
    history.complete("t")
    history.tell("task.failed", "t", reason="lost", final=True)


def _missing_running(history: History) -> None:
    running(history)
    history.complete("t")
    history.drop("agent.running", "t")
    history.drop("task.executing", "t")


def _missing_spawned(history: History) -> None:
    running(history)
    history.drop("agent.spawned", "t")


def _missing_executing(history: History) -> None:
    running(history)
    history.complete("t")
    history.drop("task.executing", "t")


def _missing_pending(history: History) -> None:
    history.whole("t")
    history.drop("task.pending", "t", 1)


def _unfinished_pair(history: History) -> None:
    running(history)
    history.complete("t")
    history.drop("task.completed", "t")


def _no_submission(history: History) -> None:
    running(history)
    history.drop("task.pending", "t")


def _two_live_attempts(history: History) -> None:
    running(history)
    history.spawn("t")


def _attempt_out_of_order(history: History) -> None:
    running(history)
    history.fail("t")
    history._attempts["t"] = 2
    history.spawn("t")


def _stale_attempt(history: History) -> None:
    history.whole("t")
    history.events = history.events[:-2]
    history.tell("agent.completed", "t", attempt=1, agentId="t.1")


def _second_submission(history: History) -> None:
    running(history)
    history.tell("task.pending", "t", attempt=0, agentId=None)


def _killed_then_retried(history: History) -> None:
    running(history)
    history.kill("t")
    history.events[-1]["final"] = False
    history.tell("task.pending", "t")


def _rejected_then_retried(history: History) -> None:
    running(history)
    history.fail("t", "rejected")


def _wrong_owner(history: History) -> None:
    running(history)
    history.complete("t")
    history.events[-2]["node"] = "n2"


def _reasons_that_differ(history: History) -> None:
    running(history)
    history.fail("t", "timeout", final=True)
    history.events[-1]["reason"] = "shutdown"


def _illegal_step(history: History) -> None:
    history.submit("t")
    history.tell("task.completed", "t")


def _waiting_that_fails(history: History) -> None:
    history.submit("t")
    history.tell("task.failed", "t", reason="timeout", final=True)


def _running_twice(history: History) -> None:
    running(history)
    history.run("t")


def _other_kind(history: History) -> None:
    history.submit("t")
    history.spawn("t")
    history.events[-1]["kind"] = "other"


def _torn_pair(history: History) -> None:
    running(history)
    history.now += 1
    history.events[-1]["timestamp"] = history.iso()


def _back_in_time(history: History) -> None:
    running(history)
    history.events[-1]["timestamp"] = "2020-01-01T00:00:00.000Z"


FAULTS: list[tuple[Plant, int, str]] = [
    (_double_terminal, 3, "agent.completed after the task's final ending"),
    (_double_terminal_before_the_retry, 3, "the attempt has ended already"),
    (_two_endings, 3, "task.failed after the task's final ending"),
    (_missing_running, 1, "agent.completed while the agent is spawning"),
    (_missing_spawned, 1, "task.assigned by itself"),
    (
        _missing_executing,
        2,
        "agent.completed after agent.running, which task.executing must follow",
    ),
    (_missing_pending, 2, "agent.spawned after task.failed, which task.pending must follow"),
    (_unfinished_pair, 2, "agent.completed came without its task.completed"),
    (_no_submission, 9, "no task.pending came before"),
    (_two_live_attempts, 9, "attempt 2 spawned, 1 is running"),
    (_attempt_out_of_order, 3, "attempt 3 after attempt 1"),
    (_stale_attempt, 4, "agent.completed, while the latest attempt is 2"),
    (_second_submission, 3, "submitted a second time"),
    (_killed_then_retried, 5, "failed for killed, and is to be retried"),
    (_rejected_then_retried, 5, "failed for rejected, and is to be retried"),
    (_wrong_owner, 4, "agent.completed by n2, the owner is n1"),
    (_reasons_that_differ, 2, "failed for shutdown, its agent for timeout"),
    (_illegal_step, 1, "task.completed by itself, while the task is pending"),
    (_waiting_that_fails, 1, "can only fail for good, as killed"),
    (_running_twice, 1, "agent.running while the agent is running"),
    (_other_kind, 0, "task.assigned has kind other"),
    (_torn_pair, 2, "task.executing is of another time"),
    (_back_in_time, 0, "is of 2020-01-01T00:00:00.000Z, after one of"),
]


@pytest.mark.parametrize(("plant", "promise", "what"), FAULTS, ids=_name)
def test_planted_fault_is_named(plant: Plant, promise: int, what: str) -> None:
    """The first break has the right promise, says what was seen and where; other tasks go on."""
    history = History("p")
    history.whole("before")
    plant(history)
    history.whole("z")
    checker = check(history)
    assert checker.breaks[0].promise == promise, checker.breaks
    assert what in str(checker.breaks[0])
    assert checker.breaks[0].evidence
    assert checker.ended("z") == "fcC"


FORMS: list[tuple[str, dict[str, Any], str]] = [
    ("task.pending", {"timestamp": "2026-11-22 03:00:00"}, "type or timestamp"),
    ("task.pending", {"colour": "red"}, "has colour"),
    ("task.pending", {"kind": None}, "lacks kind"),
    ("task.pending", {"attempt": "0"}, "attempt is '0'"),
    ("task.pending", {"taskId": "a.1"}, "is no task id"),
    ("task.pending", {"node": ""}, "node is ''"),
    ("agent.spawned", {"attempt": 1, "agentId": "t.2", "node": "n"}, "agentId is 't.2'"),
    ("agent.spawned", {"attempt": 1, "agentId": "t.1", "node": None}, "names no node"),
    ("task.completed", {"error": "no"}, "no failure"),
    ("task.pending", {"result": 1}, "no ending"),
    ("task.failed", {"reason": "killed"}, "final belongs on task.failed"),
    ("task.failed", {"reason": "tired", "final": True}, "reason is 'tired'"),
    ("task.failed", {"reason": "error", "final": True}, "without error"),
]


@pytest.mark.parametrize(("told", "fields", "what"), FORMS)
def test_event_of_a_wrong_form_is_named(told: str, fields: dict[str, Any], what: str) -> None:
    """An event that is not as the contract words it is a break of the form."""
    history = History("p")
    history.tell(told, "t", **fields)
    (found,) = check(history).breaks
    assert found.promise == 0
    assert what in found.what


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_entry_that_is_no_event_is_named(text: str) -> None:
    """An entry that is no JSON object is a break, and not an end of the check."""
    checker = EventChecker()
    checker.feed("1-1", text)
    assert "not JSON" in checker.breaks[0].what or "not a JSON object" in checker.breaks[0].what


def test_kill_that_was_not_carried_out_is_named() -> None:
    """An agent with an accepted kill that ends otherwise breaks promise 5, told before or after."""
    for told_first in (True, False):
        history = History("p")
        running(history)
        history.complete("t")
        checker = EventChecker()
        if told_first:
            checker.expect_killed("t.1")
        for number, event in enumerate(history.events):
            checker.feed(f"1-{number}", json.dumps(event))
        if not told_first:
            checker.expect_killed("t.1")
        assert [found.promise for found in checker.breaks] == [5]


def test_id_may_be_used_again_when_told_so() -> None:
    """An ended record may expire; then the same id may be submitted anew."""
    history = History("p")
    history.whole("t")
    history.whole("t")
    assert check(history, records_expire=True).breaks == []
    assert check(history).breaks[0].promise == 3


def test_ended_tasks_cost_little_memory() -> None:
    """A task that has ended is a number and a shared text, not a history."""
    checker = EventChecker()
    history = History("p")
    for number in range(50):
        history.whole(f"t{number}")
    for number, event in enumerate(history.events):
        checker.feed(f"1-{number}", json.dumps(event))
    assert checker.lives == {}
    assert len({id(digest) for digest in checker._ended.values()}) == 1
