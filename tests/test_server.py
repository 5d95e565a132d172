"""The server as a whole: it may fail between any two questions of a start."""

import anyio

from musterd import valkey
from musterd.link import Link
from musterd.server import Server as Reached
from tests.support.fixtures import LoadSettings, StartServer
from tests.support.pace import within
from tests.support.proxy import Proxy

ANSWERS = 4000
"""Bytes that are more than all answers to the questions of a start."""


async def test_a_start_waits_wherever_it_is_cut(
    own_server: StartServer, settings: LoadSettings
) -> None:
    """A server that goes away between two answers is waited for, as one that was never there."""
    server = own_server()
    with Proxy(server.url) as proxy:
        for count in range(1, ANSWERS, 250):
            proxy.cut_within(count)
            async with valkey.connect(proxy.url, connections=1) as redis:
                with anyio.fail_after(within(10)):
                    await Reached(redis, Link(proxy.url), settings()).reach()
            proxy.heal()
