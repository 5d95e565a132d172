"""Keys that hold another type than is theirs, always named.

Who reads many passes over them, with one warning; who wants that one is refused.
"""

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any

from redis.exceptions import ResponseError

from musterd import late_log
from musterd.errors import BrokenRecordError


def is_of_another_type(answer: object) -> bool:
    """Whether a server answered that a key is of another type than the command needs."""
    return isinstance(answer, ResponseError) and "WRONGTYPE " in str(answer)


@contextmanager
def wanted(record_id: str, key: str, expected: str) -> Iterator[None]:
    """Calls that are about one key alone.

    Raises:
        BrokenRecordError: it holds another type than the one that is expected.
    """
    try:
        yield
    except ResponseError as error:
        if is_of_another_type(error):
            raise BrokenRecordError(record_id, f"{key} holds no {expected}") from error
        raise


class Skipped:
    """Judges what was read; remembers what it has warned of.

    Args:
        expected: the type that the keys should have, with its article: `a hash`.
    """

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._named: set[str] = set()

    def is_readable(self, key: str, answer: object) -> bool:
        """Whether an answer of a pipeline is the key's content; False if the type is another.

        Raises:
            redis.RedisError: the answer is any other error.
        """
        if is_of_another_type(answer):
            if key not in self._named:
                self._named.add(key)
                problem = f"it is not {self._expected}, repair or delete it"
                late_log.logger().warning("record skipped", key=key, error=problem)
            return False
        if isinstance(answer, Exception):
            raise answer
        return True

    async def read(self, key: str, call: Awaitable[Any], instead: Any) -> Any:
        """What a call about one key answers; `instead` if the type is another.

        Raises:
            redis.RedisError: the call failed otherwise.
        """
        try:
            return await call
        except ResponseError as error:
            self.is_readable(key, error)
            return instead
