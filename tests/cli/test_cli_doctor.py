"""`musterd doctor`."""

import pytest

from tests.cli.conftest import Cli, Program
from tests.doctor.conftest import DURABLE
from tests.support.fixtures import StartServer


@pytest.fixture
def healthy(cli: Cli, own_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line, on a server with which nothing is wrong."""
    monkeypatch.setenv("VALKEY_URL", own_server(config=DURABLE).url)
    return cli


def test_healthy_is_exit_0(healthy: Cli) -> None:
    """Settings with their sources, findings by area, and a last line that sums up."""
    outcome = healthy("doctor", "--state-dir", "state", "--capacity", "10")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert headings == [
        "settings", "this machine", "agent kinds", "connection", "server", "rights", "traffic",
        "state", "daemons", "2 notes",
    ]  # fmt: skip
    assert "  MUSTERD_CAPACITY          10  (option)" in lines
    assert any(line.startswith("  VALKEY_URL ") and "(environment)" in line for line in lines)
    assert "\x1b" not in outcome.out


def test_problem_is_exit_1(cli: Cli) -> None:
    """On a server that keeps nothing: the problem, and below it what to do."""
    outcome = cli("doctor", "--state-dir", "state")
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("  problem  neither append"))
    assert lines[place + 1].strip().startswith("→ CONFIG SET appendonly yes")
    assert lines[-1].startswith("1 problem")


def test_json(healthy: Cli, prefix: str) -> None:
    """`--json` is one document."""
    document = healthy("doctor", "--json").document
    assert document["healthy"] is True
    assert document["server"].startswith("unix://")
    assert {"name": "MUSTERD_PREFIX", "value": prefix, "source": "environment"} in document[
        "settings"
    ]
    assert {finding["level"] for finding in document["findings"]} <= {"ok", "note"}
    assert all(set(found) == {"area", "level", "what", "do"} for found in document["findings"])


def test_unreachable_server_is_exit_5(program: Program) -> None:
    """Without a server the local findings are printed, also as JSON."""
    where = {"VALKEY_URL": "redis://:hunter2@127.0.0.1:1"}
    out, err = program("doctor", env=where).communicate(timeout=60)
    assert "this machine" in out
    assert "is not reachable" in out
    assert "hunter2" not in out
    process = program("doctor", "--json", env=where)
    assert "is not reachable" in process.communicate(timeout=60)[0]
    assert (process.returncode, err) == (5, "")


def test_bad_setting_is_exit_2(cli: Cli) -> None:
    """A setting that cannot be used is the whole finding."""
    outcome = cli("doctor", "--capacity", "many")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("musterd: MUSTERD_CAPACITY: 'many' is not accepted")


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_on_a_terminal(
    healthy: Cli,
    monkeypatch: pytest.MonkeyPatch,
    no_color: str,
    coloured: bool,  # noqa: FBT001 - a column
) -> None:
    """A terminal gets colours, unless its user wants none."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    assert ("\x1b[32mok" in healthy("doctor").out) is coloured
