"""Keys of another type, as commands that only look meet them: named once, and all else is shown."""

import pytest

from musterd.keys import Keys
from tests.cli.conftest import Cli, Hand, Outcome, Program, as_daemon
from tests.support.server import Server

pytestmark = pytest.mark.leaves_work("what is shown beside the nonsense")

SHARED = {
    "tasks:pending": {"waits"},
    "tasks:failed": set(),
    "agents:running": {"runs.1"},
    "nodes": set(),
    "kinds": set(),
    "scheduled": set(),
}
"""Keys that `ps` looks at, and what it cannot find without."""


@pytest.fixture
def state(cli: Cli) -> Cli:
    """The command line, with a task that waits and one whose agent runs."""
    for kind, task_id in (("idle", "waits"), ("busy", "runs")):
        assert cli("submit", kind, "--id", task_id).code == 0

    async def run(hand: Hand) -> None:
        await hand.run("busy")

    as_daemon(run)
    return cli


@pytest.fixture
def spoil(server: Server, prefix: str) -> "Spoil":
    """Put a string where something else belongs."""
    return Spoil(server, prefix)


class Spoil:
    """Spoils keys; what is there then expires, so that it is no leak."""

    def __init__(self, server: Server, prefix: str) -> None:
        self._server = server
        self.prefix = prefix
        self.keys = Keys(prefix)

    def __call__(self, key: str) -> str:
        """Spoil one key, and answer it."""
        with self._server.client() as redis:
            redis.set(key, "not ours", ex=60)
        return key


def refusal(outcome: Outcome) -> str:
    """The one line of a command that could do nothing."""
    assert (outcome.code, outcome.out) == (1, "")
    (line,) = outcome.err.splitlines()
    return line


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize("part", SHARED)
def test_ps_shows_the_rest(spoil: Spoil, program: Program, part: str) -> None:
    """Whichever shared key it is: one warning that names it, and what stands elsewhere."""
    key = spoil(f"{spoil.prefix}:{part}")
    process = program("ps", "--all")
    out, err = process.communicate(timeout=60)
    shown = {line.split()[0] for line in out.splitlines()[1:] if line}
    assert (process.returncode, err.count(key), err.count("record skipped")) == (0, 1, 1)
    assert shown == {"waits", "runs", "runs.1"} - SHARED[part]


@pytest.mark.parametrize("record_id", ["waits", "runs.1"])
def test_show_names_the_key(state: Cli, spoil: Spoil, record_id: str) -> None:
    """A task's or an agent's, under its whole id."""
    is_agent = "." in record_id
    key = spoil(spoil.keys.agent(record_id) if is_agent else spoil.keys.task(record_id))
    assert f"{record_id}: {key} holds no hash" in refusal(state("show", record_id))


def test_logs_names_the_key(state: Cli, spoil: Spoil) -> None:
    """An agent's output."""
    key = spoil(spoil.keys.output("runs.1"))
    assert f"runs.1: {key} holds no stream" in refusal(state("logs", "runs"))


@pytest.mark.parametrize("options", [(), ("--count", "3"), ("--follow",), ("--since", "0")])
def test_events_names_the_key(state: Cli, spoil: Spoil, options: tuple[str, ...]) -> None:
    """However they are asked for."""
    key = spoil(spoil.keys.events_log)
    assert f"{key} holds no stream" in refusal(state("events", *options))


def test_shortened_id_is_looked_for_elsewhere(state: Cli, spoil: Spoil) -> None:
    """In the indexes that are left."""
    spoil(spoil.keys.tasks("completed"))
    assert state("show", "ru", "--json").document["taskId"] == "runs"


def test_kill_all_is_refused(state: Cli, spoil: Spoil) -> None:
    """Who wants all of them stopped is not told that some are."""
    key = spoil(spoil.keys.tasks("executing"))
    assert f"{key} holds no sorted set" in refusal(state("kill", "--all"))
