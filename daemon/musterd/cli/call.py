"""Running a command's coroutine against Valkey. The only file here that imports the client."""

import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from musterd.client import Client

Value = TypeVar("Value")


def call(work: Callable[["Client"], Awaitable[Value]]) -> Value:
    """Run `work` with a client of the server that the settings name.

    Raises:
        click.Abort: Ctrl-C.
    """
    import asyncio  # noqa: PLC0415 - `--help` and usage errors do without these 0.3 s

    import anyio  # noqa: PLC0415 - as above

    from musterd import late_log  # noqa: PLC0415 - as above
    from musterd.client import Client  # noqa: PLC0415 - as above

    late_log.configure_with(_log_to_standard_error)

    async def with_client() -> Value:
        with anyio.CancelScope() as scope:
            # asyncio.run cancels once, which a library may swallow; a scope cancels until it is
            # left. anyio's own receiver needs a task, and that a group around our errors.
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, scope.cancel)
            async with Client() as client:
                return await work(client)
        raise click.Abort

    try:
        return anyio.run(with_client)
    finally:
        late_log.configure_with(None)  # whoever runs in this process next decides for itself


def _log_to_standard_error() -> None:
    from musterd import logs  # noqa: PLC0415 - as above

    logs.configure("warning", "console")  # what was skipped is no data
