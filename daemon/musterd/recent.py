"""What the server has taken in the last seconds, to be said again to one that has lost it.

A server that syncs its file once a second loses about that much when it is killed. Each step is
made so that saying it again to a server that has not lost it changes nothing.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from musterd.moves import Claim
from musterd.scripts import Reply, Step
from musterd.states import AgentState, Reason

KEPT: Final = 3.0
"""Seconds for which steps are kept."""

MOST: Final = 2000
"""Calls that are kept: with the largest of them, some hundred MiB; usually a few."""

_AGAIN: Final = frozenset(
    {"submit", "start", "finish", "kill", "checkpoint", "output", "send", "settle"}
)
_CLAIMS: Final = frozenset({"claim", "adopt"})


class Recent:
    """The calls of the last seconds before the last one.

    Args:
        clock: seconds since some moment.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: deque[tuple[float, Sequence[Step], Sequence[Reply]]] = deque(maxlen=MOST)

    def note(self, steps: Sequence[Step], replies: Sequence[Reply]) -> None:
        """A call was answered so."""
        now = self._clock()
        self._calls.append((now, steps, replies))
        while self._calls[0][0] < now - KEPT:
            self._calls.popleft()

    def said_again(self) -> None:
        """All of it was taken just now by another life of the server, which may lose it, too."""
        now = self._clock()
        self._calls = deque(((now, *call[1:]) for call in self._calls), maxlen=MOST)

    def steps(self) -> Iterator[Step]:
        """What to say again, in the order in which it was taken."""
        for _, steps, replies in self._calls:
            for step, reply in zip(steps, replies, strict=True):
                if reply[0] != "ok":
                    continue
                if step[0] in _AGAIN:
                    yield _as_taken(step, reply)
                elif step[0] in _CLAIMS:
                    for item in reply[-1]:
                        yield from Claim.read(item).again()


def _as_taken(step: Step, reply: Reply) -> Step:
    """A step by what the server made of it, which the same step need not become again.

    The ending of an agent whose kill came first is one; and a kill of a task that was live was one
    of its agent, before which it would find that task waiting.
    """
    name, answer = step[0], reply[1:3]
    if name == "finish" and answer[:1] == [AgentState.KILLED]:
        return (*step[:3], AgentState.KILLED, Reason.KILLED, *step[5:])
    if name == "settle" and answer[:1] != [""]:  # its owner may be heard of again by now
        return (*step, "again")
    if name == "kill" and answer[:1] == ["requested"]:
        return (name, "agent", answer[1], *step[3:])
    return step
