"""Connections to Valkey, each sized and bounded on purpose, and what their errors mean to us."""

import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from musterd import embedded, state_dir
from musterd.errors import MusterdError, RefusedError, UnreachableError
from musterd.settings import Settings

ANSWER_TIMEOUT = 5.0
"""Seconds after which a call counts as unanswered. A batch takes the server a few milliseconds."""

FAULTS = (RedisError, OSError)
"""What a call may raise when the server, or the way to it, fails."""

_PASSING = (
    RedisConnectionError,
    RedisTimeoutError,
    OSError,
    OutOfMemoryError,
    ReadOnlyError,
    ClusterDownError,
    MasterDownError,
    TryAgainError,
)
_WITHOUT_PASSWORD = ("HELLO must be called", "Authentication required", "NOAUTH")
_WRONG_PASSWORD = ("invalid username-password pair", "WRONGPASS", "invalid password")
_PASSING_WORDS = ("BUSY", "MISCONF", "NOREPLICAS", "UNBLOCKED")


Admits: TypeAlias = Callable[[str], bool]
"""Asked with the `run_id` of the server that a new connection has met; False refuses it."""


def connect(
    url: str,
    *,
    connections: int,
    decode: bool = True,
    patience: float = ANSWER_TIMEOUT,
    admits: Admits | None = None,
) -> Redis:
    """A client with a pool of its own, whose users wait for a connection where all are taken.

    It retries nothing: callers know what is safe to repeat. It answers text, or bytes if told not
    to decode; a call that is not answered within `patience` seconds fails.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        decode_responses=decode,
        encoding_errors="replace",  # a record made nonsense by hand must not break its whole batch
        max_connections=connections,
        timeout=None,
        socket_timeout=patience,
        socket_connect_timeout=patience,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        redis_connect_func=None if admits is None else partial(_meet, admits),
    )
    pool.connection_class = type("Connection", (_Heard, pool.connection_class), {})
    return Redis.from_pool(pool)


class _Heard:
    """Mixed into redis-py's connections of each sort: knows when the server was heard on one."""

    heard = 0.0

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        response = await super().read_response(*arguments, **options)  # type: ignore[misc]  # mixed
        if response is not None:  # a subscription that has waited in vain
            self.heard = time.monotonic()
        return response


async def _meet(admits: Admits, connection: Any) -> None:
    await connection.on_connect()
    await connection.send_command("INFO", "server")
    found = re.search(r"run_id:(\w+)", str(await connection.read_response()))
    if not admits(found[1] if found else ""):
        raise RedisConnectionError("it was started anew, and may have lost its last writes")


async def drop_connections(redis: Redis, since: float) -> None:
    """End each connection of a client on which nothing was heard since then, by `time.monotonic`.

    A call that waits on one fails at once, as if it was cut. redis-py's own `disconnect` would take
    those in use from under the calls that write to them.
    """
    pool: Any = redis.connection_pool
    for connection in pool._in_use_connections:  # noqa: SLF001 - redis-py shows them nowhere
        if connection.heard < since and connection._writer is not None:  # noqa: SLF001 - as above
            connection._writer.transport.abort()  # noqa: SLF001 - nor what could cut one
    # No wait, so that none of these is taken into use meanwhile.
    for connection in list(pool._available_connections):  # noqa: SLF001 - as above
        if connection.heard < since:
            await connection.disconnect(nowait=True)


def locate(settings: Settings) -> tuple[str, str]:
    """The server's URL, which may hold a password, and its name for people.

    Where the settings name no server, the embedded one of the same state folder is meant, if a
    live daemon has that folder.

    Raises:
        UnreachableError: the embedded server is wanted and does not run.
    """
    if settings.server_chosen and not settings.embedded:
        return settings.server_url, settings.server_name
    found = embedded.find(settings.state_dir)
    if found is not None:
        return found, f"the embedded server in {settings.state_dir}"
    if (pid := state_dir.holder(settings.state_dir)) is not None:
        raise UnreachableError(
            str(settings.state_dir),
            "the embedded server in that folder is down",
            f"daemon pid {pid} is starting it again; try again in a moment, or see its log",
        )
    if settings.embedded:
        raise UnreachableError(
            str(settings.state_dir),
            "no embedded server runs there",
            "start `musterd run --embedded`, "
            "or unset MUSTERD_EMBEDDED and name a server with VALKEY_URL",
        )
    return settings.server_url, settings.server_name


def passes(error: Exception) -> bool:
    """Whether a fault is of the kind that ends by itself, so that waiting and repeating helps."""
    if _is_refusal(error):
        return False
    if isinstance(error, ResponseError) and str(error).startswith(_PASSING_WORDS):
        return True
    return isinstance(error, _PASSING)


def explain(error: Exception, where: str) -> MusterdError:
    """The error that a person should see for a fault of the server `where`."""
    text = str(error).rstrip(".") or type(error).__name__
    if passes(error):
        return UnreachableError(where, text)
    return RefusedError(where, _explain_login(text) if _is_refusal(error) else text)


def _is_refusal(error: Exception) -> bool:
    # redis-py wraps what the server says to a new connection in a ConnectionError.
    refused = AuthenticationError | AuthorizationError
    return isinstance(error, refused) or isinstance(error.__cause__, refused)


def _explain_login(text: str) -> str:
    """What a server says to a client that it does not let in, as settings to look at."""
    if text.startswith(_WITHOUT_PASSWORD):
        return "it needs a password; see VALKEY_PASSWORD, or VALKEY_URL where that is set"
    settings = "VALKEY_PASSWORD and VALKEY_USERNAME, or VALKEY_URL where that is set"
    return f"{text}; see {settings}" if text.startswith(_WRONG_PASSWORD) else text
