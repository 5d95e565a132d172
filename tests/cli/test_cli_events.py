"""`musterd events`."""

import json

import pytest

from musterd.keys import Keys
from tests.cli.conftest import Cli, Program
from tests.support.fixtures import StartServer
from tests.support.server import Server

pytestmark = pytest.mark.leaves_work("submitted tasks that nobody runs")


@pytest.fixture
def two(cli: Cli) -> Cli:
    """The command line, with two events in the log."""
    for task_id in ("t1", "t2"):
        assert cli("submit", "check", "--id", task_id).code == 0
    return cli


def test_a_line_an_event(two: Cli) -> None:
    """Without options all that are kept, a line each: time, type, id, kind."""
    lines = [line.split() for line in two("events").out.splitlines()]
    assert [line[1:] for line in lines] == [
        ["task.pending", "t1", "check"],
        ["task.pending", "t2", "check"],
    ]
    assert lines[0][0].endswith("Z")


def test_place_resumes(two: Cli) -> None:
    """`--json` gives the place of each event, from which `--since` goes on."""
    first, second = two("events", "--json").documents
    assert (first["type"], first["taskId"]) == ("task.pending", "t1")
    assert two("events", "--json", "--since", first["place"]).documents == [second]
    assert two("events", "--json", "--since", "0", "--count", "1").documents == [first]


def test_count_is_the_last_ones(two: Cli) -> None:
    """`--count` alone gives the newest events, with `--since` the next ones."""
    first, second = two("events", "--json").documents
    assert two("events", "--json", "-n", "1").documents == [second]
    assert two("events", "--json", "-n", "12").documents == [first, second]
    assert two("events", "--json", "-n", "1", "--since", "0").documents == [first]


def test_kind(two: Cli) -> None:
    """`--kind` passes over all others; `--count` counts what is left."""
    for task_id in ("t3", "t4"):
        assert two("submit", "review", "--id", task_id).code == 0
    assert two("submit", "check", "--id", "t5").code == 0

    def ids(*options: str) -> list[str]:
        return [event["taskId"] for event in two("events", "--json", *options).documents]

    assert ids("--kind", "review") == ids("--kind", "review", "-n", "9") == ["t3", "t4"]
    assert ids("--kind", "review", "-n", "1") == ["t4"]
    assert ids("--kind", "review", "-n", "1", "--since", "0") == ["t3"]
    assert ids("--kind", "other", "-n", "1") == []


def test_follow_outlives_the_server(program: Program, own_server: StartServer) -> None:
    """While the server is away `--follow` waits, says so once, and goes on where it was."""
    server = own_server(config={"appendonly": "yes", "appendfsync": "always"})
    env = {"VALKEY_URL": server.url}
    for task_id in ("t1", "t2"):
        assert program("submit", "check", "--id", task_id, env=env).wait(20) == 0
    process = program("events", "--follow", "--since", "0", "--count", "3", env=env)
    assert process.stdout is not None
    assert process.stderr is not None
    assert "t1" in process.stdout.readline()
    assert "t2" in process.stdout.readline()
    server.stop()
    assert "does not answer" in process.stderr.readline()
    server.start()
    assert program("submit", "check", "--id", "t3", env=env).wait(20) == 0
    out, err = process.communicate(timeout=60)
    assert "t3" in out
    assert (process.returncode, err.count("\n")) == (0, 1)
    assert err.endswith("answers again; going on\n")


def test_nothing_after_the_last(two: Cli) -> None:
    """After the last event there is none, which is no error."""
    last = two("events", "--json").documents[-1]["place"]
    assert two("events", "--since", last) == (0, "", "")


def test_trimmed_place_is_told(two: Cli, server: Server, prefix: str) -> None:
    """Events that are gone are never skipped in silence: exit 1, and the first one left."""
    first, second = (event["place"] for event in two("events", "--json").documents)
    with server.client() as redis:
        redis.xtrim(Keys(prefix).events_log, maxlen=1, approximate=False)
    outcome = two("events", "--since", "1-1")
    assert (outcome.code, outcome.out) == (1, "")
    assert first not in outcome.err
    assert "may have been trimmed away" in outcome.err
    assert second in outcome.err


@pytest.mark.parametrize("place", ["yesterday", "1-", "-1", "1-2-3"])
def test_what_is_no_place_is_exit_2(two: Cli, place: str) -> None:
    """A place has a form."""
    outcome = two("events", "--since", place)
    assert (outcome.code, outcome.out) == (2, "")


def test_follow_prints_at_once(two: Cli, program: Program) -> None:
    """`--follow` prints events as they come, each at once, and ends after `--count`."""
    process = program("events", "--follow", "--since", "0", "--count", "3")
    assert process.stdout is not None
    assert "t1" in process.stdout.readline()
    assert "t2" in process.stdout.readline()
    two("submit", "check", "--id", "t3")
    out, err = process.communicate(timeout=60)
    assert "t3" in out
    assert (process.returncode, err) == (0, "")


def test_nonsense_in_the_log_is_no_data(
    two: Cli, program: Program, server: Server, prefix: str
) -> None:
    """What was skipped is told on standard error; standard output stays JSON."""
    key = Keys(prefix).events_log
    assert len(two("events", "--json").documents) == 2
    with server.client() as redis:
        redis.xadd(key, {"event": "{"})
    process = program("events", "--json")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, len([json.loads(line) for line in out.splitlines()])) == (0, 2)
    assert "event skipped" in err
