"""What is kept below the prefix: types of the keys that all share, the steps' script, the log.

It looks at keys that it can name, and scans for none.
"""

from collections.abc import AsyncIterator
from typing import Final

from musterd import scripts
from musterd.doctor.findings import Area, Finding
from musterd.doctor.subject import Subject
from musterd.keys import Keys
from musterd.scripts import Caller
from musterd.states import AgentState, TaskState

STATE = Area.STATE

_NOTHING: Final = ("owned", "-", "")
"""A step that only reads, and finds nothing: no node can have this name."""


def shared(keys: Keys, node: str) -> dict[str, str]:
    """The keys that each step of this node's daemon relies on, and their types."""
    return {
        **{keys.tasks(status): "zset" for status in TaskState},
        **{keys.agents(status): "zset" for status in AgentState},
        keys.scheduled: "zset",
        keys.nodes: "zset",
        keys.sequence: "string",
        keys.kinds: "hash",
        keys.kills: "hash",
        keys.events_log: "stream",
        keys.owned(node): "set",
        keys.node(node): "hash",
        keys.epochs(node): "zset",
    }


async def shared_keys(subject: Subject) -> AsyncIterator[Finding]:
    """Whether anything else has taken one of these keys."""
    expected = shared(subject.keys, subject.settings.node)
    found = await key_types(subject, list(expected))
    wrong = [(key, kind) for key, kind in found.items() if kind not in {"none", expected[key]}]
    for key, kind in wrong:
        what = f"{key} holds a {kind} where a {expected[key]} belongs: steps are refused"
        yield STATE.problem(what, f"rename it, or take another MUSTERD_PREFIX (RENAME {key} …)")
    if not wrong:
        there = sum(kind != "none" for kind in found.values())
        yield STATE.ok(f"{there} of {len(found)} shared keys are there, each of its type")


async def key_types(subject: Subject, keys: list[str]) -> dict[str, str]:
    """The type of each key, `none` for one that is not there."""
    return {key: str(await subject.redis.type(key)) for key in keys}


async def steps_script(subject: Subject) -> AsyncIterator[Finding]:
    """Whether the script of all steps runs here. The step that it is given writes nothing."""
    ((answer, *rest),) = await scripts.call(subject.redis, Caller.of(subject.settings), [_NOTHING])
    if answer == "ok":
        yield STATE.ok("the steps' script runs")
    else:
        problem = " ".join(str(part) for part in rest if part)
        yield STATE.problem(f"the steps' script is refused: {problem}", "mend what it names")


async def event_log(subject: Subject) -> AsyncIterator[Finding]:
    """How full the event log is."""
    key = subject.keys.events_log
    if (await key_types(subject, [key]))[key] != "stream":
        return  # there is none yet, or `shared_keys` has told
    length, most = await subject.redis.xlen(key), subject.settings.event_log_length
    what = f"{length} events are kept, of about {most}"
    if length >= most:
        do = "a reader that was away for longer is told so; raise MUSTERD_EVENT_LOG_LENGTH for more"
        yield STATE.note(f"{what}: the oldest ones go", do)
    else:
        yield STATE.ok(what)


CHECKS: Final = (shared_keys, steps_script, event_log)
