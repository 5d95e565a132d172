"""Keys that hold another type than is theirs: passed over by who reads many, and named once."""

from redis.exceptions import ResponseError

from musterd import late_log


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
        if isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE"):
            if key not in self._named:
                self._named.add(key)
                problem = f"it is not {self._expected}, repair or delete it"
                late_log.logger().warning("record skipped", key=key, error=problem)
            return False
        if isinstance(answer, Exception):
            raise answer
        return True
