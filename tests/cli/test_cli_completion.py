"""What a shell completes, asked as the shell asks: a process, with the words in its environment."""

import time
from collections.abc import Callable
from typing import TypeAlias

import pytest

from musterd.valkey import ANSWER_TIMEOUT
from tests.cli.conftest import Cli, Program
from tests.service.scene import KINDS
from tests.support.fixtures import StartDaemon, StartServer
from tests.support.wait import wait_until

Complete: TypeAlias = Callable[..., list[str]]


@pytest.fixture
def complete(program: Program) -> Complete:
    """What is offered for the last of some words."""

    def ask(*words: str, **env: str) -> list[str]:
        asked = {
            "_MUSTERD_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("musterd", *words)),
            "COMP_CWORD": str(len(words)),
        }
        process = program(env=asked | env)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        return [line.partition(",")[2] for line in out.splitlines() if line]

    return ask


def test_what_needs_no_server(complete: Complete) -> None:
    """Commands, the options of each, states, shells."""
    assert complete("re") == ["resume"]
    assert set(complete("pause", "--")) == {"--kind", "--node", "--json", "--help"}
    assert complete("ps", "--status", "e") == ["executing"]
    assert complete("completion", "") == ["bash", "zsh", "fish"]
    assert complete("run", "--log-level", "") == ["debug", "info", "warning", "error"]
    assert complete("run", "--log-format", "c") == ["console"]


async def test_what_the_server_knows(
    complete: Complete, program: Program, start_daemon: StartDaemon
) -> None:
    """Kinds that are offered, live ids, agents after a dot, and daemons that are alive."""
    daemon = await start_daemon(node="build1", MUSTERD_AGENTS=KINDS, MUSTERD_KILL_GRACE="1")
    submissions = [("hold", "run-a"), ("hold", "run-b"), ("echo", "run-over")]
    for kind, task_id in submissions:
        assert program("submit", kind, "--id", task_id).wait(20) == 0
    await wait_until(lambda: complete("kill", "run-a.") == ["run-a.1"], 20)
    await wait_until(lambda: complete("kill", "run-") == ["run-a", "run-b"], 20)
    assert complete("show", "run-b") == ["run-b"]
    for words in (("submit",), ("pause", "--kind"), ("ps", "--kind"), ("kill", "--all", "--kind")):
        assert complete(*words, "gr") == ["greet"]
    for command in ("pause", "drain", "ps"):
        assert complete(command, "--node", "") == [daemon.node]
    assert program("kill", "--all", "--wait").wait(20) == 0


def test_nothing_without_a_server(complete: Complete) -> None:
    """A server that is away, or a setting that is wrong, completes nothing and is no error."""
    assert complete("submit", "", VALKEY_URL="redis://127.0.0.1:1") == []
    assert complete("kill", "", VALKEY_URL="nonsense") == []


def test_slow_server_is_not_waited_for(complete: Complete, own_server: StartServer) -> None:
    """One that does not answer at once is as one that is away: sooner than a call gives up."""
    server = own_server()
    server.pause()
    began = time.monotonic()
    assert complete("kill", "", VALKEY_URL=server.url) == []
    assert time.monotonic() - began < ANSWER_TIMEOUT
    server.resume()


def test_other_shells_are_refused(cli: Cli) -> None:
    """One for which there is no script."""
    assert cli("completion", "tcsh").code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script(cli: Cli, shell: str) -> None:
    """It asks this program by the variable that it listens to."""
    outcome = cli("completion", shell)
    assert (outcome.code, outcome.err) == (0, "")
    assert f"_MUSTERD_COMPLETE={shell}_complete" in outcome.out
