"""Waiting for a condition instead of sleeping."""

# ruff: noqa: ASYNC109, a scope around each call would hide what did not happen

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

import anyio

from tests.support.pace import within

Value = TypeVar("Value")

_POLL = 0.005


@overload
async def wait_until(
    condition: Callable[[], Awaitable[Value]], timeout: float = ..., message: str = ...
) -> Value: ...


@overload
async def wait_until(
    condition: Callable[[], Value], timeout: float = ..., message: str = ...
) -> Value: ...


async def wait_until(
    condition: Callable[[], object],
    timeout: float = 5,
    message: str = "",
) -> object:
    """Poll until the condition is true, each 5 ms; returns what it returned then.

    Args:
        condition: a plain or async callable; what it raises goes to the caller at once.
        timeout: seconds on an idle machine.
        message: what the error says did not happen.

    Raises:
        AssertionError: the time is over; it names the condition and what it last returned.
    """
    value: object = None
    with anyio.move_on_after(within(timeout)):
        while True:
            answer = condition()
            value = await answer if inspect.isawaitable(answer) else answer
            if value:
                return value
            await anyio.sleep(_POLL)
    raise AssertionError(
        f"{message or _place(condition)}: not within {timeout} s, last answer {value!r}"
    )


async def pass_time(seconds: float) -> None:
    """What a test has brought about goes on for so long, or nothing must happen for so long.

    Never a wait for something: that is `wait_until`.
    """
    await anyio.sleep(seconds)


def _place(condition: Callable[[], object]) -> str:
    code = getattr(condition, "__code__", None)
    name = getattr(condition, "__qualname__", repr(condition))
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name
