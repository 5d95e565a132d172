"""The snippets in other languages, which know nothing but PUBLISH and SUBSCRIBE."""

import os
import re
from collections.abc import Callable

import anyio
import pytest

from tests.examples.conftest import EXAMPLES, StartExample
from tests.support.server import Server
from tests.support.tools import require


def node() -> list[str]:
    """The command line of the Node.js snippet."""
    return [require("node"), "control.mjs"]


def go() -> list[str]:
    """The command line of the Go snippet."""
    return [require("go"), "run", "."]


SNIPPETS = [
    pytest.param("control-node", node, id="node"),
    # A first build compiles Go's own library.
    pytest.param("control-go", go, id="go", marks=pytest.mark.timeout(300)),
]


async def run(
    folder: str, command: list[str], server: Server, prefix: str, *arguments: str
) -> tuple[int, str, str]:
    """Run a snippet; its exit code and what it printed."""
    where = {"VALKEY_URL": server.url, "MUSTERD_PREFIX": prefix}
    bare = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}  # no download, no C compiler
    done = await anyio.run_process(
        [*command, *arguments], cwd=EXAMPLES / folder, env=os.environ | where | bare, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(("folder", "command"), SNIPPETS)
@pytest.mark.parametrize("tcp", [False, True], ids=["socket", "port"])
async def test_spawns_follows_and_kills(
    start_example: StartExample,
    own_server: Callable[..., Server],
    prefix: str,
    folder: str,
    command: Callable[[], list[str]],
    *,
    tcp: bool,
) -> None:
    """It prints each reply and each event, and ends well; so it does on a port."""
    line = command()
    server = own_server(tcp=tcp)
    await start_example(folder, "agents.toml", VALKEY_URL=server.url)
    code, out, problem = await run(folder, line, server, prefix, "nap", '{"for": "é\\n"}')
    assert (code, problem) == (0, "")
    said = " ".join(out.split())
    assert re.search(r"spawn \{.*created\"?: ?true", said), said
    task_id = re.findall(r"running (\S+)\.1 on \S+", said)[0]
    assert re.search(rf"kill \{{.*{task_id}\.1.* killed enough$", said), said


@pytest.mark.parametrize(("folder", "command"), SNIPPETS)
async def test_errors_are_told(
    start_example: StartExample,
    server: Server,
    prefix: str,
    folder: str,
    command: Callable[[], list[str]],
) -> None:
    """Without a daemon, and for a kind that none offers: one line, exit code 1."""
    line = command()
    code, _, problem = await run(folder, line, server, prefix, "nap")
    assert code == 1
    assert "no daemon is listening" in problem
    await start_example(folder, "agents.toml")
    code, _, problem = await run(folder, line, server, prefix, "nope")
    assert code == 1
    assert "unknown_kind: nope: no daemon has offered this kind" in problem
