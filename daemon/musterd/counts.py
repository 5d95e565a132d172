"""How many records there are: the sizes of indexes and queues. Writes nothing."""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from musterd.keys import Keys
from musterd.skipped import is_of_another_type
from musterd.states import AGENT_ENDED, AgentState, TaskState


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many there are, as of one moment.

    Attributes:
        now: the moment by the server's clock, ms since 1970.
        tasks: by status.
        agents: by status.
        ended: agents that ended within the window that was asked for, by status.
        queues: due tasks by kind, of the kinds that some daemon has offered.
        scheduled: pending tasks that are not due yet.
        queued: how often a task was put in a queue since the prefix was first used.
        broken: keys that hold something else than they should; what they should is not counted.
    """

    now: float
    tasks: dict[str, int]
    agents: dict[str, int]
    ended: dict[str, int]
    queues: dict[str, int]
    scheduled: int
    queued: int
    broken: tuple[str, ...] = ()


class Sizes:
    """Reads them."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def read(self, window: float) -> Counts:
        """All of them, as of now; `window` is in seconds before it.

        Its cost does not depend on how many tasks there are, but for a logarithm.
        """
        seconds, microseconds = await self._redis.time()
        now = seconds * 1000 + microseconds // 1000
        answers = _Answers()
        kinds = await self._kinds(answers)
        ended = sorted(AGENT_ENDED)
        indexes = [
            *map(self._keys.agents, AgentState),
            *map(self._keys.tasks, TaskState),
            *map(self._keys.queue, kinds),
            self._keys.scheduled,
        ]
        lately = list(map(self._keys.agents, ended))
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(self._keys.sequence)
            for index in indexes:
                pipe.zcard(index)
            for index in lately:
                pipe.zcount(index, now - window * 1000, "+inf")
            queued, *found = await pipe.execute(raise_on_error=False)
        sizes = zip((*indexes, *lately), found, strict=True)
        size = (answers.take(index, answer, 0) for index, answer in sizes)
        return Counts(
            now=now,
            queued=answers.take_number(self._keys.sequence, queued),
            agents={status: next(size) for status in AgentState},
            tasks={status: next(size) for status in TaskState},
            queues={kind: next(size) for kind in kinds},
            scheduled=next(size),
            ended={status: next(size) for status in ended},
            broken=tuple(answers.broken),
        )

    async def _kinds(self, answers: "_Answers") -> list[str]:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hkeys(self._keys.kinds)
            [found] = await pipe.execute(raise_on_error=False)
        return list(answers.take(self._keys.kinds, found, []))


class _Answers:
    """Takes what the server answered about keys, and notes those that hold something else."""

    def __init__(self) -> None:
        self.broken: dict[str, None] = {}

    def take(self, key: str, answer: Any, instead: Any) -> Any:
        """The answer, or `instead` if the key's type is another.

        Raises:
            redis.RedisError: the answer is any other error.
        """
        if is_of_another_type(answer):
            self.broken[key] = None
            return instead
        if isinstance(answer, Exception):
            raise answer
        return answer

    def take_number(self, key: str, answer: Any) -> int:
        """The number that a text is, or 0 if it is none."""
        try:
            return int(self.take(key, answer, None) or 0)
        except ValueError:
            self.broken[key] = None
            return 0
