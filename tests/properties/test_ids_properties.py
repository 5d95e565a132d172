"""Ids: what is accepted makes keys that never collide; what is refused has a reason."""

import string
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from musterd import ids
from musterd.errors import MalformedError
from musterd.keys import Keys

K = Keys("p")
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}", fullmatch=True)
TASK_IDS = NAMES.filter(lambda text: not ids.is_agent_id(text))
NEARLY = st.text(string.ascii_letters + string.digits + "._-:{}* \n\0é", max_size=130)
CHECKS = (ids.check_task_id, ids.check_agent_id, lambda text: ids.check_name(text, "kind"))
FAMILIES = (K.task, K.agent, K.heartbeat, K.node, K.owned, K.epochs, K.queue, K.tasks, K.agents)
SINGLE = (K.scheduled, K.sequence, K.kinds, K.kills, K.nodes, K.events_log, K.events, K.wake)


def accepts(check: Callable[[str], None], text: str) -> bool:
    """Whether a check lets a text pass; if not, it says in a short sentence what is wrong."""
    problem = ""
    try:
        check(text)
    except MalformedError as error:
        problem = str(error)
    assert not problem or "is not accepted: " in problem
    assert len(problem) < 400
    return not problem


@given(st.text() | NEARLY)
@example("t." + "9" * 1_000_000)
@example("t.1\n")
def test_every_text_is_judged(text: str) -> None:
    """By every check; and an id is a task's or an agent's, never both."""
    judged = [accepts(check, text) for check in CHECKS]
    assert not (judged[0] and judged[1])
    assert judged[0] == (judged[2] and not ids.is_agent_id(text))
    if judged[1]:
        assert ids.is_agent_id(text)


@given(TASK_IDS, st.integers(1, 10_000))
def test_agent_id_splits_back(task_id: str, attempt: int) -> None:
    """Into its task and its attempt."""
    ids.check_task_id(task_id)
    agent_id = f"{task_id}.{attempt}"
    ids.check_agent_id(agent_id)
    assert ids.is_agent_id(agent_id)
    assert ids.task_id_of(agent_id) == task_id
    assert agent_id.removeprefix(task_id) == f".{attempt}"


@given(st.lists(NAMES, min_size=1, max_size=5, unique=True))
def test_keys_never_collide(names: list[str]) -> None:
    """Whatever names, whichever families: as many keys, none a channel's or one without an id."""
    made = [family(name) for family in (*FAMILIES, K.kill_bell) for name in names]
    made += [*SINGLE, K.control, K.submit, K.reply]
    assert len(made) == len(set(made))
    assert not any("{" in key or "\n" in key for key in made)


@pytest.mark.parametrize("value", [7, None, True, ["t"], b"t", pytest.param(10**5000, id="huge")])
def test_what_is_no_text_is_refused(value: object) -> None:
    """By its type, with the same sentence."""
    with pytest.raises(MalformedError, match="is not accepted: letters"):
        ids.check_name(value, "kind")  # type: ignore[arg-type]  # as a program without types does
